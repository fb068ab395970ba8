"""Parts a reply that begins with `<think>…</think>` into reasoning and text, as it streams.

Only at the very start is the tag a tag: a `<think>` later on is text like any other. Where it
stood in the prompt, only the closing tag comes, and what it ends was told as text before.
"""

from __future__ import annotations

import re

_OPEN, _CLOSE = "<think>", "</think>"
_FENCE = re.compile(r"\s*(`{3,}(?=[^`]*$)|~{3,})(.*)", re.DOTALL)
_BARE_OPEN = re.compile(r"(?<!`)<think>")
_GOES_ON = " \t`'\",.:;)"  # after a tag at the beginning of a sentence about it


class ThinkSplitter:
    """Fed pieces cut anywhere, also inside a tag; gives back (reasoning, text) pieces."""

    def __init__(self) -> None:
        self._held = ""
        self._state = "start"  # start -> thinking -> after -> text, or start -> text

    def feed(self, piece: str) -> tuple[str, str]:
        if self._state == "text":
            return "", piece
        held, self._held = self._held + piece, ""
        if self._state == "start":
            begun = held.lstrip()
            if begun.startswith(_OPEN):
                self._state, held = "thinking", begun[len(_OPEN) :]
            elif _OPEN.startswith(begun):
                self._held = held
                return "", ""
            else:
                self._state = "text"
                return "", held
        reasoning = ""
        if self._state == "thinking":
            reasoning, closing, rest = held.partition(_CLOSE)
            if not closing:
                keep = _overlap(held, _CLOSE)
                self._held = held[len(held) - keep :]
                return held[: len(held) - keep], ""
            self._state, held = "after", rest
        text = held.lstrip()  # the blank lines between the thinking and the answer
        if text:
            self._state = "text"
        return reasoning, text

    def finish(self) -> tuple[str, str]:
        """What was still held back when the reply ended."""
        held, self._held = self._held, ""
        return (held, "") if self._state == "thinking" else ("", held)


class UnopenedThinkTag:
    """Finds the `</think>` of a reply whose `<think>` stood in the prompt. Fed like the other.

    An answer may talk about the tag. So it counts only where nobody writes it about: outside of
    code, on a line of its own or before the first word of one, or with the line break after it
    right behind a word; and only if no opening tag came before.
    """

    def __init__(self) -> None:
        self.span: tuple[int, int] | None = None  # of the tag in all that was fed
        self._line: list[str] = []
        self._length = 0  # of the lines before
        self._fence = ""
        self._has_words = False  # after the tag
        self._is_over = False

    def feed(self, piece: str) -> bool:
        """Whether the thinking is over and the first words behind it are there; told once."""
        if self._is_over:
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
        """Whether there was thinking, now that nothing more comes; if it was not told yet."""
        if self._is_over:
            return False
        self._end_line(is_last=True)
        self._is_over = True
        return self.span is not None

    def ignore(self) -> None:
        """Thinking comes by other ways."""
        self._is_over = True

    def _end_line(self, *, is_last: bool = False) -> None:
        if self.span is None and not self._is_over:
            line = "".join(self._line)
            self._line.clear()
            if (at := self._find(line, is_last=is_last)) >= 0:
                self.span = (self._length + at, self._length + at + len(_CLOSE))
                self._has_words = bool(line[at + len(_CLOSE) :].strip())
            self._length += len(line) + 1

    def _find(self, line: str, *, is_last: bool) -> int:
        """Where in `line` the tag is, or -1."""
        fence = _FENCE.match(line)
        if self._fence:
            if fence and fence[1].startswith(self._fence) and not fence[2].strip():
                self._fence = ""
            return -1
        if fence:
            self._fence = fence[1]
            return -1
        if _BARE_OPEN.search(line):
            self._is_over = True
            return -1
        head, tag, rest = line.partition(_CLOSE)
        if tag and not head.strip():
            is_it = len(head) < 4 and (not rest.strip() or rest[0] not in _GOES_ON)
            return len(head) if is_it else -1
        head, tag, rest = line.rpartition(_CLOSE)
        is_it = bool(tag) and not (rest.strip() or is_last or head[-1].isspace())
        return len(head) if is_it else -1


def _overlap(text: str, tag: str) -> int:
    """How many characters at the end of `text` may be the beginning of `tag`."""
    for length in range(min(len(text), len(tag) - 1), 0, -1):
        if text.endswith(tag[:length]):
            return length
    return 0
