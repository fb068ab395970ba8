"""Conversations: rename, pin, delete and restore; temporary conversations."""

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
from tests.support.temporary import TemporaryService

ME, OTHER = "visitor:me", "visitor:other"
Make = Callable[..., ChatService]


def begin(service: ChatService | TemporaryService, text: str, owner: str = ME) -> str:
    answer = service.as_owner(owner).messages.send(None, Submission(text))
    list(service.as_owner(owner).messages.follow(answer.id))
    return answer.conversation_id


def titles(service: ChatService) -> list[str]:
    return [each.title for each in service.as_owner(ME).conversations.latest()]


def test_conversation_can_be_renamed(service: ChatService) -> None:
    conversation = begin(service, "Hello")
    service.as_owner(ME).conversations.rename(conversation, "Plans for  spring")
    assert titles(service) == ["Plans for spring"]
    with pytest.raises(NotFound):
        service.as_owner(OTHER).conversations.rename(conversation, "Mine")


def test_pinned_conversations_are_listed_separately(service: ChatService) -> None:
    one, two = begin(service, "One"), begin(service, "Two")
    service.as_owner(ME).conversations.pin(one)
    assert [each.id for each in service.as_owner(ME).conversations.pinned()] == [one]
    assert [each.id for each in service.as_owner(ME).conversations.latest()] == [two]
    assert service.as_owner(ME).conversations.open(one).conversation.is_pinned
    service.as_owner(ME).conversations.pin(one, is_pinned=False)
    assert service.as_owner(ME).conversations.pinned() == []
    assert titles(service) == ["Two", "One"]
    with pytest.raises(NotFound):
        service.as_owner(OTHER).conversations.pin(one)


def test_deleted_conversation_is_listed_until_restored(service: ChatService) -> None:
    one, two = begin(service, "One"), begin(service, "Two")
    service.as_owner(ME).conversations.pin(one)
    service.as_owner(ME).conversations.delete(one)
    assert service.as_owner(ME).conversations.pinned() == []
    assert [each.id for each in service.as_owner(ME).conversations.deleted()] == [one]
    assert service.as_owner(OTHER).conversations.deleted() == []
    service.as_owner(ME).conversations.undelete(one)
    assert [each.id for each in service.as_owner(ME).conversations.pinned()] == [one]
    assert [each.id for each in service.as_owner(ME).conversations.latest()] == [two]


@pytest.mark.slow
def test_very_long_conversation_can_be_purged(service: ChatService) -> None:
    roles = (Role.USER, Role.ASSISTANT)
    copied = [(roles[n % 2], "x", None, False, TokenCount(1, True)) for n in range(2500)]
    conversation = service.space.store.messages.copy(ME, "Long", copied)
    service.as_owner(ME).conversations.purge(conversation)
    assert rows(service) == 0


def rows(service: ChatService | TemporaryService) -> int:
    with service.space.store.engine.connect() as connection:
        counts = [
            connection.scalar(select(func.count()).select_from(table)) or 0
            for table in Base.metadata.sorted_tables
            if table.name != "ledger"  # the ledger remains and contains no text
        ]
    return sum(counts)


def test_temporary_conversation_stores_no_row(
    service: ChatService, provider: ScriptedProvider
) -> None:
    temporary = TemporaryService(service)
    conversation = begin(temporary, "Nobody shall know")
    answer = temporary.as_owner(ME).messages.send(
        conversation, Submission("And?", (File("a.txt", b"secret"),))
    )
    list(temporary.as_owner(ME).messages.follow(answer.id))
    assert provider.requests[-1].turns[0].text == "Nobody shall know"
    assert len(temporary.as_owner(ME).conversations.open(conversation).messages) == 4
    assert rows(service) == 0
    assert rows(temporary) > 0
    with pytest.raises(NotFound):
        service.as_owner(ME).conversations.open(conversation)
    with pytest.raises(NotFound):
        temporary.as_owner(OTHER).conversations.open(conversation)


def test_temporary_conversation_can_be_edited_retried_and_expires(
    service: ChatService, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = TemporaryService(service)
    assert service.temporary_space() is temporary.space
    conversation = begin(temporary, "One")
    question, answer = temporary.as_owner(ME).conversations.open(conversation).messages
    list(
        temporary.as_owner(ME).messages.follow(temporary.as_owner(ME).messages.retry(answer.id).id)
    )
    list(
        temporary.as_owner(ME).messages.follow(
            temporary.as_owner(ME).messages.edit(question.id, "Two").id
        )
    )
    assert temporary.as_owner(ME).conversations.open(conversation).messages[0].text == "Two"
    assert service.purge_expired() == 0
    monkeypatch.setattr("chat.service.TEMPORARY_KEPT", timedelta(0))
    assert service.purge_expired() == 1
    assert rows(temporary) == 0


def test_temporary_space_supports_concurrent_owners(
    service: ChatService, provider: ScriptedProvider
) -> None:
    temporary = TemporaryService(service)
    answers = [
        temporary.as_owner(ME).messages.send(None, Submission(f"Number {number}"))
        for number in range(8)
    ]
    texts = [
        "".join(piece.text for piece in temporary.as_owner(ME).messages.follow(each.id))
        for each in answers
    ]
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
def test_periods_have_readable_names(days: int, name: str) -> None:
    today = date(2026, 11, 21)
    assert period(today - timedelta(days=days), today) == name
