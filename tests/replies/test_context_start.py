"""The count of unsent messages stops at the mark where the context was cleared."""

from __future__ import annotations

from collections.abc import Callable

from chat import ChatService, Submission
from chat.domain.context_window import OMITTED_SCAN_LIMIT

ME = "visitor:me"


def test_left_out_ignores_messages_before_a_clear_mark_beyond_the_scan_limit(
    make_service: Callable[..., ChatService],
) -> None:
    service = make_service(MAX_HISTORY_TURNS=1)
    turns = OMITTED_SCAN_LIMIT // 2 + 3
    conversation = None
    for number in range(turns):
        answer = service.as_owner(ME).messages.send(conversation, Submission(f"Question {number}"))
        list(service.as_owner(ME).messages.follow(answer.id))
        conversation = answer.conversation_id
        if number == 0:
            service.as_owner(ME).conversations.clear(conversation)
    assert conversation is not None
    # All but the first turn, which is above the mark, and the last one, which is sent.
    assert service.as_owner(ME).conversations.open(conversation).context.left_out == 2 * (turns - 2)
