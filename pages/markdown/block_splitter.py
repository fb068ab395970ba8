"""Split growing Markdown into segments that no longer change, so only the last is re-rendered.

A segment is one or more complete Markdown blocks. `BlockParser` decides where blocks begin and end.
This module must not know inline Markdown, Streamlit, or how a segment is rendered.
"""

import re

from pages.markdown.block_structure import ITEM, QUOTE, BlockParser

DEFINITION = re.compile(r"\[[^\[\]]{1,999}\]:")
LINE_END = re.compile(r"\r\n|\n|\r(?!$)")
LIST_MARKER = re.compile(r"[-+*0-9]")


class BlockSplitter:
    """Incremental splitter for a streamed reply.

    `feed` returns the segments that the chunk completes; `pending` is the open segment. All
    segments and `pending`, joined, equal the text fed so far. A segment ends at a blank line that
    is followed by an unindented line, outside of any open block, once it has `min_length`
    characters.
    """

    def __init__(self, min_length: int = 1200) -> None:
        self._min_length = max(min_length, 1)
        self._parser = BlockParser()
        self._lines: list[str] = []  # complete lines of the open segment
        self._size = 0
        self._line: list[str] = []  # parts of the incomplete last line
        self._after_blank = False
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
            self._line = []
            self._lines.append(line + end[0])
            self._size += len(line) + len(end[0])
            self._parser.feed(line)
            self._after_blank = not line.strip(" \t")
            start = end.end()
        if start < len(chunk):
            self._line.append(chunk[start:])
            if self._can_end_before(self._line[0], is_complete=False):
                finished.append(self._take_segment())
        return finished

    def _take_segment(self) -> str:
        segment = "".join(self._lines)
        self._lines, self._size = [], 0
        return segment

    def _can_end_before(self, line: str, *, is_complete: bool) -> bool:
        """Return whether the open segment may end before this line.

        A line that starts with a letter is enough to decide; any other line must be complete. A
        link or footnote definition stays with the text before it, a list item with its list.
        """
        parser = self._parser
        if not self._after_blank or self._size < self._min_length or parser.is_open_at_top_level:
            return False
        if not line or line[0].isspace():
            return False
        if line[0].isalpha():
            return True
        if not is_complete or DEFINITION.match(line):
            return False
        if parser.top_kind == ITEM:
            return not LIST_MARKER.match(line)
        # Adjacent quotes or raw HTML blocks render closer together than two segments would.
        return (parser.top_kind, line[0]) not in {(QUOTE, ">"), ("html", "<")}


def split_blocks(text: str, min_length: int = 1200) -> list[str]:
    """Return the segments of `text`; appending to the text changes only the last one."""
    splitter = BlockSplitter(min_length)
    segments = splitter.feed(text)
    return [*segments, splitter.pending] if text else []
