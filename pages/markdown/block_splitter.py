"""A growing Markdown text in pieces that never change again, so that only the last is drawn anew.

`split` and `Splitter` decide where a piece may end. This module must not know how lines become
blocks (that is `Outline`), inline Markdown, Streamlit or what a piece will look like.
"""

import re

from pages.markdown.block_structure import ITEM, QUOTE, Outline

DEFINITION = re.compile(r"\[[^\[\]]{1,999}\]:")
LINE_END = re.compile(r"\r\n|\n|\r(?!$)")
LIST_MARK = re.compile(r"[-+*0-9]")


class Splitter:
    """Cuts a reply while it grows: `feed` returns what is newly finished, `rest` is the open piece.

    A cut stands before a line that is not indented, after a blank line, where nothing is open, once
    the open piece has `least` characters. All pieces and `rest` joined are the text fed so far.
    """

    def __init__(self, least: int = 1200) -> None:
        self._least = max(least, 1)
        self._outline = Outline()
        self._piece: list[str] = []  # complete lines of the open piece
        self._size = 0
        self._line: list[str] = []  # parts of the line still growing
        self._after_blank = False
        self._held = ""  # a carriage return whose line feed may be in the next chunk

    @property
    def rest(self) -> str:
        """The text of the open piece so far."""
        return "".join((*self._piece, *self._line, self._held))

    def feed(self, chunk: str) -> list[str]:
        """Add text; return the pieces that are finished now, usually none."""
        finished: list[str] = []
        chunk, self._held = self._held + chunk, ""
        if chunk.endswith("\r"):
            chunk, self._held = chunk[:-1], "\r"
        start = 0
        for end in LINE_END.finditer(chunk):
            self._line.append(chunk[start : end.start()])
            line = "".join(self._line)
            if self._may_cut(line, is_whole=True):
                finished.append(self._cut())
            self._line = []
            self._piece.append(line + end[0])
            self._size += len(line) + len(end[0])
            self._outline.feed(line)
            self._after_blank = not line.strip(" \t")
            start = end.end()
        if start < len(chunk):
            self._line.append(chunk[start:])
            if self._may_cut(self._line[0], is_whole=False):
                finished.append(self._cut())
        return finished

    def _cut(self) -> str:
        piece = "".join(self._piece)
        self._piece, self._size = [], 0
        return piece

    def _may_cut(self, line: str, *, is_whole: bool) -> bool:
        """Whether a piece may end before this line; a letter decides, anything else must be whole.

        A link or footnote definition stays with the text before it, an item with its list.
        """
        outline = self._outline
        if not self._after_blank or self._size < self._least or outline.is_open_at_top:
            return False
        if not line or line[0].isspace():
            return False
        if line[0].isalpha():
            return True
        if not is_whole or DEFINITION.match(line):
            return False
        if outline.top == ITEM:
            return not LIST_MARK.match(line)
        # Two quotes, or two blocks of raw HTML, stand closer than two pieces.
        return (outline.top, line[0]) not in {(QUOTE, ">"), ("html", "<")}


def split(text: str, least: int = 1200) -> list[str]:
    """The text cut into pieces; all but the last stay what they are however the text goes on."""
    splitter = Splitter(least)
    pieces = splitter.feed(text)
    return [*pieces, splitter.rest] if text else []
