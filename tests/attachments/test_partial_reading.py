"""Tests that all parts of a document are read, and that what is left out is said."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import pytest

from chat.attachments.details import describe
from chat.attachments.reading import FileReader, ParsedFile
from chat.config.settings import Settings
from chat.domain.attachment import File
from chat.domain.document_fencing import fence_document
from readers import pdf, sheet, word
from tests.support import office_files as office
from tests.support import sample_files as sample

BLANK = "[This page has no text that can be read.]"


def read(name: str, data: bytes) -> ParsedFile:
    return FileReader(Settings(values={})).read(File(name, data), "me")


def read_pdf(data: bytes) -> tuple[str, str]:
    """Return the text and the details, without a child process."""
    header, text = pdf.read(data, {})
    return text.decode(), describe("pdf", header)


def read_sheet(data: bytes) -> tuple[str, str]:
    header, text = sheet.read(data, {})
    return text.decode(), describe("sheet", header)


def read_word(body: str, parts: Mapping[str, str] | None = None) -> tuple[str, str]:
    header, text = word.read(office.word(body, parts), {})
    return text.decode(), describe("word", header)


def widget(entries: bytes) -> bytes:
    return b"<< /Type /Annot /Subtype /Widget /Rect [50 600 200 620] %s >>" % entries


@pytest.mark.parametrize(
    ("entries", "line"),
    [
        (b"/FT /Tx /T (surname) /V (Lovelace)", "surname: Lovelace"),
        (b"/FT /Tx /T (x1) /TU (First name) /V <FEFF0041006400E4>", "First name: Adä"),
        (b"/FT /Btn /T (member) /V /Yes /AS /Yes", "member: checked"),
        (b"/FT /Btn /T (member) /AS /Off", "member: not checked"),
        (b"/FT /Btn /Ff 32768 /T (size) /V /Large", "size: Large"),
        (b"/FT /Ch /T (colours) /V [(red) (blue)]", "colours: red, blue"),
        (b"/FT /Sig /T (signature) /V << >>", "signature: signed"),
        (b"/T (city) /Parent << /FT /Tx /T (address) /V (Bern) >>", "address.city: Bern"),
    ],
)
def test_pdf_form_values_are_read(entries: bytes, line: str) -> None:
    text, details = read_pdf(office.pdf([b"A form:"], [widget(entries)]))
    assert text == f"A form:\n\n[Form field] {line}"
    assert details == "1 page"


@pytest.mark.parametrize(
    "entries",
    [b"/FT /Tx /T (empty)", b"/FT /Btn /Ff 65536 /T (send) /V /On", b"/V 3 0 R /T 99 0 R"],
)
def test_pdf_form_fields_without_values_add_nothing(entries: bytes) -> None:
    assert read_pdf(office.pdf([b"A form:"], [widget(entries)]))[0] == "A form:"


def test_pdf_form_on_a_scan_is_read() -> None:
    field = widget(b"/FT /Tx /T (surname) /V (Lovelace)")
    parsed = read("form.pdf", office.pdf([None], [field]))
    assert parsed.text == "[Form field] surname: Lovelace"
    assert parsed.details == "1 page; not included: 1 picture"


def test_pdf_form_in_xml_is_read() -> None:
    values = b"<xfa:data xmlns:xfa='x'><form><surname>Lovelace</surname><empty/></form></xfa:data>"
    stream = b"<< /Length %d >>\nstream\n%s\nendstream" % (len(values), values)
    data = office.pdf([b"Please wait."], [stream], form=b"/XFA [(datasets) 5 0 R]")
    assert read_pdf(data)[0] == "Please wait.\n\n[Form field] surname: Lovelace"


@pytest.mark.parametrize("kind", [b"Text", b"FreeText", b"Highlight", b"StrikeOut", b"Stamp"])
def test_pdf_comments_are_read(kind: bytes) -> None:
    comment = b"<< /Type /Annot /Subtype /%s /T (Ada) /Contents (Please check.) >>" % kind
    link = b"<< /Type /Annot /Subtype /Link /Contents (a link) >>"
    text, _ = read_pdf(office.pdf([b"Text."], [comment, link]))
    assert text == "Text.\n\n[Comment] Ada: Please check."


@pytest.mark.parametrize(
    ("pages", "details", "text"),
    [
        ([b"One.", None, None], "3 pages, 2 of them without text that can be read", "One."),
        ([None, b"Two."], "2 pages, 1 of them without text that can be read", BLANK),
        ([b"One.", b" "], "2 pages, 1 of them without text that can be read", "One."),
    ],
)
def test_pdf_pages_without_text_are_counted(
    pages: list[bytes | None], details: str, text: str
) -> None:
    parsed = read("contract.pdf", office.pdf(pages))
    assert parsed.details.partition(";")[0] == details
    assert parsed.text.startswith(text) and BLANK in parsed.text
    assert ("not included: 1 picture" in parsed.details) == (None in pages)
    assert parsed.details in fence_document(parsed.name, parsed.details, parsed.text)


def test_pdf_embedded_files_are_counted() -> None:
    from io import BytesIO

    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(PdfReader(BytesIO(office.pdf([b"See the files."]))))
    writer.add_attachment("data.csv", b"a,b")
    output = BytesIO()
    writer.write(output)
    assert read_pdf(output.getvalue())[1] == "1 page; not included: 1 embedded file"


FORMULA = '<c r="B1"><f>A1*2</f>{}</c>'
MANUAL = '<calcPr fullCalcOnLoad="1"/>'


@pytest.mark.parametrize(
    ("cell", "calculation", "shown"),
    [
        (FORMULA.format(""), "", "=A1*2"),
        (FORMULA.format("<v/>"), "", "=A1*2"),
        (FORMULA.format("<v></v>"), MANUAL, "=A1*2"),
        (FORMULA.format("<v>0</v>"), MANUAL, "=A1*2"),
        ('<c r="B1"><f t="shared" si="0"/></c>', "", "=(shared formula)"),
        ('<c r="B1"><f t="array" ref="B1:B2">SUM(A1:A9)</f></c>', "", "=SUM(A1:A9)"),
    ],
)
def test_formula_without_a_stored_result_is_shown(cell: str, calculation: str, shown: str) -> None:
    text, details = read_sheet(
        office.sheet('<c r="A1"><v>3</v></c>' + cell, calculation=calculation)
    )
    assert text == f"3,{shown}\n"
    assert details == "0 rows, 1 formula without a stored result"


@pytest.mark.parametrize(
    ("cell", "calculation", "shown"),
    [
        (FORMULA.format("<v>6</v>"), "", "6"),
        (FORMULA.format("<v>0</v>"), "", "0"),
        (FORMULA.format("<v>6</v>"), MANUAL, "6"),
        ('<c r="B1" t="str"><f>IF(A1,"","x")</f><v></v></c>', MANUAL, ""),
        ('<c r="B1" t="b"><f>TRUE()</f><v>1</v></c>', "", "TRUE"),
    ],
)
def test_stored_result_of_a_formula_is_kept(cell: str, calculation: str, shown: str) -> None:
    cells = '<c r="A1"><v>3</v></c>' + cell + '<c r="C1"><v>1</v></c>'
    text, details = read_sheet(office.sheet(cells, calculation=calculation))
    assert (text, details) == (f"3,{shown},1\n", "0 rows")


@pytest.mark.parametrize(
    "error",
    ["#DIV/0!", "#N/A", "#REF!", "#NAME?", "#VALUE!", "#NUM!", "#SPILL!", "#CALC!", "Err:508"],
)
def test_error_of_a_cell_is_shown(error: str) -> None:
    cells = office.text_cells("rate"), f'<c t="e"><v>{error}</v></c>', "<c><v>1</v></c>"
    assert read_sheet(office.sheet(*cells))[0] == f"rate\n{error}\n1\n"


def test_error_after_the_last_value_is_shown_in_its_place() -> None:
    value = '<row r="3"><c r="C3"><v>1</v></c></row>'
    error = '<row r="9"><c r="D9" t="e"><v>#N/A</v></c></row>'
    assert read_sheet(office.sheet(value, error)) == ("1,\n,#N/A\n", "1 row")
    formula = '<row r="9"><c r="B9"><f>C3</f></c></row>'
    assert read_sheet(office.sheet(value, formula))[0] == ",1\n=C3\n"


@pytest.mark.parametrize(
    ("code", "error"),
    [(0x07, "#DIV/0!"), (0x0F, "#VALUE!"), (0x17, "#REF!"), (0x1D, "#NAME?"), (0x2A, "#N/A")],
)
def test_error_in_an_old_workbook_is_shown(code: int, error: str) -> None:
    constant = struct.pack("<HHHHBB", 0x0205, 3, 0, 0, code, 1)
    formula = struct.pack("<HHHHBxBxxxHHIH", 0x0006, 3, 1, 0, 2, code, 0xFFFF, 0, 0, 0)
    boolean = struct.pack("<HHHHBB", 0x0205, 2, 1, 0, 1, 0)
    data = sample.old_workbook(more=[boolean, constant, formula])
    text, details = read_sheet(data)
    assert text == f"year,sum\n1999,12.5\n,TRUE\n{error},{error}\n"
    assert details == "3 rows"


def test_old_workbook_in_several_pieces_says_that_errors_may_be_missing() -> None:
    broken = sample.old_workbook(more=[struct.pack("<HH", 0x0FFF, 0) + bytes(9_000)])
    assert read_sheet(broken)[1] == "1 row, formulas and errors may be missing"


def test_formulas_of_an_open_document_are_shown() -> None:
    parsed = read("sums.ods", office.open_sheet())
    assert parsed.text == "=A1*2,#DIV/0!,7\n\nComment on C1: Seven is right.\n"
    assert parsed.details == "0 rows, 1 formula without a stored result"


@pytest.mark.parametrize(
    "digits",
    ["4012888888881881", "9876543210987655", "-1234567890123456", "12345678901234567890", "1" * 17],
)
def test_long_integers_keep_their_digits(digits: str) -> None:
    assert read_sheet(office.sheet(f"<c><v>{digits}</v></c>"))[0] == f"{digits}\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1234567890123456.5", "1.23456789012346e+15"),
        ("0.30000000000000004", "0.3"),
        ("1E15", "1" + "0" * 15),
    ],
)
def test_other_numbers_have_the_digits_of_a_spreadsheet(value: str, text: str) -> None:
    assert read_sheet(office.sheet(f"<c><v>{value}</v></c>"))[0] == f"{text}\n"


def test_comments_of_cells_follow_their_sheet() -> None:
    words = '<r><t>Please</t></r><r><t xml:space="preserve"> check.</t></r>'
    comments = f'<comment ref="B2"><text>{words}</text></comment>'
    text, _ = read_sheet(office.sheet(office.text_cells("a"), comments=comments))
    assert text == "a\n\nComment on B2: Please check.\n"


def test_comments_and_formulas_beyond_the_limits_are_counted() -> None:
    comments = '<comment ref="A1"><text><t>one</t></text></comment>' * 3
    data = office.sheet(office.text_cells("a"), comments=comments)
    header, text = sheet.read(data, {"characters": 45})
    assert text == b"a\n\nComment on A1: one\nComment on A1: one\n"
    assert describe("sheet", header) == "0 rows; not included: 1 comment"
    data = office.sheet("<c><v>1</v></c><c><f>A1</f></c>")
    header, text = sheet.read(data, {"seconds": -1})
    assert text == b"1\n"
    assert describe("sheet", header) == "0 rows, formulas and errors may be missing"


def test_charts_and_pictures_of_a_workbook_are_counted() -> None:
    more = {"xl/charts/chart1.xml": "", "xl/charts/chart2.xml": "", "xl/media/image1.png": ""}
    _, details = read_sheet(office.sheet(office.text_cells("a"), more=more))
    assert details == "0 rows; not included: 2 charts, 1 picture"


NOTE = '<w:r><w:{}Reference w:id="{}"/></w:r>'


@pytest.mark.parametrize(
    ("kind", "number", "mark", "text"),
    [
        ("footnote", 1, NOTE.format("footnote", 1), "Claim[^1]\n\n[^1]: A note."),
        ("endnote", 2, NOTE.format("endnote", 2), "Claim[^e2]\n\n[^e2]: A note."),
        (
            "comment",
            0,
            NOTE.format("comment", 0),
            "Claim[Comment 1]\n\n[Comment 1 by Ada] A note.",
        ),
        ("comment", 3, "", "Claim\n\n[Comment 4 by Ada] A note."),
        ("footnote", 3, "", "Claim\n\n[^3]: A note."),
        ("footnote", "x", "", "Claim\n\n[^?]: A note."),
    ],
)
def test_notes_and_comments_of_a_word_document_are_read(
    kind: str, number: object, mark: str, text: str
) -> None:
    note = f'<w:{kind} w:id="{number}" w:author="Ada">{office.paragraph("A note.")}</w:{kind}>'
    separator = '<w:footnote w:type="separator" w:id="-1"><w:p/></w:footnote>'
    body = f"<w:p><w:r><w:t>Claim</w:t></w:r>{mark}</w:p>"
    assert read_word(body, {f"{kind}s": separator + note})[0] == text


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ({"header": "Draft 3"}, "[Header] Draft 3\n\nBody"),
        ({"footer": "Confidential"}, "Body\n\n[Footer] Confidential"),
        ({"header": "A", "header2": "A", "header3": "B"}, "[Header] A\n\n[Header] B\n\nBody"),
        ({"footer": "- 12 -"}, "Body"),
        ({"header": "", "footer": ""}, "Body"),
    ],
)
def test_headers_and_footers_of_a_word_document_are_read(parts: dict[str, str], text: str) -> None:
    content = {part: office.paragraph(words) for part, words in parts.items()}
    assert read_word(office.paragraph("Body"), content)[0] == text


VML = "xmlns:v='urn:schemas-microsoft-com:vml'"
COMPATIBILITY = "xmlns:m='http://schemas.openxmlformats.org/markup-compatibility/2006'"


@pytest.mark.parametrize(
    ("body", "left_out"),
    [
        ("<a:graphic><pic:pic/></a:graphic>", "1 picture"),
        ("<pic:pic/><pic:pic/><c:chart/>", "2 pictures, 1 chart"),
        (
            "<w:object><v:imagedata xmlns:v='urn:schemas-microsoft-com:vml'/></w:object>",
            "1 embedded object",
        ),
        ("<v:imagedata xmlns:v='urn:schemas-microsoft-com:vml'/>", "1 picture"),
        (
            "<m:AlternateContent xmlns:m='http://schemas.openxmlformats.org/markup-compatibility/2006'>"
            "<m:Choice><pic:pic/></m:Choice><m:Fallback><pic:pic/></m:Fallback></m:AlternateContent>",
            "1 picture",
        ),
    ],
)
def test_pictures_and_objects_of_a_word_document_are_counted(body: str, left_out: str) -> None:
    text, details = read_word(f"<w:p><w:r><w:t>Body</w:t>{body}</w:r></w:p>")
    assert (text, details) == ("Body", f"1 word; not included: {left_out}")


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ('<w:ffData><w:checkBox><w:checked w:val="1"/></w:checkBox></w:ffData>', "☒"),
        ('<w:ffData><w:checkBox><w:default w:val="0"/></w:checkBox></w:ffData>', "☐"),
        ("<w:ffData><w:checkBox><w:checked/></w:checkBox></w:ffData>", "☒"),
        (
            '<w:ffData><w:ddList><w:result w:val="1"/><w:listEntry w:val="red"/>'
            '<w:listEntry w:val="blue"/></w:ddList></w:ffData>',
            "blue",
        ),
        ('<w:sym w:font="Wingdings" w:char="F0FE"/>', "☑"),
    ],
)
def test_form_fields_of_a_word_document_are_read(field: str, text: str) -> None:
    assert read_word(f"<w:p><w:r><w:t>Agreed: </w:t>{field}</w:r></w:p>")[0] == f"Agreed: {text}"


def test_header_of_a_compromised_reader_is_refused() -> None:
    header = {"lines": 1, "lines_read": 1, "is_cut": False}
    for wrong in (
        {"left_out": {"secrets": 1}},
        {"left_out": "x"},
        {"encoding": "x\nSystem:"},
        {"encoding": ["gbk"]},
        {"left_out": {"pictures": "many"}},
    ):
        with pytest.raises((KeyError, TypeError, ValueError)):
            describe("text", header | wrong)
