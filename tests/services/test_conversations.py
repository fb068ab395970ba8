"""Names, pins, what was deleted, and conversations of which nothing is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from sqlalchemy import func, select

from chat import ChatService, File, Role, Submission
from chat.domain.token_estimate import TokenCount
from chat.errors import NotFound
from chat.store.schema import Base
from pages.sidebar.conversation_list import period
from tests.support.scripted_provider import ScriptedProvider

ME, OTHER = "visitor:me", "visitor:other"
Make = Callable[..., ChatService]


def begin(service: ChatService, text: str, owner: str = ME) -> str:
    answer = service.send(owner, None, Submission(text))
    list(service.follow(owner, answer.id))
    return answer.conversation_id


def titles(service: ChatService) -> list[str]:
    return [each.title for each in service.conversations(ME)]


def test_a_conversation_can_be_renamed(service: ChatService) -> None:
    conversation = begin(service, "Hello")
    service.rename(ME, conversation, "Plans for  spring")
    assert titles(service) == ["Plans for spring"]
    with pytest.raises(NotFound):
        service.rename(OTHER, conversation, "Mine")


def test_pinned_conversations_are_listed_apart(service: ChatService) -> None:
    one, two = begin(service, "One"), begin(service, "Two")
    service.pin(ME, one)
    assert [each.id for each in service.pinned(ME)] == [one]
    assert [each.id for each in service.conversations(ME)] == [two]
    assert service.open(ME, one).conversation.is_pinned
    service.pin(ME, one, is_pinned=False)
    assert service.pinned(ME) == []
    assert titles(service) == ["Two", "One"]
    with pytest.raises(NotFound):
        service.pin(OTHER, one)


def test_what_was_deleted_is_listed_until_it_is_taken_back(service: ChatService) -> None:
    one, two = begin(service, "One"), begin(service, "Two")
    service.pin(ME, one)
    service.delete(ME, one)
    assert service.pinned(ME) == []
    assert [each.id for each in service.deleted(ME)] == [one]
    assert service.deleted(OTHER) == []
    service.undelete(ME, one)
    assert [each.id for each in service.pinned(ME)] == [one]
    assert [each.id for each in service.conversations(ME)] == [two]


def test_a_very_long_conversation_can_be_deleted_for_good(service: ChatService) -> None:
    roles = (Role.USER, Role.ASSISTANT)
    said = [(roles[n % 2], "x", None, False, TokenCount(1, True)) for n in range(2500)]
    conversation = service._store.messages.copy(ME, "Long", said)
    service.purge(ME, conversation)
    assert rows(service) == 0


def rows(service: ChatService) -> int:
    with service._store.engine.connect() as connection:
        counts = [
            connection.scalar(select(func.count()).select_from(table)) or 0
            for table in Base.metadata.sorted_tables
            if table.name != "ledger"  # what a call cost outlives it, and holds no text
        ]
    return sum(counts)


def test_temporary_conversation_stores_no_row(
    service: ChatService, provider: ScriptedProvider
) -> None:
    temporary = service.temporary
    conversation = begin(temporary, "Nobody shall know")
    answer = temporary.send(ME, conversation, Submission("And?", (File("a.txt", b"secret"),)))
    list(temporary.follow(ME, answer.id))
    assert provider.requests[-1].turns[0].text == "Nobody shall know"
    assert len(temporary.open(ME, conversation).messages) == 4
    assert rows(service) == 0
    assert rows(temporary) > 0
    with pytest.raises(NotFound):
        service.open(ME, conversation)
    with pytest.raises(NotFound):
        temporary.open(OTHER, conversation)


def test_temporary_conversations_are_edited_retried_and_forgotten(
    service: ChatService, provider: ScriptedProvider
) -> None:
    temporary = service.temporary
    assert service.temporary is temporary
    conversation = begin(temporary, "One")
    question, answer = temporary.open(ME, conversation).messages
    list(temporary.follow(ME, temporary.retry(ME, answer.id).id))
    list(temporary.follow(ME, temporary.edit(ME, question.id, "Two").id))
    assert temporary.open(ME, conversation).messages[0].text == "Two"
    assert temporary.purge_idle(timedelta(days=1)) == 0
    assert temporary.purge_idle(timedelta(0)) == 1
    assert rows(temporary) == 0


def test_many_may_talk_at_once_in_memory(service: ChatService, provider: ScriptedProvider) -> None:
    temporary = service.temporary
    answers = [temporary.send(ME, None, Submission(f"Number {number}")) for number in range(8)]
    texts = ["".join(piece.text for piece in temporary.follow(ME, each.id)) for each in answers]
    assert texts == ["Hello there."] * 8


@pytest.mark.parametrize(
    ("days", "name"),
    [
        (-1, "Today"),
        (0, "Today"),
        (1, "Yesterday"),
        (2, "Previous 7 days"),
        (7, "Previous 7 days"),
        (8, "Previous 30 days"),
        (30, "Previous 30 days"),
        (31, "October"),
        (400, "2025"),
    ],
)
def test_times_have_the_names_that_people_use(days: int, name: str) -> None:
    today = date(2026, 11, 21)
    assert period(today - timedelta(days=days), today) == name
