"""Reader for Word documents: paragraphs and tables in document order, as Markdown.

python-docx opens the package; the text is collected here because python-docx skips content
controls, tracked insertions and text boxes. Tracked deletions are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from docx.opc.part import PartFactory
from docx.oxml.ns import qn
from docx.package import Package
from docx.parts.document import DocumentPart

from readers.errors import ReaderError
from readers.text_decoding import MAX_CHARACTERS, truncate
from readers.zip_check import check_zip

# Read templates and documents with macros too. Macros are not executed.
for _type in (
    "application/vnd.ms-word.document.macroEnabled.main+xml",
    "application/vnd.ms-word.template.macroEnabledTemplate.main+xml",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml",
):
    PartFactory.part_type_for[_type] = DocumentPart

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
_HEADING = re.compile(r"heading ([1-9])$", re.IGNORECASE)
_MAX_HEADING_LEVEL, _MAX_LIST_LEVEL = 6, 8
# Chinese and Japanese have no spaces between words, so each character counts as a word.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|\w[^\s|\u3040-\u30ff\u3400-\u9fff]*")


@dataclass(frozen=True, slots=True)
class _Style:
    heading: int = 0  # level from 1; 0 for other styles
    is_list: bool = False


def read(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Return Markdown in UTF-8. Header: `words`, `words_read` of them, `is_cut`."""
    check_zip(data)
    part = Package.open(BytesIO(data)).main_document_part
    if not isinstance(part, DocumentPart):
        raise ReaderError("unreadable")
    if part.element.getroottree().docinfo.internalDTD is not None:
        raise ReaderError("unreadable")  # Word never writes a DTD; it is an attack with entities
    styles = {style.get(qn("w:styleId")): _style(style) for style in part.styles.element}
    parts: list[str] = []
    was_item = False
    for block, is_item in _blocks(part.element.body, styles):
        parts += ["\n" if is_item and was_item else "\n\n", block]
        was_item = is_item
    text = "".join(parts[1:])
    if not text:
        raise ReaderError("no_text")
    kept = truncate(text, options.get("characters", MAX_CHARACTERS))
    header = {"words": _count_words(text), "words_read": _count_words(kept), "is_cut": kept != text}
    return header, kept.encode()


def _blocks(container: Any, styles: dict[str, _Style]) -> Iterator[tuple[str, bool]]:
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
        else:
            if child.tag == _PARAGRAPH:  # in a text box or a cell
                yield "\n"
            yield from _texts(child)


def _elements(parent: Any) -> Iterator[Any]:
    # Comments and entities have a function as their tag.
    return (
        child for child in parent if isinstance(child.tag, str) and child.tag not in _SKIPPED_TAGS
    )


def _to_markdown(paragraph: Any, text: str, styles: dict[str, _Style]) -> tuple[str, bool]:
    style = styles.get(_value(paragraph, "w:pPr/w:pStyle"), _Style())
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


def _style(style: Any) -> _Style:
    name = _value(style, "w:name")
    heading = _HEADING.match(name)
    level = 1 if name == "Title" else int(heading[1]) if heading else 0
    is_list = bool(_value(style, "w:pPr/w:numPr/w:numId")) or name.startswith("List Bullet")
    return _Style(min(level, _MAX_HEADING_LEVEL), is_list or name.startswith("List Number"))


def _value(element: Any, path: str) -> str:
    found = element.find("/".join(map(qn, path.split("/"))))
    return "" if found is None else found.get(qn("w:val")) or ""


def _count_words(text: str) -> int:
    return sum(1 for _ in _WORD.finditer(text))
