"""Pages take turns at being drawn, and nobody waits for one that does not end."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from pages.rendering import draw_turns


def in_another_page(draw: Callable[[], None]) -> threading.Thread:
    page = threading.Thread(target=draw)
    page.start()
    return page


def drawing(begun: threading.Event) -> Callable[[], None]:
    def draw() -> None:
        with draw_turns.taken():
            begun.set()

    return draw


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw_turns, "LONGEST", 30)
    monkeypatch.setattr(draw_turns, "PATIENCE", 30)


@pytest.mark.usefixtures("patient")
def test_the_next_page_is_drawn_when_this_one_is_there() -> None:
    begun = threading.Event()
    with draw_turns.taken():
        other = in_another_page(drawing(begun))
        assert not begun.wait(0.1)
        draw_turns.over()
        assert begun.wait(10), "this one only waits for words now"
    other.join()


@pytest.mark.usefixtures("patient")
def test_a_page_that_fails_gives_its_turn_back() -> None:
    begun = threading.Event()
    with pytest.raises(KeyError), draw_turns.taken():
        raise KeyError
    in_another_page(drawing(begun)).join()
    assert begun.is_set()


def test_nobody_waits_long_for_a_page_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw_turns, "LONGEST", 0.05)
    begun = threading.Event()
    with draw_turns.taken():
        in_another_page(drawing(begun)).join()
        assert begun.is_set()
        again = threading.Event()
        in_another_page(drawing(again)).join()
        assert again.is_set(), "its turn was passed on, and is there for the next"


def test_a_turn_that_was_passed_on_is_not_given_back_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw_turns, "LONGEST", 0)
    begun, ready, done = threading.Event(), threading.Event(), threading.Event()

    def draw_slowly() -> None:
        with draw_turns.taken():
            ready.set()
            done.wait(10)

    with draw_turns.taken():
        monkeypatch.setattr(draw_turns, "LONGEST", 30)
        monkeypatch.setattr(draw_turns, "PATIENCE", 30)
        second = in_another_page(draw_slowly)
        assert ready.wait(10), "the first one had its time"
        draw_turns.over()
        third = in_another_page(drawing(begun))
        assert not begun.wait(0.1), "the second one is being drawn"
        done.set()
        assert begun.wait(10)
    second.join()
    third.join()


def test_of_many_pages_that_hang_none_waits_for_all_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(draw_turns, "LONGEST", 30)
    monkeypatch.setattr(draw_turns, "PATIENCE", 0.05)
    begun = threading.Event()
    with draw_turns.taken():
        in_another_page(drawing(begun)).join()
        assert begun.is_set()
