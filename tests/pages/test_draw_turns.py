"""Pages are drawn one after the other, and a page that waits for I/O does not delay the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import pytest
from sqlalchemy import Engine, event

from chat import ChatService, set_io_hook
from pages.rendering import draw_turns


def in_thread(draw: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=draw)
    thread.start()
    return thread


def drawing(started: threading.Event) -> Callable[[], None]:
    def draw() -> None:
        with draw_turns.turn():
            started.set()

    return draw


def set_limits(monkeypatch: pytest.MonkeyPatch, *, lease: float, max_wait: float) -> None:
    monkeypatch.setattr(draw_turns, "LEASE", lease)
    monkeypatch.setattr(draw_turns, "MAX_WAIT", max_wait)


@pytest.fixture
def no_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    set_limits(monkeypatch, lease=30, max_wait=30)


@pytest.fixture
def io_hook() -> Iterator[None]:
    set_io_hook(draw_turns.paused)
    yield
    set_io_hook(nullcontext)


@pytest.mark.usefixtures("no_limits")
def test_next_page_is_drawn_when_the_turn_ends() -> None:
    started = threading.Event()
    with draw_turns.turn():
        other = in_thread(drawing(started))
        assert not started.wait(0.1)
        draw_turns.end()
        assert started.wait(10), "the first page only waits for its reply"
    other.join()


@pytest.mark.usefixtures("no_limits")
def test_a_page_that_raises_ends_its_turn() -> None:
    started = threading.Event()
    with pytest.raises(KeyError), draw_turns.turn():
        raise KeyError
    in_thread(drawing(started)).join()
    assert started.is_set()


def test_lease_of_a_page_that_hangs_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    set_limits(monkeypatch, lease=0.05, max_wait=30)
    first, second = threading.Event(), threading.Event()
    with draw_turns.turn():
        in_thread(drawing(first)).join()
        assert first.is_set()
        in_thread(drawing(second)).join()
        assert second.is_set(), "the page before has ended its turn"


def test_an_expired_lease_is_not_released_for_its_next_holder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_limits(monkeypatch, lease=0, max_wait=30)
    started, ready, done = threading.Event(), threading.Event(), threading.Event()

    def draw_slowly() -> None:
        with draw_turns.turn():
            ready.set()
            done.wait(10)

    with draw_turns.turn():
        set_limits(monkeypatch, lease=30, max_wait=30)
        second = in_thread(draw_slowly)
        assert ready.wait(10), "the first lease has expired"
        draw_turns.end()
        third = in_thread(drawing(started))
        assert not started.wait(0.1), "the second page has the lease"
        done.set()
        assert started.wait(10)
    second.join()
    third.join()


def test_a_page_waits_no_longer_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    set_limits(monkeypatch, lease=30, max_wait=0.05)
    started = threading.Event()
    with draw_turns.turn():
        in_thread(drawing(started)).join()
        assert started.is_set()


@pytest.mark.usefixtures("no_limits")
def test_another_page_is_drawn_while_one_waits_for_io() -> None:
    with draw_turns.turn():
        started = threading.Event()
        with draw_turns.paused():
            in_thread(drawing(started)).join()
        assert started.is_set()


@pytest.mark.usefixtures("no_limits")
def test_a_page_continues_after_io_before_pages_that_came_later() -> None:
    order: list[str] = []
    first_waits, second_draws, go = threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        with draw_turns.turn():
            with draw_turns.paused():
                first_waits.set()
                second_draws.wait(10)
            order.append("first")

    def second() -> None:
        with draw_turns.turn():
            second_draws.set()
            go.wait(10)
            order.append("second")

    def third() -> None:
        with draw_turns.turn():
            order.append("third")

    threads = [in_thread(first)]
    assert first_waits.wait(10)
    threads.append(in_thread(second))
    assert second_draws.wait(10)
    threads.append(in_thread(third))
    pause = threading.Event()
    while len(draw_turns._turns._waiting) < 2:
        pause.wait(0.001)
    go.set()
    for thread in threads:
        thread.join()
    assert order == ["second", "first", "third"]


@pytest.mark.usefixtures("no_limits", "io_hook")
def test_queries_of_several_pages_overlap_on_a_slow_database(service: ChatService) -> None:
    """Each query waits until all pages are in a query at the same time."""
    pages = 4
    all_querying = threading.Barrier(pages, timeout=10)
    queried = threading.local()

    def wait_for_the_others(*_: Any) -> None:
        if getattr(queried, "is_page", False):
            queried.is_page = False
            all_querying.wait()

    def draw(number: int) -> int:
        with draw_turns.turn():
            queried.is_page = True
            return len(service.as_owner(f"visitor:{number}").conversations.latest())

    event.listen(Engine, "before_cursor_execute", wait_for_the_others)
    try:
        with ThreadPoolExecutor(pages) as pool:
            assert list(pool.map(draw, range(pages))) == [0] * pages
    finally:
        event.remove(Engine, "before_cursor_execute", wait_for_the_others)
