"""Separate reasoning in tags, such as `<think>…</think>`, from the text of a streamed reply.

An opening tag counts only at the very start of a reply, or on a new line of a reply that began
with one; a later `<think>` is ordinary text. Some prompt templates already contain the opening
tag. Such a reply holds only the closing tag, and the text before it turns out to be reasoning
after it was streamed. `reasoning_marks` lists the tags.
"""

from __future__ import annotations

import re

from chat.providers.openai_compatible.reasoning_marks import (
    CLOSING,
    OPENING,
    answer_tag_at,
    closing_at,
    may_begin_any,
    may_begin_opening,
    opening_at,
    tags_of_block,
)

_FENCE = re.compile(r"\s*(`{3,}(?=[^`]*$)|~{3,})(.*)", re.DOTALL)
_BARE_OPEN = re.compile(rf"(?<!`)(?:{OPENING.pattern})", re.IGNORECASE)
_WORD = re.compile(r"\S")
_CONTINUES_SENTENCE = " \t`'\",.:;)"  # follows a tag that a sentence mentions
_MAX_INDENT = 40  # characters before a nested tag
_MAX_DEPTH = 10
_MAX_CHANGES = 300  # of the state
_MAX_HELD = 20_000  # characters of which it is not known whether they are reasoning
_MAX_FENCE_LINE = 200  # characters of a line that are examined


class ThinkTagSplitter:
    """Incremental splitter; pieces may be cut anywhere, even inside a tag.

    States: start -> thinking -> after -> text, or start -> text. Inside of nested tags ("nested"),
    the text after a closing tag is held back: whether it is reasoning depends on the next tag.
    """

    def __init__(self) -> None:
        self._buffer = ""
        self._state = "start"
        self._open = self._close = ""  # the tags of the newest block
        self._answer_close = ""  # removed from the answer
        self._depth = 0
        self._is_line_blank = True  # the current line, as far as it was returned
        self._line, self._fence = "", ""  # of the text
        self._has_reasoning = False
        self._changes = 0

    def note_reasoning(self) -> None:
        """Report reasoning from another field: a closing tag before the answer is then dropped."""
        self._has_reasoning = True

    def feed(self, piece: str) -> tuple[str, str]:
        """Return the (reasoning, text) that `piece` completes."""
        if self._state == "text" and not (self._open or self._answer_close or self._buffer):
            return "", piece
        self._buffer += piece
        reasoning = text = ""
        while self._buffer:
            before = self._state, self._depth, self._buffer
            if self._state == "start":
                text += self._read_start()
            elif self._state == "after":
                self._skip_to_answer()
            elif self._state == "text":
                text += self._read_text()
            else:
                reasoning += self._read_block()
            if before == (self._state, self._depth, self._buffer):
                break
            self._changes += before[:2] != (self._state, self._depth)
            if self._changes > _MAX_CHANGES:  # no reply of a model; each change copies the rest
                self._state, self._open = "text", ""
                return reasoning, text + self._take(len(self._buffer))
        return reasoning, text

    def finish(self) -> tuple[str, str]:
        """Return the (reasoning, text) still buffered at the end of the reply."""
        rest, self._buffer = self._buffer, ""
        if self._state == "nested":
            return "", rest.lstrip()
        return (rest, "") if self._state == "thinking" else ("", rest)

    def _read_start(self) -> str:
        begun = self._buffer.lstrip()
        if self._begin_block(begun):
            return ""
        if self._has_reasoning and (closing := closing_at(begun)):
            self._state, self._buffer = "after", begun[len(closing) :]
            return ""
        if may_begin_opening(begun) or (self._has_reasoning and may_begin_any(begun)):
            return ""
        self._state, rest, self._buffer = "text", self._buffer, ""
        return rest

    def _begin_block(self, begun: str) -> bool:
        tags = opening_at(begun)
        if tags is None:
            return False
        separator = "\n\n" if self._open else ""
        self._open, self._close = tags
        self._state, self._depth, self._is_line_blank = "thinking", 1, True
        self._buffer = separator + begun[len(self._open) :]
        return True

    def _read_block(self) -> str:
        """Return the reasoning up to the next tag of the block."""
        for match in tags_of_block(self._open, self._close).finditer(self._buffer):
            if match["close"]:
                self._depth -= 1
                self._state = "nested" if self._depth else "after"
            elif self._depth < _MAX_DEPTH and self._begins_line(match.start()):
                self._depth += 1
                self._state = "thinking"
            else:
                continue  # the thought mentions the tag
            thought = self._take(match.start())
            self._buffer = self._buffer[match.end() - match.start() :]
            return thought
        if self._state == "nested":
            if len(self._buffer) > _MAX_HELD:
                self._state = "after"
            return ""
        keep = max(_overlap(self._buffer, self._open), _overlap(self._buffer, self._close))
        return self._take(len(self._buffer) - keep)

    def _begins_line(self, position: int) -> bool:
        """Return whether only blanks stand before `position` in its line, as far as is relevant."""
        begin = max(0, position - _MAX_INDENT)
        _, line_break, line = self._buffer[begin:position].rpartition("\n")
        is_known = bool(line_break) or (not begin and self._is_line_blank)
        return is_known and not line.strip()

    def _skip_to_answer(self) -> None:
        """Skip what may stand between the reasoning and the answer."""
        begun = self._buffer.lstrip()
        if self._begin_block(begun):
            return
        if closing := closing_at(begun):
            begun = begun[len(closing) :]
            self._changes += 1
        elif answer := answer_tag_at(begun):
            begun, self._answer_close = begun[len(answer[0]) :], answer[1]
        elif begun and not may_begin_any(begun):
            self._state, self._is_line_blank = "text", True
        self._buffer = begun

    def _read_text(self) -> str:
        """Return text up to the next block of reasoning, which begins on a line of its own."""
        if self._answer_close and self._answer_close in self._buffer:
            self._buffer = self._buffer.replace(self._answer_close, "", 1)
            self._answer_close = ""
        start, size = 0, len(self._buffer)
        while start < size:
            if self._open and self._is_line_blank and not self._fence:
                at = _next_word(self._buffer, start)
                begun = self._buffer[at : at + len(self._open)]
                if begun[:1] != self._open[:1]:
                    start = at
                elif (tags := opening_at(begun)) and tags[0] == self._open:
                    blanks = self._buffer[:at]
                    self._begin_block(self._buffer[at:])
                    return blanks
                elif self._open.startswith(begun.lower()):
                    break
            start = self._end_line(start) if start < size else size
        text, self._buffer = self._buffer[:start], self._buffer[start:]
        keep = _overlap(text, self._answer_close) if self._answer_close else 0
        if keep:
            text, self._buffer = text[:-keep], text[-keep:] + self._buffer
        return text

    def _end_line(self, start: int) -> int:
        """Note the line from `start`, or its part that has arrived; return its end."""
        end = self._buffer.find("\n", start) + 1 or len(self._buffer)
        part = self._buffer[start:end]
        self._is_line_blank = self._is_blank_after(part)
        self._line = (self._line + part)[:_MAX_FENCE_LINE]
        if part.endswith("\n"):
            fence = _FENCE.match(self._line.rstrip("\r\n"))
            if fence and not self._fence:
                self._fence = fence[1]
            elif fence and fence[1].startswith(self._fence) and not fence[2].strip():
                self._fence = ""
            self._line = ""
        return end

    def _take(self, length: int) -> str:
        taken, self._buffer = self._buffer[:length], self._buffer[length:]
        self._is_line_blank = self._is_blank_after(taken)
        return taken

    def _is_blank_after(self, text: str) -> bool:
        """Return whether the current line is blank once `text` is added to it."""
        _, line_break, line = text.rpartition("\n")
        return (bool(line_break) or self._is_line_blank) and not line.strip()


class UnopenedThinkTag:
    """Detector for a closing tag without an opening tag. Fed like `ThinkTagSplitter`.

    An answer may mention the tag. It therefore counts only outside of code, and only on a line of
    its own, directly before the first word of a line, or directly after a word at the end of a
    line. It never counts after an opening tag.
    """

    def __init__(self) -> None:
        self.span: tuple[int, int] | None = None  # of the tag, in characters since the start
        self._line: list[str] = []
        self._length = 0  # of the previous lines
        self._fence = ""
        self._has_words = False  # after the tag
        self._is_decided = False

    def feed(self, piece: str) -> bool:
        """Return True once, when the tag and the first words after it have arrived."""
        if self._is_decided:
            return False
        for number, part in enumerate(piece.split("\n")):
            if number:
                self._end_line()
            if self.span is not None:
                self._has_words = self._has_words or bool(part.strip())
            else:
                self._line.append(part)
        return self._has_words and self.finish()

    def finish(self) -> bool:
        """Return whether the reply had the tag, at its end; False if `feed` has reported it."""
        if self._is_decided:
            return False
        self._end_line(is_last=True)
        self._is_decided = True
        return self.span is not None

    def ignore(self) -> None:
        """Stop the detection: the reply marks its reasoning in another way."""
        self._is_decided = True

    def _end_line(self, *, is_last: bool = False) -> None:
        if self.span is None and not self._is_decided:
            line = "".join(self._line)
            self._line.clear()
            if (at := self._find(line, is_last=is_last)) >= 0:
                size = len(closing_at(line[at:]) or "")
                self.span = (self._length + at, self._length + at + size)
                self._has_words = bool(line[at + size :].strip())
            self._length += len(line) + 1

    def _find(self, line: str, *, is_last: bool) -> int:
        """Return the index of the tag in `line`, or -1."""
        fence = _FENCE.match(line)
        if self._fence:
            if fence and fence[1].startswith(self._fence) and not fence[2].strip():
                self._fence = ""
            return -1
        if fence:
            self._fence = fence[1]
            return -1
        if _BARE_OPEN.search(line):
            self._is_decided = True
            return -1
        tags = list(CLOSING.finditer(line))
        if not tags:
            return -1
        head, rest = line[: tags[0].start()], line[tags[0].end() :]
        if not head.strip():
            counts = len(head) < 4 and (not rest.strip() or rest[0] not in _CONTINUES_SENTENCE)
            return len(head) if counts else -1
        head, rest = line[: tags[-1].start()], line[tags[-1].end() :]
        return len(head) if not (rest.strip() or is_last or head[-1].isspace()) else -1


def _next_word(text: str, start: int) -> int:
    """Return the index of the next character that is no white space, or the end."""
    found = _WORD.search(text, start)
    return found.start() if found else len(text)


def _overlap(text: str, tag: str) -> int:
    """Return the length of the longest suffix of `text` that begins `tag`, in any case."""
    for length in range(min(len(text), len(tag) - 1), 0, -1):
        if text[-length:].lower() == tag[:length].lower():
            return length
    return 0
