"""Measure listing, opening, searching and sending with 1,000,000 messages in the store.

    python -m benchmarks.store [--messages 1000000] [--database-url URL] [--keep]

One owner has 10,000 conversations of about 80 or 2,000 messages. Each operation uses the service,
as a page does; the provider answers immediately. Without a URL a SQLite file is created in a
temporary folder, otherwise an empty database is filled; --keep uses the data of an earlier run.
"""

from __future__ import annotations

import argparse
import logging
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, insert, text

from benchmarks.search import BATCH, FIRST, LAST, Words
from chat import ChatService, Submission, open_chat
from chat.domain.message import Role, Status, Usage
from chat.providers.base import Delta, Model, Request
from chat.store.engine import make_engine, migrate
from chat.store.schema import ConversationRow, MessageRow

OWNER = "visitor:many"
CONVERSATIONS = 10_000
REF = "quick/model"


class Quick:
    """A provider that answers immediately."""

    name = label = "quick"

    def __init__(self) -> None:
        self.asked_at = 0.0

    def models(self) -> tuple[Model, ...]:
        return (Model("quick", "model", window_tokens=128_000),)

    async def stream(self, request: Request) -> AsyncIterator[Delta]:
        self.asked_at = time.perf_counter()
        yield Delta(text="Yes.")
        yield Delta(finish_reason="stop", usage=Usage(10, 1, True))

    async def discover(self) -> None:
        return None

    async def close(self) -> None:
        return None


def sizes(messages: int) -> list[int]:
    """Return the size of each conversation: 2,000 for one in a hundred, equal for the rest."""
    long = max(1, min(CONVERSATIONS // 100, messages // 4000))
    few = max(2, (messages - long * 2000) // (CONVERSATIONS - long) // 2 * 2)
    return [
        2000 if number % (CONVERSATIONS // long) == 0 else few for number in range(CONVERSATIONS)
    ]


Rows = tuple[list[dict[str, Any]], list[dict[str, Any]]]


def rows(words: Words, messages: int) -> Iterator[Rows]:
    """Yield batches of conversations and their messages in chronological order."""
    chance = random.Random(11)
    texts = [words.latin(words.length(number % 2 == 1)) for number in range(20_000)]
    made, step = 0, (LAST - FIRST) / messages
    conversations: list[dict[str, Any]] = []
    message_rows: list[dict[str, Any]] = []
    for size in sizes(messages):
        conversation, leaf, started = f"{made:014x}{'c' * 16}", None, FIRST + step * made
        for depth in range(size):
            id_ = f"{made:014x}{chance.getrandbits(64):016x}"
            words_ = chance.choice(texts)
            message_rows.append(
                {
                    "id": id_,
                    "conversation_id": conversation,
                    "parent_id": leaf,
                    "depth": depth,
                    "role": (Role.ASSISTANT if depth % 2 else Role.USER).value,
                    "text": words_,
                    "status": Status.COMPLETE.value,
                    "created_at": FIRST + step * made,
                    "tokens": len(words_) // 4,
                    "is_exact": True,
                    "reasoning": "",
                    "model": REF if depth % 2 else None,
                }
            )
            leaf, made = id_, made + 1
        fields = {"id": conversation, "owner": OWNER, "title": words.latin(5), "system_prompt": ""}
        moments = {"created_at": started, "updated_at": started + timedelta(minutes=1)}
        pinned = {"pinned_at": started if len(conversations) % 500 == 0 else None}
        conversations.append({**fields, **moments, **pinned, "leaf_id": leaf})
        if len(message_rows) >= BATCH:
            yield conversations, message_rows
            conversations, message_rows = [], []
    yield conversations, message_rows


def build(engine: Engine, messages: int) -> None:
    """Fill an empty database, then build the search index in one step."""
    started = time.perf_counter()
    migrate(engine, "0003")
    for conversations, message_rows in rows(Words(), messages):
        with engine.execution_options(writes=True).begin() as connection:
            if conversations:
                connection.execute(insert(ConversationRow), conversations)
            if message_rows:
                connection.execute(insert(MessageRow), message_rows)
    print(f"{messages:,} messages stored in {time.perf_counter() - started:.0f} s", flush=True)
    started = time.perf_counter()
    migrate(engine)
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
    print(f"migrated in {time.perf_counter() - started:.0f} s", flush=True)


def measure(name: str, act: Callable[[], float | None], times: int = 100) -> None:
    """Print the median and 95th percentile; `act` may return its own duration in seconds."""
    durations = []
    for _ in range(times):
        started = time.perf_counter()
        seconds = act()
        if seconds is None:
            seconds = time.perf_counter() - started
        durations.append(1000 * seconds)
    durations.sort()
    p95 = durations[int(times * 0.95)]
    print(f"| {name:42} | {statistics.median(durations):6.1f} | {p95:6.1f} |", flush=True)


def measure_all(service: ChatService, provider: Quick, words: Words) -> None:
    chance = random.Random(3)
    with service.space.store.engine.connect() as connection:
        found = connection.execute(
            text("SELECT conversation_id FROM messages WHERE depth = 1999")
        ).scalars()
        long = list(found)
        short = [
            row.id
            for row in connection.execute(text("SELECT id FROM conversations"))
            if row.id not in set(long)
        ]

    def send(conversations: list[str]) -> float:
        started = time.perf_counter()
        answer = service.as_owner(OWNER).messages.send(
            chance.choice(conversations), Submission("One more thing")
        )
        for _ in service.as_owner(OWNER).messages.follow(answer.id):
            pass
        return provider.asked_at - started

    def do(act: Callable[[], object]) -> Callable[[], None]:
        return lambda: act() and None

    conversations = service.as_owner(OWNER).conversations
    print("| milliseconds | median | p95 |\n|---|---:|---:|")
    measure(
        "list: newest 38 and pinned",
        do(lambda: (conversations.latest(39), conversations.pinned())),
    )
    measure(
        "open, of about 80 messages",
        do(lambda: conversations.open(chance.choice(short))),
    )
    measure(
        "open, of 2,000 messages",
        do(lambda: conversations.open(chance.choice(long))),
    )
    for name, word in (("common", words.known[20]), ("rare", words.known[20_000])):
        measure(
            f"search, a {name} word",
            do(lambda w=word: conversations.search(w)),
            40,
        )
    measure(
        "search, two common words",
        do(lambda: conversations.search(f"{words.known[15]} {words.known[40]}")),
        40,
    )
    measure("send, to the request, of about 80", lambda: send(short))
    measure("send, to the request, of 2,000", lambda: send(long))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--messages", type=int, default=1_000_000)
    options.add_argument("--database-url", default="")
    options.add_argument("--keep", action="store_true", help="use the existing data")
    chosen = options.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="parley-store-"))
    logging.disable(logging.INFO)
    try:
        url = chosen.database_url or f"sqlite:///{folder / 'parley.db'}"
        if not chosen.keep:
            engine = make_engine(url)
            build(engine, chosen.messages)
            engine.dispose()
        provider = Quick()
        service = open_chat({"DATABASE_URL": url}, providers=[provider])
        measure_all(service, provider, Words())
        service.close()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
