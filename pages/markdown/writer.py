"""Write Markdown tokens in a canonical form that every reader of Markdown parses alike.

Text is escaped, code is fenced, each link has its destination beside it, and each line repeats the
markers of its containers. This module must not know how tokens were parsed.
"""

import re
from collections.abc import Sequence

from markdown_it.common.utils import unescapeAll
from markdown_it.token import Token

from pages.markdown import inline_writer, parser
from pages.markdown.diagrams import is_diagram, is_safe_diagram
from pages.markdown.escaping import longest_run
from pages.markdown.inline_writer import AS_TAG, Context

LANGUAGE = re.compile(r"[\w+#.-]{1,50}", re.ASCII)
ALIGNMENT = {"left": ":--", "center": ":-:", "right": "--:"}
NOTE_WIDTH = 4
MAX_NUMBER = 999_999_999  # of a list item
# The marker of a list right after another one that has the key.
OTHER_MARKER = {"-": "+", "+": "-", ".": ")", ")": "."}
# A block that begins with one of these may follow a paragraph without a blank line.
INTERRUPTS = re.compile(r"[-+] \S|> |#{1,6} |1[.)] \S|`{3}|\*\*\*$|\$\$$")


class Block:
    """A token with the blocks inside of it."""

    def __init__(self, token: Token) -> None:
        self.token = token
        self.children: list[Block] = []


def tree(tokens: Sequence[Token]) -> list[Block]:
    """Return the blocks of a token stream."""
    root = Block(Token("", "", 0))
    path = [root]
    for token in tokens:
        if token.nesting < 0:
            path.pop()
            continue
        block = Block(token)
        path[-1].children.append(block)
        if token.nesting > 0:
            path.append(block)
    return root.children


class Writer:
    """Writer of one text. Its footnotes are numbered from `first_note`.

    With `keeps_lines`, each line end is rendered. Without `draws_diagrams`, diagrams are shown as
    source code.
    """

    def __init__(
        self, *, keeps_lines: bool = False, draws_diagrams: bool = True, first_note: int = 1
    ) -> None:
        self._text_context = Context(keeps_lines=keeps_lines)
        self._draws_diagrams = draws_diagrams
        self._first_note = first_note
        self._notes: dict[str, int] = {}  # numbers by label, in the order of their marks

    def write(self, blocks: Sequence[Block]) -> list[str]:
        """Return the lines of the blocks."""
        definitions = {each.token.meta["label"]: each for each in reversed(_footnotes(blocks))}
        lines = self._blocks(blocks)
        written: set[str] = set()
        while len(written) < len(self._notes):  # a footnote may hold marks of others
            for label, number in list(self._notes.items())[len(written) :]:
                note = self._blocks(definitions[label].children) if label in definitions else []
                lines += ["", *_contained(note, f"[^{number}]: ", NOTE_WIDTH)]
                written.add(label)
        return lines[1:] if lines[:1] == [""] else lines

    def _blocks(
        self, blocks: Sequence[Block], *, is_item: bool = False, is_tight: bool = False
    ) -> list[str]:
        written: list[str] = []
        last_kind = last_marker = ""
        for number, block in enumerate(blocks):
            kind = block.token.type
            if kind.endswith("list_open"):
                marker = block.token.markup.replace("*", "-")
                if kind == last_kind:
                    marker = OTHER_MARKER[last_marker]
                lines, last_marker = self._list(block, marker), marker
            else:
                lines = self._block(block, can_be_task=is_item and number == 0)
            if not lines:
                continue
            if written and not (is_tight and _can_adjoin(last_kind, lines[0])):
                written.append("")
            written += lines
            last_kind = kind
        return written

    def _block(self, block: Block, *, can_be_task: bool) -> list[str]:
        token = block.token
        match token.type:
            case "paragraph_open":
                return self._text(block, self._text_context._replace(can_be_task=can_be_task))
            case "heading_open":
                text = self._text(block, Context(has_lines=False))
                return [f"{'#' * int(token.tag[1])} {''.join(text)}".rstrip(" ")]
            case "fence" | "code_block":
                return _fence(token, draws_diagrams=self._draws_diagrams)
            case "display_formula_block":
                body = AS_TAG.sub("< ", token.content).split("\n")
                return ["$$", *(line for line in body if line.strip()), "$$"]
            case "blockquote_open":
                return [f"> {line}" if line else ">" for line in self._blocks(block.children)]
            case "table_open":
                return self._table(block)
            case "hr":
                return ["***"]
            case "footnote_reference_open":
                return []
        raise ValueError(token.type)

    def _text(self, block: Block, context: Context) -> list[str]:
        tokens = block.children[0].token.children or []
        text = inline_writer.write(tokens, context, self._notes, self._first_note)
        return text.split("\n") if text else []

    def _list(self, block: Block, marker: str) -> list[str]:
        paragraphs = (
            child.token
            for item in block.children
            for child in item.children
            if child.token.type == "paragraph_open"
        )
        is_tight = all(token.hidden for token in paragraphs)
        number = int(block.token.attrs.get("start", 1))
        written: list[str] = []
        for item in block.children:
            lines = self._blocks(item.children, is_item=True, is_tight=is_tight)
            mark = f"{marker} " if marker in "-+" else f"{number}{marker} "
            if written and not is_tight:
                written.append("")
            written += _contained(lines, mark, len(mark))
            number = min(number + 1, MAX_NUMBER)
        return written

    def _table(self, block: Block) -> list[str]:
        rows = [row.children for part in block.children for row in part.children]
        context = Context(in_table=True, has_lines=False)
        written = [
            f"| {' | '.join(''.join(self._text(cell, context)) for cell in row)} |" for row in rows
        ]
        styles = (str(cell.token.attrs.get("style", "")).partition(":")[2] for cell in rows[0])
        written.insert(1, f"| {' | '.join(ALIGNMENT.get(style, '---') for style in styles)} |")
        return written


def _can_adjoin(last_kind: str, line: str) -> bool:
    """Return whether a block that begins with `line` needs no blank line after one of this kind."""
    if last_kind == "paragraph_open":
        return INTERRUPTS.match(line) is not None
    return not last_kind.endswith(("list_open", "blockquote_open", "table_open"))


def _contained(lines: list[str], mark: str, width: int) -> list[str]:
    """Return the lines of a list item or footnote.

    A fence gets a line of its own: beside a marker, the frontend's search for formulas overlooks it
    and takes its end for the beginning of code.
    """
    if not lines or lines[0] == "$$" or lines[0].startswith("```"):
        lines = ["", *lines]
    rest = (" " * width + line if line else "" for line in lines[1:])
    return [(mark + lines[0]).rstrip(" "), *rest]


def _footnotes(blocks: Sequence[Block]) -> list[Block]:
    found = [block for block in blocks if block.token.type == "footnote_reference_open"]
    for block in blocks:
        found += _footnotes(block.children)
    return found


def _fence(token: Token, *, draws_diagrams: bool) -> list[str]:
    """Return code in a fence that nothing in it can close."""
    code = token.content.removesuffix("\n")
    words = unescapeAll(token.info).split()
    language = words[0] if words and LANGUAGE.fullmatch(words[0]) else ""
    is_drawn = draws_diagrams and parser.is_closed(token) and language.lower() == "mermaid"
    if is_diagram(token.info) and not (is_drawn and is_safe_diagram(code)):
        language = "text"
    fence = "`" * max(longest_run("`", code) + 1, 3)
    lines = code.split("\n")
    if not lines[0] and len(lines) > 1:
        lines.insert(0, "")  # the frontend removes one
    return [fence + language, *lines, fence]
