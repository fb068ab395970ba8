"""Measure searches, and the cost of the search index when messages are stored.

    python -m benchmarks.search --messages 1000000 [--database-url URL] [--keep]

Without a URL a SQLite file is created in a temporary folder. The database must be empty, or with
--keep contain the data of an earlier run. All words are invented.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from chat.domain.ids import new_id
from chat.domain.message import Status
from chat.domain.search_query import parse_query
from chat.domain.writes import NewAnswer, NewQuestion
from chat.store import Outcome, Store
from chat.store.engine import make_engine, migrate
from chat.store.search.search import SearchStore

FIRST, LAST = datetime(2023, 1, 1, tzinfo=UTC), datetime(2026, 6, 30, tzinfo=UTC)
MODELS = ["openai/large", "openai/small", "local/llama", "local/qwen", "hub/mixed"]
MOST, SOME, FEW = "visitor:most", "visitor:some", "visitor:few"
BATCH = 5000


class Words:
    """An invented vocabulary with the distribution of real words: few make up most of a text."""

    def __init__(self, count: int = 200_000, characters: int = 3000) -> None:
        self.random = random.Random(7)
        begin = (*"bcdfghjklmnprstvw", "st", "tr", "pl", "ch", "sh", "br")
        middle = ("a", "e", "i", "o", "u", "ai", "ea", "ou")
        end = ("", "n", "r", "s", "t", "l", "ng", "ck")
        made: dict[str, None] = {}
        while len(made) < count:
            size = self.random.choices([1, 2, 3, 4], [1, 5, 8, 4])[0]
            parts = (begin, middle, end)
            made["".join(self.random.choice(part) for _ in range(size) for part in parts)] = None
        self.known = sorted(made, key=lambda word: len(word) + self.random.random() * 6)
        self._weights = list(accumulate(1 / (rank + 2) for rank in range(count)))
        self.characters = [chr(0x4E00 + 5 * number) for number in range(characters)]
        self._character_weights = list(accumulate(1 / (rank + 10) for rank in range(characters)))
        self._stream = self._words()

    def _words(self) -> Iterator[str]:
        while True:
            yield from self.random.choices(self.known, cum_weights=self._weights, k=50_000)

    def latin(self, count: int) -> str:
        return " ".join(islice(self._stream, count))

    def chinese(self, count: int) -> str:
        chosen = self.random.choices(self.characters, cum_weights=self._character_weights, k=count)
        return "。".join("".join(chosen[at : at + 17]) for at in range(0, count, 17))

    def length(self, is_answer: bool) -> int:
        return min(3000, 3 + int(self.random.lognormvariate(4.6 if is_answer else 3.0, 0.9)))


Rows = tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]


def rows(words: Words, count: int) -> Iterator[Rows]:
    """Yield batches of conversations, messages and attachments in chronological order."""
    chance, made, small = words.random, 0, [f"visitor:{number}" for number in range(200)]
    step = (LAST - FIRST) / count
    conversations: list[dict[str, Any]] = []
    messages: list[dict[str, Any]] = []
    files: list[dict[str, Any]] = []
    while made < count:
        owner = chance.choices([MOST, SOME, chance.choice(small)], [60, 25, 15])[0]
        if made * 20 // count != (made - 20) * 20 // count:
            owner = FEW  # about twenty conversations
        say = words.chinese if chance.random() < 0.08 else words.latin
        started = FIRST + step * made
        conversation, leaf = f"{made:014x}{'c' * 16}", None
        length = min(2 * int(1 + chance.expovariate(1 / 8)), count - made)
        for depth in range(length):
            is_answer = depth % 2 == 1
            id_, at = f"{made:014x}{chance.getrandbits(64):016x}", FIRST + step * made
            messages.append(
                {
                    "id": id_,
                    "conversation_id": conversation,
                    "parent_id": leaf,
                    "depth": depth,
                    "role": "assistant" if is_answer else "user",
                    "text": say(words.length(is_answer)),
                    "status": "complete",
                    "created_at": at,
                    "tokens": 100,
                    "is_exact": True,
                    "reasoning": "",
                    "model": chance.choice(MODELS) if is_answer else None,
                }
            )
            if not is_answer and chance.random() < 0.02:
                files.append({"id": new_id(), "message_id": id_})
            leaf = id_
            made += 1
        conversations.append(
            {
                "id": conversation,
                "owner": owner,
                "title": say(6),
                "system_prompt": "",
                "leaf_id": leaf,
                "created_at": started,
                "updated_at": FIRST + step * made,
                "pinned_at": started if chance.random() < 0.005 else None,
            }
        )
        if len(messages) >= BATCH or made >= count:
            yield conversations, messages, files
            conversations, messages, files = [], [], []


FILE = {
    "place": 0,
    "name": "notes.txt",
    "kind": "document",
    "media_type": "text/plain",
    "size": 1,
    "details": "",
    "tokens": 1,
    "is_exact": True,
    "is_partial": False,
    "sha256": "0" * 64,
}


def build(engine: Engine, count: int) -> None:
    """Fill a database at the schema version before the search index."""
    migrate(engine, "0003")
    started = time.perf_counter()
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(
            text("INSERT INTO contents (sha256, data, created_at) VALUES (:id, :data, :at)"),
            {"id": "0" * 64, "data": b"x", "at": FIRST.isoformat(" ")},
        )
    for conversations, messages, files in rows(Words(), count):
        with engine.execution_options(writes=True).begin() as connection:
            for table, batch in (
                ("conversations", conversations),
                ("messages", messages),
                ("attachments", [{**file, **FILE} for file in files]),
            ):
                if batch:
                    names = list(batch[0])
                    places = ", ".join(f":{name}" for name in names)
                    statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({places})"
                    connection.execute(text(statement), [_plain(row) for row in batch])
    print(f"built {count:,} messages in {time.perf_counter() - started:.0f} s", flush=True)


def index(engine: Engine) -> None:
    """Build the index of the existing messages with the migration."""
    started = time.perf_counter()
    migrate(engine)
    print(f"migrated in {time.perf_counter() - started:.0f} s", flush=True)
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.strftime("%Y-%m-%d %H:%M:%S.%f") if isinstance(value, datetime) else value
        for name, value in row.items()
    }


def queries(words: Words) -> list[tuple[str, str]]:
    """Return names and queries. Word 0 occurs in most messages, word 20 in every third."""
    known, characters = words.known, words.characters
    return [
        ("rare word", f"{known[60_000]} "),
        ("medium word", f"{known[600]} "),
        ("common word", f"{known[20]} "),
        ("most common word", f"{known[0]} "),
        ("two common words", f"{known[15]} {known[40]} "),
        ("common and rare word", f"{known[5]} {known[30_000]} "),
        ("phrase of common words", f'"{known[3]} {known[12]}"'),
        ("prefix of 2 letters", "st"),
        ("prefix of 3 letters", "tra"),
        ("prefix of 4 letters", "star"),
        ("prefix of 6 letters", known[5000][:6]),
        ("common word and prefix", f"{known[20]} ch"),
        ("one CJK character", characters[0]),
        ("two CJK characters", characters[2] + characters[5]),
        ("three CJK characters", characters[1] + characters[0] + characters[3]),
        ("common word, one model", f"{known[20]} model:qwen"),
        ("common word, before", f"{known[20]} before:2023-03-10 "),
        ("common word, one month", f"{known[20]} after:2024-05 before:2024-06 "),
        ("common word, pinned", f"{known[20]} is:pinned "),
        ("common word, files", f"{known[20]} has:file "),
        ("only a model", "model:qwen"),
        ("only a month", "after:2024-05 before:2024-06"),
        ("only files", "has:file"),
        ("no match", "qqqzzz "),
    ]


def measure_queries(engine: Engine, words: Words, repetitions: int) -> None:
    print(f"\n{'milliseconds':26}{'cold':>8}{'median':>8}{'p95':>8}{'few':>8}{'hits':>6}")
    store = SearchStore(engine)
    for name, typed in queries(words):
        times: list[float] = []
        for _ in range(repetitions + 1):
            times.append(timed(lambda typed=typed: store.search(MOST, parse_query(typed))))
        few = min(
            timed(lambda typed=typed: store.search(FEW, parse_query(typed))) for _ in range(3)
        )
        hits, warm = len(store.search(MOST, parse_query(typed))), sorted(times[1:])
        median, p95 = statistics.median(warm), warm[int(len(warm) * 0.95)]
        print(f"{name:26}{times[0]:8.1f}{median:8.1f}{p95:8.1f}{few:8.1f}{hits:6}", flush=True)


def timed(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return (time.perf_counter() - started) * 1000


@contextmanager
def without_index(engine: Engine) -> Iterator[None]:
    """Disable the triggers that maintain the index."""
    with engine.execution_options(writes=True).begin() as connection:
        if engine.dialect.name == "sqlite":
            found = connection.exec_driver_sql(
                "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'search%'"
            ).all()
            off = [f"DROP TRIGGER {name}" for name, _ in found]
            on = [sql for _, sql in found]
        else:
            tables = ("messages", "conversations")
            off = [f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in tables]
            on = [f"ALTER TABLE {table} ENABLE TRIGGER USER" for table in tables]
        for statement in off:
            connection.exec_driver_sql(statement)
    try:
        yield
    finally:
        with engine.execution_options(writes=True).begin() as connection:
            for statement in on:
                connection.exec_driver_sql(statement)


def measure_inserts(store: Store, words: Words, rounds: int, each: int) -> None:
    """Measure storing a question and its answer, alternating with and without the index.

    The answer is saved once a second while it grows, and finished at the end.
    """
    conversation: str | None = None

    def talk() -> None:
        nonlocal conversation
        question = NewQuestion(words.latin(words.length(is_answer=False)), 10, True)
        reply = words.latin(words.length(is_answer=True))
        saves = 1 + len(reply) // 300  # one a second, at about 60 tokens a second
        started = time.perf_counter()
        sent = store.messages.send(
            SOME, conversation, question, NewAnswer(new_id(), MODELS[0], "w"), title="Title"
        )
        for save in range(saves):
            store.replies.save(sent.id, "w", reply[: save * 300], "")
        store.replies.finish(sent.id, "w", Outcome(Status.COMPLETE, reply))
        times.append((time.perf_counter() - started) * 1000)
        conversation = sent.conversation_id if words.random.random() < 0.9 else None

    indexed: list[float] = []
    plain: list[float] = []
    for _ in range(rounds):
        times = plain
        with without_index(store.engine):
            for _ in range(each):
                talk()
        times = indexed
        for _ in range(each):
            talk()
    print(f"\n{'a question and its answer':26}{'mean':>8}{'median':>8}{'p95':>8}  milliseconds")
    for name, times in (("without the index", plain), ("with the index", indexed)):
        mean, median = statistics.mean(times), statistics.median(times)
        print(f"{name:26}{mean:8.2f}{median:8.2f}{sorted(times)[int(len(times) * 0.95)]:8.2f}")
    slower = [statistics.mean(indexed) / statistics.mean(plain)]
    slower.append(statistics.median(indexed) / statistics.median(plain))
    print(f"slower by {slower[0] - 1:.1%} (mean), {slower[1] - 1:.1%} (median)", flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--messages", type=int, default=100_000)
    options.add_argument("--database-url", default="")
    options.add_argument("--keep", action="store_true", help="use the existing data")
    options.add_argument("--repetitions", type=int, default=20)
    options.add_argument("--rounds", type=int, default=40)
    chosen = options.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="parley-search-"))
    try:
        url = chosen.database_url or f"sqlite:///{folder / 'parley.db'}"
        engine = make_engine(url)
        if not chosen.keep:
            build(engine, chosen.messages)
        index(engine)
        engine.dispose()
        store, words = Store(url), Words()
        measure_queries(store.engine, words, chosen.repetitions)
        measure_inserts(store, words, chosen.rounds, 25)
        conversation = store.conversations.latest(FEW, 1)[0].id
        duration = timed(lambda: store.conversations.purge(FEW, conversation)) / 1000
        print(f"\npurging one conversation, its words included: {duration:.1f} s")
        store.close()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
