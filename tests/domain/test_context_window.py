"""Selection of the newest whole turns within a token budget, and the count of omitted messages."""

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
    fit_context,
    token_budget,
)
from chat.domain.message import Message, Role, Status
from chat.domain.token_estimate import TOKENS_PER_MESSAGE, estimate_tokens
from chat.providers.base import Turn
from chat.replies.request_builder import as_turns
from tests.support.path_steps import path_step

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
    """Return `turns` questions, all but the last one answered, oldest first."""
    count = 2 * turns - 1
    return [message(d, ASSISTANT if d % 2 else USER, tokens=tokens) for d in range(count)]


@dataclass(frozen=True)
class Selection:
    """A context window and the turns that are sent for it."""

    window: ContextWindow
    turns: tuple[Turn, ...]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.window, name)


def turns_of(window: ContextWindow, path: list[Message]) -> tuple[Turn, ...]:
    by_id = {message.id: message for message in path}
    return as_turns([by_id[id_] for id_ in window.ids], {})


def select(path: list[Message], **limits: Any) -> Selection:
    """Fit `path` (oldest first) into a context that is unlimited except for `limits`."""
    defaults: dict[str, Any] = {
        "max_tokens": 1_000_000,
        "max_turns": None,
        "system_tokens": 0,
        "window_tokens": None,
        "reserve_tokens": 0,
    }
    window = fit_context(map(path_step, reversed(path)), **{**defaults, **limits})
    return Selection(window, turns_of(window, path))


def test_short_conversation_is_sent_completely() -> None:
    found = select(conversation(3))
    assert [turn.role for turn in found.turns] == [USER, ASSISTANT, USER, ASSISTANT, USER]
    assert found.turns[-1] == Turn(USER, "user 4")
    assert (found.left_out, found.begins_at_id) == (0, "m0")
    assert found.used_tokens == 5 * (10 + TOKENS_PER_MESSAGE)


def test_budget_drops_oldest_turns_whole() -> None:
    found = select(conversation(3), max_tokens=4 * (10 + TOKENS_PER_MESSAGE))
    assert found.begins_at_id == "m2"
    assert found.left_out == 2
    assert found.used_tokens == 3 * (10 + TOKENS_PER_MESSAGE)


def test_selection_stops_at_the_first_turn_over_budget() -> None:
    path = conversation(3)
    path[3] = replace(path[3], tokens=10_000)
    assert select(path, max_tokens=100).begins_at_id == "m4"


def test_last_turn_is_sent_even_if_over_budget() -> None:
    found = select(conversation(3, tokens=5_000), max_tokens=100)
    assert found.turns == (Turn(USER, "user 4"),)
    assert found.left_out == 4
    assert found.used_tokens > found.available_tokens


def test_max_turns_limits_the_selection() -> None:
    found = select(conversation(5), max_turns=2)
    assert (found.begins_at_id, found.left_out) == ("m6", 6)


def test_deleted_empty_and_streaming_messages_are_not_sent() -> None:
    path = conversation(4)
    path[1] = replace(path[1], is_deleted=True)
    path[3] = replace(path[3], text="", status=Status.FAILED)
    path[5] = replace(path[5], status=Status.STREAMING)
    found = select(path)
    assert found.turns == (Turn(USER, "user 0\n\nuser 2\n\nuser 4\n\nuser 6"),)
    assert found.left_out == 0


def test_partial_text_of_a_failed_answer_is_sent() -> None:
    path = conversation(2)
    path[1] = replace(path[1], text="half an", status=Status.FAILED)
    assert Turn(ASSISTANT, "half an") in select(path).turns


def test_reasoning_is_not_sent() -> None:
    path = conversation(2)
    path[1] = replace(path[1], reasoning="let me think")
    assert "think" not in "".join(turn.text for turn in select(path).turns)


def test_adjacent_messages_of_one_role_are_merged_with_a_blank_line() -> None:
    path = conversation(3)
    path[2] = replace(path[2], is_deleted=True)
    assert select(path).turns == (
        Turn(USER, "user 0"),
        Turn(ASSISTANT, "assistant 1\n\nassistant 3"),
        Turn(USER, "user 4"),
    )


def test_answer_without_question_is_neither_sent_nor_counted_as_left_out() -> None:
    path = conversation(3)
    path[0] = replace(path[0], is_deleted=True)
    found = select(path)
    assert (found.begins_at_id, found.left_out) == ("m2", 0)
    assert select(path, max_tokens=20).left_out == 2  # m2 and m3; m1 has no question


def test_left_out_ignores_messages_that_are_never_sent() -> None:
    path = conversation(4)
    path[0] = replace(path[0], is_deleted=True)
    path[1] = replace(path[1], is_deleted=True)
    path[3] = replace(path[3], text=" ", status=Status.FAILED)
    assert select(path, max_turns=1).left_out == 3 - 1 + 1  # m2, m4, m5


def test_uncounted_text_is_estimated() -> None:
    lost = message(0, USER, text="a few words to be counted", tokens=0)
    assert select([lost]).used_tokens == estimate_tokens(lost.text) + TOKENS_PER_MESSAGE


def test_empty_path_gives_an_empty_window() -> None:
    assert select([]).window == ContextWindow((), 0, None, 0, 1_000_000, is_exact=True)


def test_scan_stops_shortly_after_the_budget_is_exceeded() -> None:
    read = 0
    path = conversation(5_000)

    def newest_first() -> Iterator[Message]:
        nonlocal read
        for item in reversed(path):
            read += 1
            yield item

    found = fit_context(
        map(path_step, newest_first()),
        max_tokens=100,
        max_turns=None,
        system_tokens=0,
        window_tokens=None,
        reserve_tokens=0,
    )
    assert read <= OMITTED_SCAN_LIMIT + 20
    assert found.left_out == len(path) - len(found.ids)


def test_left_out_counts_from_the_first_depth() -> None:
    path = conversation(500)
    found = select(path[100:], max_tokens=100, first_depth=lambda: 100)
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
def test_token_budget_is_the_smaller_of_limit_and_window(
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
    for depth, (role, tokens, state) in enumerate(draw(st.lists(kinds, max_size=25))):
        item = message(depth, role, tokens=tokens, is_deleted=state == "deleted")
        if state in ("empty", "failed"):
            text = "" if state == "empty" else item.text
            item = replace(item, text=text, status=Status.FAILED)
        path.append(item)
    return [*path, message(len(path), USER, tokens=draw(st.integers(1, 300)))]


limits = st.integers(0, 400)


@given(paths(), limits, st.none() | st.integers(1, 6))
def test_selection_is_a_suffix_of_the_sendable_messages(
    path: list[Message], most: int, max_turns: int | None
) -> None:
    unlimited = select(path)
    found = select(path, max_tokens=most, max_turns=max_turns)
    sent = [text for turn in found.turns for text in turn.text.split("\n\n")]
    sendable = [text for turn in unlimited.turns for text in turn.text.split("\n\n")]

    assert sent == sendable[len(sendable) - len(sent) :], "a suffix, in order"
    assert found.left_out == len(sendable) - len(sent)
    assert sent[0].startswith("user"), "starts with a question"
    assert found.turns[-1].text.endswith(path[-1].text), "includes the last question"


@given(paths(), limits)
def test_only_a_single_last_turn_may_exceed_the_budget(path: list[Message], most: int) -> None:
    found = select(path, max_tokens=most)
    assert found.used_tokens <= found.available_tokens or found.begins_at_id == path[-1].id


@given(paths(), limits)
def test_turn_roles_alternate(path: list[Message], most: int) -> None:
    roles = [turn.role for turn in select(path, max_tokens=most).turns]
    assert all(one is not next_ for one, next_ in pairwise(roles))
    assert roles[0] is USER
    assert roles[-1] is USER
