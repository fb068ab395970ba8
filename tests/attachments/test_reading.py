"""Attached files: good ones are read, bad ones are refused, and none of them does any harm."""

from __future__ import annotations

import os
import sys
import threading
import unicodedata
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from chat.attachments import sandbox
from chat.attachments.cache import Recent
from chat.attachments.file_names import clean_name
from chat.attachments.file_types import is_audio, recognise
from chat.attachments.reading import FileReader, ParsedFile
from chat.config.settings import Settings
from chat.domain.attachment import File, FileKind
from chat.domain.sizes import human_size
from chat.errors import (
    EncryptedFile,
    FileEmpty,
    FileRefused,
    FileTooComplex,
    FileTooLarge,
    NoTextInFile,
    UnknownFileType,
    UnreadableFile,
)
from tests.support import hostile_files as hostile
from tests.support import sample_files as sample

DOCUMENT, SHEET = "word/document.xml", "xl/worksheets/sheet1.xml"
ELF = b"\x7fELF\x02\x01\x01" + bytes(100)
MP4 = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2" + bytes(100)


@pytest.fixture(scope="module")
def files() -> FileReader:
    return FileReader(Settings(values={}))


def read(name: str, data: bytes) -> ParsedFile:
    return FileReader(Settings(values={})).read(File(name, data))


def picture(parsed: ParsedFile) -> Image.Image:
    picture = Image.open(BytesIO(parsed.content))
    picture.load()
    assert picture.size == (parsed.width, parsed.height)
    return picture


def is_red(pixel: object) -> bool:
    assert isinstance(pixel, tuple)
    return pixel[0] > 200 and pixel[2] < 60


# Good files


def test_a_pdf_gives_the_text_of_its_pages() -> None:
    parsed = read("report.pdf", sample.pdf("First words.", "Second words.", "Last words."))
    assert parsed.kind is FileKind.DOCUMENT
    assert (parsed.label, parsed.media_type) == ("PDF", "application/pdf")
    assert parsed.details == "3 pages"
    assert parsed.text == "First words.\n\n[Page 2]\n\nSecond words.\n\n[Page 3]\n\nLast words."


def test_a_pdf_that_opens_without_a_password_is_read() -> None:
    assert read("open.pdf", hostile.locked_pdf("")).text == "Behind a password"


def test_a_damaged_page_does_not_spoil_the_others() -> None:
    parsed = read("half.pdf", hostile.pdf_damaged_page())
    assert parsed.text == "[Page 2]\n\nThe good page"
    assert parsed.details == "2 pages, 1 of them damaged"


def test_a_word_document_gives_markdown_in_its_order() -> None:
    parsed = read("minutes.docx", sample.word())
    assert parsed.kind is FileKind.DOCUMENT
    assert parsed.details == "23 words"
    assert parsed.text == (
        "# Minutes\n\nWe met on Monday — all of us.\n\n- Bread\n- Butter\n\n"
        "| Who | What |\n| --- | --- |\n| Ada | a\\|b |\n\n"
        "## Next time\n\nBring tea.\n\nIn a form field."
    )


def test_a_word_document_with_macros_is_read_like_any_other() -> None:
    parsed = read("minutes.docm", hostile.with_macros(sample.word()))
    assert "We met on Monday" in parsed.text


def test_a_workbook_gives_csv_and_a_preview() -> None:
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


def test_every_sheet_of_a_workbook_is_read_and_named() -> None:
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
def test_older_and_other_spreadsheets_are_read(
    name: str, make: Callable[[], bytes], text: str
) -> None:
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
def test_a_table_of_text_is_read_whatever_it_was_written_with(
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
def test_text_is_sent_as_it_is(
    files: FileReader, name: str, data: bytes, label: str, details: str
) -> None:
    parsed = files.read(File(name, data))
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
def test_text_is_read_in_older_encodings(files: FileReader, text: str, encoding: str) -> None:
    assert files.read(File("a.txt", text.encode(encoding))).text == text


def test_a_few_damaged_bytes_do_not_spoil_a_text(files: FileReader) -> None:
    text = "Überall Umlaute: äöü ÄÖÜ ß. " * 10
    assert files.read(File("log.txt", text.encode() + b"\xc3")).text == text + "\ufffd"


def test_a_long_text_is_cut_at_a_line_and_says_so(files: FileReader) -> None:
    parsed = files.read(File("long.log", b"a line of text\n" * 200_000))
    assert parsed.details == "only the first 133,333 of 200,000 lines"
    assert parsed.text == "a line of text\n" * 133_333


def test_a_single_long_line_is_cut_and_says_so(files: FileReader) -> None:
    parsed = files.read(File("long.json", b"[" + b"1," * 1_500_000))
    assert parsed.details == "1 line, only the beginning"
    assert len(parsed.text) == 2_000_000


def test_of_a_long_pdf_the_first_pages_are_read() -> None:
    data = sample.pdf("One.", "Two.", "Three.")
    header, text = sandbox.run("pdf", data, {"characters": 10})
    assert (header["pages_read"], header["pages"], header["is_cut"]) == (2, 3, True)
    header, text = sandbox.run("pdf", data, {"seconds": -1})  # over, however coarse the clock is
    assert (header["pages_read"], header["pages"], text) == (1, 3, b"One.")


def test_of_a_long_workbook_the_first_rows_are_read() -> None:
    data = sample.workbook({"A": [["n"], [1], [2], [3]], "B": [["m"], [4]]})
    header, text = sandbox.run("sheet", data, {"characters": 19})
    assert text == b"## Sheet: A\n\nn\n1\n2\n\n## Sheet: B\n\n"
    assert (header["rows_read"], header["rows"], header["is_cut"]) == (2, 4, True)
    header, text = sandbox.run("sheet", data, {"characters": 17})
    assert (header["rows_read"], header["rows"]) == (1, 4)


def test_rows_above_a_table_change_no_count() -> None:
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
def test_a_picture_keeps_its_pixels_and_nothing_else(
    files: FileReader, kind: str, media_type: str
) -> None:
    original = sample.photo(kind)
    assert sample.REMARK.encode() in original
    parsed = files.read(File(f"photo.{kind.lower()}", original))
    assert (parsed.kind, parsed.media_type) == (FileKind.IMAGE, media_type)
    assert (parsed.text, parsed.preview, parsed.details) == ("", "", "80 × 40")
    shown = picture(parsed).convert("RGB")
    assert is_red(shown.getpixel((10, 10))) and not is_red(shown.getpixel((70, 10)))
    assert not shown.getexif()
    for secret in (sample.CAMERA, sample.REMARK, "Exif", "eXIf", "tEXt", "ICC", "iCCP", "xmp"):
        assert secret.encode() not in parsed.content


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_picture_is_turned_upright(files: FileReader, orientation: int) -> None:
    original = sample.photo(orientation=orientation)
    expected = ImageOps.exif_transpose(Image.open(BytesIO(original)))
    shown = picture(files.read(File("photo.jpg", original)))
    assert shown.size == expected.size
    right, bottom = expected.width - 3, expected.height - 3
    for place in ((2, 2), (right, 2), (2, bottom), (right, bottom)):
        assert is_red(shown.getpixel(place)) == is_red(expected.getpixel(place))


def test_a_large_picture_is_scaled_down(files: FileReader) -> None:
    parsed = files.read(File("wide.png", sample.photo("PNG", size=(4000, 1000))))
    assert (parsed.width, parsed.height, parsed.details) == (1568, 392, "1,568 × 392")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_pictures_of_every_depth_are_read(files: FileReader, mode: str) -> None:
    output = BytesIO()
    Image.new(mode, (8, 8)).save(output, "PNG")
    shown = picture(files.read(File("a.png", output.getvalue())))
    assert shown.mode == ("RGBA" if mode in {"LA", "RGBA"} else "RGB" if mode == "P" else "L")


def test_transparency_is_kept_also_of_a_webp(files: FileReader) -> None:
    output = BytesIO()
    Image.new("RGBA", (8, 8), (255, 0, 0, 100)).save(output, "WEBP", lossless=True)
    parsed = files.read(File("a.webp", output.getvalue()))
    assert parsed.media_type == "image/png"
    assert picture(parsed).getpixel((1, 1)) == (255, 0, 0, 100)


def test_of_an_animation_the_first_picture_is_taken(files: FileReader) -> None:
    parsed = files.read(File("moving.gif", sample.animation()))
    assert parsed.details == "30 × 20, only the first picture"
    assert is_red(picture(parsed).convert("RGB").getpixel((5, 5)))


def test_a_picture_under_another_pictures_name_is_read(files: FileReader) -> None:
    assert files.read(File("photo.jpg", sample.photo("PNG"))).media_type == "image/png"


# What is refused


@pytest.mark.parametrize(
    ("name", "data", "error"),
    [
        ("empty.pdf", b"", FileEmpty),
        ("blank.txt", b" \n\t\n", FileEmpty),
        ("blank.csv", b"\n\n", FileEmpty),
        ("program.png", ELF, UnreadableFile),
        ("film.jpg", MP4, UnreadableFile),
        ("page.png", b"<html></html>", UnreadableFile),
        ("notes.pdf", b"just notes", UnreadableFile),
        ("photo.pdf", sample.photo(), UnreadableFile),
        ("table.docx", sample.workbook(), UnreadableFile),
        ("letter.xlsx", sample.word(), UnreadableFile),
        ("table.xlsx", b"a,b\n1,2\n", UnreadableFile),
        ("archive.docx", hostile.archive_with("a.txt"), UnreadableFile),
        ("binary.csv", ELF, UnreadableFile),
        ("program", ELF, UnknownFileType),
        ("film.mp4", MP4, UnknownFileType),
        ("archive.zip", hostile.archive_with("notes/word/document.xml"), UnknownFileType),
        ("letter.doc", sample.ole({"WordDocument": b"x", "Workbook": b"x"}), UnknownFileType),
        (
            "locked.docx",
            sample.ole({"EncryptionInfo": b"x", "EncryptedPackage": b"x"}),
            EncryptedFile,
        ),
        ("locked.xls", sample.old_workbook(is_locked=True), EncryptedFile),
        ("locked.ods", sample.open_sheet(is_locked=True), EncryptedFile),
        ("locked.pdf", hostile.locked_pdf("secret"), EncryptedFile),
        ("aes.pdf", hostile.aes_pdf(), EncryptedFile),
        ("parts.docx", hostile.locked_entries(sample.word()), EncryptedFile),
        ("parts.xlsx", hostile.locked_entries(sample.workbook()), EncryptedFile),
        ("scan.pdf", sample.pdf("", ""), NoTextInFile),
        ("broken.pdf", b"%PDF-1.4\n" + bytes(range(256)), UnreadableFile),
        ("broken.jpg", sample.photo(size=(800, 600))[:3000], UnreadableFile),
        ("broken.png", sample.photo("PNG", size=(800, 600))[:-900], UnreadableFile),
        ("broken.gif", sample.photo("GIF", size=(800, 600))[:400], UnreadableFile),
        ("broken.xlsx", sample.workbook()[200:], UnreadableFile),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_name(
    files: FileReader, name: str, data: bytes, error: type[FileRefused]
) -> None:
    with pytest.raises(FileRefused) as refused:
        files.read(File(name, data))
    assert type(refused.value) is error
    assert f"“{name}”" in refused.value.sentence


def test_a_file_of_a_hundred_megabytes_is_refused_unread(files: FileReader) -> None:
    with pytest.raises(FileTooLarge) as refused:
        files.read(File("huge.txt", bytes(100_000_000)))
    assert "“huge.txt” has 100.0 MB; a file may have at most 20.0 MB" in refused.value.sentence


def test_a_file_one_byte_too_large_does_not_seem_to_fit() -> None:
    files = FileReader(Settings(values={}, max_file_mb=1))
    with pytest.raises(FileTooLarge, match="1,000,001 bytes; a file may have at most 1"):
        files.read(File("a.txt", b"x" * 1_000_001))


def most_memory_mb() -> float:
    if sys.platform == "win32":
        return 0
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1_000_000 if sys.platform == "darwin" else 1_000)


@pytest.fixture
def _stays_small() -> Iterator[None]:
    before = most_memory_mb()
    yield
    assert most_memory_mb() - before < 200


COMPLEX, DAMAGED = (FileTooComplex,), (UnreadableFile,)
EITHER = (FileTooComplex, UnreadableFile)


@pytest.mark.usefixtures("_stays_small")
@pytest.mark.parametrize(
    ("name", "make", "errors"),
    [
        ("bomb.docx", lambda: hostile.word_bomb(1000), COMPLEX),
        ("bomb.xlsx", lambda: hostile.sheet_bomb(1000), COMPLEX),
        ("dense.docx", lambda: hostile.word_bomb(90), COMPLEX),
        ("dense.xlsx", lambda: hostile.sheet_bomb(90), COMPLEX),
        ("lying.docx", lambda: hostile.word_bomb(3000, declared=9_000), EITHER),
        ("lying.xlsx", lambda: hostile.sheet_bomb(3000, declared=9_000), EITHER),
        ("many.docx", lambda: hostile.many_entries(sample.word(), 6000), COMPLEX),
        ("many.xlsx", lambda: hostile.many_entries(sample.workbook(), 6000), COMPLEX),
        ("laughs.docx", lambda: hostile.laughing(sample.word(), DOCUMENT, "w:t"), DAMAGED),
        (
            "chuckles.docx",
            lambda: hostile.laughing(sample.word(), DOCUMENT, "w:body", '<w:p w:a="&l9;"/>'),
            EITHER,
        ),
        ("laughs.xlsx", lambda: hostile.laughing(sample.workbook(), SHEET, "t"), EITHER),
        ("far.xlsx", hostile.far_cell, COMPLEX),
        ("bomb.pdf", lambda: hostile.pdf_bomb(1000), COMPLEX),
        ("nested.pdf", lambda: hostile.pdf_bomb_in_a_bomb(3000), COMPLEX),
        ("loop.pdf", hostile.pdf_page_loop, EITHER),
        ("deep.pdf", lambda: hostile.pdf_deep_tree(5000), EITHER),
        ("countless.pdf", hostile.pdf_of_countless_pages, COMPLEX),
        ("vast.png", lambda: hostile.huge_png(50_000, 50_000), COMPLEX),
        ("large.png", lambda: hostile.huge_png(11_000, 11_000), COMPLEX),
        ("short.png", lambda: hostile.huge_png(9_000, 9_000), DAMAGED),
        ("vast.gif", lambda: hostile.huge_gif((65_535, 65_535), (1, 1)), COMPLEX),
        ("frame.gif", lambda: hostile.huge_gif((10, 10), (65_535, 65_535)), COMPLEX),
    ],
)
def test_a_bomb_is_refused_and_only_its_reader_suffers(
    files: FileReader, name: str, make: Callable[[], bytes], errors: tuple[type[FileRefused], ...]
) -> None:
    with pytest.raises(errors):
        files.read(File(name, make()))


def test_a_document_cannot_fetch_a_file(files: FileReader, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret")
    entity = f'<!ENTITY x SYSTEM "{secret.as_uri()}">'
    data = hostile.with_entities(sample.word(), DOCUMENT, "w:t", entity, "&x;")
    with pytest.raises(UnreadableFile):
        files.read(File("letter.docx", data))


# The sandbox


def misbehave(
    act: str, data: bytes = b"", *, seconds: float = 20
) -> tuple[dict[str, object], bytes]:
    options = {"do": act}
    return sandbox.run("hostile_reader", data, options, seconds=seconds, package="tests.support")


def test_what_goes_in_comes_out_whatever_its_size() -> None:
    data = os.urandom(5_000_000)
    assert misbehave("echo", data) == ({"size": len(data)}, data)


@pytest.mark.parametrize(
    ("act", "problem"),
    [
        ("hoard", "too_complex"),
        ("flood", "too_complex"),
        ("crash", "too_complex"),
        ("leave", "unreadable"),
    ],
)
@pytest.mark.usefixtures("_stays_small")
def test_a_reader_that_goes_wrong_is_ended(act: str, problem: str) -> None:
    with pytest.raises(sandbox.SandboxFailed) as failed:
        misbehave(act)
    assert failed.value.problem == problem


def test_a_reader_that_never_ends_is_ended() -> None:
    with pytest.raises(sandbox.SandboxFailed) as failed:
        misbehave("loop", seconds=1)
    assert failed.value.problem == "too_complex"


def test_a_reader_that_ends_before_it_has_read_is_no_trouble() -> None:
    with pytest.raises(sandbox.SandboxFailed) as failed:
        sandbox.run("no_such_reader", bytes(10_000_000), {})
    assert failed.value.problem == "unreadable"


def test_what_a_library_prints_is_no_part_of_the_answer() -> None:
    assert misbehave("chatter") == ({"is": "the answer"}, b"")


def test_a_reader_sees_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "canary")
    header, inherited = misbehave("look around")
    environment = header["environment"]
    assert isinstance(environment, dict) and set(environment) <= {"LC_CTYPE", *sandbox.ENVIRONMENT}
    assert b"canary" not in inherited and b"PATH=" not in inherited.replace(
        b"LD_LIBRARY_PATH=", b""
    )
    assert header["folder"] == Path(sys.executable).anchor


@pytest.mark.skipif(sys.platform == "win32", reason="the system sets no such limits")
def test_a_reader_leaves_no_trace_and_reaches_nobody(tmp_path: Path) -> None:
    (tmp_path / "here").touch()
    header, _ = misbehave("reach out", str(tmp_path).encode())
    assert header == {"done": []}
    assert (tmp_path / "here").exists()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == 0


def test_several_files_are_read_at_once(files: FileReader) -> None:
    texts = [f"text number {number}" for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        parsed_files = pool.map(lambda text: files.read(File("a.txt", text.encode())), texts)
        assert [parsed.text for parsed in parsed_files] == texts


def test_logs_name_no_file_and_quote_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        read("my-diary.txt", b"Dear diary")
    assert "text of 10 bytes" in caplog.text
    assert "diary" not in caplog.text.lower()


# Reading once


def test_the_same_file_is_read_once(files: FileReader) -> None:
    first = files.read(File("once.txt", b"only once"))
    again = files.read(File("folder/once.txt", b"only once"))
    assert again == first
    assert again.text is first.text
    assert files.read(File("other.txt", b"only once")).name == "other.txt"


def keep(value: bytes) -> tuple[int, float]:
    return len(value), 60.0


def test_threads_that_want_the_same_read_it_once() -> None:
    recent = Recent(keep)
    together = threading.Barrier(8)
    calls: list[int] = []

    def read_it() -> bytes:
        calls.append(1)
        return b"read"

    def get() -> bytes:
        together.wait(30)
        return recent.get("key", read_it)

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(get) for _ in range(8)]
        assert {future.result() for future in futures} == {b"read"}
    assert len(calls) == 1


def test_what_was_not_wanted_for_longest_is_forgotten_first() -> None:
    recent = Recent(keep, most_bytes=10)
    calls: list[str] = []

    def get(key: str) -> None:
        def read_it() -> bytes:
            calls.append(key)
            return bytes(4)

        recent.get(key, read_it)

    for key in ("a", "b", "a", "c", "a", "b"):
        get(key)
    assert calls == ["a", "b", "c", "b"]


def test_what_is_kept_is_kept_for_its_time_and_an_error_not_at_all() -> None:
    now = [0.0]
    recent = Recent(keep, clock=lambda: now[0])
    calls: list[str] = []

    def read_it() -> bytes:
        calls.append("read")
        if len(calls) == 1:
            raise ValueError
        return b"read"

    with pytest.raises(ValueError):
        recent.get("key", read_it)
    for now[0] in (10.0, 70.0, 71.0):
        assert recent.get("key", read_it) == b"read"
    assert len(calls) == 3


def test_a_refusal_is_said_again_without_reading_again(
    files: FileReader, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        for _ in range(2):
            with pytest.raises(FileEmpty, match="is empty"):
                files.read(File("twice.txt", b"   "))
    assert len(caplog.records) == 1


# Names and kinds


@pytest.mark.parametrize(("raw", "name"), hostile.NAMES.items(), ids=map(ascii, hostile.NAMES))
def test_a_hostile_name_is_made_harmless(raw: str, name: str) -> None:
    assert clean_name(raw) == name


@given(st.text(alphabet=st.characters(), max_size=300))
def test_a_clean_name_is_one_short_visible_line(raw: str) -> None:
    name = clean_name(raw)
    assert 0 < len(name) <= 120
    assert not set(name) & set("/\\\0\r\n\t")
    assert not {unicodedata.category(character) for character in name} & {
        "Cc",
        "Cf",
        "Cs",
        "Zl",
        "Zp",
    }
    assert unicodedata.is_normalized("NFC", name)
    assert name == name.strip() == clean_name(name)


def test_a_long_name_keeps_its_ending() -> None:
    name = clean_name("x" * 500 + ".xlsx")
    assert len(name) == 120 and name.endswith("x….xlsx")
    assert clean_name("x" * 500) == "x" * 120


@given(st.text(max_size=20), st.binary(max_size=300))
def test_nothing_but_a_refusal_comes_of_any_bytes(name: str, data: bytes) -> None:
    for start in (b"", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"%PDF-"):
        with suppress(FileRefused):
            assert recognise(clean_name(name), start + data).reader
        assert is_audio(name, start + data) in {True, False}


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.wav", b"RIFF\x00\x00\x00\x00WAVEfmt ", True),
        ("a", b"ID3\x04\x00" + bytes(20), True),
        ("a", b"\xff\xfb\x90\x64" + bytes(20), True),
        ("a", b"OggS" + bytes(20), True),
        ("a", b"fLaC" + bytes(20), True),
        ("voice.m4a", MP4.replace(b"isom", b"M4A "), True),
        ("a.webm", b"\x1a\x45\xdf\xa3" + bytes(20), True),
        ("unclear.mp3", bytes(20), True),
        ("unclear.bin", bytes(20), False),
        ("photo.mp3", sample.photo(), False),
        ("picture.webp", sample.photo("WEBP"), False),
        ("photo.heic", b"\x00\x00\x00\x18ftypheic" + bytes(20), False),
        ("notes.mp3", b"only notes", False),
    ],
)
def test_sound_is_told_from_the_rest(name: str, data: bytes, expected: bool) -> None:
    assert is_audio(name, data) is expected


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (84_000, "84 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (1_230_000, "1.2 MB"),
        (31_000_000, "31.0 MB"),
    ],
)
def test_sizes_are_written_for_people(size: int, text: str) -> None:
    assert human_size(size) == text
