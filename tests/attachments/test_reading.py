"""Tests for reading well-formed attachments: text, previews, images, caching and logging."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import orjson
import pytest
from PIL import Image, ImageOps

from chat.attachments import sandbox
from chat.attachments.reading import FileReader, ParsedFile
from chat.config.settings import Settings
from chat.domain.attachment import File, FileKind
from chat.errors import FileEmpty
from tests.support import hostile_files as hostile
from tests.support import sample_files as sample


def read(name: str, data: bytes) -> ParsedFile:
    return FileReader(Settings(values={})).read(File(name, data), "me")


def decoded(parsed: ParsedFile) -> Image.Image:
    image = Image.open(BytesIO(parsed.content))
    image.load()
    assert image.size == (parsed.width, parsed.height)
    return image


def is_red(pixel: object) -> bool:
    assert isinstance(pixel, tuple)
    return pixel[0] > 200 and pixel[2] < 60


def test_pdf_text_has_page_markers() -> None:
    parsed = read("report.pdf", sample.pdf("First words.", "Second words.", "Last words."))
    assert parsed.kind is FileKind.DOCUMENT
    assert (parsed.label, parsed.media_type) == ("PDF", "application/pdf")
    assert parsed.details == "3 pages"
    assert parsed.text == "First words.\n\n[Page 2]\n\nSecond words.\n\n[Page 3]\n\nLast words."


def test_pdf_with_empty_password_is_read() -> None:
    assert read("open.pdf", hostile.locked_pdf("")).text == "Behind a password"


def test_pdf_with_damaged_page_keeps_other_pages() -> None:
    parsed = read("half.pdf", hostile.pdf_damaged_page())
    assert parsed.text == "[Page 2]\n\nThe good page"
    assert parsed.details == "2 pages, 1 of them damaged"


def test_word_document_becomes_markdown() -> None:
    parsed = read("minutes.docx", sample.word())
    assert parsed.kind is FileKind.DOCUMENT
    assert parsed.details == "23 words"
    assert parsed.text == (
        "# Minutes\n\nWe met on Monday — all of us.\n\n- Bread\n- Butter\n\n"
        "| Who | What |\n| --- | --- |\n| Ada | a\\|b |\n\n"
        "## Next time\n\nBring tea.\n\nIn a form field."
    )


def test_word_document_with_macros_is_read() -> None:
    parsed = read("minutes.docm", hostile.with_macros(sample.word()))
    assert "We met on Monday" in parsed.text


def test_workbook_becomes_csv_with_preview() -> None:
    data = sample.workbook()
    parsed = read("people.xlsx", data)
    assert parsed.kind is FileKind.TABLE
    assert parsed.details == "2 rows"
    assert parsed.text == "name,born,score\nGrace,1906-12-09,12\nAlan,1912-06-23,0.5\n"
    assert parsed.content == data
    assert orjson.loads(parsed.preview) == {
        "sheets": [
            {
                "name": "People",
                "columns": ["name", "born", "score"],
                "rows": [["Grace", "1906-12-09", "12"], ["Alan", "1912-06-23", "0.5"]],
                "rows_total": 2,
            }
        ]
    }


def test_workbook_with_several_sheets_has_sheet_headings() -> None:
    rows: list[list[Any]] = [["n"], *([number] for number in range(1, 1202))]
    parsed = read("two.xlsx", sample.workbook({"Numbers": rows, "Flags": [["on"], [True]]}))
    assert parsed.details == "2 sheets, 1,202 rows"
    assert parsed.text.startswith("## Sheet: Numbers\n\nn\n1\n2\n")
    assert parsed.text.endswith("1201\n\n## Sheet: Flags\n\non\nTRUE\n")
    numbers, flags = orjson.loads(parsed.preview)["sheets"]
    assert (len(numbers["rows"]), numbers["rows_total"]) == (200, 1201)
    assert flags["rows"] == [["TRUE"]]


@pytest.mark.parametrize(
    ("name", "make", "text"),
    [
        ("old.xls", sample.old_workbook, "year,sum\n1999,12.5\n"),
        ("trees.ods", sample.open_sheet, "kind,height\noak,21.5\n"),
    ],
)
def test_xls_and_ods_workbooks_are_read(name: str, make: Callable[[], bytes], text: str) -> None:
    assert read(name, make()).text == text


@pytest.mark.parametrize(
    ("name", "data", "columns", "rows"),
    [
        ("utf8.csv", "a,b\nä,1\n".encode(), ["a", "b"], [["ä", "1"]]),
        ("excel.csv", "\ufeffa;b\nß;1,5\n".encode(), ["a", "b"], [["ß", "1,5"]]),
        ("utf16.csv", "a,b\nπ,2\n".encode("utf-16"), ["a", "b"], [["π", "2"]]),
        ("western.csv", "Ort;€\nKöln;3\n".encode("cp1252"), ["Ort", "€"], [["Köln", "3"]]),
        ("quoted.csv", b'a,b\r\n"x, y","line\r\nbreak"\r\n', ["a", "b"], [["x, y", "line\nbreak"]]),
        ("tabs.tsv", b"a\tb, c\n1\t2\n", ["a", "b, c"], [["1", "2"]]),
        ("uneven.csv", b"a,b\n1\n1,2,3\n", ["a", "b", ""], [["1", "", ""], ["1", "2", "3"]]),
        ("one.csv", b"just a line", ["just a line"], []),
    ],
)
def test_csv_encoding_and_delimiter_are_detected(
    name: str, data: bytes, columns: list[str], rows: list[list[str]]
) -> None:
    parsed = read(name, data)
    assert parsed.kind is FileKind.TABLE
    [sheet] = orjson.loads(parsed.preview)["sheets"]
    assert (sheet["columns"], sheet["rows"]) == (columns, rows)
    assert sheet["rows_total"] == len(rows)


@pytest.mark.parametrize(
    ("name", "data", "label", "details"),
    [
        ("a.json", b'{"a": [1, 2]}', "JSON", "1 line"),
        ("a.md", b"# Title\n\nText\n", "Markdown", "3 lines"),
        ("a.py", b"print('hi')\n", "code", "1 line"),
        ("a.unheardof", b"plain\ntext", "text", "2 lines"),
        ("README", b"plain", "text", "1 line"),
        ("drawing.svg", b"<svg onload='alert(1)'/>", "text", "1 line"),
        ("page.html", b"<script>alert(1)</script>", "code", "1 line"),
        ("about.txt", b"A PDF begins with %PDF-1.7", "text", "1 line"),
    ],
)
def test_text_file_is_unchanged_and_served_as_text(
    reader: FileReader, name: str, data: bytes, label: str, details: str
) -> None:
    parsed = reader.read(File(name, data), "me")
    assert parsed.text == data.decode()
    assert (parsed.kind, parsed.label, parsed.details) == (FileKind.DOCUMENT, label, details)
    # Nothing that a browser would run comes back as what it is.
    assert parsed.media_type in {"text/plain", "text/markdown", "application/json"}


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Grüße aus München für 10 €", "cp1252"),
        ("Привет, это обычный русский текст.", "cp1251"),
        ("これは日本語のテキストです。文字コードを調べます。", "shift_jis"),
        ("Zażółć gęślą jaźń, proszę państwa", "cp1250"),
        ("text with a mark", "utf-32"),
    ],
)
def test_legacy_encodings_are_detected(reader: FileReader, text: str, encoding: str) -> None:
    assert reader.read(File("a.txt", text.encode(encoding)), "me").text == text


def test_few_invalid_bytes_are_replaced(reader: FileReader) -> None:
    text = "Überall Umlaute: äöü ÄÖÜ ß. " * 10
    assert reader.read(File("log.txt", text.encode() + b"\xc3"), "me").text == text + "\ufffd"


def test_long_text_is_cut_at_line_end(reader: FileReader) -> None:
    parsed = reader.read(File("long.log", b"a line of text\n" * 200_000), "me")
    assert parsed.details == "only the first 133,333 of 200,000 lines"
    assert parsed.text == "a line of text\n" * 133_333


def test_long_line_is_cut(reader: FileReader) -> None:
    parsed = reader.read(File("long.json", b"[" + b"1," * 1_500_000), "me")
    assert parsed.details == "1 line, only the beginning"
    assert len(parsed.text) == 2_000_000


def test_long_pdf_is_cut_after_character_or_time_limit() -> None:
    data = sample.pdf("One.", "Two.", "Three.")
    header, text = sandbox.run("pdf", data, {"characters": 10})
    assert (header["pages_read"], header["pages"], header["is_cut"]) == (2, 3, True)
    header, text = sandbox.run("pdf", data, {"seconds": -1})  # over, however coarse the clock is
    assert (header["pages_read"], header["pages"], text) == (1, 3, b"One.")


def test_long_workbook_is_cut_after_character_limit() -> None:
    data = sample.workbook({"A": [["n"], [1], [2], [3]], "B": [["m"], [4]]})
    header, text = sandbox.run("sheet", data, {"characters": 19})
    assert text == b"## Sheet: A\n\nn\n1\n2\n\n## Sheet: B\n\n"
    assert (header["rows_read"], header["rows"], header["is_cut"]) == (2, 4, True)
    header, text = sandbox.run("sheet", data, {"characters": 17})
    assert (header["rows_read"], header["rows"]) == (1, 4)


def test_blank_rows_above_table_are_not_counted() -> None:
    above: list[list[Any]] = [[]] * 9
    data = sample.workbook({"A": [*above, ["n"], [1], [2], [3]], "B": [*above, ["m"], [4]]})
    header, _ = sandbox.run("sheet", data, {})
    assert (header["rows_read"], header["rows"], header["is_cut"]) == (4, 4, False)
    header, text = sandbox.run("sheet", data, {"characters": 19})
    assert text == b"## Sheet: A\n\nn\n1\n2\n\n## Sheet: B\n\n"
    assert (header["rows_read"], header["rows"], header["is_cut"]) == (2, 4, True)


@pytest.mark.parametrize(
    ("kind", "media_type"),
    [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/jpeg"), ("GIF", "image/png")],
)
def test_image_metadata_is_removed(reader: FileReader, kind: str, media_type: str) -> None:
    original = sample.photo(kind)
    assert sample.REMARK.encode() in original
    parsed = reader.read(File(f"photo.{kind.lower()}", original), "me")
    assert (parsed.kind, parsed.media_type) == (FileKind.IMAGE, media_type)
    assert (parsed.text, parsed.preview, parsed.details) == ("", "", "80 × 40")
    image = decoded(parsed).convert("RGB")
    assert is_red(image.getpixel((10, 10))) and not is_red(image.getpixel((70, 10)))
    assert not image.getexif()
    for secret in (sample.CAMERA, sample.REMARK, "Exif", "eXIf", "tEXt", "ICC", "iCCP", "xmp"):
        assert secret.encode() not in parsed.content


@pytest.mark.parametrize("orientation", range(2, 9))
def test_image_is_rotated_by_exif_orientation(reader: FileReader, orientation: int) -> None:
    original = sample.photo(orientation=orientation)
    expected = ImageOps.exif_transpose(Image.open(BytesIO(original)))
    image = decoded(reader.read(File("photo.jpg", original), "me"))
    assert image.size == expected.size
    right, bottom = expected.width - 3, expected.height - 3
    for place in ((2, 2), (right, 2), (2, bottom), (right, bottom)):
        assert is_red(image.getpixel(place)) == is_red(expected.getpixel(place))


def test_large_image_is_scaled_down(reader: FileReader) -> None:
    parsed = reader.read(File("wide.png", sample.photo("PNG", size=(4000, 1000))), "me")
    assert (parsed.width, parsed.height, parsed.details) == (1568, 392, "1,568 × 392")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_image_color_modes_are_supported(reader: FileReader, mode: str) -> None:
    output = BytesIO()
    Image.new(mode, (8, 8)).save(output, "PNG")
    image = decoded(reader.read(File("a.png", output.getvalue()), "me"))
    assert image.mode == ("RGBA" if mode in {"LA", "RGBA"} else "RGB" if mode == "P" else "L")


def test_webp_transparency_is_kept(reader: FileReader) -> None:
    output = BytesIO()
    Image.new("RGBA", (8, 8), (255, 0, 0, 100)).save(output, "WEBP", lossless=True)
    parsed = reader.read(File("a.webp", output.getvalue()), "me")
    assert parsed.media_type == "image/png"
    assert decoded(parsed).getpixel((1, 1)) == (255, 0, 0, 100)


def test_animation_is_reduced_to_first_frame(reader: FileReader) -> None:
    parsed = reader.read(File("moving.gif", sample.animation()), "me")
    assert parsed.details == "30 × 20, first frame only"
    assert is_red(decoded(parsed).convert("RGB").getpixel((5, 5)))


def test_image_with_extension_of_other_format_is_read(reader: FileReader) -> None:
    assert reader.read(File("photo.jpg", sample.photo("PNG")), "me").media_type == "image/png"


def test_files_are_read_concurrently(reader: FileReader) -> None:
    texts = [f"text number {number}" for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        parsed_files = pool.map(lambda text: reader.read(File("a.txt", text.encode()), "me"), texts)
        assert [parsed.text for parsed in parsed_files] == texts


def test_logs_contain_no_file_names_or_content(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        read("my-diary.txt", b"Dear diary")
    assert "text of 10 bytes" in caplog.text
    assert "diary" not in caplog.text.lower()


def test_parsed_file_is_cached_by_content_and_name(reader: FileReader) -> None:
    first = reader.read(File("once.txt", b"only once"), "me")
    again = reader.read(File("folder/once.txt", b"only once"), "me")
    assert again == first
    assert again.text is first.text
    assert reader.read(File("other.txt", b"only once"), "me").name == "other.txt"


def test_concurrent_reads_parse_a_file_once(
    reader: FileReader, caplog: pytest.LogCaptureFixture
) -> None:
    file = File("shared.txt", b"read by eight threads")
    with caplog.at_level("INFO"), ThreadPoolExecutor(8) as pool:
        texts = {
            parsed.text for parsed in pool.map(lambda file: reader.read(file, "me"), [file] * 8)
        }
    assert texts == {"read by eight threads"}
    assert len(caplog.records) == 1


def test_refusal_is_cached_for_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    reader = FileReader(Settings(values={}), clock=lambda: now)
    with caplog.at_level("INFO"):
        for seconds, runs in ((0.0, 1), (59.0, 1), (61.0, 2)):
            now = seconds
            with pytest.raises(FileEmpty, match="is empty"):
                reader.read(File("twice.txt", b"   "), "me")
            assert len(caplog.records) == runs
