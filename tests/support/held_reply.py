"""A reply that the scripted provider holds in the middle."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from chat import ChatService, Submission
from chat.domain.message import Message
from tests.support.scripted_provider import ScriptedProvider

ME = "visitor:me"


def until(is_true: Callable[[], object], seconds: float = 10) -> None:
    """Wait until a condition is true; fail after `seconds`."""
    pause, end = threading.Event(), time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < end, "timed out"
        pause.wait(0.01)


def begin_held_reply(
    service: ChatService, provider: ScriptedProvider, text: str = "one two three"
) -> Message:
    """Start a reply that pauses after two words."""
    provider.say(text)
    provider.hold(at=2)
    answer = service.as_owner(ME).messages.send(None, Submission("Count."))
    assert provider.held.wait(10)
    return answer


def stop_after_two_words(
    service: ChatService, provider: ScriptedProvider, *, next_text: str | None = None
) -> Message:
    """Start a reply and stop it after two words; `next_text` is the provider's next reply."""
    answer = begin_held_reply(service, provider, "one two three four")
    if next_text is not None:
        provider.say(next_text)
    service.as_owner(ME).messages.stop(answer.conversation_id)
    provider.release()
    return answer
