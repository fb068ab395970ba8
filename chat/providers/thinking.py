"""Parts a reply that begins with `<think>…</think>` into reasoning and text, as it streams.

Only at the very start is the tag a tag: a `<think>` later on is text like any other.
"""

from __future__ import annotations

_OPEN, _CLOSE = "<think>", "</think>"


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


def _overlap(text: str, tag: str) -> int:
    """How many characters at the end of `text` may be the beginning of `tag`."""
    for length in range(min(len(text), len(tag) - 1), 0, -1):
        if text.endswith(tag[:length]):
            return length
    return 0
