"""Liveness checks of the doctor do not depend on synchronized clocks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text, update

from chat.domain.ids import new_id
from chat.domain.writes import NewAnswer, NewQuestion
from chat.replies.worker_liveness import DEAD_AFTER, Worker
from chat.services.database_admin import observe_liveness
from chat.store import Store
from chat.store.doctor import examine
from chat.store.schema import MessageRow

ANN, REMOTE_WORKER = "visitor:ann", "another-machine:1:abc"
LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


class FakePause:
    """Advances a fake clock instead of sleeping, and calls `on_pause`."""

    elapsed = 0.0

    def __init__(self, on_pause: Callable[[], object] = lambda: None) -> None:
        self.count, self._on_pause = 0, on_pause

    def __call__(self, seconds: float) -> None:
        self.count += 1
        FakePause.elapsed += seconds
        self._on_pause()


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker(clock=lambda: FakePause.elapsed)
    yield worker
    worker.retire()


def start_reply(store: Store, worker: str, heartbeat_at: datetime) -> str:
    """Store a running reply and set the heartbeat of all replies; return its id."""
    answer = NewAnswer(new_id(), "scripted/one", worker)
    store.messages.send(ANN, None, NewQuestion("Hello", 1, True), answer)
    with store.engine.execution_options(writes=True).begin() as connection:
        connection.execute(update(MessageRow).values(heartbeat_at=heartbeat_at))
    return answer.id


def dead_replies(
    store: Store, worker: Worker, pause: FakePause, *, repairs: bool = False
) -> tuple[str, ...]:
    """Run the doctor and return the ids of the replies that it considers dead."""
    liveness = observe_liveness(worker, lambda *_: None, pause)
    findings = {each.name: each for each in examine(store.engine, liveness, repairs=repairs)}
    finding = findings["dead reply"]
    assert finding.is_repaired is (repairs and bool(finding.ids))
    return finding.ids


def test_local_reply_is_alive_while_its_process_exists(store: Store, worker: Worker) -> None:
    machine, pause = worker.name.rsplit(":", 2)[0], FakePause()
    start_reply(store, f"{machine}:{os.getppid()}:abc", LONG_AGO)
    assert dead_replies(store, worker, pause) == ()
    dead = start_reply(store, f"{machine}:4194399:abc", datetime.now(UTC))
    assert dead_replies(store, worker, pause) == (dead,)
    assert pause.count == 0, "a local process is checked without waiting"


@pytest.mark.parametrize("skew", [HOUR, -HOUR], ids=["ahead", "behind"])
def test_remote_reply_is_alive_after_another_heartbeat(
    store: Store, worker: Worker, skew: timedelta
) -> None:
    heartbeat_at = datetime.now(UTC) + skew
    start_reply(store, REMOTE_WORKER, heartbeat_at)

    def send_heartbeat() -> None:
        """Start another reply, which sets the heartbeat of both."""
        start_reply(store, REMOTE_WORKER, heartbeat_at + timedelta(seconds=pause.count))

    pause = FakePause(send_heartbeat)
    assert dead_replies(store, worker, pause, repairs=True) == ()
    assert pause.count == 1


@pytest.mark.parametrize("skew", [HOUR, -HOUR], ids=["ahead", "behind"])
def test_remote_reply_is_dead_without_a_heartbeat_while_watched(
    store: Store, worker: Worker, skew: timedelta
) -> None:
    answer_id = start_reply(store, REMOTE_WORKER, datetime.now(UTC) + skew)
    pause = FakePause()
    assert dead_replies(store, worker, pause, repairs=True) == (answer_id,)
    assert pause.count == DEAD_AFTER
    with store.engine.connect() as connection:
        status = connection.execute(text("SELECT status FROM messages WHERE role = 'assistant'"))
        assert status.scalar() == "interrupted"
