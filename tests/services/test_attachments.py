"""Attachments: stored once, sent again on edit and retry, purged with their messages."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import func, select

from chat import ChatService, File, FileKind, Message, ReplySettings, Submission
from chat.errors import (
    EmptyMessage,
    FileEmpty,
    FileTooLong,
    ImagesUnsupported,
    NotFound,
    TooManyFiles,
)
from chat.providers.base import Model
from chat.store.schema import AttachmentRow, ContentRow
from tests.support.scripted_provider import ScriptedProvider

ME, OTHER = "visitor:me", "visitor:other"
Make = Callable[..., ChatService]
NOTES = File("notes.txt", b"The password of the day is swordfish.\nSecond line.")
TABLE = File("fruit.csv", b"fruit,count\napples,12\npears,7\n")


def picture(colour: str = "red", size: tuple[int, int] = (300, 200)) -> File:
    data = BytesIO()
    Image.new("RGB", size, colour).save(data, "PNG")
    return File(f"{colour}.png", data.getvalue())


def ask(
    service: ChatService, text: str, *files: File, conversation: str | None = None
) -> tuple[Message, Message]:
    """Send a question; return it and its complete answer."""
    answer = service.as_owner(ME).messages.send(conversation, Submission(text, files))
    return finished(service, answer)


def finished(service: ChatService, answer: Message) -> tuple[Message, Message]:
    list(service.as_owner(ME).messages.follow(answer.id))
    question, answer = service.as_owner(ME).conversations.open(answer.conversation_id).messages[-2:]
    return question, answer


def counted(service: ChatService) -> tuple[int, int]:
    """Return the number of attachments and of stored contents."""
    with service.space.store.engine.connect() as connection:
        rows = connection.scalar(select(func.count()).select_from(AttachmentRow))
        contents = connection.scalar(select(func.count()).select_from(ContentRow))
    return rows or 0, contents or 0


def sent(provider: ScriptedProvider) -> str:
    return provider.requests[-1].turns[-1].text


def test_document_is_sent_named_and_fenced_before_the_message(
    service: ChatService, provider: ScriptedProvider
) -> None:
    question, _ = ask(service, "What is the password?", NOTES)
    text = sent(provider)
    assert 'File "notes.txt"' in text
    assert "swordfish" in text
    assert text.endswith("```\n\nWhat is the password?")
    assert question.text == "What is the password?"
    (file,) = question.attachments
    assert (file.name, file.kind, file.size) == ("notes.txt", FileKind.DOCUMENT, len(NOTES.data))
    assert service.as_owner(ME).attachments.content(file.id) == NOTES.data


def test_picture_is_sent_as_an_image_part(service: ChatService, provider: ScriptedProvider) -> None:
    question, _ = ask(service, "What colour?", picture())
    (turn,) = provider.requests[-1].turns
    assert turn.text == "What colour?"
    (shown,) = turn.pictures
    assert shown.media_type == "image/png"
    assert shown.data == service.as_owner(ME).attachments.content(question.attachments[0].id)
    assert Image.open(BytesIO(shown.data)).size == (300, 200)


def test_table_has_a_preview(service: ChatService, provider: ScriptedProvider) -> None:
    question, _ = ask(service, "How many apples?", TABLE)
    (file,) = question.attachments
    assert file.kind is FileKind.TABLE
    (sheet,) = json.loads(service.as_owner(ME).attachments.preview(file.id))["sheets"]
    assert sheet["columns"] == ["fruit", "count"]
    assert [str(cell) for cell in sheet["rows"][0]] == ["apples", "12"]
    assert "apples,12" in sent(provider)


def test_file_without_text_is_a_message(service: ChatService, provider: ScriptedProvider) -> None:
    question, answer = ask(service, "", NOTES)
    assert question.text == ""
    assert answer.text == "Hello there."
    assert service.as_owner(ME).conversations.latest()[0].title == "notes.txt"
    with pytest.raises(EmptyMessage):
        service.as_owner(ME).messages.send(None, Submission("  "))


def test_next_message_sends_the_file_again(
    service: ChatService, provider: ScriptedProvider
) -> None:
    question, _ = ask(service, "What is it?", NOTES)
    ask(service, "And now?", conversation=question.conversation_id)
    first, *_, last = provider.requests[-1].turns
    assert "swordfish" in first.text
    assert last.text == "And now?"


def test_edit_and_retry_send_the_files_again(
    service: ChatService, provider: ScriptedProvider
) -> None:
    question, answer = ask(service, "What?", NOTES, picture())
    finished(service, service.as_owner(ME).messages.retry(answer.id))
    assert "swordfish" in sent(provider)
    assert len(provider.requests[-1].turns[-1].pictures) == 1
    edited, _ = finished(service, service.as_owner(ME).messages.edit(question.id, "What else?"))
    assert sent(provider).endswith("What else?")
    assert "swordfish" in sent(provider)
    assert [file.name for file in edited.attachments] == ["notes.txt", "red.png"]
    assert {file.id for file in edited.attachments}.isdisjoint(
        file.id for file in question.attachments
    )


def test_edit_can_remove_files(service: ChatService, provider: ScriptedProvider) -> None:
    question, _ = ask(service, "What?", NOTES, picture())
    kept = question.attachments[1]
    edited, _ = finished(
        service, service.as_owner(ME).messages.edit(question.id, "Colour?", keep=[kept.id])
    )
    assert [file.name for file in edited.attachments] == ["red.png"]
    assert "swordfish" not in sent(provider)
    service.as_owner(ME).messages.show_version(question.id)
    shown = service.as_owner(ME).conversations.open(question.conversation_id).messages[0]
    assert [file.name for file in shown.attachments] == ["notes.txt", "red.png"]


def test_identical_files_are_stored_once(service: ChatService) -> None:
    question, _ = ask(service, "One", NOTES)
    before = counted(service)
    ask(service, "Two", NOTES, conversation=question.conversation_id)
    ask(service, "Three", File("other.txt", NOTES.data))
    assert counted(service) == (before[0] + 2, before[1])


def test_files_of_other_owners_are_not_found(service: ChatService) -> None:
    question, _ = ask(service, "Mine", NOTES, TABLE)
    for file in question.attachments:
        other = service.as_owner(OTHER).attachments
        for read in (other.content, other.preview):
            with pytest.raises(NotFound):
                read(file.id)
    service.as_owner(ME).conversations.delete(question.conversation_id)
    with pytest.raises(NotFound):
        service.as_owner(ME).attachments.content(question.attachments[0].id)


def test_undelete_restores_files(service: ChatService) -> None:
    question, _ = ask(service, "Mine", NOTES)
    service.as_owner(ME).conversations.delete(question.conversation_id)
    service.as_owner(ME).conversations.undelete(question.conversation_id)
    assert service.as_owner(ME).attachments.content(question.attachments[0].id) == NOTES.data


def test_purge_deletes_attachments_and_contents(service: ChatService) -> None:
    question, _ = ask(service, "Mine", NOTES, TABLE, picture())
    service.as_owner(ME).messages.edit(question.id, "Mine again")
    service.as_owner(ME).conversations.purge(question.conversation_id)
    assert counted(service) == (0, 0)
    with pytest.raises(NotFound):
        service.as_owner(ME).conversations.undelete(question.conversation_id)


def test_purge_keeps_contents_used_by_other_owners(service: ChatService) -> None:
    mine, _ = ask(service, "Mine", NOTES)
    answer = service.as_owner(OTHER).messages.send(None, Submission("Theirs", (NOTES,)))
    list(service.as_owner(OTHER).messages.follow(answer.id))
    with pytest.raises(NotFound):
        service.as_owner(OTHER).conversations.purge(mine.conversation_id)
    service.as_owner(ME).conversations.purge(mine.conversation_id)
    theirs = service.as_owner(OTHER).conversations.open(answer.conversation_id).messages[0]
    assert service.as_owner(OTHER).attachments.content(theirs.attachments[0].id) == NOTES.data
    service.as_owner(OTHER).conversations.purge(answer.conversation_id)
    assert counted(service) == (0, 0)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_purged_content_is_removed_from_the_database_files(
    service: ChatService, tmp_path: Path
) -> None:
    mark = b"CANARY-OF-THE-FILE"
    question, _ = ask(service, "", File("bird.txt", mark + b" " + b"sings. " * 1500))
    assert any(mark in file.read_bytes() for file in tmp_path.iterdir())
    service.as_owner(ME).conversations.purge(question.conversation_id)
    assert [file.name for file in tmp_path.iterdir() if mark in file.read_bytes()] == []


def test_expired_deletions_are_purged_at_start(make_service: Make) -> None:
    service = make_service()
    question, _ = ask(service, "Mine", NOTES)
    kept, _ = ask(service, "Kept", TABLE)
    service.as_owner(ME).conversations.delete(question.conversation_id)
    assert service.purge_expired() == 0
    service.as_owner(ME).conversations.undelete(question.conversation_id)
    service.as_owner(ME).conversations.delete(question.conversation_id)
    make_service(RETENTION_DAYS=0).purge_expired()  # in case its own purge ran too early
    with pytest.raises(NotFound):
        service.as_owner(ME).conversations.undelete(question.conversation_id)
    assert service.as_owner(ME).attachments.content(kept.attachments[0].id) == TABLE.data


# --- token cost and limits -----------------------------------------------------------------------


def test_displayed_price_equals_the_counted_tokens(service: ChatService) -> None:
    files = (NOTES, TABLE, picture())
    prices = service.as_owner(ME).attachments.price(None, files)
    question, _ = ask(service, "What?", *files)
    assert [price.tokens for price in prices] == [file.tokens for file in question.attachments]
    assert [price.name for price in prices] == ["notes.txt", "fruit.csv", "red.png"]
    assert all(price.tokens > 0 and not price.problem for price in prices)


def test_files_count_towards_the_context_budget(service: ChatService) -> None:
    question, _ = ask(service, "What?", NOTES)
    with_file = (
        service.as_owner(ME).conversations.open(question.conversation_id).context.used_tokens
    )
    without, _ = ask(service, "What?")
    bare = service.as_owner(ME).conversations.open(without.conversation_id).context.used_tokens
    assert with_file == bare + question.attachments[0].tokens


LONG = File("long.txt", "\n".join(f"line {number} of many" for number in range(3000)).encode())


def test_file_that_does_not_fit_is_refused_with_its_size_and_the_limit(
    make_service: Make, provider: ScriptedProvider
) -> None:
    service = make_service(MAX_HISTORY_TOKENS=2000)
    (price,) = service.as_owner(ME).attachments.price(None, [LONG])
    assert price.is_too_long
    with pytest.raises(FileTooLong) as refusal:
        service.as_owner(ME).messages.send(None, Submission("What?", (LONG,)))
    assert f"{price.tokens:,}" in str(refusal.value)
    assert provider.requests == []
    assert service.as_owner(ME).conversations.latest() == []


def test_beginning_of_a_file_that_does_not_fit_can_be_sent(
    make_service: Make, provider: ScriptedProvider
) -> None:
    service = make_service(MAX_HISTORY_TOKENS=2000)
    answer = service.as_owner(ME).messages.send(
        None, Submission("What?", (NOTES, LONG), may_truncate=True)
    )
    question, _ = finished(service, answer)
    notes, long = question.attachments
    assert (notes.is_partial, long.is_partial) == (False, True)
    assert "line 0 of many" in sent(provider)
    assert "only its beginning is included" in sent(provider)
    cost = question.tokens + notes.tokens + long.tokens
    assert 1300 < cost <= 1510, "the cut leaves no room for later messages"
    assert service.as_owner(ME).attachments.content(long.id) == LONG.data, (
        "the complete file is not stored"
    )


def test_too_many_files_are_refused(make_service: Make) -> None:
    service = make_service(MAX_FILES=2)
    with pytest.raises(TooManyFiles):
        service.as_owner(ME).messages.send(None, Submission("", (NOTES, TABLE, picture())))
    question, _ = ask(service, "", NOTES, TABLE)
    with pytest.raises(TooManyFiles):
        service.as_owner(ME).messages.edit(question.id, Submission("", (picture(),)))


def test_unreadable_file_has_an_error_instead_of_a_price(service: ChatService) -> None:
    empty = File("empty.pdf", b"")
    good, bad = service.as_owner(ME).attachments.price(None, [NOTES, empty])
    assert good.problem == ""
    assert "empty.pdf" in bad.problem
    with pytest.raises(FileEmpty):
        service.as_owner(ME).messages.send(None, Submission("What?", (NOTES, empty)))
    assert counted(service) == (0, 0)


# --- models without vision -----------------------------------------------------------------------


@pytest.fixture
def without_vision(provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch) -> ReplySettings:
    """A service with one model without vision and one with it."""
    models = (Model("scripted", "one", vision=True), Model("scripted", "two", vision=False))
    monkeypatch.setattr(provider, "models", lambda: models)
    return ReplySettings(model="scripted/two")


def test_picture_is_refused_without_vision_before_any_request(
    service: ChatService, provider: ScriptedProvider, without_vision: ReplySettings
) -> None:
    (price,) = service.as_owner(ME).attachments.price(None, [picture()], without_vision)
    assert "does not support images" in price.problem
    with pytest.raises(ImagesUnsupported):
        service.as_owner(ME).messages.send(
            None, Submission("What colour?", (picture(),)), without_vision
        )
    assert provider.requests == []
    assert service.as_owner(ME).conversations.latest() == []
    assert counted(service) == (0, 0)


def test_earlier_picture_is_replaced_by_a_note_without_vision(
    service: ChatService, provider: ScriptedProvider, without_vision: ReplySettings
) -> None:
    question, answer = ask(service, "What colour?", picture())
    service.as_owner(ME).conversations.change_settings(
        question.conversation_id, model=without_vision.model
    )
    for again in (
        lambda: service.as_owner(ME).messages.retry(answer.id),
        lambda: service.as_owner(ME).messages.edit(question.id, "?"),
    ):
        with pytest.raises(ImagesUnsupported):
            again()
    ask(service, "Thanks", conversation=question.conversation_id)
    first = provider.requests[-1].turns[0]
    assert first.pictures == ()
    assert first.text == '[Image "red.png", not shown]\n\nWhat colour?'


def test_concurrent_sends_and_purges_of_the_same_file_succeed(
    make_service: Make, provider: ScriptedProvider
) -> None:
    service = make_service()
    one, two = File("a.txt", b"first words"), File("b.txt", b"second words")
    problems: list[Exception] = []

    def work(files: tuple[File, File], owner: str) -> None:
        try:
            for _ in range(5):
                answer = service.as_owner(owner).messages.send(None, Submission("Look", files))
                list(service.as_owner(owner).messages.follow(answer.id))
                service.as_owner(owner).conversations.purge(answer.conversation_id)
        except Exception as error:
            problems.append(error)

    orders = [(one, two), (two, one)] * 2
    threads = [
        threading.Thread(target=work, args=(files, f"visitor:{number}"))
        for number, files in enumerate(orders)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert counted(service) == (0, 0)
