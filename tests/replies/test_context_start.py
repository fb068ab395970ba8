"""The count of messages left out starts at the newest clear mark on the path."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chat import ChatService, OwnerService, Submission
from chat.domain.context_window import OMITTED_SCAN_LIMIT

TURNS = OMITTED_SCAN_LIMIT // 2 + 3  # more messages than are scanned


@pytest.fixture
def me(make_service: Callable[..., ChatService]) -> OwnerService:
    return make_service(MAX_HISTORY_TURNS=1).as_owner("visitor:me")


def ask(me: OwnerService, conversation: str | None, text: str) -> str:
    answer = me.messages.send(conversation, Submission(text))
    list(me.messages.follow(answer.id))
    return answer.conversation_id


def test_left_out_ignores_messages_above_a_clear_mark_beyond_the_scan_limit(
    me: OwnerService,
) -> None:
    conversation = ask(me, None, "Before the mark")
    me.conversations.clear(conversation)
    for number in range(TURNS):
        ask(me, conversation, f"Question {number}")
    assert me.conversations.open(conversation).context.left_out == 2 * (TURNS - 1)


def test_left_out_ignores_clear_marks_of_other_versions(me: OwnerService) -> None:
    conversation = ask(me, None, "First version")
    me.conversations.clear(conversation)
    question = me.conversations.open(conversation).messages[0]
    list(me.messages.follow(me.messages.edit(question.id, "Second version").id))
    for number in range(TURNS):
        ask(me, conversation, f"Question {number}")
    assert me.conversations.open(conversation).context.left_out == 2 * TURNS
