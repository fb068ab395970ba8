"""What is sent: whole turns, newest first, within the budget; and what is said to be left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.domain.context_window import (
    OMITTED_SCAN_LIMIT,
    ContextWindow,
    PathStep,
    fit_context,
    token_budget,
)
from chat.domain.message import Message, Role, Status
from chat.domain.token_estimate import TOKENS_PER_MESSAGE, estimate_tokens
from chat.providers.base import Turn
from chat.replies.request_builder import as_turns

USER, ASSISTANT = Role.USER, Role.ASSISTANT
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def message(depth: int, role: Role, text: str = "", tokens: int = 10, **more: Any) -> Message:
    return Message(
        id=f"m{depth}",
        conversation_id="c",
        parent_id=f"m{depth - 1}" if depth else None,
        depth=depth,
        role=role,
        text=text or f"{role} {depth}",
        status=more.pop("status", Status.COMPLETE),
        created_at=NOON,
        tokens=tokens,
        **more,
    )


def conversation(turns: int, tokens: int = 10) -> list[Message]:
    """`turns` questions, all but the last one answered; oldest first."""
    count = 2 * turns - 1
    return [message(d, ASSISTANT if d % 2 else USER, tokens=tokens) for d in range(count)]


@dataclass(frozen=True)
class Found:
    """What is sent of a path, and the turns it makes."""

    fit_context: ContextWindow
    turns: tuple[Turn, ...]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.fit, name)


def turns_of(found: ContextWindow, path: list[Message]) -> tuple[Turn, ...]:
    by_id = {message.id: message for message in path}
    return as_turns([by_id[id_] for id_ in found.ids], {})


def fit_all(path: list[Message], **limits: Any) -> Found:
    defaults: dict[str, Any] = {
        "max_tokens": 1_000_000,
        "max_turns": None,
        "system_tokens": 0,
        "window_tokens": None,
        "reserve_tokens": 0,
    }
    found = fit_context(map(PathStep.of, reversed(path)), **{**defaults, **limits})
    return Found(found, turns_of(found, path))


def test_all_of_a_short_conversation_is_sent() -> None:
    found = fit_all(conversation(3))
    assert [turn.role for turn in found.turns] == [USER, ASSISTANT, USER, ASSISTANT, USER]
    assert found.turns[-1] == Turn(USER, "user 4")
    assert (found.left_out, found.begins_at_id) == (0, "m0")
    assert found.used_tokens == 5 * (10 + TOKENS_PER_MESSAGE)


def test_the_oldest_turns_are_dropped_first_and_whole() -> None:
    found = fit_all(conversation(3), max_tokens=4 * (10 + TOKENS_PER_MESSAGE))
    assert found.begins_at_id == "m2"
    assert found.left_out == 2
    assert found.used_tokens == 3 * (10 + TOKENS_PER_MESSAGE)


def test_older_turns_are_not_pulled_in_past_one_that_does_not_fit() -> None:
    path = conversation(3)
    path[3] = replace(path[3], tokens=10_000)
    assert fit_all(path, max_tokens=100).begins_at_id == "m4"


def test_the_current_question_always_goes() -> None:
    found = fit_all(conversation(3, tokens=5_000), max_tokens=100)
    assert found.turns == (Turn(USER, "user 4"),)
    assert found.left_out == 4
    assert found.used_tokens > found.available_tokens


def test_the_turns_can_be_limited() -> None:
    found = fit_all(conversation(5), max_turns=2)
    assert (found.begins_at_id, found.left_out) == ("m6", 6)


def test_what_was_deleted_or_is_empty_or_being_written_is_not_sent() -> None:
    path = conversation(4)
    path[1] = replace(path[1], is_deleted=True)
    path[3] = replace(path[3], text="", status=Status.FAILED)
    path[5] = replace(path[5], status=Status.STREAMING)
    found = fit_all(path)
    assert found.turns == (Turn(USER, "user 0\n\nuser 2\n\nuser 4\n\nuser 6"),)
    assert found.left_out == 0


def test_what_an_answer_said_before_it_failed_is_sent() -> None:
    path = conversation(2)
    path[1] = replace(path[1], text="half an", status=Status.FAILED)
    assert Turn(ASSISTANT, "half an") in fit_all(path).turns


def test_reasoning_is_never_sent() -> None:
    path = conversation(2)
    path[1] = replace(path[1], reasoning="let me think")
    assert "think" not in "".join(turn.text for turn in fit_all(path).turns)


def test_neighbours_of_one_role_are_merged_with_a_blank_line() -> None:
    path = conversation(3)
    path[2] = replace(path[2], is_deleted=True)
    assert fit_all(path).turns == (
        Turn(USER, "user 0"),
        Turn(ASSISTANT, "assistant 1\n\nassistant 3"),
        Turn(USER, "user 4"),
    )


def test_an_answer_without_its_question_is_not_sent_and_not_missed() -> None:
    path = conversation(3)
    path[0] = replace(path[0], is_deleted=True)
    found = fit_all(path)
    assert (found.begins_at_id, found.left_out) == ("m2", 0)
    assert fit_all(path, max_tokens=20).left_out == 2  # m2 and m3; m1 would not go anyway


def test_what_would_not_be_sent_is_not_counted_as_left_out() -> None:
    path = conversation(4)
    path[0] = replace(path[0], is_deleted=True)
    path[1] = replace(path[1], is_deleted=True)
    path[3] = replace(path[3], text=" ", status=Status.FAILED)
    assert fit_all(path, max_turns=1).left_out == 3 - 1 + 1  # m2, m4, m5


def test_text_that_was_never_counted_is_estimated() -> None:
    lost = message(0, USER, text="a few words to be counted", tokens=0)
    assert fit_all([lost]).used_tokens == estimate_tokens(lost.text) + TOKENS_PER_MESSAGE


def test_nothing_fits_into_nothing() -> None:
    assert fit_all([]).fit == ContextWindow((), 0, None, 0, 1_000_000, is_exact=True)


def test_a_long_path_is_read_little_further_than_it_is_sent() -> None:
    read = 0
    path = conversation(5_000)

    def newest_first() -> Iterator[Message]:
        nonlocal read
        for item in reversed(path):
            read += 1
            yield item

    found = fit_context(
        map(PathStep.of, newest_first()),
        max_tokens=100,
        max_turns=None,
        system_tokens=0,
        window_tokens=None,
        reserve_tokens=0,
    )
    assert read <= OMITTED_SCAN_LIMIT + 20
    assert found.left_out == len(path) - len(found.ids)


def test_left_out_counts_from_where_the_context_begins() -> None:
    path = conversation(500)
    found = fit_all(path[100:], max_tokens=100, first_depth=100)
    assert found.left_out == len(path) - 100 - len(found.turns)


@pytest.mark.parametrize(
    ("window", "reserve", "system", "expected"),
    [
        (None, 500, 0, 1_000),
        (8_000, 500, 0, 1_000),
        (1_200, 500, 0, 700),
        (1_200, 500, 100, 600 - TOKENS_PER_MESSAGE),
        (400, 500, 0, 0),
    ],
)
def test_the_budget_is_the_smaller_of_limit_and_window(
    window: int | None, reserve: int, system: int, expected: int
) -> None:
    assert expected == token_budget(
        max_tokens=1_000, window_tokens=window, reserve_tokens=reserve, system_tokens=system
    )


@st.composite
def paths(draw: st.DrawFn) -> list[Message]:
    kinds = st.tuples(
        st.sampled_from([USER, ASSISTANT]),
        st.integers(1, 60),
        st.sampled_from(["", "deleted", "empty", "failed"]),
    )
    path = []
    for depth, (role, tokens, fate) in enumerate(draw(st.lists(kinds, max_size=25))):
        item = message(depth, role, tokens=tokens, is_deleted=fate == "deleted")
        if fate in ("empty", "failed"):
            text = "" if fate == "empty" else item.text
            item = replace(item, text=text, status=Status.FAILED)
        path.append(item)
    return [*path, message(len(path), USER, tokens=draw(st.integers(1, 300)))]


limits = st.integers(0, 400)


@given(paths(), limits, st.none() | st.integers(1, 6))
def test_what_is_sent_is_the_end_of_what_could_be(
    path: list[Message], most: int, max_turns: int | None
) -> None:
    everything = fit_all(path)
    found = fit_all(path, max_tokens=most, max_turns=max_turns)
    pieces = [piece for turn in found.turns for piece in turn.text.split("\n\n")]
    could_be = [piece for turn in everything.turns for piece in turn.text.split("\n\n")]

    assert pieces == could_be[len(could_be) - len(pieces) :], "in order, none missing between"
    assert found.left_out == len(could_be) - len(pieces)
    assert pieces[0].startswith("user"), "whole turns: it begins with a question"
    assert found.turns[-1].text.endswith(path[-1].text), "the current question goes"


@given(paths(), limits)
def test_the_budget_is_kept_except_for_the_last_turn_alone(path: list[Message], most: int) -> None:
    found = fit_all(path, max_tokens=most)
    assert found.used_tokens <= found.available_tokens or found.begins_at_id == path[-1].id


@given(paths(), limits)
def test_roles_alternate(path: list[Message], most: int) -> None:
    roles = [turn.role for turn in fit_all(path, max_tokens=most).turns]
    assert all(one is not next_ for one, next_ in pairwise(roles))
    assert roles[0] is USER
    assert roles[-1] is USER
