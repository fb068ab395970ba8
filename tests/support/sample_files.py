"""Well-formed files with known contents, written by libraries other than those that read them."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from datetime import date
from io import BytesIO
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import docx
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from fpdf import FPDF
from openpyxl import Workbook
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

CAMERA = "Secret Camera 3000"
PLACE = (52.0, 31.0, 12.25)  # degrees, minutes, seconds
REMARK = "taken at home"
MP4 = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2" + bytes(100)
TABLE: list[list[Any]] = [
    ["name", "born", "score"],
    ["Grace", date(1906, 12, 9), 12],
    ["Alan", date(1912, 6, 23), 0.5],
]


def photo(
    kind: str = "JPEG", size: tuple[int, int] = (80, 40), orientation: int = 1, mode: str = "RGB"
) -> bytes:
    """Return a blue image with a red top left quarter and metadata: location, camera, comment."""
    image = Image.new(mode, size, "blue")
    image.paste("red", (0, 0, size[0] // 2, size[1] // 2))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x010E] = orientation, CAMERA, REMARK
    exif.get_ifd(0x8825).update({1: "N", 2: PLACE, 3: "E", 4: PLACE})
    options: dict[str, Any] = {}
    if kind != "GIF":
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        options = {"exif": exif, "icc_profile": profile.tobytes()}
    if kind in {"JPEG", "WEBP"}:
        options["xmp"] = f"<x:xmpmeta>{REMARK}</x:xmpmeta>".encode()
    if kind == "PNG":
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_text("Comment", REMARK)
    elif kind in {"JPEG", "GIF"}:
        options["comment"] = REMARK
    output = BytesIO()
    image.save(output, kind, **options)
    return output.getvalue()


def animation() -> bytes:
    first, second = Image.new("RGB", (30, 20), "red"), Image.new("RGB", (30, 20), "blue")
    output = BytesIO()
    first.save(output, "GIF", save_all=True, append_images=[second], duration=100)
    return output.getvalue()


def pdf(*pages: str) -> bytes:
    document = FPDF()
    document.set_font("Helvetica", size=12)
    for text in pages:
        document.add_page()
        if text:
            document.multi_cell(0, text=text)
    return bytes(document.output())


def word() -> bytes:
    document = docx.Document()
    document.add_heading("Minutes", 1)
    document.add_paragraph("We met on Monday — all of us.")
    document.add_paragraph("Bread", style="List Bullet")
    document.add_paragraph("Butter", style="List Bullet")
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip(
        (cell for row in table.rows for cell in row.cells),
        ("Who", "What", "Ada", "a|b"),
        strict=True,
    ):
        cell.text = text
    document.add_heading("Next time", 2)
    document.add_paragraph("Bring tea.")
    document.element.body.insert(
        -1,
        parse_xml(
            f"<w:sdt {nsdecls('w')}><w:sdtContent><w:p><w:r><w:t>In a form field.</w:t></w:r>"
            "<w:del><w:r><w:delText>Taken back.</w:delText></w:r></w:del></w:p>"
            "</w:sdtContent></w:sdt>"
        ),
    )
    return saved(document)


def workbook(sheets: Mapping[str, Sequence[Sequence[Any]]] | None = None) -> bytes:
    book = Workbook()
    book.remove(book.worksheets[0])
    for name, rows in (sheets or {"People": TABLE}).items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    return saved(book)


def saved(document: Any) -> bytes:
    output = BytesIO()
    document.save(output)
    return output.getvalue()


def open_sheet(*, is_encrypted: bool = False) -> bytes:
    """Return an OpenDocument workbook: a sheet "Trees" with "kind,height" and "oak,21.5"."""
    space = "urn:oasis:names:tc:opendocument:xmlns"
    text = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
    number = '<table:table-cell office:value-type="float" office:value="{}"/>'
    rows = (text.format("kind") + text.format("height"), text.format("oak") + number.format(21.5))
    content = (
        f'<office:document-content xmlns:office="{space}:office:1.0" '
        f'xmlns:table="{space}:table:1.0" xmlns:text="{space}:text:1.0"><office:body>'
        '<office:spreadsheet><table:table table:name="Trees">'
        + "".join(f"<table:table-row>{row}</table:table-row>" for row in rows)
        + "</table:table></office:spreadsheet></office:body></office:document-content>"
    )
    encryption = (
        '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml">'
        "<manifest:encryption-data/></manifest:file-entry>"
    )
    manifest = (
        f'<manifest:manifest xmlns:manifest="{space}:manifest:1.0">'
        f"{encryption if is_encrypted else ''}</manifest:manifest>"
    )
    output = BytesIO()
    with ZipFile(output, "w", ZIP_STORED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", content)
        archive.writestr("META-INF/manifest.xml", manifest)
    return output.getvalue()


def old_workbook(*, is_encrypted: bool = False, more: Sequence[bytes] = ()) -> bytes:
    """Return an Excel 97-2003 workbook: a sheet "Old" with "year,sum" and "1999,12.5".

    `more` are the bodies of more records, each after its type."""

    def record(kind: int, body: bytes) -> bytes:
        return struct.pack("<HH", kind, len(body)) + body

    def label(row: int, column: int, text: str) -> bytes:
        return record(
            0x0204, struct.pack("<HHHHB", row, column, 0, len(text), 0) + text.encode("latin-1")
        )

    def number(row: int, column: int, value: float) -> bytes:
        return record(0x0203, struct.pack("<HHHd", row, column, 0, value))

    end = record(0x000A, b"")
    beginning = record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0005, 0x0DBB, 1996, 0, 6))
    beginning += record(0x002F, bytes(54)) if is_encrypted else b""
    beginning += record(0x0042, struct.pack("<H", 1200))
    name = b"\x03\x00Old"
    place = len(beginning) + 4 + 6 + len(name) + len(end)
    globals_ = beginning + record(0x0085, struct.pack("<IBB", place, 0, 0) + name) + end
    sheet = record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0010, 0x0DBB, 1996, 0, 6))
    sheet += record(0x0200, struct.pack("<IIHHH", 0, 2, 0, 2, 0))
    sheet += label(0, 0, "year") + label(0, 1, "sum") + number(1, 0, 1999.0) + number(1, 1, 12.5)
    for each in more:
        sheet += record(int.from_bytes(each[:2], "little"), each[2:])
    return ole({"Workbook": globals_ + sheet + end})


def ole(streams: Mapping[str, bytes]) -> bytes:
    """Return an OLE compound file, the container of .doc, .xls and encrypted Office files."""
    free, end, fat_mark = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
    fat, body = [fat_mark, end], b""
    entries = [_entry("Root Entry", 5, end, 0, child=1)]
    for number, (name, data) in enumerate(streams.items(), 1):
        data = data.ljust(4096, b"\0")  # shorter streams would need a mini FAT
        data += b"\0" * (-len(data) % 512)
        first, sectors = len(fat), len(data) // 512
        fat += [*range(first + 1, first + sectors), end]
        following = number + 1 if number < len(streams) else free
        entries.append(_entry(name, 2, first, len(data), right=following))
        body += data
    directory = b"".join(entries).ljust(512, b"\0")
    assert len(directory) == 512 and len(fat) <= 128
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += struct.pack(
        "<HHHHH6xIIIIIIIII", 0x3E, 3, 0xFFFE, 9, 6, 0, 1, 1, 0, 4096, end, 0, end, 0
    )
    header += struct.pack("<I", 0) + struct.pack("<I", free) * 108
    table = b"".join(struct.pack("<I", sector) for sector in fat).ljust(512, b"\xff")
    return header + table + directory + body


def _entry(
    name: str, kind: int, first: int, size: int, *, child: int = 0xFFFFFFFF, right: int = 0xFFFFFFFF
) -> bytes:
    title = (name + "\0").encode("utf-16-le")
    links = struct.pack("<III", 0xFFFFFFFF, right, child)
    return (
        title.ljust(64, b"\0")
        + struct.pack("<HBB", len(title), kind, 1)
        + links
        + bytes(36)
        + struct.pack("<IQ", first, size)
    )
