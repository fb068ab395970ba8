"""Office files and PDFs written by hand, with what the libraries of `sample_files` cannot write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile

_SCHEMAS = "http://schemas.openxmlformats.org"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
_RELATIONSHIP = f"{_SCHEMAS}/officeDocument/2006/relationships"
_PACKAGE = f"{_SCHEMAS}/package/2006"


def archive(entries: Mapping[str, str | bytes]) -> bytes:
    data = BytesIO()
    with ZipFile(data, "w", ZIP_DEFLATED) as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return data.getvalue()


def sheet(
    *cells: str, calculation: str = "", comments: str = "", more: Mapping[str, str] | None = None
) -> bytes:
    """Return a workbook of one sheet "S". Each of `cells` is a `<row>` or a sequence of `<c>`."""
    main = f"{_SCHEMAS}/spreadsheetml/2006/main"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    rows = "".join(row if row.startswith("<row") else f"<row>{row}</row>" for row in cells)
    entries = {
        "[Content_Types].xml": _types(
            f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
            f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kind}.worksheet+xml"/>'
        ),
        "_rels/.rels": _relationships(("officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": f'{_HEAD}<workbook xmlns="{main}" xmlns:r="{_RELATIONSHIP}">'
        f'<sheets><sheet name="S" sheetId="1" r:id="r1"/></sheets>{calculation}</workbook>',
        "xl/_rels/workbook.xml.rels": _relationships(("worksheet", "worksheets/sheet1.xml")),
        "xl/worksheets/sheet1.xml": f'{_HEAD}<worksheet xmlns="{main}"><sheetData>{rows}'
        "</sheetData></worksheet>",
    }
    if comments:
        entries["xl/worksheets/_rels/sheet1.xml.rels"] = _relationships(
            ("comments", "../comments1.xml")
        )
        entries["xl/comments1.xml"] = (
            f'{_HEAD}<comments xmlns="{main}"><commentList>{comments}</commentList></comments>'
        )
    return archive(entries | dict(more or {}))


def text_cells(*texts: str) -> str:
    return "".join(f'<c t="inlineStr"><is><t>{text}</t></is></c>' for text in texts)


def paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def word(body: str, parts: Mapping[str, str] | None = None, *, is_strict: bool = False) -> bytes:
    """Return a document. `parts` maps "footnotes", "header" … to their content."""
    base = "http://purl.oclc.org/ooxml" if is_strict else _SCHEMAS
    year = "" if is_strict else "/2006"
    main = f"{base}/wordprocessingml{year}/main"
    relationship = f"{base}/officeDocument{year}/relationships"
    spaces = (
        f'xmlns:w="{main}" xmlns:r="{relationship}" xmlns:a="{base}/drawingml{year}/main" '
        f'xmlns:pic="{base}/drawingml{year}/picture" xmlns:c="{base}/drawingml{year}/chart"'
    )
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml"
    parts = parts or {}
    entries = {
        "[Content_Types].xml": _types(
            f'<Override PartName="/word/document.xml" ContentType="{kind}.document.main+xml"/>'
            + "".join(
                f'<Override PartName="/word/{part}.xml" '
                f'ContentType="{kind}.{part.rstrip("0123456789")}+xml"/>'
                for part in parts
            )
        ),
        "_rels/.rels": _relationships(("officeDocument", "word/document.xml"), kind=relationship),
        "word/document.xml": f"{_HEAD}<w:document {spaces}><w:body>{body}</w:body></w:document>",
        "word/_rels/document.xml.rels": _relationships(
            *((part.rstrip("0123456789"), f"{part}.xml") for part in parts), kind=relationship
        ),
    }
    roots = {"header": "hdr", "footer": "ftr"}
    for part, content in parts.items():
        root = roots.get(part.rstrip("0123456789"), part)
        entries[f"word/{part}.xml"] = f"{_HEAD}<w:{root} {spaces}>{content}</w:{root}>"
    return archive(entries)


def pdf(
    pages: Sequence[bytes | None], annotations: Sequence[bytes] = (), *, form: bytes = b""
) -> bytes:
    """Return a PDF with a line of text on each page; None is a page with only a picture.

    The annotations are on the first page; `form` holds more entries of the form.
    """
    picture = (
        b"<< /Type /XObject /Subtype /Image /Width 100 /Height 100 /ColorSpace /DeviceGray "
        b"/BitsPerComponent 1 /Length 1300 >>\nstream\n" + bytes(1300) + b"\nendstream"
    )
    objects = [b"", b"", b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>", picture]
    references = []
    for annotation in annotations:
        objects.append(annotation)
        references.append(b"%d 0 R" % len(objects))
    kids = []
    for number, text in enumerate(pages):
        if text is None:
            content = b"q 500 0 0 700 50 50 cm /P4 Do Q"
        else:
            content = b"BT /F1 12 Tf 50 700 Td (%s) Tj ET" % text
        pictures = b" /XObject << /P4 4 0 R >>" if text is None else b""
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents %d 0 R /Resources "
            b"<< /Font << /F1 3 0 R >>%s >>%s >>"
            % (
                len(objects),
                pictures,
                b"" if number else b" /Annots [%s]" % b" ".join(references),
            )
        )
        kids.append(b"%d 0 R" % len(objects))
    objects[0] = b"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [%s] %s >> >>" % (
        b" ".join(references),
        form,
    )
    objects[1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b" ".join(kids), len(kids))
    output, places = b"%PDF-1.7\n", []
    for number, item in enumerate(objects, 1):
        places.append(len(output))
        output += b"%d 0 obj\n%s\nendobj\n" % (number, item)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    count = len(objects) + 1
    return output + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n"
        b"%%%%EOF" % (count, table, count, len(output))
    )


def _types(overrides: str) -> str:
    rels = "application/vnd.openxmlformats-package.relationships+xml"
    return (
        f'{_HEAD}<Types xmlns="{_PACKAGE}/content-types">'
        f'<Default Extension="rels" ContentType="{rels}"/>{overrides}</Types>'
    )


def _relationships(*targets: tuple[str, str], kind: str = _RELATIONSHIP) -> str:
    items = "".join(
        f'<Relationship Id="r{number}" Type="{kind}/{what}" Target="{target}"/>'
        for number, (what, target) in enumerate(targets, 1)
    )
    return f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">{items}</Relationships>'


def open_sheet() -> bytes:
    """Return an OpenDocument workbook with a formula without result, an error and a comment."""
    space = "urn:oasis:names:tc:opendocument:xmlns"
    content = (
        f'<office:document-content xmlns:office="{space}:office:1.0" '
        f'xmlns:table="{space}:table:1.0" xmlns:text="{space}:text:1.0" '
        'xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0">'
        '<office:body><office:spreadsheet><table:table table:name="S"><table:table-row>'
        '<table:table-cell table:formula="of:=A1*2"/>'
        '<table:table-cell office:value-type="string" office:string-value="" '
        'calcext:value-type="error"><text:p>#DIV/0!</text:p></table:table-cell>'
        '<table:table-cell office:value-type="float" office:value="7">'
        "<office:annotation><text:p>Seven is right.</text:p></office:annotation>"
        "<text:p>7</text:p></table:table-cell>"
        "</table:table-row></table:table></office:spreadsheet></office:body>"
        "</office:document-content>"
    )
    output = BytesIO()
    with ZipFile(output, "w") as file:
        file.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        file.writestr("content.xml", content)
        file.writestr("META-INF/manifest.xml", "<manifest/>")
    return output.getvalue()
