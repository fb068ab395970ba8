"""Line-by-line parser for the block structure of Markdown.

`BlockParser` covers CommonMark, GFM tables and footnotes, and display formulas. This module must
not know inline Markdown, Streamlit, or how its callers use the lines.
"""

import re
from typing import NamedTuple

from pages.markdown.formulas import NO_FORMULA
from pages.markdown.html_tags import BLOCK_TAG, HTML_BLOCK_DELIMITERS, STANDALONE_TAG
from pages.markdown.links import DEFINITION, is_allowed

QUOTE, ITEM, NOTE = "quote", "item", "note"
MAX_NESTING = 50  # containers; deeper markers are parsed as text, which keeps the time linear


class Container(NamedTuple):
    """A block quote, list item or footnote; `width` is the indentation of its content."""

    kind: str
    width: int


class Line(NamedTuple):
    """A parsed line: its kind and the index at which its content starts.

    Kinds: blank, text, heading, rule, row (of a table), code (fenced), indented (code), html, math.
    Lines of one leaf block share a `block` number, except that each line of indented code has its
    own. `containers` are the enclosing containers, outermost first. `extra_columns` counts the
    columns of a preceding tab that belong to the content.
    """

    kind: str
    start: int
    block: int
    containers: tuple[Container, ...]
    extra_columns: int = 0


class LeafBlock(NamedTuple):
    """The open leaf block: its kind, the pattern that ends it, whether a blank line ends it too."""

    kind: str
    end_pattern: re.Pattern[str] | None = None
    ends_at_blank: bool = False


class _Snapshot(NamedTuple):
    """State of a `BlockParser` before a formula, restored if the formula never closes."""

    block: int
    containers: tuple[Container, ...]
    leaf: LeafBlock | None
    top_kind: str
    empty_item_depth: int
    possible_header: str | None
    only_definitions: bool


PARAGRAPH, TABLE = LeafBlock("text"), LeafBlock("row")

SPACES = re.compile(r" *")
HEADING = re.compile(r"#{1,6}(?= |$)")
RULE = re.compile(r"([*_-])(?: *\1){2,} *$")
UNDERLINE = re.compile(r"(?:=+|-+) *$")
FENCE = re.compile(r"(`{3,})[^`]*$|(~{3,})")
BULLET = re.compile(r"(?:[-+*]|(\d{1,9})[.)])(?= |$)")
FOOTNOTE = re.compile(r"\[\^[^\s\[\]]{1,999}\]:")
DELIMITERS = re.compile(r"\|?(?> *:?-+:? *\|)*+(?> *:?-+:? *)?+$")
BAR = re.compile(r"\\[\\|]|\|")  # a cell separator, or an escape that is not one
DISPLAY = re.compile(r"\$\$(?!\$)|\\\[")


def count_cells(row: str) -> int:
    """Return the number of cells in a table row, ignoring escaped and outer bars."""
    row = row.strip(" ")
    bars = [found.end() for found in BAR.finditer(row) if found[0] == "|"]
    return len(bars) + 1 - row.startswith("|") - (bool(bars) and bars[-1] == len(row))


class BlockParser:
    """Classify the lines of a text in order, each in time linear in its length."""

    def __init__(self) -> None:
        self.containers: tuple[Container, ...] = ()
        self.leaf: LeafBlock | None = None
        self.top_kind = ""  # kind of the last block at the top level
        self.reclassified: list[Line] = []  # lines of an unclosed formula, parsed as other text
        self._block = 0
        self._empty_item_depth = 0  # depth of a list item that has only a marker so far
        self._possible_header: str | None = ""  # last line of text, if it can be a table's header
        self._only_definitions = False  # the open paragraph has only link definitions so far
        self._formulas_enabled = True
        self._formula: list[str] = []  # lines of the open display formula
        self._before_formula = self._snapshot()

    @property
    def is_open_at_top_level(self) -> bool:
        """Return whether a leaf outside of any container is open: the next line belongs to it."""
        return self.is_open and not self.containers

    @property
    def is_open(self) -> bool:
        """Return whether the open leaf has an end pattern: a fence, raw HTML or a formula."""
        return self.leaf is not None and self.leaf.end_pattern is not None

    def feed(self, line: str) -> Line:
        """Parse one line, given without its line ending.

        Sets `reclassified` to new results for the preceding lines if a formula turned out to be
        none; it replaces as many results as it has items.
        """
        self.reclassified = []
        if not self._formula and "$$" not in line and "\\[" not in line:
            return self._parse(line)
        before, block = self._snapshot(), self._block
        parsed = self._parse(line)
        if self._formula and (
            parsed.kind != "math" or parsed.block != block or NO_FORMULA.search(line)
        ):
            self.finish()
            reclassified = self.reclassified
            parsed = self.feed(line)
            self.reclassified = reclassified
        elif parsed.kind == "math":
            if not self._formula:
                self._before_formula = before
            self._formula.append(line)
            if not self.is_open:
                self._formula = []
        return parsed

    def finish(self) -> None:
        """End the text or the container of an open formula. Sets `reclassified` as `feed` does."""
        lines, self._formula, self.reclassified = self._formula, [], []
        if lines:
            self._restore(self._before_formula)
            self._formulas_enabled = False
            self.reclassified = [self._parse(line) for line in lines]
            self._formulas_enabled = True

    def _snapshot(self) -> _Snapshot:
        return _Snapshot(
            self._block,
            self.containers,
            self.leaf,
            self.top_kind,
            self._empty_item_depth,
            self._possible_header,
            self._only_definitions,
        )

    def _restore(self, state: _Snapshot) -> None:
        self._block = state.block
        self.containers = state.containers
        self.leaf = state.leaf
        self.top_kind = state.top_kind
        self._empty_item_depth = state.empty_item_depth
        self._possible_header = state.possible_header
        self._only_definitions = state.only_definitions

    def _parse(self, line: str) -> Line:
        if not line and not self.containers and not self.is_open:
            self.leaf = None
            return Line("blank", 0, self._block, ())
        flat = line.expandtabs(4) if "\t" in line else line
        kind, column = self._classify(flat)
        start = width = column
        if flat is not line:
            start = width = 0
            while start < len(line) and width < column:
                width += 4 - width % 4 if line[start] == "\t" else 1
                start += 1
        return Line(kind, start, self._block, self.containers, width - column)

    def _classify(self, s: str) -> tuple[str, int]:
        """Return the kind of the line and the column of its content, and update the state."""
        pos, matched = self._continue(s)
        first = SPACES.match(s, pos).end()  # type: ignore[union-attr]
        is_blank = first == len(s)
        all_continue = matched == len(self.containers)
        if self.is_open:
            if all_continue:
                return self._continue_leaf(s, pos, first)
            self.leaf = None
        if is_blank:
            self.containers = self.containers[:matched]
            self.leaf = None
            return "blank", len(s)
        in_paragraph = self.leaf is PARAGRAPH
        containers = self.containers[:matched]
        has_new_container = False
        self._empty_item_depth = 0
        while True:
            first = SPACES.match(s, pos).end()  # type: ignore[union-attr]
            if first == len(s):
                self.containers, self.leaf = containers, None
                self._empty_item_depth = len(containers)
                return "blank", first
            interrupts_text = in_paragraph and all_continue and not has_new_container
            if first - pos >= 4:
                if in_paragraph and not has_new_container:
                    break
                return self._begin_block(containers, None, "indented", pos + 4)
            # In the frontend's parser, a block after another marker also interrupts a paragraph.
            opened = (
                self._container(s, pos, first, in_paragraph and all_continue)
                if len(containers) < MAX_NESTING
                else None
            )
            if opened is None:
                leaf = self._leaf(s, first, interrupts_text, in_paragraph and not has_new_container)
                if leaf is None:
                    break
                return self._begin_block(containers, leaf[1], leaf[0], first)
            container, pos = opened
            if not containers:
                self.top_kind = container.kind
            containers += (container,)
            has_new_container = True
        if has_new_container or not (in_paragraph or (all_continue and self.leaf is TABLE)):
            self._possible_header = s[first:]
            self._only_definitions = _is_definition(s, first)
            return self._begin_block(containers, PARAGRAPH, "text", first)
        return self._continue_text(s, pos, first, all_continue)

    def _continue_text(self, s: str, pos: int, first: int, all_continue: bool) -> tuple[str, int]:
        """Classify a line that continues a paragraph or a table."""
        # Neither the header row nor the delimiter row of a table may be indented by four.
        can_be_header = first - pos < 4
        is_text = self.leaf is PARAGRAPH
        if all_continue and is_text and can_be_header and self._is_delimiter_row(s[first:]):
            self.leaf = TABLE
        if self._only_definitions and self.leaf is PARAGRAPH and not _is_definition(s, first):
            self._only_definitions = False
        self._possible_header = s[first:] if can_be_header else None
        return ("row" if self.leaf is TABLE else "text"), first

    def _continue(self, s: str) -> tuple[int, int]:
        """Return the column at which the open containers end, and how many of them continue."""
        pos = matched = 0
        end = len(s)
        for depth, container in enumerate(self.containers, 1):
            first = SPACES.match(s, pos).end()  # type: ignore[union-attr]
            if container.kind == QUOTE:
                if first - pos > 3 or not s.startswith(">", first):
                    break
                pos = first + 1 + s.startswith(" ", first + 1)
            elif first == end:
                if depth == self._empty_item_depth:
                    break
            elif first - pos >= container.width:
                pos += container.width
            else:
                break
            matched = depth
        return pos, matched

    def _continue_leaf(self, s: str, pos: int, first: int) -> tuple[str, int]:
        leaf = self.leaf
        assert leaf is not None and leaf.end_pattern is not None
        if leaf.ends_at_blank and first == len(s):
            self.leaf = None
            return "blank", first
        if leaf.kind == "code":
            if first - pos < 4 and leaf.end_pattern.match(s, first):
                self.leaf = None
        elif leaf.end_pattern.search(s, first):
            self.leaf = None
        return leaf.kind, first

    def _begin_block(
        self, containers: tuple[Container, ...], leaf: LeafBlock | None, kind: str, start: int
    ) -> tuple[str, int]:
        self._block += 1
        self.containers, self.leaf = containers, leaf
        if not containers:
            self.top_kind = kind
        return kind, start

    def _container(
        self, s: str, pos: int, first: int, interrupts_text: bool
    ) -> tuple[Container, int] | None:
        """Return the container that starts here and the column of its content, if any."""
        if s[first] == ">":
            return Container(QUOTE, 0), first + 1 + s.startswith(" ", first + 1)
        if found := FOOTNOTE.match(s, first):
            return Container(NOTE, 4), found.end()
        found = BULLET.match(s, first)
        if not found or RULE.match(s, first):
            return None
        end = found.end()
        content = SPACES.match(s, end).end()  # type: ignore[union-attr]
        if interrupts_text and (content == len(s) or (found[1] and int(found[1]) != 1)):
            return None
        if content == len(s) or content - end > 4:
            content = end + 1
        return Container(ITEM, content - pos), min(content, len(s))

    def _leaf(
        self, s: str, first: int, interrupts_text: bool, in_paragraph: bool
    ) -> tuple[str, LeafBlock | None] | None:
        """Return the kind of the non-paragraph block that starts here, and the leaf left open."""
        char = s[first]
        if char == "#" and HEADING.match(s, first):
            return "heading", None
        if char in "`~" and (found := FENCE.match(s, first)):
            mark = found[1] or found[2]
            return "code", LeafBlock("code", re.compile(rf"{mark}{mark[0]}* *$"))
        if char == "<" and (html := self._html(s, first, in_paragraph)):
            return "html", None if html.end_pattern and html.end_pattern.search(s, first) else html
        # Definitions alone leave no text that the underline could turn into a heading.
        if interrupts_text and not self._only_definitions and UNDERLINE.match(s, first):
            return "rule", None
        if RULE.match(s, first):
            return "rule", None
        if self._formulas_enabled and (found := DISPLAY.match(s, first)):
            mark = "$$" if found[0] == "$$" else "\\]"
            if mark not in s[first + 2 :] and not NO_FORMULA.search(s, first):
                alone = not s[first + 2 :].strip()
                return "math", LeafBlock("math", re.compile(re.escape(mark)), not alone)
        return None

    def _html(self, s: str, first: int, in_paragraph: bool) -> LeafBlock | None:
        for start, end in HTML_BLOCK_DELIMITERS:
            if start.match(s, first):
                return LeafBlock("html", end)
        if BLOCK_TAG.match(s, first) or (not in_paragraph and STANDALONE_TAG.match(s, first)):
            return LeafBlock("html", re.compile(r"(?!)"), True)
        return None

    def _is_delimiter_row(self, s: str) -> bool:
        s = s.rstrip()
        if self._possible_header is None or not DELIMITERS.match(s) or not ("|" in s or ":" in s):
            return False
        return count_cells(s) == count_cells(self._possible_header)


def _is_definition(s: str, first: int) -> bool:
    """Return whether the frontend parses this first line of a paragraph as a link definition."""
    found = DEFINITION.match(s, first)
    return found is not None and is_allowed(found[2])
