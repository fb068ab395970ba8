"""What calamine leaves out of a workbook, from its XML: errors, formulas without results, comments.

.xlsx and .ods files only. calamine reads the values; the cells found here take their places.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from posixpath import dirname, join, normpath
from typing import Any
from zipfile import ZipFile

from lxml import etree

# Parsing a sheet is slow, so it is skipped if it has neither formulas, errors nor long numbers.
_WORTH_PARSING = re.compile(rb"""<(?:\w+:)?f[\s/>]|\st=["']e["']|v>-?\d{16}""")
_ERROR_VALUE = re.compile(
    rb"""(<(?:\w+:)?c\s(?:[^>]*\s)?t=["']e["'][^>]*>(?:<(?:\w+:)?f[^<]*</(?:\w+:)?f>"""
    rb"""|<(?:\w+:)?f[^>]*/>)?<(?:\w+:)?v>)[^<]*"""
)
_LONG_NUMBER = re.compile(r"-?\d{16,}")
_REFERENCE = re.compile(r"([A-Z]{1,3})(\d{1,7})")
_PARTS = {
    "charts": re.compile(r"xl/charts/chart\d*\.xml|Object [^/]*/content\.xml"),
    "pictures": re.compile(r"(?:xl/media|Pictures)/."),
}


@dataclass
class SheetExtras:
    """Texts of cells by row and column from 0, the number of formulas among them, and comments."""

    cells: dict[int, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    formulas: int = 0
    comments: list[tuple[str, str]] = field(default_factory=list)  # reference ("B2") and text


@dataclass
class WorkbookExtras:
    sheets: dict[str, SheetExtras] = field(default_factory=lambda: defaultdict(SheetExtras))
    left_out: dict[str, int] = field(default_factory=dict)
    is_complete: bool = True  # False if time was too short for all sheets


def read_extras(data: bytes, seconds: float) -> WorkbookExtras:
    """Return what `data` holds beside values; nothing for the binary formats .xls and .xlsb."""
    extras = WorkbookExtras()
    if not data.startswith(b"PK"):
        return extras
    deadline = time.process_time() + seconds
    with ZipFile(BytesIO(data)) as archive:
        names = {name.lower(): name for name in archive.namelist()}
        for what, pattern in _PARTS.items():
            if count := sum(1 for name in names.values() if pattern.match(name)):
                extras.left_out[what] = count
        try:
            if "xl/workbook.xml" in names:
                _read_xlsx(archive, names, extras, deadline)
            elif "content.xml" in names:
                _read_ods(archive.read("content.xml"), extras, deadline)
        except TimeoutError:
            extras.is_complete = False
        except etree.XMLSyntaxError:  # calamine reads on, or reports the damage
            extras.is_complete = False
    return extras


def with_known_errors(data: bytes) -> bytes:
    """Return an .xlsx file with #N/A in place of each error, as `read_extras` has their names."""
    output = BytesIO()
    with ZipFile(BytesIO(data)) as archive, ZipFile(output, "w") as copy:
        for name in archive.namelist():
            content = archive.read(name)
            if name.lower().startswith("xl/worksheets/"):
                content = _ERROR_VALUE.sub(rb"\1#N/A", content)
            copy.writestr(name, content)
    return output.getvalue()


def _read_xlsx(
    archive: ZipFile, names: dict[str, str], extras: WorkbookExtras, deadline: float
) -> None:
    def part(path: str) -> bytes:
        name = names.get(path.lower())
        return archive.read(name) if name else b""

    workbook = _parse(part("xl/workbook.xml"))
    targets = _relationships(part, "xl/workbook.xml")
    # Some programs store 0 for every formula and leave the calculation to Excel.
    is_uncalculated = any(
        each.get("fullCalcOnLoad") in {"1", "true"} for each in workbook.iter("{*}calcPr")
    )
    for sheet in workbook.iter("{*}sheet"):
        identifier = next((v for k, v in sheet.items() if etree.QName(k).localname == "id"), "")
        _, path = targets.get(identifier, ("", ""))
        found = extras.sheets[sheet.get("name") or ""]
        xml = part(path)
        if _WORTH_PARSING.search(xml):
            for row, cells in _rows(xml, deadline):
                for column, cell in cells:
                    _read_xlsx_cell(cell, row, column, found, is_uncalculated=is_uncalculated)
        for kind, target in _relationships(part, path).values():
            if kind == "comments":
                found.comments += _comments(part(target))


def _read_xlsx_cell(
    cell: Any, row: int, column: int, extras: SheetExtras, *, is_uncalculated: bool
) -> None:
    kind = cell.get("t", "n")
    value = cell.findtext("{*}v") or ""
    formula = cell.find("{*}f")
    if kind == "e":
        extras.cells[row][column] = value
    elif formula is not None and kind != "str" and _is_missing(value, is_uncalculated):
        extras.cells[row][column] = f"={formula.text}" if formula.text else "=(shared formula)"
        extras.formulas += 1
    elif kind == "n" and _LONG_NUMBER.fullmatch(value):  # a float would change its last digits
        extras.cells[row][column] = value


def _is_missing(value: str, is_uncalculated: bool) -> bool:
    return not value or (is_uncalculated and value in {"0", "0.0"})


def _rows(xml: bytes, deadline: float) -> Iterator[tuple[int, list[tuple[int, Any]]]]:
    """Yield the number of each row and its cells with their columns."""
    row = -1
    for _, element in etree.iterparse(
        BytesIO(xml), tag="{*}row", resolve_entities=False, no_network=True
    ):
        if time.process_time() > deadline:
            raise TimeoutError
        number = element.get("r", "")
        row = int(number) - 1 if number.isdecimal() else row + 1
        cells, column = [], -1
        for cell in element.iterchildren("{*}c"):
            reference = _REFERENCE.fullmatch(cell.get("r", ""))
            column = _column(reference[1]) if reference else column + 1
            cells.append((column, cell))
        yield row, cells
        element.clear()
        while element.getprevious() is not None:
            del element.getparent()[0]


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def _relationships(part: Any, path: str) -> dict[str, tuple[str, str]]:
    """Return the kind and the path of each part that the part at `path` refers to, by id."""
    folder, name = dirname(path), path.rpartition("/")[2]
    xml = part(f"{folder}/_rels/{name}.rels")
    if not xml:
        return {}
    return {
        each.get("Id", ""): (
            each.get("Type", "").rpartition("/")[2],
            normpath(join("/", folder, each.get("Target", ""))).lstrip("/"),
        )
        for each in _parse(xml).iter("{*}Relationship")
    }


def _comments(xml: bytes) -> Iterator[tuple[str, str]]:
    for comment in _parse(xml).iter("{*}comment") if xml else ():
        text = " ".join("".join(each.text or "" for each in comment.iter("{*}t")).split())
        if text:
            yield comment.get("ref", ""), text


def _read_ods(xml: bytes, extras: WorkbookExtras, deadline: float) -> None:
    for table in _parse(xml).iter("{*}table"):
        found, row = extras.sheets[_get(table, "name")], 0
        for element in table.iter("{*}table-row"):
            if time.process_time() > deadline:
                raise TimeoutError
            repeated = _repeated(element, "number-rows-repeated")
            column = 0
            for cell in element.iterchildren("{*}table-cell", "{*}covered-table-cell"):
                _read_ods_cell(cell, row, column, found)
                column += _repeated(cell, "number-columns-repeated")
            row += repeated


def _read_ods_cell(cell: Any, row: int, column: int, extras: SheetExtras) -> None:
    formula = _get(cell, "formula")
    text = " ".join("".join(each.itertext()) for each in cell.iterchildren("{*}p"))
    if _get(cell, "value-type", "calcext") == "error" and text:
        extras.cells[row][column] = text
    elif formula and not (_get(cell, "value-type") or text):
        extras.cells[row][column] = formula[formula.find("=") :]
        extras.formulas += 1
    for note in cell.iterchildren("{*}annotation"):
        words = " ".join(" ".join(each.itertext()) for each in note.iterchildren("{*}p")).split()
        extras.comments.append((f"{_letters(column)}{row + 1}", " ".join(words)))


def _letters(column: int) -> str:
    letters, number = "", column + 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def _repeated(element: Any, name: str) -> int:
    number = _get(element, name)
    return max(1, int(number)) if number.isdecimal() and len(number) < 8 else 1


def _get(element: Any, name: str, space: str = "") -> str:
    """Return the attribute with a local name, of a namespace with `space` in its address."""
    for key, value in element.items():
        namespace, _, local = key.rpartition("}")
        if local == name and (space in namespace if space else "calcext" not in namespace):
            return str(value)
    return ""


def _parse(xml: bytes) -> Any:
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    root: Any = etree.fromstring(xml, parser)
    return root
