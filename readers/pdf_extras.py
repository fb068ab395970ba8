"""What a PDF shows beside the text of its pages: form values, comments and pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lxml import etree
from pypdf import PageObject, PdfReader
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject, NameObject

_MAX_DEPTH = 8  # of fields in fields and of forms in forms
_MAX_PICTURES = 10_000
_MIN_SIDE = 32  # pixels; smaller pictures are ornaments
_COMMENT_NAMES = """Text FreeText Highlight Underline Squiggly StrikeOut Square Circle Polygon
    PolyLine Line Ink Stamp Caret"""
_COMMENTS = frozenset(f"/{name}" for name in _COMMENT_NAMES.split())
_RADIO, _PUSH_BUTTON, _PASSWORD = 1 << 15, 1 << 16, 1 << 13  # field flags


def annotation_lines(page: PageObject) -> list[str]:
    """Return the filled-in form fields and the comments of a page, a line for each."""
    fields: dict[str, str] = {}
    comments = []
    for annotation in _annotations(page):
        kind = annotation.get("/Subtype")
        if kind == "/Widget":
            name, value = _field(annotation)
            if value and not fields.get(name):
                fields[name] = value
        elif kind in _COMMENTS and (text := _text(annotation.get("/Contents"))):
            author = _text(annotation.get("/T"))
            comments.append(f"{author}: {text}" if author else text)
    lines = [f"{name}: {value}" if name else value for name, value in fields.items()]
    return [f"[Form field] {line}" for line in lines] + [f"[Comment] {each}" for each in comments]


def xfa_lines(document: PdfReader) -> list[str]:
    """Return the values of an XML form. Its pages only ask for another program."""
    datasets = (document.xfa or {}).get("datasets")
    if not datasets:
        return []
    xml = datasets if isinstance(datasets, bytes) else str(datasets).encode()
    root = etree.fromstring(xml, etree.XMLParser(resolve_entities=False, no_network=True))
    return [
        f"[Form field] {etree.QName(each).localname}: {' '.join(each.text.split())}"
        for each in root.iter("*")
        if not len(each) and each.text and each.text.strip()
    ]


class PictureCounter:
    """Counts the distinct pictures of the pages that it is given."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self.count = 0

    def add(self, page: PageObject) -> None:
        self._add(page.get("/Resources"), 0)

    def _add(self, resources: Any, depth: int) -> None:
        objects = _resolve(_resolve(resources, {}).get("/XObject"), {})
        for reference in objects.values() if depth < _MAX_DEPTH else ():
            if isinstance(reference, IndirectObject):
                if reference.idnum in self._seen or len(self._seen) >= _MAX_PICTURES:
                    continue
                self._seen.add(reference.idnum)
            each = _resolve(reference, {})
            if each.get("/Subtype") == "/Image":
                self.count += min(each.get("/Width", 0), each.get("/Height", 0)) >= _MIN_SIDE
            elif each.get("/Subtype") == "/Form":
                self._add(each.get("/Resources"), depth + 1)


def _annotations(page: PageObject) -> Iterator[DictionaryObject]:
    for reference in _resolve(page.get("/Annots"), ArrayObject()):
        annotation = _resolve(reference, None)
        if isinstance(annotation, DictionaryObject):
            yield annotation


def _field(widget: DictionaryObject) -> tuple[str, str]:
    """Return the full name and the value of a form field; its parents hold what it does not."""
    names: list[str] = []
    value = kind = label = None
    flags = 0
    field: Any = widget
    for _ in range(_MAX_DEPTH):
        if "/T" in field:
            names.insert(0, _text(field["/T"]))
        value = field.get("/V") if value is None else value
        kind, flags = kind or field.get("/FT"), flags or int(field.get("/Ff", 0))
        label = label or _text(field.get("/TU"))
        field = _resolve(field.get("/Parent"), None)
        if not isinstance(field, DictionaryObject):
            break
    name = label or ".".join(filter(None, names))
    if kind == "/Sig":
        return name, "signed" if value is not None else ""
    if kind == "/Btn":
        return name, _button(widget, value, flags)
    return name, "" if kind == "/Tx" and flags & _PASSWORD else _text(value)


def _button(widget: DictionaryObject, value: Any, flags: int) -> str:
    """Return the chosen value of radio buttons, or whether a box is checked."""
    if flags & _PUSH_BUTTON:
        return ""
    state = str(_resolve(value, None) or widget.get("/AS") or "/Off").removeprefix("/")
    if state == "Off":
        return "" if flags & _RADIO else "not checked"
    return state if flags & _RADIO else "checked"


def _text(value: Any) -> str:
    value = _resolve(value, "")
    if isinstance(value, list):
        return ", ".join(filter(None, map(_text, value)))
    if isinstance(value, bytes):
        return value.decode("latin-1").replace("\0", "").strip()
    if isinstance(value, NameObject):
        return value.removeprefix("/")
    if hasattr(value, "get_data"):  # a stream, for a long text
        return str(value.get_data().decode("utf-8", "replace"))
    if not isinstance(value, (str, int, float)):
        return ""
    return str(value).replace("\0", "").strip()


def _resolve(value: Any, default: Any) -> Any:
    value = value.get_object() if hasattr(value, "get_object") else value
    return default if value is None else value
