"""Tests for notebooks, messages, RTF, strict Word documents, durations and hidden sheets."""

from __future__ import annotations

import json
from datetime import timedelta
from email.message import EmailMessage
from io import BytesIO
from typing import Any

import pytest
from openpyxl import Workbook

from chat.attachments.details import describe
from chat.attachments.reading import FileReader, ParsedFile
from chat.config.settings import Settings
from chat.domain.attachment import File, FileKind
from chat.errors import NoTextInFile, UnreadableFile
from readers import email, notebook, rtf, sheet, word
from tests.support import office_files as office
from tests.support import sample_files as sample

PICTURE = "iVBORw0KGgo" + "QkFTRTY0" * 8000


def read(name: str, data: bytes) -> ParsedFile:
    return FileReader(Settings(values={})).read(File(name, data), "me")


def notebook_of(*cells: dict[str, Any], language: str = "python") -> bytes:
    metadata = {"language_info": {"name": language}}
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4}).encode()


def code(source: str | list[str], *outputs: dict[str, Any]) -> dict[str, Any]:
    return {"cell_type": "code", "source": source, "outputs": list(outputs)}


def data_output(**data: object) -> dict[str, Any]:
    return {
        "output_type": "display_data",
        "data": {k.replace("_", "/", 1): v for k, v in data.items()},
    }


def read_notebook(data: bytes) -> tuple[str, str]:
    header, text = notebook.read(data, {})
    return text.decode(), describe("notebook", header)


def test_notebook_is_read_without_its_pictures() -> None:
    data = notebook_of(
        {"cell_type": "markdown", "source": ["# Sales\n", "by region"]},
        code("plot()", data_output(image_png=PICTURE, text_plain="<Figure>")),
    )
    parsed = read("plot.ipynb", data)
    assert parsed.text == (
        "# Sales\nby region\n\n```python\nplot()\n```\n\n"
        "Output:\n\n```\n[picture not included]\n```"
    )
    assert (parsed.label, parsed.details) == ("notebook", "2 cells; not included: 1 picture")
    assert (parsed.kind, parsed.media_type) == (FileKind.DOCUMENT, "text/plain")


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ({"output_type": "stream", "name": "stdout", "text": ["1\n", "2\n"]}, "1\n2"),
        ({"output_type": "execute_result", "data": {"text/plain": "42"}}, "42"),
        (
            {"output_type": "error", "traceback": ["\x1b[0;31mValueError\x1b[0m: bad"]},
            "ValueError: bad",
        ),
        (data_output(text_html="<table><tr><td>a<td>b</table>", text_plain="a b"), "a b"),
        (data_output(text_html="<p>only</p><script>x()</script>"), "only"),
        (data_output(**{"image_svg+xml": "<svg/>"}), "[picture not included]"),
        (data_output(application_json={"a": 1}), '{"a": 1}'),
        (
            data_output(**{"application_vnd.plotly.v1+json": {}}),
            "[interactive output not included]",
        ),
        ({"output_type": "display_data", "png": PICTURE}, "[picture not included]"),
        ({"output_type": "pyout", "text": "from 2012"}, "from 2012"),
    ],
)
def test_output_of_a_notebook_is_read_as_text(output: dict[str, Any], text: str) -> None:
    found, details = read_notebook(notebook_of(code("x", output)))
    assert found == f"```python\nx\n```\n\nOutput:\n\n```\n{text}\n```"
    assert ("not included" in details) == ("not included" in text)


def test_notebook_of_another_kind_is_read() -> None:
    old = {"worksheets": [{"cells": [{"cell_type": "code", "input": "x", "outputs": []}]}]}
    assert read_notebook(json.dumps(old).encode())[0] == "```python\nx\n```"
    fence = notebook_of(code("'''\n```\n'''"), language="R")
    assert read_notebook(fence)[0] == "````R\n'''\n```\n'''\n````"
    attached = {"cell_type": "markdown", "source": "![](attachment:a)", "attachments": {"a": {}}}
    assert read_notebook(notebook_of(attached))[1] == "1 cell; not included: 1 picture"
    inline = {"cell_type": "markdown", "source": f"![](data:image/png;base64,{PICTURE}) seen"}
    assert read_notebook(notebook_of(inline))[0] == "![]([picture not included]) seen"


@pytest.mark.parametrize(
    "data", [b'{"cells": "x"}', b"{broken", b"[]", b"null", b'{"cells": [1]}', b'"text"']
)
def test_damaged_notebook_is_read_as_text(data: bytes) -> None:
    parsed = read("a.ipynb", data)
    assert (parsed.text, parsed.details) == (data.decode(), "1 line")


def test_long_notebook_is_cut_and_its_cells_are_counted() -> None:
    data = notebook_of(*(code(f"cell{number}") for number in range(9)))
    header, text = notebook.read(data, {"characters": 50})
    assert describe("notebook", header) == "only the first 2 of 9 cells"
    assert text.endswith(b"cell1\n```\n\n")


@pytest.mark.parametrize("name", ["page.html", "notes.md", "drawing.svg", "style.css", "a.json"])
def test_pictures_in_text_are_left_out(name: str) -> None:
    data = f'<img src="data:image/png;base64,{PICTURE}"> and text'.encode()
    parsed = read(name, data)
    assert parsed.text == '<img src="[picture not included]"> and text'
    assert parsed.details == "1 line; not included: 1 picture"
    assert parsed.content == data


def message(text: str = "", html: str = "", charset: str = "utf-8") -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = "Ada Lovelace <ada@example.org>"
    mail["To"] = "charles@example.org"
    mail["Subject"] = "Grüße & notes"
    mail["Date"] = "Mon, 02 Mar 2026 10:00:00 +0000"
    mail["Received"] = "from somewhere"
    if text:
        mail.set_content(text, charset=charset)
    if html and text:
        mail.add_alternative(html, subtype="html", charset=charset)
    elif html:
        mail.set_content(html, subtype="html", charset=charset)
    return mail


FIELDS = (
    "From: Ada Lovelace <ada@example.org>\nTo: charles@example.org\n"
    "Date: Mon, 02 Mar 2026 10:00:00 +0000\nSubject: Grüße & notes\n\n"
)


def test_message_with_attachments_is_read() -> None:
    mail = message("Dear Charles,\nsee the file.\n", "<b>not this</b>")
    mail.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="plan.pdf")
    parsed = read("letter.eml", mail.as_bytes())
    assert parsed.text == (
        f"{FIELDS}Dear Charles,\nsee the file.\n\n[Attachment not included: plan.pdf]"
    )
    assert (parsed.label, parsed.details) == ("email", "9 lines; not included: 1 attachment")
    assert parsed.media_type == "text/plain"


@pytest.mark.parametrize(
    ("mail", "body"),
    [
        (message("Grüße", charset="latin-1"), "Grüße"),
        (message("日本語", charset="iso-2022-jp"), "日本語"),
        (
            message(html="<style>p{}</style><p>One<br>two</p><ul><li>three</ul>"),
            "One\ntwo\n\nthree",
        ),
        (message("long " * 100), ("long " * 100).strip()),
        (message(html=f"<p>A<img src='data:image/png;base64,{PICTURE}'></p>"), "A"),
    ],
)
def test_text_of_a_message_is_decoded(mail: EmailMessage, body: str) -> None:
    assert email.read(mail.as_bytes(), {})[1].decode() == FIELDS + body


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (b"Subject: =?gb2312?B?yNXG2g==?=\n\nBody", "Subject: 日期\n\nBody"),
        (
            b"From: a@b\nContent-Type: text/plain; charset=unheard-of\n\nGr\xfc\xdfe",
            "From: a@b\n\nGrüße",
        ),
        (
            b"From: a@b\nContent-Transfer-Encoding: 8bit\n\nGr\xc3\xbc\xc3\x9fe",
            "From: a@b\n\nGrüße",
        ),
        (b"Subject: only\n\n", "Subject: only"),
        (b"Subject: x\nContent-Type: multipart/mixed; boundary=q\n\n--q\n\nA\n", "Subject: x\n\nA"),
        (b"no fields at all\n", "no fields at all\n"),
    ],
)
def test_unusual_message_is_read(source: bytes, text: str) -> None:
    assert email.read(source, {})[1].decode() == text


RTF = (
    rb"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fnil\fcharset0 Arial;}"
    rb"{\f1\fcharset204 Arial;}}\f0 %s}"
)
FOOTNOTE = "<w:footnote w:id='1'><w:p><w:r><w:t>Note</w:t></w:r></w:p></w:footnote>"
LIST_ITEM = (
    "<w:p><w:pPr><w:numPr><w:numId w:val='1'/></w:numPr></w:pPr><w:r><w:t>item</w:t></w:r></w:p>"
)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (rb"Gr\'fc\'dfe\par two", "Grüße\ntwo"),
        (rb"\u26085?\u26399? \u-10179?\u-8704?", "日期 😀"),
        (rb"\f1 \'c4\'e0\'f2\'e0", "Дата"),
        (rb"Claim{\footnote\pard A {\b bold} note.} ends", "Claim [Footnote: A bold note.] ends"),
        (rb"{\header Draft}Body{\footer\pard Page}", "[Header: Draft]Body [Footer: Page]"),
        (rb"Text{\*\annotation Check \{this\}.}", "Text [Comment: Check {this}.]"),
        (rb"\trowd a\cell b\cell\row", "a|b|"),
        (rb"{\*\generator Word;}{\info{\author Ada}}Only this", "Only this"),
    ],
)
def test_rtf_is_read(source: bytes, text: str) -> None:
    assert rtf.read(RTF % source, {})[1].decode() == text


def test_rtf_is_detected_by_content_and_says_what_is_left_out() -> None:
    source = rb"Text{\shppict{\pict\pngblip 89504e47}}{\nonshppict{\pict\wmetafile8 0100}}"
    for name in ("letter.rtf", "letter.doc", "letter.docx", "letter"):
        parsed = read(name, RTF % source)
        assert (parsed.text, parsed.label) == ("Text", "RTF")
        assert parsed.details == "1 word; not included: 1 picture"
    assert read("about.txt", RTF % b"x").text.startswith(r"{\rtf1")
    with pytest.raises(NoTextInFile):
        read("scan.rtf", RTF % rb"{\pict 89504e47}")
    with pytest.raises(UnreadableFile):
        read("letter.rtf", b"only text")


@pytest.mark.parametrize(
    ("body", "parts", "text"),
    [
        (office.paragraph("Body"), {}, "Body"),
        (
            "<w:tbl><w:tr><w:tc>" + office.paragraph("a") + "</w:tc></w:tr></w:tbl>",
            {},
            "| a |\n| --- |",
        ),
        (
            office.paragraph("Body"),
            {"footnotes": FOOTNOTE},
            "Body\n\n[^1]: Note",
        ),
        (office.paragraph("Body"), {"header": office.paragraph("Draft")}, "[Header] Draft\n\nBody"),
        (
            LIST_ITEM,
            {},
            "- item",
        ),
    ],
)
def test_strict_word_document_is_read(body: str, parts: dict[str, str], text: str) -> None:
    assert word.read(office.word(body, parts, is_strict=True), {})[1].decode() == text


def test_strict_word_document_counts_its_pictures() -> None:
    parsed = read("a.docx", office.word(office.paragraph("Body") + "<pic:pic/>", is_strict=True))
    assert (parsed.text, parsed.details) == ("Body", "1 word; not included: 1 picture")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (timedelta(hours=25, minutes=3, seconds=4.5), "25:03:04.5"),
        (timedelta(minutes=3), "0:03:00"),
        (timedelta(days=10), "240:00:00"),
        (timedelta(hours=-1, minutes=-30), "-1:30:00"),
        (timedelta(0), "0:00:00"),
    ],
)
def test_duration_is_shown_in_hours(value: timedelta, text: str) -> None:
    assert sheet.read(sample.workbook({"A": [[value]]}), {})[1].decode() == f"{text}\n"


@pytest.mark.parametrize(
    ("states", "details", "headings"),
    [
        ({"A": "visible", "B": "hidden"}, "2 sheets (1 hidden), 0 rows", ["A", "B (hidden)"]),
        ({"A": "visible", "B": "veryHidden"}, "2 sheets (1 hidden), 0 rows", ["A", "B (hidden)"]),
        (
            {"A": "hidden", "B": "visible", "C": "hidden"},
            "3 sheets (2 hidden), 0 rows",
            ["A (hidden)", "B", "C (hidden)"],
        ),
        ({"A": "visible", "B": "visible"}, "2 sheets, 0 rows", ["A", "B"]),
        ({"A": "visible"}, "0 rows", []),
    ],
)
def test_hidden_sheets_are_read_and_marked(
    states: dict[str, str], details: str, headings: list[str]
) -> None:
    book = Workbook()
    book.remove(book.worksheets[0])
    for name, state in states.items():
        book.create_sheet(name).append([f"cell of {name}"])
        book[name].sheet_state = state
    output = BytesIO()
    book.save(output)
    header, text = sheet.read(output.getvalue(), {})
    assert describe("sheet", header) == details
    assert [line[10:] for line in text.decode().split("\n") if line.startswith("## ")] == headings
    assert all(f"cell of {name}" in text.decode() for name in states)


def test_chart_sheet_is_counted() -> None:
    book = Workbook()
    book.worksheets[0].append(["a"])
    book.create_chartsheet("Chart")
    output = BytesIO()
    book.save(output)
    assert "1 chart sheet" in describe("sheet", sheet.read(output.getvalue(), {})[0])
