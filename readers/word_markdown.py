"""Markdown from the XML of a Word document: paragraphs and tables in document order.

The text is collected here because python-docx skips content controls, tracked insertions and text
boxes. Tracked deletions are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from docx.oxml.ns import qn

_PARAGRAPH, _TABLE, _ROW, _CELL = qn("w:p"), qn("w:tbl"), qn("w:tr"), qn("w:tc")
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_SKIPPED_TAGS = {_FALLBACK, *map(qn, ("w:pPr", "w:rPr", "w:tcPr", "w:trPr", "w:del", "w:moveFrom"))}
_TEXT_TAGS = {qn("w:t"), "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"}
_CHARACTER_TAGS = {
    qn("w:tab"): "\t",
    qn("w:br"): "\n",
    qn("w:cr"): "\n",
    qn("w:noBreakHyphen"): "-",
}
_REFERENCE_TAGS = {
    qn("w:footnoteReference"): "[^{}]",
    qn("w:endnoteReference"): "[^e{}]",
    qn("w:commentReference"): "[Comment {}]",
}
_FORM_TAGS = {qn("w:checkBox"), qn("w:ddList")}
_SYMBOL = qn("w:sym")
# Wingdings: boxes, checks and crosses.
_SYMBOLS = {"6F": "☐", "A8": "☐", "FE": "☑", "FD": "☒", "FC": "✓", "FB": "✗"}
_HEADING = re.compile(r"heading ([1-9])$", re.IGNORECASE)
_MAX_HEADING_LEVEL, _MAX_LIST_LEVEL = 6, 8
# Chinese and Japanese have no spaces between words, so each character counts as a word.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|\w[^\s|\u3040-\u30ff\u3400-\u9fff]*")


@dataclass(frozen=True, slots=True)
class Style:
    heading: int = 0  # level from 1; 0 for other styles
    is_list: bool = False


def read_styles(element: Any) -> dict[str, Style]:
    """Return the styles of a document that matter in Markdown, by id."""
    return {style.get(qn("w:styleId")): _style(style) for style in element}


def to_markdown(container: Any, styles: dict[str, Style]) -> str:
    parts: list[str] = []
    was_item = False
    for block, is_item in _blocks(container, styles):
        parts += ["\n" if is_item and was_item else "\n\n", block]
        was_item = is_item
    return "".join(parts[1:])


def _blocks(container: Any, styles: dict[str, Style]) -> Iterator[tuple[str, bool]]:
    """Yield the text of each non-empty paragraph and table, and whether it is a list item."""
    for element in _elements(container):
        if element.tag == _PARAGRAPH:
            if text := "".join(_texts(element)).strip():
                yield _to_markdown(element, text, styles)
        elif element.tag == _TABLE:
            if text := _table(element):
                yield text, False
        else:  # content controls, insertions and the like
            yield from _blocks(element, styles)


def _texts(element: Any) -> Iterator[str]:
    for child in _elements(element):
        if child.tag in _TEXT_TAGS:
            yield child.text or ""
        elif child.tag in _CHARACTER_TAGS:
            yield _CHARACTER_TAGS[child.tag]
        elif child.tag in _REFERENCE_TAGS:
            yield _REFERENCE_TAGS[child.tag].format(note_number(child))
        elif child.tag in _FORM_TAGS:
            yield _form_value(child)
        elif child.tag == _SYMBOL:
            yield _SYMBOLS.get((child.get(qn("w:char")) or "")[-2:].upper(), "")
        else:
            if child.tag == _PARAGRAPH:  # in a text box or a cell
                yield "\n"
            yield from _texts(child)


def note_number(element: Any) -> str:
    """Return the number of a note, a comment or a reference to one."""
    identifier = element.get(qn("w:id")) or ""
    is_comment = element.tag in {qn("w:comment"), qn("w:commentReference")}
    is_number = identifier.isdecimal() and len(identifier) < 10
    return str(int(identifier) + is_comment) if is_number else "?"


def _form_value(field: Any) -> str:
    """Return a form field of older documents: a box, or the chosen entry of a list."""
    if field.tag == qn("w:checkBox"):
        found = field.find(qn("w:checked"))
        found = field.find(qn("w:default")) if found is None else found
        is_checked = found is not None and found.get(qn("w:val"), "1") not in {"0", "false", "off"}
        return "☒" if is_checked else "☐"
    entries = [entry.get(qn("w:val"), "") for entry in field.iterchildren(qn("w:listEntry"))]
    chosen = _value(field, "w:result") or _value(field, "w:default") or "0"
    is_valid = chosen[:4].isdecimal() and int(chosen[:4]) < len(entries)
    return entries[int(chosen[:4])] if is_valid else ""


def _elements(parent: Any) -> Iterator[Any]:
    # Comments and entities have a function as their tag.
    return (
        child for child in parent if isinstance(child.tag, str) and child.tag not in _SKIPPED_TAGS
    )


def _to_markdown(paragraph: Any, text: str, styles: dict[str, Style]) -> tuple[str, bool]:
    style = styles.get(_value(paragraph, "w:pPr/w:pStyle"), Style())
    number = _value(paragraph, "w:pPr/w:numPr/w:numId")
    if style.heading:
        return "#" * style.heading + " " + " ".join(text.split()), False
    if number == "0" or not (number or style.is_list):
        return text, False
    level = _value(paragraph, "w:pPr/w:numPr/w:ilvl")
    indent = "  " * min(int(level) if level.isdecimal() else 0, _MAX_LIST_LEVEL)
    return indent + "- " + text.replace("\n", f"\n{indent}  "), True


def _table(table: Any) -> str:
    rows = [_row(row) for row in _descendants(table, _ROW)]
    rows = [row for row in rows if any(row)]
    if not rows:
        return ""
    width = max(map(len, rows))
    first, *others = [row + [""] * (width - len(row)) for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in (first, ["---"] * width, *others))


def _row(row: Any) -> list[str]:
    cells = []
    for cell in _descendants(row, _CELL):
        cells.append(" ".join("".join(_texts(cell)).split()).replace("|", "\\|"))
        span = _value(cell, "w:tcPr/w:gridSpan")
        if span.isdecimal() and len(span) < 3:
            cells += [""] * (int(span) - 1)
    return cells


def _descendants(parent: Any, tag: str) -> Iterator[Any]:
    """Yield the rows of a table or the cells of a row, also inside content controls."""
    for element in _elements(parent):
        if element.tag == tag:
            yield element
        else:
            yield from _descendants(element, tag)


def _style(style: Any) -> Style:
    name = _value(style, "w:name")
    heading = _HEADING.match(name)
    level = 1 if name == "Title" else int(heading[1]) if heading else 0
    is_list = bool(_value(style, "w:pPr/w:numPr/w:numId")) or name.startswith("List Bullet")
    return Style(min(level, _MAX_HEADING_LEVEL), is_list or name.startswith("List Number"))


def _value(element: Any, path: str) -> str:
    found = element.find("/".join(map(qn, path.split("/"))))
    return "" if found is None else found.get(qn("w:val")) or ""


def count_words(text: str) -> int:
    return sum(1 for _ in _WORD.finditer(text))
