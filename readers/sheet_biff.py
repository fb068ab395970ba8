"""Error values of an Excel 97-2003 workbook (.xls), which calamine reads as empty cells.

BIFF, the format, is a sequence of records: type and length (two bytes each), then the body.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

BIFF_START = re.compile(rb"\x09\x08[\x08\x10]\x00\x00[\x05\x06]\x05\x00")
_FORMULA, _END, _SHEET, _ERROR, _BEGINNING = 0x0006, 0x000A, 0x0085, 0x0205, 0x0809
_MAX_BODY = 8_224  # bytes
_ERRORS = {0x00: "#NULL!", 0x07: "#DIV/0!", 0x0F: "#VALUE!", 0x17: "#REF!", 0x1D: "#NAME?"}
_ERRORS |= {0x24: "#NUM!", 0x2A: "#N/A", 0x2B: "#GETTING_DATA"}


def read_errors(data: bytes) -> list[dict[tuple[int, int], str]] | None:
    """Return the errors of each sheet by row and column from 0.

    None if the records are not in one piece: the container may store them in any order.
    """
    start = BIFF_START.search(data)
    if start is None:
        return None
    try:
        globals_ = list(_records(data, start.start()))
        offsets = [struct.unpack_from("<I", body)[0] for kind, body in globals_ if kind == _SHEET]
        return [
            {
                (row, column): error
                for kind, body in _records(data, start.start() + offset)
                for row, column, error in _errors(kind, body)
            }
            for offset in offsets
        ]
    except (ValueError, struct.error):
        return None


def _records(data: bytes, offset: int) -> Iterator[tuple[int, bytes]]:
    """Yield the records from a beginning to its end. Raises ValueError if there are none."""
    depth = 0  # charts are sheets inside a sheet
    while True:
        kind, length = struct.unpack_from("<HH", data, offset)
        depth += (kind == _BEGINNING) - (kind == _END)
        if length > _MAX_BODY or (not depth and kind != _END):
            raise ValueError(offset)
        yield kind, data[offset + 4 : offset + 4 + length]
        if not depth:
            return
        offset += 4 + length


def _errors(kind: int, body: bytes) -> Iterator[tuple[int, int, str]]:
    if kind == _ERROR:
        row, column, _, code, is_error = struct.unpack_from("<HHHBB", body)
    elif kind == _FORMULA:  # the result is a number, or a mark and another value
        row, column, _, result, code, mark = struct.unpack_from("<HHHBxBxxxH", body)
        is_error = mark == 0xFFFF and result == 2
    else:
        return
    if is_error and code in _ERRORS:
        yield row, column, _ERRORS[code]
