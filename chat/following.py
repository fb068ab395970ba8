"""Following a reply that another process writes, through the database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from chat.domain import Message
from chat.errors import NotFound, StoreFailed
from chat.generation import Piece

LOOK_AGAIN = 0.3  # seconds between looks


def follow_stored(answer: Message, look: Callable[[], Message]) -> Iterator[Piece]:
    """All of a reply so far, then what comes, until it is there to its end or deleted.

    Or until its text begins anew; see `Generation.follow`.
    """
    text, seen_reasoning, pause = "", 0, threading.Event()
    while answer.text.startswith(text):
        yield Piece(answer.text[len(text) :], answer.reasoning[seen_reasoning:])
        text, seen_reasoning = answer.text, len(answer.reasoning)
        if not answer.is_live:
            return
        pause.wait(LOOK_AGAIN)
        try:
            answer = look()
        except NotFound:  # deleted meanwhile: there is nothing more to come
            return
        except StoreFailed:  # the database may come back, and the reply may still be written
            continue
