"""Split growing Markdown into segments that no longer change, so only the last is re-rendered.

A segment is one or more complete Markdown blocks. The parser decides where blocks end. This module
must not know inline Markdown, Streamlit, or how a segment is rendered.
"""

import re
from typing import Any

from pages.markdown import parser

DEFINITION = re.compile(r"\[[^\[\]]{1,999}\]:")
LINE_END = re.compile(r"\r\n|\n|\r(?!$)")
LIST_MARKER = re.compile(r"[-+*0-9]")
# The search for a place to split parses the open segment. A limit for all searches together keeps
# the time linear.
MAX_PARSED = 4  # times the length of the text
ALWAYS_PARSED = 20_000  # characters


class BlockSplitter:
    """Incremental splitter for a streamed reply.

    `feed` returns the segments that the chunk completes; `pending` is the open segment. All
    segments and `pending`, joined, equal the text fed so far. A segment ends at a blank line that
    is followed by an unindented line, outside of any open block, once it has `min_length`
    characters.
    """

    def __init__(self, min_length: int = 1200) -> None:
        self._min_length = max(min_length, 1)
        self._lines: list[str] = []  # complete lines of the open segment
        self._size = 0
        self._total = self._parsed = 0  # characters of complete lines, and those that were parsed
        self._line: list[str] = []  # parts of the incomplete last line
        self._is_decided = False  # whether the segment may end before the last line
        self._after_blank = False
        self._closer = ""  # what the line must hold or be that closes an open formula or fence
        self._held_back = ""  # a trailing CR; its LF may be in the next chunk

    @property
    def pending(self) -> str:
        """The text of the open segment."""
        return "".join((*self._lines, *self._line, self._held_back))

    def feed(self, chunk: str) -> list[str]:
        """Append text and return the segments that it completes, usually none."""
        finished: list[str] = []
        chunk, self._held_back = self._held_back + chunk, ""
        if chunk.endswith("\r"):
            chunk, self._held_back = chunk[:-1], "\r"
        start = 0
        for end in LINE_END.finditer(chunk):
            self._line.append(chunk[start : end.start()])
            line = "".join(self._line)
            if self._can_end_before(line, is_complete=True):
                finished.append(self._take_segment())
            self._add(line, end[0])
            start = end.end()
        if start < len(chunk):
            self._line.append(chunk[start:])
            if self._can_end_before(self._line[0], is_complete=False):
                finished.append(self._take_segment())
        return finished

    def _add(self, line: str, line_end: str) -> None:
        """Append a complete line to the open segment."""
        self._line, self._is_decided = [], False
        self._lines.append(line + line_end)
        self._size += len(line) + len(line_end)
        self._total += len(line) + len(line_end)
        self._after_blank = not line.strip(" \t")
        if self._closer and _closes(line, self._closer):
            self._closer = ""

    def _take_segment(self) -> str:
        segment = "".join(self._lines)
        self._lines, self._size = [], 0
        return segment

    def _can_end_before(self, line: str, *, is_complete: bool) -> bool:
        """Return whether the open segment may end before this line.

        A line that starts with a letter is enough to decide; any other line must be complete. A
        link or footnote definition stays with the text before it, a list item with its list.
        """
        if self._is_decided or not self._after_blank or self._size < self._min_length:
            return False
        if self._closer or not line or line[0].isspace():
            return False
        if not line[0].isalpha() and (not is_complete or DEFINITION.match(line)):
            return False
        self._is_decided = True
        if self._parsed + self._size > MAX_PARSED * self._total + ALWAYS_PARSED:
            return False
        self._parsed += self._size
        kind, self._closer = self._last_block()
        if self._closer:
            return False
        if kind.endswith("list_open"):
            return not LIST_MARKER.match(line)
        # Adjacent quotes render closer together than two segments would.
        return not (kind == "blockquote_open" and line[0] == ">")

    def _last_block(self) -> tuple[str, str]:
        """Return the kind of the last top-level block, and what closes it if it is open."""
        env: dict[str, Any] = {}
        tokens = parser.parse_blocks(re.sub(r"\r\n?", "\n", "".join(self._lines)), env)
        last = next(
            (each for each in reversed(tokens) if not each.level and each.nesting >= 0), None
        )
        if last is None:
            return "", ""
        is_open = last.type == "fence" and not parser.is_closed(last)
        return last.type, last.markup if is_open else env.get("open_formula", "")


def _closes(line: str, closer: str) -> bool:
    if closer[0] in "`~":
        return line.strip(" \t").rstrip(closer[0]) == "" and line.count(closer[0]) >= len(closer)
    return closer in line


def split_blocks(text: str, min_length: int = 1200) -> list[str]:
    """Return the segments of `text`; appending to the text changes only the last one."""
    splitter = BlockSplitter(min_length)
    segments = splitter.feed(text)
    return [*segments, splitter.pending] if text else []
