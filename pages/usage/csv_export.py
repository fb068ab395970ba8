"""CSV export that is safe to open in a spreadsheet: no text cell starts a formula. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

_FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r", "\n")


def to_csv(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    """Return the rows as CSV in UTF-8 with a byte order mark, which spreadsheets need.

    None becomes an empty cell.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(value) for value in row])
    return out.getvalue().encode("utf-8-sig")


def _cell(value: object) -> object:
    if isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA_PREFIXES):
        return "'" + value
    return value
