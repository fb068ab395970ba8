"""The first rows of tables, small enough to be shown on a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_ROWS, _COLUMNS = 200, 50
_CELL = 300  # characters
_CHARACTERS = 500_000  # of all sheets together


class Preview:
    """Collects {"name", "columns", "rows", "rows_total"} for each sheet, all cells as text.

    The first row of a sheet names its columns: it is neither among its rows nor counted.
    """

    def __init__(self) -> None:
        self._sheets: list[dict[str, Any]] = []
        self._room = _CHARACTERS

    def begin(self, name: str) -> None:
        self._sheets.append({"name": name, "columns": None, "rows": [], "rows_total": 0})

    def add(self, row: Sequence[str]) -> None:
        sheet = self._sheets[-1]
        if sheet["columns"] is None:
            sheet["columns"] = self._shown(row)
            return
        sheet["rows_total"] += 1
        if len(sheet["rows"]) < _ROWS and self._room > 0:
            sheet["rows"].append(self._shown(row))

    def skip(self, rows: int) -> None:
        """So many more rows are in the sheet, and nobody looked at them."""
        self._sheets[-1]["rows_total"] += rows

    @property
    def is_empty(self) -> bool:
        return all(sheet["columns"] is None for sheet in self._sheets)

    @property
    def rows_total(self) -> int:
        return sum(sheet["rows_total"] for sheet in self._sheets)

    def as_json(self) -> dict[str, Any]:
        """All rows of a sheet have as many cells as there are columns."""
        for sheet in self._sheets:
            rows = [sheet["columns"] or [], *sheet["rows"]]
            width = max(map(len, rows))
            sheet["columns"], *sheet["rows"] = [row + [""] * (width - len(row)) for row in rows]
        return {"sheets": self._sheets}

    def _shown(self, row: Sequence[str]) -> list[str]:
        cells = [cell if len(cell) <= _CELL else cell[: _CELL - 1] + "…" for cell in row[:_COLUMNS]]
        self._room -= sum(map(len, cells))
        return cells
