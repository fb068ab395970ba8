"""Tests that damaged, encrypted and malicious attachments are refused without side effects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from chat.attachments.reading import FileReader
from chat.config.settings import Settings
from chat.domain.attachment import File
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


@pytest.mark.parametrize(
    ("name", "data", "error"),
    [
        ("empty.pdf", b"", FileEmpty),
        ("blank.txt", b" \n\t\n", FileEmpty),
        ("blank.csv", b"\n\n", FileEmpty),
        ("program.png", ELF, UnreadableFile),
        ("film.jpg", sample.MP4, UnreadableFile),
        ("page.png", b"<html></html>", UnreadableFile),
        ("notes.pdf", b"just notes", UnreadableFile),
        ("photo.pdf", sample.photo(), UnreadableFile),
        ("table.docx", sample.workbook(), UnreadableFile),
        ("letter.xlsx", sample.word(), UnreadableFile),
        ("table.xlsx", b"a,b\n1,2\n", UnreadableFile),
        ("archive.docx", hostile.archive_with("a.txt"), UnreadableFile),
        ("binary.csv", ELF, UnreadableFile),
        ("program", ELF, UnknownFileType),
        ("film.mp4", sample.MP4, UnknownFileType),
        ("archive.zip", hostile.archive_with("notes/word/document.xml"), UnknownFileType),
        ("letter.doc", sample.ole({"WordDocument": b"x", "Workbook": b"x"}), UnknownFileType),
        (
            "locked.docx",
            sample.ole({"EncryptionInfo": b"x", "EncryptedPackage": b"x"}),
            EncryptedFile,
        ),
        ("locked.xls", sample.old_workbook(is_encrypted=True), EncryptedFile),
        ("locked.ods", sample.open_sheet(is_encrypted=True), EncryptedFile),
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
def test_unreadable_file_is_refused_with_its_name(
    reader: FileReader, name: str, data: bytes, error: type[FileRefused]
) -> None:
    with pytest.raises(FileRefused) as refused:
        reader.read(File(name, data), "me")
    assert type(refused.value) is error
    assert f"“{name}”" in refused.value.sentence


def test_file_above_size_limit_is_refused(reader: FileReader) -> None:
    with pytest.raises(FileTooLarge) as refused:
        reader.read(File("huge.txt", bytes(100_000_000)), "me")
    assert "“huge.txt” has 100.0 MB; a file may have at most 20.0 MB" in refused.value.sentence


def test_size_error_shows_bytes_when_rounded_sizes_are_equal() -> None:
    reader = FileReader(Settings(values={}, max_file_mb=1))
    with pytest.raises(FileTooLarge, match="1,000,001 bytes; a file may have at most 1"):
        reader.read(File("a.txt", b"x" * 1_000_001), "me")


COMPLEX, DAMAGED = (FileTooComplex,), (UnreadableFile,)
EITHER = (FileTooComplex, UnreadableFile)


@pytest.mark.slow
@pytest.mark.usefixtures("_bounded_memory")
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
        ("laughs.docx", lambda: hostile.billion_laughs(sample.word(), DOCUMENT, "w:t"), DAMAGED),
        (
            "chuckles.docx",
            lambda: hostile.billion_laughs(sample.word(), DOCUMENT, "w:body", '<w:p w:a="&l9;"/>'),
            EITHER,
        ),
        ("laughs.xlsx", lambda: hostile.billion_laughs(sample.workbook(), SHEET, "t"), EITHER),
        ("far.xlsx", hostile.far_cell, COMPLEX),
        ("bomb.pdf", lambda: hostile.pdf_bomb(1000), COMPLEX),
        ("nested.pdf", lambda: hostile.pdf_bomb_in_a_bomb(3000), COMPLEX),
        ("loop.pdf", hostile.pdf_page_loop, EITHER),
        ("deep.pdf", lambda: hostile.pdf_deep_tree(5000), EITHER),
        ("countless.pdf", hostile.pdf_of_countless_pages, COMPLEX),
        ("nested.eml", lambda: b"From: a\nContent-Type: message/rfc822\n\n" * 20_000, COMPLEX),
        ("deep.ipynb", lambda: b'{"cells":' + b"[" * 100_000, COMPLEX),
        ("braces.rtf", lambda: rb"{\rtf1 " + rb"{\footnote " * 200_000, COMPLEX),
        ("vast.png", lambda: hostile.huge_png(50_000, 50_000), COMPLEX),
        ("large.png", lambda: hostile.huge_png(11_000, 11_000), COMPLEX),
        ("short.png", lambda: hostile.huge_png(9_000, 9_000), DAMAGED),
        ("vast.gif", lambda: hostile.huge_gif((65_535, 65_535), (1, 1)), COMPLEX),
        ("frame.gif", lambda: hostile.huge_gif((10, 10), (65_535, 65_535)), COMPLEX),
    ],
)
def test_decompression_bomb_is_refused_without_memory_growth(
    reader: FileReader, name: str, make: Callable[[], bytes], errors: tuple[type[FileRefused], ...]
) -> None:
    with pytest.raises(errors):
        reader.read(File(name, make()), "me")


def test_word_document_cannot_read_local_files(reader: FileReader, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret")
    entity = f'<!ENTITY x SYSTEM "{secret.as_uri()}">'
    data = hostile.with_entities(sample.word(), DOCUMENT, "w:t", entity, "&x;")
    with pytest.raises(UnreadableFile):
        reader.read(File("letter.docx", data), "me")
