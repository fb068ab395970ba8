"""Preview of tables: the first rows of each sheet, small enough to display on a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_MAX_ROWS, _MAX_COLUMNS = 200, 50
_MAX_CELL = 300  # characters
_MAX_CHARACTERS = 500_000  # of all sheets together


class Preview:
    """Collects {"name", "columns", "rows", "rows_total"} for each sheet, all cells as text.

    The first row of a sheet holds the column names; it is not part of `rows` or `rows_total`.
    """

    def __init__(self) -> None:
        self._sheets: list[dict[str, Any]] = []
        self._room = _MAX_CHARACTERS

    def start_sheet(self, name: str) -> None:
        self._sheets.append({"name": name, "columns": None, "rows": [], "rows_total": 0})

    def add_row(self, row: Sequence[str]) -> None:
        sheet = self._sheets[-1]
        if sheet["columns"] is None:
            sheet["columns"] = self._shorten(row)
            return
        sheet["rows_total"] += 1
        if len(sheet["rows"]) < _MAX_ROWS and self._room > 0:
            sheet["rows"].append(self._shorten(row))

    def skip_rows(self, rows: int) -> None:
        """Add to the row count of the sheet without reading the rows."""
        self._sheets[-1]["rows_total"] += rows

    @property
    def is_empty(self) -> bool:
        return all(sheet["columns"] is None for sheet in self._sheets)

    @property
    def rows_total(self) -> int:
        return sum(sheet["rows_total"] for sheet in self._sheets)

    def to_json(self) -> dict[str, Any]:
        """Return the sheets, with rows padded to the number of columns."""
        for sheet in self._sheets:
            rows = [sheet["columns"] or [], *sheet["rows"]]
            width = max(map(len, rows))
            sheet["columns"], *sheet["rows"] = [row + [""] * (width - len(row)) for row in rows]
        return {"sheets": self._sheets}

    def _shorten(self, row: Sequence[str]) -> list[str]:
        cells = [
            cell if len(cell) <= _MAX_CELL else cell[: _MAX_CELL - 1] + "…"
            for cell in row[:_MAX_COLUMNS]
        ]
        self._room -= sum(map(len, cells))
        return cells
