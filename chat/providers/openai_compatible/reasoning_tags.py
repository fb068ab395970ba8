"""Separate `<think>…</think>` reasoning from the text of a streamed reply.

The opening tag counts only at the very start of a reply; a later `<think>` is ordinary text. Some
prompt templates already contain the opening tag. Such a reply holds only the closing tag, and the
text before it turns out to be reasoning after it was streamed.
"""

from __future__ import annotations

import re

_OPEN, _CLOSE = "<think>", "</think>"
_FENCE = re.compile(r"\s*(`{3,}(?=[^`]*$)|~{3,})(.*)", re.DOTALL)
_BARE_OPEN = re.compile(r"(?<!`)<think>")
_CONTINUES_SENTENCE = " \t`'\",.:;)"  # follows a tag that a sentence mentions


class ThinkTagSplitter:
    """Incremental splitter; pieces may be cut anywhere, even inside a tag."""

    def __init__(self) -> None:
        self._buffer = ""
        self._state = "start"  # start -> thinking -> after -> text, or start -> text

    def feed(self, piece: str) -> tuple[str, str]:
        """Return the (reasoning, text) that `piece` completes."""
        if self._state == "text":
            return "", piece
        rest, self._buffer = self._buffer + piece, ""
        if self._state == "start":
            begun = rest.lstrip()
            if begun.startswith(_OPEN):
                self._state, rest = "thinking", begun[len(_OPEN) :]
            elif _OPEN.startswith(begun):
                self._buffer = rest
                return "", ""
            else:
                self._state = "text"
                return "", rest
        reasoning = ""
        if self._state == "thinking":
            reasoning, closing, after = rest.partition(_CLOSE)
            if not closing:
                keep = _overlap(rest, _CLOSE)
                self._buffer = rest[len(rest) - keep :]
                return rest[: len(rest) - keep], ""
            self._state, rest = "after", after
        text = rest.lstrip()  # blank lines between the reasoning and the answer
        if text:
            self._state = "text"
        return reasoning, text

    def finish(self) -> tuple[str, str]:
        """Return the (reasoning, text) still buffered at the end of the reply."""
        rest, self._buffer = self._buffer, ""
        return (rest, "") if self._state == "thinking" else ("", rest)


class UnopenedThinkTag:
    """Detector for a `</think>` without an opening tag. Fed like `ThinkTagSplitter`.

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
                self.span = (self._length + at, self._length + at + len(_CLOSE))
                self._has_words = bool(line[at + len(_CLOSE) :].strip())
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
        head, tag, rest = line.partition(_CLOSE)
        if tag and not head.strip():
            counts = len(head) < 4 and (not rest.strip() or rest[0] not in _CONTINUES_SENTENCE)
            return len(head) if counts else -1
        head, tag, rest = line.rpartition(_CLOSE)
        counts = bool(tag) and not (rest.strip() or is_last or head[-1].isspace())
        return len(head) if counts else -1


def _overlap(text: str, tag: str) -> int:
    """Return the length of the longest suffix of `text` that begins `tag`."""
    for length in range(min(len(text), len(tag) - 1), 0, -1):
        if text.endswith(tag[:length]):
            return length
    return 0
