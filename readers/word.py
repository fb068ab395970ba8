"""Reader for Word documents: the body, notes, comments, headers and footers, as Markdown.

python-docx opens the package. Documents saved as "Strict Open XML" differ in the addresses of their
namespaces, which are replaced first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any
from zipfile import ZipFile

from docx.opc.part import Part, PartFactory, XmlPart
from docx.oxml.ns import qn
from docx.package import Package
from docx.parts.document import DocumentPart
from lxml import etree

from readers.errors import ReaderError
from readers.text_decoding import MAX_CHARACTERS, truncate
from readers.word_markdown import Style, count_words, note_number, read_styles, to_markdown
from readers.zip_check import check_zip

# Read templates and documents with macros too. Macros are not executed.
for _type in (
    "application/vnd.ms-word.document.macroEnabled.main+xml",
    "application/vnd.ms-word.template.macroEnabledTemplate.main+xml",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml",
):
    PartFactory.part_type_for[_type] = DocumentPart

_STRICT = re.compile(rb"http://purl\.oclc\.org/ooxml/(\w+)/(\w+)")
_TRANSITIONAL = rb"http://schemas.openxmlformats.org/\1/2006/\2"
_DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/"
_VML = "{urn:schemas-microsoft-com:vml}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_NOTES = ("footnotes", "endnotes", "comments")
_SEPARATORS = {"separator", "continuationSeparator", "continuationNotice"}
_LEFT_OUT = {
    f"{_DRAWING}picture}}pic": "pictures",
    f"{_VML}imagedata": "pictures",
    f"{_DRAWING}chart}}chart": "charts",
    f"{_DRAWING}diagram}}relIds": "diagrams",
    qn("w:object"): "embedded_objects",
    qn("w:altChunk"): "embedded_files",
}


def read(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Return Markdown in UTF-8; the header of the pages precedes it, notes and comments follow.

    Header: `words`, `words_read` of them, `is_cut`, `left_out`.
    """
    check_zip(data)
    part = Package.open(BytesIO(_transitional(data))).main_document_part
    if not isinstance(part, DocumentPart):
        raise ReaderError("unreadable")
    _refuse_dtd(part.element)
    styles = read_styles(part.styles.element)
    related = _related_parts(part)
    texts = [
        *_page_edges(related, "header", styles),
        to_markdown(part.element.body, styles),
        *_page_edges(related, "footer", styles),
        *(note for kind in _NOTES for note in _notes(related, kind, styles)),
    ]
    text = "\n\n".join(filter(None, texts))
    if not text:
        raise ReaderError("no_text")
    kept = truncate(text, options.get("characters", MAX_CHARACTERS))
    header = {"words": count_words(text), "words_read": count_words(kept), "is_cut": kept != text}
    return header | {"left_out": _left_out(part.element.body)}, kept.encode(errors="replace")


def _transitional(data: bytes) -> bytes:
    """Return a strict document with the namespaces of the usual form; others unchanged."""
    with ZipFile(BytesIO(data)) as archive:
        if "_rels/.rels" not in archive.namelist() or not _STRICT.search(
            archive.read("_rels/.rels")
        ):
            return data
        output = BytesIO()
        with ZipFile(output, "w") as copy:
            for name in archive.namelist():
                if name.endswith((".xml", ".rels")):
                    copy.writestr(name, _STRICT.sub(_TRANSITIONAL, archive.read(name)))
    return output.getvalue()


def _refuse_dtd(element: Any) -> None:
    if element.getroottree().docinfo.internalDTD is not None:
        raise ReaderError("unreadable")  # Word never writes a DTD; it is an attack with entities


def _related_parts(part: Part) -> list[tuple[str, Any]]:
    """Return the kind and the XML of each header, footer, and part with notes."""
    found = []
    for relationship in part.rels.values():
        kind = relationship.reltype.rpartition("/")[2]
        if relationship.is_external or kind not in {"header", "footer", *_NOTES}:
            continue
        target = relationship.target_part
        if isinstance(target, XmlPart):
            element = target.element
        else:
            parser = etree.XMLParser(resolve_entities=False, no_network=True)
            element = etree.fromstring(target.blob, parser)
        _refuse_dtd(element)
        found.append((kind, element))
    return found


def _page_edges(
    related: list[tuple[str, Any]], kind: str, styles: dict[str, Style]
) -> Iterator[str]:
    """Yield the distinct headers or footers, but not those that only number the pages."""
    texts = (to_markdown(element, styles) for found, element in related if found == kind)
    for text in dict.fromkeys(texts):
        if any(map(str.isalpha, text)):
            yield f"[{kind.capitalize()}] {text}"


def _notes(related: list[tuple[str, Any]], kind: str, styles: dict[str, Style]) -> Iterator[str]:
    for note in (note for found, element in related if found == kind for note in element):
        if not isinstance(note.tag, str) or note.get(qn("w:type")) in _SEPARATORS:
            continue
        text, number = to_markdown(note, styles), note_number(note)
        if text and kind == "comments":
            author = note.get(qn("w:author"))
            yield f"[Comment {number}{f' by {author}' if author else ''}] {text}"
        elif text:
            yield f"[^{'e' if kind == 'endnotes' else ''}{number}]: {text}"


def _left_out(body: Any) -> dict[str, int]:
    counts: dict[str, int] = {}
    for element in body.iter(*_LEFT_OUT):
        kind = _LEFT_OUT[element.tag]
        if (
            kind == "pictures"
            and next(element.iterancestors(_FALLBACK, qn("w:object")), None) is not None
        ):
            continue  # the same picture for older programs, or the icon of an embedded object
        counts[kind] = counts.get(kind, 0) + 1
    return counts
