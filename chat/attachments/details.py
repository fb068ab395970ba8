"""Describe what was read of a file, for the person and for the model: "3 pages, read as GBK".

The header of a reader is untrusted: only numbers and known words are taken from it.
"""

from __future__ import annotations

from typing import Any

from chat.domain.text_encodings import TEXT_ENCODINGS

# What a reader leaves out: one and several of it.
_LEFT_OUT = {
    "pictures": ("picture", "pictures"),
    "charts": ("chart", "charts"),
    "chart_sheets": ("chart sheet", "chart sheets"),
    "comments": ("comment", "comments"),
    "diagrams": ("diagram", "diagrams"),
    "text_boxes": ("text box", "text boxes"),
    "embedded_objects": ("embedded object", "embedded objects"),
    "embedded_files": ("embedded file", "embedded files"),
    "attachments": ("attachment", "attachments"),
    "interactive_outputs": ("interactive output", "interactive outputs"),
}
_UNITS = {"pdf": "page", "word": "word", "rtf": "word", "notebook": "cell"}


def describe(reader: str, header: dict[str, Any]) -> str:
    """Return what the reader has read and what it has left out.

    Raises KeyError, TypeError or ValueError if the header is invalid.
    """
    facts = [_sheets(header) if reader == "sheet" else _amount(header, _unit(reader, header))]
    if damaged := int(header.get("pages_damaged", 0)):
        facts.append(f"{damaged:,} of them damaged")
    if blank := int(header.get("pages_blank", 0)):
        facts.append(f"{blank:,} of them without text that can be read")
    if formulas := int(header.get("formulas", 0)):
        facts.append(_count(formulas, "formula", "formulas") + " without a stored result")
    if header.get("is_unchecked"):
        facts.append("formulas and errors may be missing")
    if encoding := header.get("encoding"):
        facts.append(f"read as {TEXT_ENCODINGS[encoding][0]}")
    left_out = [
        _count(count, *_LEFT_OUT[kind])
        for kind, value in dict(header.get("left_out", {})).items()
        if (count := int(value))
    ]
    return ", ".join(facts) + (f"; not included: {', '.join(left_out)}" if left_out else "")


def _unit(reader: str, header: dict[str, Any]) -> str:
    if reader == "csv":
        return "row"
    unit = _UNITS.get(reader, "line")
    return unit if f"{unit}s" in header else "line"  # a damaged notebook is read as text


def _sheets(header: dict[str, Any]) -> str:
    sheets, hidden = int(header["sheets"]), int(header["sheets_hidden"])
    rows = _amount(header, "row")
    if sheets == 1:
        return f"hidden sheet, {rows}" if hidden else rows
    return f"{sheets:,} sheets{f' ({hidden:,} hidden)' if hidden else ''}, {rows}"


def _amount(header: dict[str, Any], unit: str) -> str:
    """Return "3 pages", "only the first 2 of 3 pages" or "1 page, only the beginning"."""
    total, read = int(header[f"{unit}s"]), int(header[f"{unit}s_read"])
    amount = _count(total, unit, f"{unit}s")
    if read < total:
        return f"only the first {read:,} of {amount}"
    return f"{amount}, only the beginning" if header["is_cut"] else amount


def _count(number: int, one: str, several: str) -> str:
    return f"{number:,} {one if number == 1 else several}"
