"""Malicious and damaged files. Each is small and cheap to build."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile

from pypdf import PdfReader, PdfWriter

from tests.support import sample_files

_MB = 1_000_000
NAMES = {
    "../../etc/passwd": "passwd",
    "C:\\Users\\me\\report.pdf": "report.pdf",
    "/": "file",
    "": "file",
    "..": "file",
    " \n\t ": "file",
    "a\nb\r\n.txt": "a b .txt",
    "nul\0byte.png": "nulbyte.png",
    "exe\u202egnp.txt": "exegnp.txt",
    "\u2066hidden\u2069\u200b\u200e\ufeff.csv": "hidden.csv",
    "lone\ud800surrogate.md": "lonesurrogate.md",
    "cafe\u0301.txt": "café.txt",
    "\u3164\u2800.txt": ".txt",
    'he said "hi" & <b>.txt': 'he said "hi" & <b>.txt',
    "folder/": "folder",
    "tab\there.txt": "tab here.txt",
}


@dataclass(frozen=True)
class Entry:
    """An entry of a zip file. `size` and `sum` may be false declarations."""

    name: str
    packed: bytes
    size: int
    sum: int = 0
    flags: int = 0


def zipped(entries: Sequence[Entry]) -> bytes:
    body, directory = b"", b""
    for entry in entries:
        name = entry.name.encode()
        facts = struct.pack(
            "<HHHHHIIIHH",
            *(20, entry.flags, 8, 0, 0x21),
            *(entry.sum, len(entry.packed), entry.size, len(name), 0),
        )
        place = len(body)
        body += b"PK\x03\x04" + facts + name + entry.packed
        directory += b"PK\x01\x02" + struct.pack("<H", 20) + facts
        directory += struct.pack("<HHHII", 0, 0, 0, 0, place) + name
    count = min(len(entries), 0xFFFF)
    return (
        body
        + directory
        + b"PK\x05\x06"
        + struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), len(body), 0)
    )


def packed(text: bytes) -> bytes:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return deflate.compress(text) + deflate.flush()


def entry(name: str, text: bytes) -> Entry:
    return Entry(name, packed(text), len(text), zlib.crc32(text))


def blank(megabytes: int, before: bytes = b"", after: bytes = b"", wbits: int = -15) -> bytes:
    """Return `before`, megabytes of spaces and `after`, deflated with one repeated block."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, wbits)
    start = deflate.compress(before) + deflate.flush(zlib.Z_FULL_FLUSH)
    first = deflate.compress(b" " * _MB) + deflate.flush(zlib.Z_FULL_FLUSH)
    # The first block may end on a different bit; all later blocks are identical.
    block = deflate.compress(b" " * _MB) + deflate.flush(zlib.Z_FULL_FLUSH)
    return start + first + block * (megabytes - 1) + deflate.compress(after) + deflate.flush()


def rebuilt(original: bytes, *replaced: Entry) -> bytes:
    """Return the zip `original` with entries replaced or added."""
    names = {new.name for new in replaced}
    with ZipFile(BytesIO(original)) as archive:
        kept = [entry(name, archive.read(name)) for name in archive.namelist() if name not in names]
    return zipped([*kept, *replaced])


def word_bomb(megabytes: int, declared: int | None = None) -> bytes:
    return _bomb(sample_files.word(), "word/document.xml", b"</w:body>", megabytes, declared)


def sheet_bomb(megabytes: int, declared: int | None = None) -> bytes:
    part = "xl/worksheets/sheet1.xml"
    return _bomb(sample_files.workbook(), part, b"</sheetData>", megabytes, declared)


def _bomb(original: bytes, part: str, end: bytes, megabytes: int, declared: int | None) -> bytes:
    with ZipFile(BytesIO(original)) as archive:
        text = archive.read(part)
    cut = text.index(end)
    size = len(text) + megabytes * _MB
    content = blank(megabytes, text[:cut], text[cut:])
    return rebuilt(original, Entry(part, content, size if declared is None else declared))


def many_entries(original: bytes, count: int) -> bytes:
    empty = packed(b"")
    return rebuilt(original, *(Entry(f"more/{n}", empty, 0) for n in range(count)))


def locked_entries(original: bytes) -> bytes:
    with ZipFile(BytesIO(original)) as archive:
        texts = {name: archive.read(name) for name in archive.namelist()}
    return zipped(
        [Entry(name, packed(text), len(text), zlib.crc32(text), 1) for name, text in texts.items()]
    )


def billion_laughs(original: bytes, part: str, element: str, use: str = "&l9;") -> bytes:
    """Return the file with entities that expand to a billion words in the first `element`."""
    entities = '<!ENTITY l0 "lol">' + "".join(
        f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10)
    )
    return with_entities(original, part, element, entities, use)


def with_entities(original: bytes, part: str, element: str, entities: str, use: str) -> bytes:
    with ZipFile(BytesIO(original)) as archive:
        rest = archive.read(part).decode().rpartition("?>")[2]
    opening = f"<{element}>"
    assert opening in rest
    changed = f"<!DOCTYPE x [{entities}]>{rest.replace(opening, opening + use, 1)}"
    return rebuilt(original, entry(part, changed.encode()))


def with_macros(original: bytes) -> bytes:
    """Return a Word document with the content type of macro-enabled documents."""
    part, plain = "[Content_Types].xml", b"openxmlformats-officedocument.wordprocessingml.document"
    with ZipFile(BytesIO(original)) as archive:
        types = archive.read(part)
    macros = b"ms-word.document.macroEnabled"
    assert plain + b".main+xml" in types
    return rebuilt(original, entry(part, types.replace(plain + b".main", macros + b".main")))


def far_cell() -> bytes:
    """Return a workbook of two cells with 17 billion empty cells between them."""
    original = sample_files.workbook({"Far": [["near"]]})
    part = "xl/worksheets/sheet1.xml"
    with ZipFile(BytesIO(original)) as archive:
        text = archive.read(part)
    row = b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
    return rebuilt(original, entry(part, text.replace(b"</sheetData>", row)))


def raw_pdf(*objects: bytes) -> bytes:
    """Return a PDF of these objects, numbered from 1. The first is the catalogue."""
    output, places = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(output))
        output += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return (
        output
        + b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
        + table
        + b"trailer\n<< /Size %d /Root 1 0 R >>\n" % (len(objects) + 1)
        + b"startxref\n%d\n%%%%EOF\n" % len(output)
    )


_CATALOGUE = b"<< /Type /Catalog /Pages 2 0 R >>"


def _page(contents: int, parent: int = 2) -> bytes:
    return (
        b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 9 9] /Contents %d 0 R "
        b"/Resources << /Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>"
        % (parent, contents)
    )


def _stream(data: bytes, filters: bytes) -> bytes:
    return b"<< /Length %d /Filter %s >>\nstream\n%s\nendstream" % (len(data), filters, data)


_PAGES = b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"


def pdf_bomb(megabytes: int) -> bytes:
    return raw_pdf(
        _CATALOGUE, _PAGES, _page(4), _stream(blank(megabytes, wbits=15), b"/FlateDecode")
    )


def pdf_bomb_in_a_bomb(megabytes: int) -> bytes:
    twice = zlib.compress(blank(megabytes, wbits=15), 9)
    return raw_pdf(_CATALOGUE, _PAGES, _page(4), _stream(twice, b"[/FlateDecode /FlateDecode]"))


def pdf_damaged_page() -> bytes:
    """Return a PDF of two pages. The first uses an unknown stream filter."""
    words = b"BT /F 9 Tf (The good page) Tj ET"
    return raw_pdf(
        _CATALOGUE,
        b"<< /Type /Pages /Kids [3 0 R 5 0 R] /Count 2 >>",
        _page(4),
        _stream(words, b"/NoSuchFilter"),
        _page(6),
        _stream(zlib.compress(words), b"/FlateDecode"),
    )


def pdf_page_loop() -> bytes:
    return raw_pdf(
        _CATALOGUE,
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Pages /Kids [2 0 R] /Count 1 /Parent 2 0 R >>",
    )


def pdf_deep_tree(depth: int) -> bytes:
    nodes = [
        b"<< /Type /Pages /Kids [%d 0 R] /Count 1 >>" % (number + 1)
        for number in range(2, depth + 2)
    ]
    return raw_pdf(_CATALOGUE, *nodes, _page(2, depth + 1))


def pdf_of_countless_pages(levels: int = 30) -> bytes:
    """Return a PDF with 2**levels pages: each page tree node refers to the next one twice."""
    nodes = [
        b"<< /Type /Pages /Kids [%d 0 R %d 0 R] /Count 1000000000 >>" % (number + 1, number + 1)
        for number in range(2, levels + 2)
    ]
    return raw_pdf(_CATALOGUE, *nodes, _page(2, levels + 1))


def locked_pdf(password: str, algorithm: str = "RC4-128") -> bytes:
    writer = PdfWriter(PdfReader(BytesIO(sample_files.pdf("Behind a password"))))
    writer.encrypt(password, "the owner's", algorithm=algorithm)
    output = BytesIO()
    writer.write(output)
    return output.getvalue()


def aes_pdf() -> bytes:
    """Return a PDF that declares AES-256 encryption and has no content."""
    return raw_pdf(_CATALOGUE, _PAGES, _page(4), b"<< /Length 0 >>\nstream\n\nendstream").replace(
        b"/Root 1 0 R",
        b"/Root 1 0 R /ID [<00> <00>] /Encrypt << /Filter /Standard /V 5 /R 6 /Length 256 /P -4 "
        b"/CF << /StdCF << /CFM /AESV3 /AuthEvent /DocOpen /Length 32 >> >> "
        b"/StmF /StdCF /StrF /StdCF /O <" + b"00" * 48 + b"> /U <" + b"00" * 48 + b"> "
        b"/OE <" + b"00" * 32 + b"> /UE <" + b"00" * 32 + b"> /Perms <" + b"00" * 16 + b"> >>",
    )


def huge_png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


def huge_gif(screen: tuple[int, int], frame: tuple[int, int]) -> bytes:
    return (
        b"GIF89a"
        + struct.pack("<HHBBB", *screen, 0x80, 0, 0)
        + b"\x00\x00\x00\xff\xff\xff"
        + (b"," + struct.pack("<HHHHB", 0, 0, *frame, 0) + b"\x02\x02\x44\x01\x00") * 2
        + b";"
    )


def archive_with(name: str) -> bytes:
    output = BytesIO()
    with ZipFile(output, "w", ZIP_DEFLATED) as archive:
        archive.writestr(name, "text")
    return output.getvalue()
