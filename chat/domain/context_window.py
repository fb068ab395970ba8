"""Select the messages that are sent to a model: the newest whole turns within a token budget.

The functions are pure. They read a path lazily and do not know which store it comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from chat.domain.attachment import Attachment
from chat.domain.message import Role
from chat.domain.token_estimate import TOKENS_PER_MESSAGE, estimate_tokens

OMITTED_SCAN_LIMIT = 40  # messages inspected beyond the budget before the rest is counted by depth


class PathStep(NamedTuple):
    """The fields of one message that decide whether it is sent.

    A named tuple because it is cheaper to create than a dataclass; a path has hundreds of steps.
    """

    id: str
    parent_id: str | None
    depth: int
    role: Role
    text: str  # the full text only if it was never counted; otherwise any non-blank text
    tokens: int  # of the text
    is_exact: bool  # True if text and files were counted, False if any of them was estimated
    is_live: bool = False
    is_deleted: bool = False
    files: int = 0
    file_tokens: int = 0


class SentMessage(NamedTuple):
    """The fields of one message that are sent to a model."""

    id: str
    role: Role
    text: str
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True)
class ContextWindow:
    """The part of a path that is sent.

    `used_tokens` exceeds `available_tokens` only if the last turn alone is over the budget.
    """

    ids: tuple[str, ...]  # of the messages that are sent, oldest first
    left_out: int  # messages that are not sent because of the token budget or the turn limit
    begins_at_id: str | None  # the first message that is sent
    used_tokens: int
    available_tokens: int
    is_exact: bool  # True if every message that is sent was counted, not estimated


def token_budget(
    *, max_tokens: int, system_tokens: int, window_tokens: int | None, reserve_tokens: int
) -> int:
    """Return the tokens available for turns.

    This is the smaller of the configured limit and the model's window minus the reserve for the
    reply, minus the system prompt.
    """
    room = max_tokens
    if window_tokens is not None:
        room = min(room, window_tokens - reserve_tokens)
    return max(0, room - (system_tokens + TOKENS_PER_MESSAGE if system_tokens else 0))


def fit_context(
    newest_first: Iterable[PathStep],
    *,
    max_tokens: int,
    max_turns: int | None,
    system_tokens: int,
    window_tokens: int | None,
    reserve_tokens: int,
    first_depth: Callable[[], int] = lambda: 0,
) -> ContextWindow:
    """Return the newest whole turns that fit the budget. The last turn is always included.

    A turn is a question and everything up to the next question. `newest_first` ends where the
    context begins and is read only slightly further than the messages that are sent.
    `first_depth` returns the depth of the oldest message of the context. It is called only if
    the scan stops before that message, to count the rest of `left_out`.
    """
    available = token_budget(
        max_tokens=max_tokens,
        system_tokens=system_tokens,
        window_tokens=window_tokens,
        reserve_tokens=reserve_tokens,
    )
    path = iter(newest_first)
    sent: list[PathStep] = []
    turn: list[PathStep] = []
    used = cost = turns = left_out = 0
    for step in path:
        if not _is_sendable(step):
            continue
        turn.append(step)
        cost += _cost(step)
        if turns and (used + cost > available or turns == max_turns):
            left_out = _count_left_out(turn, path, first_depth)
            break
        if step.role is Role.USER:
            sent += turn
            used += cost
            turns += 1
            turn, cost = [], 0
    sent.reverse()
    return ContextWindow(
        ids=tuple(step.id for step in sent),
        left_out=left_out,
        begins_at_id=sent[0].id if sent else None,
        used_tokens=used,
        available_tokens=available,
        is_exact=all(step.is_exact for step in sent),
    )


def _is_sendable(step: PathStep) -> bool:
    if step.is_deleted or step.is_live:
        return False
    return bool(step.text.strip() or step.files)


def _cost(step: PathStep) -> int:
    """Return the tokens of one message, estimated if its text was never counted."""
    return (step.tokens or estimate_tokens(step.text)) + step.file_tokens + TOKENS_PER_MESSAGE


def _count_left_out(
    turn: list[PathStep], path: Iterator[PathStep], first_depth: Callable[[], int]
) -> int:
    """Count the messages of `turn` and of the rest of `path` that would have been sent.

    Answers before the first question belong to no turn and do not count. After
    `OMITTED_SCAN_LIMIT` messages the rest is counted by depth.
    """
    count = pending = 0
    for scanned, step in enumerate(chain(turn, path), start=1):
        if _is_sendable(step):
            pending += 1
            if step.role is Role.USER:
                count, pending = count + pending, 0
        if scanned == OMITTED_SCAN_LIMIT:
            return count + pending + max(0, step.depth - first_depth())
    return count
