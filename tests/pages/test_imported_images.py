"""How a page shows the files of an import: nobody has looked into them but the browser will."""

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
import streamlit as st
from PIL import Image
from sqlalchemy import create_engine, text
from streamlit.testing.v1 import AppTest

from chat import ChatService, ExportFormat, File, Submission
from chat.formats.import_report import ItemReport
from pages.conversation import attachments
from pages.session import process
from tests.support.hostile_files import huge_png

APP = str(Path(__file__).parents[2] / "app.py")
ME = "visitor:" + hashlib.sha256(b"ada").hexdigest()[:40]


@pytest.fixture
def service(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, any_database_url: str
) -> Iterator[ChatService]:
    """Of a page that nobody has opened yet; Guide answers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", any_database_url)
    monkeypatch.setenv("FIND_LOCAL_SERVERS", "false")
    st.cache_resource.clear()
    service = process.chat_service()
    yield service
    service.close()
    st.cache_resource.clear()


def drawing(mode: str, size: tuple[int, int], form: str = "PNG") -> bytes:
    data = BytesIO()
    Image.new(mode, size, "teal").save(data, form)
    return data.getvalue()


def brought_in(service: ChatService, data: bytes = b"", **changes: Any) -> ItemReport:
    """A conversation with one file, imported.

    It was exported with a table, of which the export then tells other bytes and something else.
    """
    answer = service.as_owner(ME).messages.send(
        None, Submission("Look", (File("a.csv", b"a,b\n1,2\n"),))
    )
    assert "".join(piece.text for piece in service.as_owner(ME).messages.follow(answer.id))
    value = json.loads(
        service.as_owner(ME).transfer.export(answer.conversation_id, ExportFormat.JSON).data
    )
    service.as_owner(ME).conversations.purge(answer.conversation_id)
    (file,) = value["messages"][0]["attachments"]
    if data:
        file["sha256"] = hashlib.sha256(data).hexdigest()
        value["contents"][file["sha256"]] = base64.b64encode(data).decode()
    file |= changes
    return (
        service.as_owner(ME)
        .transfer.import_(BytesIO(json.dumps(value).encode()), "copy.json")
        .items[0]
    )


def opened(conversation_id: str) -> AppTest:
    page = AppTest.from_file(APP, default_timeout=20)
    page.session_state["visitor"] = "ada"
    page.query_params["c"] = conversation_id
    page.run()
    assert not page.exception
    return page


def captions(page: AppTest) -> str:
    return "\n".join(each.value for each in page.caption)


def no_pixels(self: Image.Image) -> None:
    raise AssertionError("a picture was decoded in the app's own process")


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n" + b"x" * 208,
        drawing("RGB", (8, 8))[:45],
        huge_png(20_000, 20_000),
        drawing("RGB", (5_000, 100)),
        drawing("RGB", (8, 8), "GIF"),
    ],
    ids=["no picture", "its beginning", "a bomb", "very wide", "another form"],
)
def test_a_picture_that_was_never_made_by_an_attachment_is_left_out(
    service: ChatService, data: bytes
) -> None:
    report = brought_in(service, data, name="a.png", kind="image")
    assert report.notes == ("1 files are not in the export, or damaged, and were left out.",)
    page = opened(str(report.conversation_id))
    assert page.get("image") == []
    assert page.chat_input(key="composer")


def test_a_picture_that_was_damaged_is_said_and_the_page_stays(
    service: ChatService, any_database_url: str
) -> None:
    report = brought_in(service, drawing("RGB", (8, 8)), name="a.png", kind="image")
    broken, engine = b"\x89PNG\r\n\x1a\nx", create_engine(any_database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE contents SET data = :data"), {"data": broken})
    engine.dispose()
    page = opened(str(report.conversation_id))
    assert "a.png cannot be shown" in captions(page).replace("\\", "")
    assert page.chat_input(key="composer")


@pytest.mark.parametrize(
    "data",
    [
        drawing("RGB", (640, 480)),
        drawing("RGBA", (1568, 900)),
        drawing("RGB", (1568, 900), "JPEG"),
        drawing("L", (900, 1568)),
    ],
    ids=["small", "wide", "photo", "high and grey"],
)
def test_no_picture_is_decoded_to_be_shown(
    service: ChatService, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    report = brought_in(service, data, name="a.png", kind="image")
    assert report.notes == ()
    monkeypatch.setattr(Image.Image, "load", no_pixels)
    page = opened(str(report.conversation_id))
    assert len(page.get("image")) == 1
    assert "cannot be shown" not in captions(page)


def test_what_an_import_says_of_a_file_is_only_text(service: ChatService) -> None:
    said = ":red-background[**PAY**] [bank](https://evil.example) ![p](https://evil.example/p)"
    page = opened(str(brought_in(service, details=said).conversation_id))
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
def test_a_column_is_shown_as_numbers_only_if_they_look_the_same(
    cells: list[str], is_number: bool
) -> None:
    column = attachments._sortable(pandas.Series(cells, dtype=object))
    assert pandas.api.types.is_numeric_dtype(column) == is_number
    assert is_number or list(column) == cells
