"""Measure the queries of the sidebar's list with many conversations, on SQLite or PostgreSQL.

python -m benchmarks.listing [--conversations 10000] [--database-url …]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import insert

from chat.domain.ids import new_id
from chat.store import Store
from chat.store.schema import ConversationRow

OWNER, BEGUN = "visitor:many", datetime(2024, 1, 1, tzinfo=UTC)


def fill(store: Store, owner: str, count: int) -> None:
    rows = [
        {
            "id": new_id(),
            "owner": owner,
            "title": f"Conversation {number}",
            "system_prompt": "",
            "created_at": BEGUN + timedelta(minutes=number),
            "updated_at": BEGUN + timedelta(minutes=number),
            "pinned_at": BEGUN if number % 1000 == 0 else None,
        }
        for number in range(count)
    ]
    with store.engine.execution_options(writes=True).begin() as connection:
        connection.execute(insert(ConversationRow), rows)


def measure(name: str, call: Callable[[], object], times: int = 200) -> None:
    durations = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        durations.append((time.perf_counter() - started) * 1000)
    durations.sort()
    print(f"{name:34} {statistics.median(durations):7.2f} {durations[int(times * 0.95)]:7.2f}")


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--conversations", type=int, default=10_000)
    options.add_argument("--database-url")
    chosen = options.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="parley-listing-"))
    store = Store(chosen.database_url or f"sqlite:///{folder / 'parley.db'}")
    few = "visitor:few"
    fill(store, few, 20)
    fill(store, OWNER, chosen.conversations)
    print(f"{'milliseconds':34}  median     p95")
    for owner, count in ((few, 20), (OWNER, chosen.conversations)):
        conversations = store.conversations
        measure(f"newest 8 of {count:,}", lambda o=owner, c=conversations: c.latest(o, 9))
        measure(f"newest 38 of {count:,}", lambda o=owner, c=conversations: c.latest(o, 39))
        measure(f"pinned of {count:,}", lambda o=owner, c=conversations: c.pinned(o))
    store.close()


if __name__ == "__main__":
    main()
