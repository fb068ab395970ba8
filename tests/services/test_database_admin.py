"""The doctor tells whoever is at work from the dead, and asks no clock for it."""

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

ANN, ELSEWHERE = "visitor:ann", "another-machine:1:abc"
LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def me() -> Iterator[Worker]:
    worker = Worker(clock=lambda: Looks.passed)
    yield worker
    worker.retire()


class Looks:
    """Stands for the time between two looks; in it `meanwhile` happens."""

    passed = 0.0

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.count, self._meanwhile = 0, meanwhile

    def __call__(self, seconds: float) -> None:
        self.count += 1
        Looks.passed += seconds
        self._meanwhile()


def running(store: Store, worker: str, beat: datetime) -> str:
    answer = NewAnswer(new_id(), "scripted/one", worker)
    store.messages.send(ANN, None, NewQuestion("Hello", 1, True), answer)
    set_beat(store, beat)
    return answer.id


def set_beat(store: Store, beat: datetime | None) -> None:
    with store.engine.execution_options(writes=True).begin() as connection:
        connection.execute(update(MessageRow).values(heartbeat_at=beat))


def dead(store: Store, me: Worker, looks: Looks, *, repairs: bool = False) -> tuple[str, ...]:
    signs = observe_liveness(me, lambda *_: None, looks)
    found = {each.name: each for each in examine(store.engine, signs, repairs=repairs)}
    assert found["dead reply"].is_repaired is (repairs and bool(found["dead reply"].ids))
    return found["dead reply"].ids


def test_here_a_reply_lives_as_long_as_its_process(store: Store, me: Worker) -> None:
    place, looks = me.name.rsplit(":", 2)[0], Looks()
    running(store, f"{place}:{os.getppid()}:abc", LONG_AGO)
    assert dead(store, me, looks) == ()
    gone = running(store, f"{place}:4194399:abc", datetime.now(UTC))
    assert dead(store, me, looks) == (gone,)
    assert looks.count == 0, "a process can be seen"


@pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["ahead", "behind"])
def test_elsewhere_a_reply_lives_that_gives_another_sign(
    store: Store, me: Worker, jump: timedelta
) -> None:
    """By whatever clock."""
    beat = datetime.now(UTC) + jump
    running(store, ELSEWHERE, beat)

    def meanwhile() -> None:
        running(store, ELSEWHERE, beat + timedelta(seconds=looks.count))  # and another begins

    looks = Looks(meanwhile)
    assert dead(store, me, looks, repairs=True) == ()
    assert looks.count == 1


@pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["ahead", "behind"])
def test_elsewhere_a_reply_is_dead_that_gives_none_while_it_is_watched(
    store: Store, me: Worker, jump: timedelta
) -> None:
    answer_id, looks = running(store, ELSEWHERE, datetime.now(UTC) + jump), Looks()
    assert dead(store, me, looks, repairs=True) == (answer_id,)
    assert looks.count == DEAD_AFTER
    with store.engine.connect() as connection:
        status = connection.execute(text("SELECT status FROM messages WHERE role = 'assistant'"))
        assert status.scalar() == "interrupted"
