"""Figures as CSV, harmless in a spreadsheet: no cell of text can begin a formula. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

_BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_of(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    """UTF-8 with a mark, as spreadsheets want it. None is an empty cell."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(value) for value in row])
    return out.getvalue().encode("utf-8-sig")


def _cell(value: object) -> object:
    if isinstance(value, str) and value.lstrip(" ").startswith(_BEGINS_FORMULA):
        return "'" + value
    return value
