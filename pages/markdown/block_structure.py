"""What each line of a Markdown text is: its block, and the containers that it stands in.

`Outline` knows the block structure (CommonMark, GFM tables and footnotes, display formulas) and
reads a line at a time. It must not know inline Markdown, Streamlit, or what is done with the lines.
"""

import re
from typing import Any, NamedTuple

from pages.markdown.formulas import NO_FORMULA
from pages.markdown.html_tags import HTML, HTML_ALONE, HTML_BLOCK
from pages.markdown.links import DEFINITION, is_allowed

QUOTE, ITEM, NOTE = "quote", "item", "note"
DEEPEST = 50  # containers in containers; deeper markers are read as text, which keeps time linear


class Container(NamedTuple):
    """A quote, list item or footnote; `width` is how far its content is indented."""

    kind: str
    width: int


class Line(NamedTuple):
    """One line: its kind and where its content starts.

    Kinds: blank, text, heading, rule, row, code (fenced), indented (code too), html, math. Lines
    with the same `block` number are one leaf block, but each indented line has one of its own;
    `inside` are the containers around it. `spare` columns of a tab before the content are part of
    it.
    """

    kind: str
    at: int
    block: int
    inside: tuple[Container, ...]
    spare: int = 0


class Leaf(NamedTuple):
    """The open leaf block: its kind, what closes it, and whether a blank line closes it too."""

    kind: str
    close: re.Pattern[str] | None = None
    until_blank: bool = False


PARAGRAPH, TABLE = Leaf("text"), Leaf("row")

SPACES = re.compile(r" *")
HEADING = re.compile(r"#{1,6}(?= |$)")
RULE = re.compile(r"([*_-])(?: *\1){2,} *$")
UNDERLINE = re.compile(r"(?:=+|-+) *$")
FENCE = re.compile(r"(`{3,})[^`]*$|(~{3,})")
BULLET = re.compile(r"(?:[-+*]|(\d{1,9})[.)])(?= |$)")
FOOTNOTE = re.compile(r"\[\^[^\s\[\]]{1,999}\]:")
DELIMITERS = re.compile(r"\|?(?> *:?-+:? *\|)*+(?> *:?-+:? *)?+$")
BAR = re.compile(r"\\[\\|]|\|")  # a bar between cells, or an escape that is none
DISPLAY = re.compile(r"\$\$(?!\$)|\\\[")


def cells(row: str) -> int:
    """How many cells a table row has: the bars that are not escaped and not at its ends."""
    row = row.strip(" ")
    bars = [found.end() for found in BAR.finditer(row) if found[0] == "|"]
    return len(bars) + 1 - row.startswith("|") - (bool(bars) and bars[-1] == len(row))


class Outline:
    """Reads one line after another and says what each is. Each line costs time of its length."""

    def __init__(self) -> None:
        self.inside: tuple[Container, ...] = ()
        self.leaf: Leaf | None = None
        self.top = ""  # kind of the last block at the top level
        self.redone: list[Line] = []  # a formula that never closed: its lines, read as other text
        self._block = 0
        self._hollow = 0  # depth of a list item that has nothing but its marker so far
        self._previous: str | None = ""  # the last line of text, if a table could start with it
        self._defines = False  # is the open paragraph nothing but definitions of links so far?
        self._knows_formulas = True
        self._formula: list[str] = []  # lines of the open display formula
        self._before = self._state()  # as it was before that formula

    @property
    def is_open_at_top(self) -> bool:
        """Whether an open leaf stands in no container, so that the next line is part of it."""
        return self.is_open and not self.inside

    @property
    def is_open(self) -> bool:
        """Whether a blank line may stand in the leaf: a fence, raw HTML or a formula."""
        return self.leaf is not None and self.leaf.close is not None

    def feed(self, line: str) -> Line:
        """Read one line (without its line ending). May set `redone`."""
        self.redone = []
        if not self._formula and "$$" not in line and "\\[" not in line:
            return self._read(line)
        before, block = self._state(), self._block
        read = self._read(line)
        if self._formula and (
            read.kind != "math" or read.block != block or NO_FORMULA.search(line)
        ):
            self.finish()
            redone = self.redone
            read = self.feed(line)
            self.redone = redone
        elif read.kind == "math":
            if not self._formula:
                self._before = before
            self._formula.append(line)
            if not self.is_open:
                self._formula = []
        return read

    def finish(self) -> None:
        """The text, or what held an open formula, ends here. May set `redone`."""
        lines, self._formula, self.redone = self._formula, [], []
        if lines:
            self._block, self.inside, self.leaf, self.top, self._hollow, *text = self._before
            self._previous, self._defines = text
            self._knows_formulas = False
            self.redone = [self._read(line) for line in lines]
            self._knows_formulas = True

    def _state(self) -> tuple[Any, ...]:
        return (
            *(self._block, self.inside, self.leaf, self.top, self._hollow),
            *(self._previous, self._defines),
        )

    def _read(self, line: str) -> Line:
        if not line and not self.inside and not self.is_open:
            self.leaf = None
            return Line("blank", 0, self._block, ())
        flat = line.expandtabs(4) if "\t" in line else line
        kind, column = self._classify(flat)
        at = width = column
        if flat is not line:
            at = width = 0
            while at < len(line) and width < column:
                width += 4 - width % 4 if line[at] == "\t" else 1
                at += 1
        return Line(kind, at, self._block, self.inside, width - column)

    def _classify(self, s: str) -> tuple[str, int]:
        """The kind of the line and the column of its content; moves the state on."""
        pos, matched = self._continue(s)
        first = SPACES.match(s, pos).end()  # type: ignore[union-attr]
        is_blank = first == len(s)
        whole = matched == len(self.inside)
        if self.is_open:
            if whole:
                return self._inside_leaf(s, pos, first)
            self.leaf = None
        if is_blank:
            self.inside = self.inside[:matched]
            self.leaf = None
            return "blank", len(s)
        lazy = self.leaf is PARAGRAPH
        inside = self.inside[:matched]
        fresh = False  # has a container opened on this line?
        self._hollow = 0
        while True:
            first = SPACES.match(s, pos).end()  # type: ignore[union-attr]
            if first == len(s):
                self.inside, self.leaf = inside, None
                self._hollow = len(inside)
                return "blank", first
            in_text = lazy and whole and not fresh
            if first - pos >= 4:
                if lazy and not fresh:
                    break
                return self._start(inside, None, "indented", pos + 4)
            # To the frontend, what follows another marker on this line interrupts the text too.
            opened = (
                self._container(s, pos, first, lazy and whole) if len(inside) < DEEPEST else None
            )
            if opened is None:
                leaf = self._leaf(s, first, in_text, lazy and not fresh)
                if leaf is None:
                    break
                return self._start(inside, leaf[1], leaf[0], first)
            container, pos = opened
            if not inside:
                self.top = container.kind
            inside += (container,)
            fresh = True
        if fresh or not (lazy or (whole and self.leaf is TABLE)):
            self._previous = s[first:]
            self._defines = _is_definition(s, first)
            return self._start(inside, PARAGRAPH, "text", first)
        # Neither row of a table's head is indented by four.
        can_be_head = first - pos < 4
        is_text = self.leaf is PARAGRAPH
        if whole and is_text and can_be_head and self._is_delimiters(s[first:]):
            self.leaf = TABLE
        if self._defines and self.leaf is PARAGRAPH and not _is_definition(s, first):
            self._defines = False
        self._previous = s[first:] if can_be_head else None
        return ("row" if self.leaf is TABLE else "text"), first

    def _continue(self, s: str) -> tuple[int, int]:
        """How far the open containers reach into this line, and how many of them."""
        pos = matched = 0
        end = len(s)
        for depth, container in enumerate(self.inside, 1):
            first = SPACES.match(s, pos).end()  # type: ignore[union-attr]
            if container.kind == QUOTE:
                if first - pos > 3 or not s.startswith(">", first):
                    break
                pos = first + 1 + s.startswith(" ", first + 1)
            elif first == end:
                if depth == self._hollow:
                    break
            elif first - pos >= container.width:
                pos += container.width
            else:
                break
            matched = depth
        return pos, matched

    def _inside_leaf(self, s: str, pos: int, first: int) -> tuple[str, int]:
        leaf = self.leaf
        assert leaf is not None and leaf.close is not None
        if leaf.until_blank and first == len(s):
            self.leaf = None
            return "blank", first
        if leaf.kind == "code":
            if first - pos < 4 and leaf.close.match(s, first):
                self.leaf = None
        elif leaf.close.search(s, first):
            self.leaf = None
        return leaf.kind, first

    def _start(
        self, inside: tuple[Container, ...], leaf: Leaf | None, kind: str, at: int
    ) -> tuple[str, int]:
        self._block += 1
        self.inside, self.leaf = inside, leaf
        if not inside:
            self.top = kind
        return kind, at

    def _container(
        self, s: str, pos: int, first: int, in_text: bool
    ) -> tuple[Container, int] | None:
        """A quote, list item or footnote that starts here, and where its content starts."""
        if s[first] == ">":
            return Container(QUOTE, 0), first + 1 + s.startswith(" ", first + 1)
        if found := FOOTNOTE.match(s, first):
            return Container(NOTE, 4), found.end()
        found = BULLET.match(s, first)
        if not found or RULE.match(s, first):
            return None
        end = found.end()
        content = SPACES.match(s, end).end()  # type: ignore[union-attr]
        if in_text and (content == len(s) or (found[1] and int(found[1]) != 1)):
            return None
        if content == len(s) or content - end > 4:
            content = end + 1
        return Container(ITEM, content - pos), min(content, len(s))

    def _leaf(
        self, s: str, first: int, in_text: bool, lazy: bool
    ) -> tuple[str, Leaf | None] | None:
        """The block that starts here, unless it is a paragraph: its kind, what stays open."""
        char = s[first]
        if char == "#" and HEADING.match(s, first):
            return "heading", None
        if char in "`~" and (found := FENCE.match(s, first)):
            mark = found[1] or found[2]
            return "code", Leaf("code", re.compile(rf"{mark}{mark[0]}* *$"))
        if char == "<" and (html := self._html(s, first, lazy)):
            return "html", None if html.close and html.close.search(s, first) else html
        # Under definitions alone there is no text that it could make a heading of.
        if in_text and not self._defines and UNDERLINE.match(s, first):
            return "rule", None
        if RULE.match(s, first):
            return "rule", None
        if self._knows_formulas and (found := DISPLAY.match(s, first)):
            mark = "$$" if found[0] == "$$" else "\\]"
            if mark not in s[first + 2 :] and not NO_FORMULA.search(s, first):
                alone = not s[first + 2 :].strip()
                return "math", Leaf("math", re.compile(re.escape(mark)), not alone)
        return None

    def _html(self, s: str, first: int, lazy: bool) -> Leaf | None:
        for start, end in HTML:
            if start.match(s, first):
                return Leaf("html", end)
        if HTML_BLOCK.match(s, first) or (not lazy and HTML_ALONE.match(s, first)):
            return Leaf("html", re.compile(r"(?!)"), True)
        return None

    def _is_delimiters(self, s: str) -> bool:
        s = s.rstrip()
        if self._previous is None or not DELIMITERS.match(s) or not ("|" in s or ":" in s):
            return False
        return cells(s) == cells(self._previous)


def _is_definition(s: str, first: int) -> bool:
    """Whether the frontend takes the line, at the start of a paragraph, for a link's address."""
    found = DEFINITION.match(s, first)
    return found is not None and is_allowed(found[2])
