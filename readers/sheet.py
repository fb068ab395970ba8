"""Workbooks of Excel, old and new, and of OpenDocument: every sheet as CSV."""

from __future__ import annotations

import csv
import datetime
import re
from contextlib import suppress
from io import BytesIO, StringIO
from typing import Any
from zipfile import ZipFile

from python_calamine import CalamineSheet, CalamineWorkbook, SheetTypeEnum

from readers.archives import check_archive
from readers.preview import Preview
from readers.problems import Problem
from readers.texts import MOST_CHARACTERS

_MANIFEST, _MOST_MANIFEST = "META-INF/manifest.xml", 1_000_000
# An old workbook is a row of records: its kind and its length, two bytes each, then its content.
_BOOK = re.compile(rb"\x09\x08[\x08\x10]\x00\x00[\x05\x06]\x05\x00")
_LOCK, _FIRST_RECORDS = b"\x2f\x00", 10
_EXACT = 10**15  # numbers are kept to fifteen digits, as the programs that write them do


def read(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Header: `sheets`, `rows` of all sheets without the first of each, `rows_read`, `is_cut`,
    `preview`.

    Content: CSV in UTF-8, under "## Sheet: name" when there are several. Empty rows are left out.
    """
    if data.startswith(b"PK"):
        check_archive(data)
    if _is_locked(data):
        raise Problem("encrypted")
    workbook = CalamineWorkbook.from_filelike(BytesIO(data))
    names = [
        sheet.name for sheet in workbook.sheets_metadata if sheet.typ is SheetTypeEnum.WorkSheet
    ]
    text, preview, skipped = StringIO(), Preview(), 0
    for name in names:
        preview.begin(name)
        if len(names) > 1:
            text.write("\n" if text.tell() else "")
            text.write(f"## Sheet: {name}\n\n")
        left = _write(workbook.get_sheet_by_name(name), text, preview, options)
        preview.skip(left)
        skipped += left
    if preview.is_empty:
        raise Problem("no_text")
    rows = preview.rows_total
    header = {
        "sheets": len(names),
        "rows": rows,
        "rows_read": rows - skipped,
        "is_cut": skipped > 0,
    }
    return header | {"preview": preview.as_json()}, text.getvalue().encode()


def _is_locked(data: bytes) -> bool:
    """Whether it takes a password to open: calamine would only say that it cannot."""
    if data.startswith(b"PK"):
        with ZipFile(BytesIO(data)) as archive, suppress(KeyError), archive.open(_MANIFEST) as file:
            return b"encryption-data" in file.read(_MOST_MANIFEST)
        return False
    beginning = _BOOK.search(data)
    place = beginning.start() if beginning else len(data)
    for _ in range(_FIRST_RECORDS):
        if data[place : place + 2] == _LOCK:
            return True
        place += 4 + int.from_bytes(data[place + 2 : place + 4], "little")
    return False


def _write(sheet: CalamineSheet, text: StringIO, preview: Preview, options: dict[str, Any]) -> int:
    """Writes the rows there is room for; returns how many are left, without the first."""
    most = options.get("characters", MOST_CHARACTERS)
    writer, is_first = csv.writer(text, lineterminator="\n"), True
    for number, values in enumerate(sheet.iter_rows()):
        cells = [_cell(value) for value in values]
        if not any(cells):
            continue
        before = text.tell()
        writer.writerow(cells)
        if text.tell() > most:
            if preview.is_empty:
                raise Problem("too_complex")
            text.seek(before)
            text.truncate()
            last, _ = sheet.end or (number, 0)
            return last + 1 - number - is_first
        preview.add(cells)
        is_first = False
    return 0


def _cell(value: object) -> str:
    match value:
        case bool():
            return "TRUE" if value else "FALSE"
        case float():
            is_whole = value.is_integer() and abs(value) < _EXACT
            return str(int(value)) if is_whole else f"{value:.15g}"
        case datetime.datetime():
            return value.isoformat(" ", "seconds").removesuffix(" 00:00:00")
        case datetime.date() | datetime.time():
            return value.isoformat()
        case _:
            return str(value)
