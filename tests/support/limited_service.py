"""Types and helpers for tests of limits, on a service with an adjustable clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import create_engine, text

from chat import ChatService, ReplySettings, Submission
from tests.support.temporary import TemporaryService

ME = "visitor:me"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
Open = Callable[..., ChatService]  # the fixture `open_service`


class Clock:
    """A clock that returns `now`, which the test sets."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


def say(
    service: ChatService | TemporaryService,
    owner: str = ME,
    text: str = "Hi",
    model: str | None = None,
) -> str:
    """Send a message, follow the reply to its end, and return the conversation's id."""
    answer = service.as_owner(owner).messages.send(
        None, Submission(text), ReplySettings(model=model)
    )
    for _ in service.as_owner(owner).messages.follow(answer.id):
        pass
    return answer.conversation_id


def ledger_rows(database_url: str) -> list[dict[str, Any]]:
    """Return the rows of the ledger in order."""
    engine = create_engine(database_url)
    with engine.connect() as connection:
        found = connection.execute(text("SELECT * FROM ledger ORDER BY id")).mappings().all()
    engine.dispose()
    return [dict(row) for row in found]
