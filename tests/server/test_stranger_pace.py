"""People without access wait for their turn when they send too much together."""

from __future__ import annotations

import pytest

from server.stranger_pace import BURST, PER_SECOND, StrangerPace


@pytest.fixture
def clock() -> list[float]:
    return [1000.0]


@pytest.fixture
def pace(clock: list[float]) -> StrangerPace:
    return StrangerPace(lambda: clock[0])


def test_a_burst_after_a_quiet_time_does_not_wait(pace: StrangerPace) -> None:
    assert [pace.reserve() for _ in range(BURST)] == [0.0] * BURST
    assert pace.reserve() == pytest.approx(1 / PER_SECOND)


def test_waiting_strangers_get_turns_in_order(pace: StrangerPace, clock: list[float]) -> None:
    for _ in range(BURST):
        pace.reserve()
    waits = [pace.reserve() for _ in range(3)]
    assert waits == pytest.approx([each / PER_SECOND for each in (1, 2, 3)])
    clock[0] += 3 / PER_SECOND
    assert pace.reserve() == pytest.approx(1 / PER_SECOND)


def test_too_many_waiting_strangers_are_refused(pace: StrangerPace, clock: list[float]) -> None:
    waits = [pace.reserve() for _ in range(2000)]
    accepted = [each for each in waits if each is not None]
    assert max(accepted) == pytest.approx(20, abs=0.1)
    assert waits[-1] is None
    clock[0] += 1
    assert pace.reserve() is not None, "refused messages took a turn"


def test_rate_in_a_long_run_is_the_limit(pace: StrangerPace, clock: list[float]) -> None:
    number = 0
    for _ in range(1000):
        clock[0] += 0.1
        wait = pace.reserve()
        while wait == 0.0:
            number += 1
            wait = pace.reserve()
    assert number <= 100 * PER_SECOND + BURST
