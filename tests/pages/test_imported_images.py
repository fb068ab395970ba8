"""Tests for rendering imported attachments, which no one has validated before the browser."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas
import pytest
from PIL import Image
from sqlalchemy import create_engine, text
from streamlit.testing.v1 import AppTest

from chat import ChatService, ExportFormat, File, Submission
from chat.formats.import_report import ItemReport
from pages.conversation import attachments
from pages.session import process
from tests.support.hostile_files import huge_png

pytestmark = pytest.mark.slow

APP = str(Path(__file__).parents[2] / "app.py")
OWNER = "visitor:" + hashlib.sha256(b"ada").hexdigest()[:40]


@pytest.fixture
def service(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, any_database_url: str
) -> Iterator[ChatService]:
    """The service of the app before its first page is open_page; Guide answers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", any_database_url)
    monkeypatch.setenv("FIND_LOCAL_SERVERS", "false")
    process.reset()
    service = process.chat_service()
    yield service
    service.close()
    process.reset()


def image(mode: str, size: tuple[int, int], file_format: str = "PNG") -> bytes:
    data = BytesIO()
    Image.new(mode, size, "teal").save(data, file_format)
    return data.getvalue()


def import_conversation(service: ChatService, data: bytes = b"", **changes: Any) -> ItemReport:
    """Import a conversation with one attachment.

    The attachment was exported as a table; `data` and `changes` replace its bytes and fields.
    """
    answer = service.as_owner(OWNER).messages.send(
        None, Submission("Thanks!", (File("a.csv", b"a,b\n1,2\n"),))
    )
    assert "".join(piece.text for piece in service.as_owner(OWNER).messages.follow(answer.id))
    value = json.loads(
        service.as_owner(OWNER).transfer.export(answer.conversation_id, ExportFormat.JSON).data
    )
    service.as_owner(OWNER).conversations.purge(answer.conversation_id)
    (file,) = value["messages"][0]["attachments"]
    if data:
        file["sha256"] = hashlib.sha256(data).hexdigest()
        value["contents"][file["sha256"]] = base64.b64encode(data).decode()
    file |= changes
    return (
        service.as_owner(OWNER)
        .transfer.import_(BytesIO(json.dumps(value).encode()), "copy.json")
        .items[0]
    )


def open_page(conversation_id: str) -> AppTest:
    page = AppTest.from_file(APP, default_timeout=20)
    page.session_state["visitor"] = "ada"
    page.query_params["c"] = conversation_id
    page.run()
    assert not page.exception
    return page


def captions(page: AppTest) -> str:
    return "\n".join(each.value for each in page.caption)


def fail_to_decode(self: Image.Image) -> None:
    raise AssertionError("an image was decoded in the app's process")


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n" + b"x" * 208,
        image("RGB", (8, 8))[:45],
        huge_png(20_000, 20_000),
        image("RGB", (5_000, 100)),
        image("RGB", (8, 8), "GIF"),
    ],
    ids=["invalid", "truncated", "decompression bomb", "too wide", "unsupported format"],
)
def test_import_omits_an_invalid_image(service: ChatService, data: bytes) -> None:
    report = import_conversation(service, data, name="a.png", kind="image")
    assert report.notes == (
        "1 files are not in the export, damaged or too large, and were left out.",
    )
    page = open_page(str(report.conversation_id))
    assert page.get("image") == []
    assert page.chat_input(key="composer")


def test_corrupt_stored_image_shows_a_caption(service: ChatService, any_database_url: str) -> None:
    report = import_conversation(service, image("RGB", (8, 8)), name="a.png", kind="image")
    broken, engine = b"\x89PNG\r\n\x1a\nx", create_engine(any_database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE contents SET data = :data"), {"data": broken})
    engine.dispose()
    page = open_page(str(report.conversation_id))
    assert "a.png cannot be shown" in captions(page).replace("\\", "")
    assert page.chat_input(key="composer")


@pytest.mark.parametrize(
    "data",
    [
        image("RGB", (640, 480)),
        image("RGBA", (1568, 900)),
        image("RGB", (1568, 900), "JPEG"),
        image("L", (900, 1568)),
    ],
    ids=["small", "wide", "photo", "high and grey"],
)
def test_image_is_shown_without_being_decoded(
    service: ChatService, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    report = import_conversation(service, data, name="a.png", kind="image")
    assert report.notes == ()
    monkeypatch.setattr(Image.Image, "load", fail_to_decode)
    page = open_page(str(report.conversation_id))
    assert len(page.get("image")) == 1
    assert "cannot be shown" not in captions(page)


def test_details_of_an_imported_file_are_escaped(service: ChatService) -> None:
    details = ":red-background[**PAY**] [bank](https://evil.example) ![p](https://evil.example/p)"
    page = open_page(str(import_conversation(service, details=details).conversation_id))
    (caption,) = [each.value for each in page.caption if "PAY" in each.value]
    assert ":red-background[" not in caption
    assert "](https" not in caption


@pytest.mark.parametrize(
    ("cells", "is_number"),
    [
        (["3", "-12.5", ""], True),
        (["007", "12"], False),
        (["+4915112345678"], False),
        (["1234567890123456789", ""], False),
        (["1.10", "1.9"], False),
        (["12E5"], False),
        (["", ""], False),
    ],
)
def test_column_is_numeric_only_if_displayed_unchanged(cells: list[str], is_number: bool) -> None:
    column = attachments._sortable(pandas.Series(cells, dtype=object))
    assert pandas.api.types.is_numeric_dtype(column) == is_number
    assert is_number or list(column) == cells
