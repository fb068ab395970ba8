"""Reader for Excel (.xlsx, .xlsb, .xls) and OpenDocument workbooks: every sheet as CSV."""

from __future__ import annotations

import csv
import datetime
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO, StringIO
from typing import Any
from zipfile import ZipFile

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    SheetMetadata,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from readers.errors import ReaderError
from readers.preview import Preview
from readers.sheet_biff import BIFF_START, read_errors
from readers.sheet_xml import SheetExtras, WorkbookExtras, read_extras, with_known_errors
from readers.text_decoding import MAX_CHARACTERS
from readers.zip_check import check_zip

_MANIFEST, _MAX_MANIFEST_BYTES = "META-INF/manifest.xml", 1_000_000
_FILEPASS, _FIRST_RECORDS = b"\x2f\x00", 10  # the BIFF record that marks encryption
_EXTRA_SECONDS = 5.0  # of CPU time
_MAX_COLUMNS = 16_384
_MAX_EXACT = 2**53  # a float holds larger integers with gaps


def read(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Return CSV in UTF-8 without empty rows; "## Sheet: name" precedes each of several sheets.

    The comments of a sheet follow its rows. Header: `sheets`, `sheets_hidden` of them, `rows` of
    all sheets without the first row of each, `rows_read` of them, `is_cut`, `formulas` without a
    stored result, `left_out`, `is_unchecked` if formulas and errors may be missing, `preview`.
    """
    if data.startswith(b"PK"):
        check_zip(data)
    if _is_encrypted(data):
        raise ReaderError("encrypted")
    extras = read_extras(data, options.get("seconds", _EXTRA_SECONDS))
    try:
        return _read(data, extras, options)
    except CalamineError as error:
        if "cell error" not in str(error):
            raise
        # calamine refuses a sheet with an error that is newer than it, such as #SPILL!
        return _read(with_known_errors(data), extras, options)


def _read(
    data: bytes, extras: WorkbookExtras, options: dict[str, Any]
) -> tuple[dict[str, Any], bytes]:
    workbook = CalamineWorkbook.from_filelike(BytesIO(data))
    sheets = [each for each in workbook.sheets_metadata if each.typ is SheetTypeEnum.WorkSheet]
    if not data.startswith(b"PK"):
        _add_errors(read_errors(data), workbook, extras)
    text, preview, left_out = StringIO(), Preview(), Counter(extras.left_out)
    left_out["chart_sheets"] = len(workbook.sheets_metadata) - len(sheets)
    skipped = 0
    for sheet in sheets:
        preview.start_sheet(sheet.name)
        if len(sheets) > 1 or _is_hidden(sheet):
            text.write("\n" if text.tell() else "")
            text.write(f"## Sheet: {sheet.name}{' (hidden)' if _is_hidden(sheet) else ''}\n\n")
        more = extras.sheets[sheet.name]
        values = workbook.get_sheet_by_name(sheet.name)
        skipped_rows = _write(values, more, text, preview, options)
        preview.skip_rows(skipped_rows)
        skipped += skipped_rows
        left_out["comments"] += _write_comments(more.comments, text, options)
    if preview.is_empty:
        raise ReaderError("no_text")
    total = preview.rows_total
    header = {
        "sheets": len(sheets),
        "sheets_hidden": sum(map(_is_hidden, sheets)),
        "rows": total,
        "rows_read": total - skipped,
        "is_cut": skipped > 0,
        "formulas": sum(each.formulas for each in extras.sheets.values()),
        "left_out": dict(left_out),
        "is_unchecked": not extras.is_complete,
    }
    return header | {"preview": preview.to_json()}, text.getvalue().encode(errors="replace")


def _add_errors(
    errors: list[dict[tuple[int, int], str]] | None,
    workbook: CalamineWorkbook,
    extras: WorkbookExtras,
) -> None:
    extras.is_complete = errors is not None
    for sheet, found in zip(workbook.sheets_metadata, errors or (), strict=False):
        for (row, column), error in found.items():
            extras.sheets[sheet.name].cells[row][column] = error


def _write_comments(
    comments: list[tuple[str, str]], text: StringIO, options: dict[str, Any]
) -> int:
    """Write comments up to the character limit. Return the number of those left."""
    room = options.get("characters", MAX_CHARACTERS) - text.tell()
    for number, (place, comment) in enumerate(comments):
        line = f"Comment on {place}: {comment}\n"
        room -= len(line) + 1
        if room < 0:
            return len(comments) - number
        text.write(line if number else f"\n{line}")
    return 0


def _is_hidden(sheet: SheetMetadata) -> bool:
    return sheet.visible is not SheetVisibleEnum.Visible


def _is_encrypted(data: bytes) -> bool:
    """Return whether a password is needed; calamine reports encryption as a generic error."""
    if data.startswith(b"PK"):
        with ZipFile(BytesIO(data)) as archive, suppress(KeyError), archive.open(_MANIFEST) as file:
            return b"encryption-data" in file.read(_MAX_MANIFEST_BYTES)
        return False
    start = BIFF_START.search(data)
    offset = start.start() if start else len(data)
    for _ in range(_FIRST_RECORDS):
        if data[offset : offset + 2] == _FILEPASS:
            return True
        offset += 4 + int.from_bytes(data[offset + 2 : offset + 4], "little")
    return False


def _rows(sheet: CalamineSheet, extras: SheetExtras) -> Iterator[tuple[int, list[str]]]:
    """Yield every row with its number from 0, with the cells of `extras` in their places."""
    first_column = sheet.start[1] if sheet.start else _MAX_COLUMNS  # calamine skips those before
    columns = [column for cells in extras.cells.values() for column in cells]
    left = min(first_column, *columns) if columns else first_column
    number = -1
    for number, values in enumerate(sheet.iter_rows()):
        cells = [""] * (first_column - left) + [_cell(value) for value in values]
        yield number, _with_extras(cells, extras.cells.get(number, {}), left)
    for later in sorted(row for row in extras.cells if row > number):
        yield later, _with_extras([], extras.cells[later], left)


def _with_extras(cells: list[str], extras: dict[int, str], left: int) -> list[str]:
    """Return the cells from column `left` on, with those of `extras` in their places."""
    if extras:
        cells += [""] * (max(extras) + 1 - left - len(cells))
    for column, text in extras.items():
        cells[column - left] = text
    return cells


def _write(
    sheet: CalamineSheet,
    extras: SheetExtras,
    text: StringIO,
    preview: Preview,
    options: dict[str, Any],
) -> int:
    """Write rows up to the character limit. Return the number of rows left, without the first."""
    max_characters = options.get("characters", MAX_CHARACTERS)
    writer, is_first = csv.writer(text, lineterminator="\n"), True
    for number, cells in _rows(sheet, extras):
        if not any(cells):
            continue
        before = text.tell()
        writer.writerow(cells)
        if text.tell() > max_characters:
            if preview.is_empty:
                raise ReaderError("too_complex")
            text.seek(before)
            text.truncate()
            last, _ = sheet.end or (number, 0)
            return max(last, *extras.cells, number) + 1 - number - is_first
        preview.add_row(cells)
        is_first = False
    return 0


def _cell(value: object) -> str:
    match value:
        case bool():
            return "TRUE" if value else "FALSE"
        case float():
            is_integer = value.is_integer() and abs(value) <= _MAX_EXACT
            return str(int(value)) if is_integer else f"{value:.15g}"
        case datetime.datetime():
            return value.isoformat(" ", "seconds").removesuffix(" 00:00:00")
        case datetime.timedelta():
            return _duration(value)
        case datetime.date() | datetime.time():
            return value.isoformat()
        case _:
            return str(value)


def _duration(value: datetime.timedelta) -> str:
    """Return hours, minutes and seconds, as spreadsheets show durations of more than a day."""
    sign, value = ("-", -value) if value < datetime.timedelta() else ("", value)
    minutes, seconds = divmod(value.days * 86_400 + value.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{value.microseconds:06}".rstrip("0") if value.microseconds else ""
    return f"{sign}{hours}:{minutes:02}:{seconds:02}{fraction}"
