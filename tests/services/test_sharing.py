"""Shared links: a read-only snapshot for everyone with the link, until it is revoked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from chat import ChatService, File, ReplySettings, Role, Submission
from chat.domain.message import Usage
from chat.domain.sharing import parse_snapshot
from chat.errors import NotFound
from chat.providers.base import Delta
from server.private_responses import PrivateSharedPages
from tests.support.scripted_provider import ScriptedProvider

ME, OTHER = "visitor:me", "visitor:other"


@pytest.fixture
def conversation(service: ChatService, provider: ScriptedProvider) -> str:
    provider.say([Delta(reasoning="private thought"), Delta("Blue."), Delta(finish_reason="stop")])
    question = Submission("Which colour?", (File("notes.txt", b"secret notes"),))
    settings = ReplySettings(system_prompt="private prompt")
    answer = service.as_owner(ME).messages.send(None, question, settings)
    list(service.as_owner(ME).messages.follow(answer.id))
    return answer.conversation_id


def test_link_shows_messages_without_private_data(service: ChatService, conversation: str) -> None:
    _, secret = service.as_owner(ME).sharing.create(conversation)
    shown = service.as_owner("").sharing.open(secret)
    assert [(each.role, each.text) for each in shown.messages] == [
        (Role.USER, "Which colour?"),
        (Role.ASSISTANT, "Blue."),
    ]
    assert shown.messages[0].files == ("notes.txt · 1 line",)
    assert "private" not in repr(shown)
    assert "secret notes" not in repr(shown)
    assert ME not in repr(shown)


def test_snapshot_does_not_contain_later_edits(service: ChatService, conversation: str) -> None:
    _, secret = service.as_owner(ME).sharing.create(conversation)
    before = service.as_owner("").sharing.open(secret)
    question = service.as_owner(ME).conversations.open(conversation).messages[0]
    list(
        service.as_owner(ME).messages.follow(
            service.as_owner(ME).messages.edit(question.id, "Which other?").id
        )
    )
    service.as_owner(ME).conversations.rename(conversation, "Another name")
    assert service.as_owner("").sharing.open(secret) == before


def test_revoked_link_is_not_found(service: ChatService, conversation: str) -> None:
    share, secret = service.as_owner(ME).sharing.create(conversation)
    kept, other_secret = service.as_owner(ME).sharing.create(conversation)
    with pytest.raises(NotFound):
        service.as_owner(OTHER).sharing.revoke(share.id)
    service.as_owner(ME).sharing.revoke(share.id)
    with pytest.raises(NotFound):
        service.as_owner("").sharing.open(secret)
    assert service.as_owner("").sharing.open(other_secret)
    assert [each.id for each in service.as_owner(ME).sharing.links(conversation)] == [kept.id]


def test_expired_link_is_not_found(service: ChatService, conversation: str) -> None:
    _, secret = service.as_owner(ME).sharing.create(conversation, timedelta(seconds=-1))
    with pytest.raises(NotFound):
        service.as_owner("").sharing.open(secret)
    assert service.as_owner(ME).sharing.links(conversation) == []
    _, secret = service.as_owner(ME).sharing.create(conversation, timedelta(days=7))
    assert service.as_owner("").sharing.open(secret)


def test_link_is_deleted_with_its_conversation(service: ChatService, conversation: str) -> None:
    _, secret = service.as_owner(ME).sharing.create(conversation)
    service.as_owner(ME).conversations.delete(conversation)
    with pytest.raises(NotFound):
        service.as_owner("").sharing.open(secret)
    service.as_owner(ME).conversations.undelete(conversation)
    assert service.as_owner("").sharing.open(secret)
    service.as_owner(ME).conversations.purge(conversation)
    with pytest.raises(NotFound):
        service.as_owner("").sharing.open(secret)


def test_only_the_owner_can_share(service: ChatService, conversation: str) -> None:
    other = service.as_owner(OTHER).sharing
    for attempt in (other.create, other.links):
        with pytest.raises(NotFound):
            attempt(conversation)


@pytest.mark.parametrize("secret", ["", "wrong", "\ud800", "x" * 10_000])
def test_unknown_link_is_not_found(service: ChatService, conversation: str, secret: str) -> None:
    service.as_owner(ME).sharing.create(conversation)
    with pytest.raises(NotFound):
        service.as_owner("").sharing.open(secret)


def test_link_secret_is_random_and_not_stored(service: ChatService, conversation: str) -> None:
    made = {service.as_owner(ME).sharing.create(conversation)[1] for _ in range(20)}
    assert len(made) == 20
    assert all(len(secret) >= 32 for secret in made)
    with service.space.store.engine.connect() as connection:
        rows = repr(connection.exec_driver_sql("SELECT * FROM shares").all())
    assert not any(secret in rows for secret in made)


def test_reader_continues_in_a_copy(
    service: ChatService, conversation: str, provider: ScriptedProvider
) -> None:
    _, secret = service.as_owner(ME).sharing.create(conversation)
    copy = service.as_owner(OTHER).sharing.continue_(secret)
    provider.say([Delta("Red."), Delta(finish_reason="stop", usage=Usage(1, 1, True))])
    answer = service.as_owner(OTHER).messages.send(copy, Submission("And now?"))
    list(service.as_owner(OTHER).messages.follow(answer.id))
    texts = [each.text for each in service.as_owner(OTHER).conversations.open(copy).messages]
    assert texts == ["Which colour?", "Blue.", "And now?", "Red."]
    assert [turn.text for turn in provider.requests[-1].turns] == texts[:-1]
    assert len(service.as_owner(ME).conversations.open(conversation).messages) == 2
    with pytest.raises(NotFound):
        service.as_owner(ME).conversations.open(copy)


def test_truncated_reply_is_marked_and_can_be_continued_in_a_copy(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say([Delta("Once upon "), Delta(finish_reason="length")])
    answer = service.as_owner(ME).messages.send(None, Submission("A story!"))
    list(service.as_owner(ME).messages.follow(answer.id))
    _, secret = service.as_owner(ME).sharing.create(answer.conversation_id)
    assert [each.is_cut for each in service.as_owner("").sharing.open(secret).messages] == [
        False,
        True,
    ]
    copy = service.as_owner(OTHER).sharing.continue_(secret)
    provider.say([Delta("a time."), Delta(finish_reason="stop")])
    cut = service.as_owner(OTHER).conversations.open(copy).messages[-1]
    list(
        service.as_owner(OTHER).messages.follow(
            service.as_owner(OTHER).messages.continue_(cut.id).id
        )
    )
    assert service.as_owner(OTHER).conversations.open(copy).messages[-1].text == "Once upon a time."


def test_snapshot_of_an_earlier_version_is_readable() -> None:
    stored = {"role": "user", "text": "Hello", "model": "", "at": "2026-01-01T12:00", "files": []}
    old = {"version": 1, "messages": [stored]}
    (message,) = parse_snapshot("Old", datetime(2026, 1, 1, tzinfo=UTC), old).messages
    assert (message.text, message.is_cut) == ("Hello", False)


@pytest.fixture
def client() -> TestClient:
    async def page(_: Request) -> Response:
        return PlainTextResponse("page", headers={"cache-control": "no-cache"})

    routes = [Route("/shared", page), Route("/", page)]
    return TestClient(Starlette(routes=routes, middleware=[Middleware(PrivateSharedPages)]))


def test_shared_pages_are_excluded_from_indexing_and_caches(client: TestClient) -> None:
    headers = client.get("/shared?s=abc").headers
    assert headers["cache-control"] == "no-store"
    assert "noindex" in headers["x-robots-tag"]
    assert headers["referrer-policy"] == "no-referrer"
    assert client.get("/").headers["cache-control"] == "no-cache"
