"""Reader for Excel (.xlsx, .xlsb, .xls) and OpenDocument workbooks: every sheet as CSV."""

from __future__ import annotations

import csv
import datetime
import re
from contextlib import suppress
from io import BytesIO, StringIO
from typing import Any
from zipfile import ZipFile

from python_calamine import CalamineSheet, CalamineWorkbook, SheetTypeEnum

from readers.errors import ReaderError
from readers.preview import Preview
from readers.text_decoding import MAX_CHARACTERS
from readers.zip_check import check_zip

_MANIFEST, _MAX_MANIFEST_BYTES = "META-INF/manifest.xml", 1_000_000
# BIFF, the .xls format, is a sequence of records: type and length (two bytes each), then the body.
_BIFF_START = re.compile(rb"\x09\x08[\x08\x10]\x00\x00[\x05\x06]\x05\x00")
_FILEPASS, _FIRST_RECORDS = b"\x2f\x00", 10  # the record that marks encryption
_MAX_EXACT = 10**15  # spreadsheets keep 15 significant digits


def read(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Return CSV in UTF-8 without empty rows; "## Sheet: name" precedes each of several sheets.

    Header: `sheets`, `rows` of all sheets without the first row of each, `rows_read` of them,
    `is_cut`, `preview`.
    """
    if data.startswith(b"PK"):
        check_zip(data)
    if _is_encrypted(data):
        raise ReaderError("encrypted")
    workbook = CalamineWorkbook.from_filelike(BytesIO(data))
    names = [
        sheet.name for sheet in workbook.sheets_metadata if sheet.typ is SheetTypeEnum.WorkSheet
    ]
    text, preview, skipped = StringIO(), Preview(), 0
    for name in names:
        preview.start_sheet(name)
        if len(names) > 1:
            text.write("\n" if text.tell() else "")
            text.write(f"## Sheet: {name}\n\n")
        skipped_rows = _write(workbook.get_sheet_by_name(name), text, preview, options)
        preview.skip_rows(skipped_rows)
        skipped += skipped_rows
    if preview.is_empty:
        raise ReaderError("no_text")
    rows = preview.rows_total
    header = {
        "sheets": len(names),
        "rows": rows,
        "rows_read": rows - skipped,
        "is_cut": skipped > 0,
    }
    return header | {"preview": preview.to_json()}, text.getvalue().encode()


def _is_encrypted(data: bytes) -> bool:
    """Return whether a password is needed; calamine reports encryption as a generic error."""
    if data.startswith(b"PK"):
        with ZipFile(BytesIO(data)) as archive, suppress(KeyError), archive.open(_MANIFEST) as file:
            return b"encryption-data" in file.read(_MAX_MANIFEST_BYTES)
        return False
    start = _BIFF_START.search(data)
    offset = start.start() if start else len(data)
    for _ in range(_FIRST_RECORDS):
        if data[offset : offset + 2] == _FILEPASS:
            return True
        offset += 4 + int.from_bytes(data[offset + 2 : offset + 4], "little")
    return False


def _write(sheet: CalamineSheet, text: StringIO, preview: Preview, options: dict[str, Any]) -> int:
    """Write rows up to the character limit. Return the number of rows left, without the first."""
    max_characters = options.get("characters", MAX_CHARACTERS)
    writer, is_first = csv.writer(text, lineterminator="\n"), True
    for number, values in enumerate(sheet.iter_rows()):
        cells = [_cell(value) for value in values]
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
            return last + 1 - number - is_first
        preview.add_row(cells)
        is_first = False
    return 0


def _cell(value: object) -> str:
    match value:
        case bool():
            return "TRUE" if value else "FALSE"
        case float():
            is_integer = value.is_integer() and abs(value) < _MAX_EXACT
            return str(int(value)) if is_integer else f"{value:.15g}"
        case datetime.datetime():
            return value.isoformat(" ", "seconds").removesuffix(" 00:00:00")
        case datetime.date() | datetime.time():
            return value.isoformat()
        case _:
            return str(value)
