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
from chat.domain.token_estimate import TOKENS_PER_MESSAGE, estimate_tokens

OMITTED_SCAN_LIMIT = 40  # messages beyond the budget that are looked at to count what is left out


class PathStep(NamedTuple):
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
    def of(cls, message: Message) -> PathStep:
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


class SentMessage(NamedTuple):
    """What is sent of one message."""

    id: str
    role: Role
    text: str
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True)
class ContextWindow:
    """What of a path is sent. `used_tokens` exceeds `available_tokens` only for one long turn."""

    ids: tuple[str, ...]  # of the messages that are sent, oldest first
    left_out: int  # messages that are not sent because of the budget or the turns' limit
    begins_at_id: str | None  # the first message that is sent
    used_tokens: int
    available_tokens: int
    is_exact: bool  # whether every message that is sent was counted, not estimated


def token_budget(
    *, max_tokens: int, system_tokens: int, window_tokens: int | None, reserve_tokens: int
) -> int:
    """Tokens there are for the turns: the smaller of the limit and the window less the reply."""
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
    first_depth: int = 0,
) -> ContextWindow:
    """The newest whole turns within the budget; the last turn always goes.

    A turn is a question and what follows until the next one. The path comes newest first, ends
    where the context begins, and is read little further than it is sent. `first_depth` is the
    depth of the oldest message of the context; it serves to count what was not even looked at.
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
    """Tokens of one message; text that was never counted (its process died) is estimated."""
    return (step.tokens or estimate_tokens(step.text)) + step.file_tokens + TOKENS_PER_MESSAGE


def _count_left_out(turn: list[PathStep], path: Iterator[PathStep], first_depth: int) -> int:
    """How many messages are not sent: those of `turn`, and those further up.

    Answers above the first question belong to no turn and would not be sent anyway.
    """
    count = pending = 0
    for looked, message in enumerate(chain(turn, path), start=1):
        if _is_sendable(message):
            pending += 1
            if message.role is Role.USER:
                count, pending = count + pending, 0
        if looked == OMITTED_SCAN_LIMIT:
            return count + pending + max(0, message.depth - first_depth)
    return count
