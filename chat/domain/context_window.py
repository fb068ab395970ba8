"""What is sent to the model: the newest whole turns of a path that fit the budget.

Pure: it reads a path as far as it must, and knows neither where it comes from nor who asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from chat.domain.attachment import Attachment
from chat.domain.message import Message, Role
from chat.domain.token_estimate import PER_MESSAGE, estimate

LOOK_BACK = 40  # messages beyond the budget that are looked at to count what is left out


class Step(NamedTuple):
    """One message of a path, as far as it matters for what is sent. Hundreds are made at a time."""

    id: str
    parent_id: str | None
    depth: int
    role: Role
    text: str  # all of it only when it was never counted
    tokens: int  # of the text
    is_exact: bool  # whether text and files were counted, not estimated
    is_live: bool = False
    is_deleted: bool = False
    files: int = 0
    file_tokens: int = 0

    @classmethod
    def of(cls, message: Message) -> Step:
        files = message.attachments
        return cls(
            id=message.id,
            parent_id=message.parent_id,
            depth=message.depth,
            role=message.role,
            text=message.text,
            tokens=message.tokens,
            is_exact=message.is_exact and all(file.is_exact for file in files),
            is_live=message.is_live,
            is_deleted=message.is_deleted,
            files=len(files),
            file_tokens=sum(file.tokens for file in files),
        )


class Said(NamedTuple):
    """What is sent of one message."""

    id: str
    role: Role
    text: str
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True)
class Fit:
    """What of a path is sent. `used_tokens` exceeds `available_tokens` only for one long turn."""

    ids: tuple[str, ...]  # of the messages that are sent, oldest first
    left_out: int  # messages that are not sent because of the budget or the turns' limit
    begins_at_id: str | None  # the first message that is sent
    used_tokens: int
    available_tokens: int
    is_exact: bool  # whether every message that is sent was counted, not estimated


def budget(
    *, max_tokens: int, system_tokens: int, window_tokens: int | None, reserve_tokens: int
) -> int:
    """Tokens there are for the turns: the smaller of the limit and the window less the reply."""
    room = max_tokens
    if window_tokens is not None:
        room = min(room, window_tokens - reserve_tokens)
    return max(0, room - (system_tokens + PER_MESSAGE if system_tokens else 0))


def fit(
    newest_first: Iterable[Step],
    *,
    max_tokens: int,
    max_turns: int | None,
    system_tokens: int,
    window_tokens: int | None,
    reserve_tokens: int,
    first_depth: int = 0,
) -> Fit:
    """The newest whole turns within the budget; the last turn always goes.

    A turn is a question and what follows until the next one. The path comes newest first, ends
    where the context begins, and is read little further than it is sent. `first_depth` is the
    depth of the oldest message of the context; it serves to count what was not even looked at.
    """
    available = budget(
        max_tokens=max_tokens,
        system_tokens=system_tokens,
        window_tokens=window_tokens,
        reserve_tokens=reserve_tokens,
    )
    path = iter(newest_first)
    sent: list[Step] = []
    turn: list[Step] = []
    used = cost = turns = left_out = 0
    for message in path:
        if not _is_sendable(message):
            continue
        turn.append(message)
        cost += _cost(message)
        if turns and (used + cost > available or turns == max_turns):
            left_out = _count_left_out(turn, path, first_depth)
            break
        if message.role is Role.USER:
            sent += turn
            used += cost
            turns += 1
            turn, cost = [], 0
    sent.reverse()
    return Fit(
        ids=tuple(step.id for step in sent),
        left_out=left_out,
        begins_at_id=sent[0].id if sent else None,
        used_tokens=used,
        available_tokens=available,
        is_exact=all(step.is_exact for step in sent),
    )


def _is_sendable(step: Step) -> bool:
    if step.is_deleted or step.is_live:
        return False
    return bool(step.text.strip() or step.files)


def _cost(step: Step) -> int:
    """Tokens of one message; text that was never counted (its process died) is estimated."""
    return (step.tokens or estimate(step.text)) + step.file_tokens + PER_MESSAGE


def _count_left_out(turn: list[Step], path: Iterator[Step], first_depth: int) -> int:
    """How many messages are not sent: those of `turn`, and those further up.

    Answers above the first question belong to no turn and would not be sent anyway.
    """
    count = pending = 0
    for looked, message in enumerate(chain(turn, path), start=1):
        if _is_sendable(message):
            pending += 1
            if message.role is Role.USER:
                count, pending = count + pending, 0
        if looked == LOOK_BACK:
            return count + pending + max(0, message.depth - first_depth)
    return count
