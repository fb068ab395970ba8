"""A reply while it runs: its buffer, its timings, and how it ends."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from chat.domain.calls import CallRecord, NewCall
from chat.domain.ids import storable
from chat.domain.message import Message, Status, Usage
from chat.errors import ParleyError
from chat.providers.base import Delta
from chat.replies.buffer import FollowerCount, ReplyBuffer

MAX_STORED_INT = 2**31 - 1  # of an INTEGER column


class ReplySink(Protocol):
    """Storage of a reply. Called off the event loop; may raise while the database is away."""

    def save(self, reply: RunningReply) -> None:
        """Store the text so far."""
        ...

    def finish(self, reply: RunningReply) -> None:
        """Store the final state."""
        ...


class RunningReply:
    """One reply between its reservation and its stored end. Written by the event loop only."""

    def __init__(
        self, answer_id: str, sink: ReplySink, followers: FollowerCount | None = None
    ) -> None:
        self.answer_id, self.sink = answer_id, sink
        self.buffer = ReplyBuffer(followers)
        self.status = Status.STREAMING
        self.finish_reason: str | None = None
        self.failure: ParleyError | None = None
        self.retry_at: datetime | None = None
        self.provider_label = "The provider"
        self.call: NewCall | None = None
        self.sent_tokens = 0  # an estimate, without the system prompt
        self.system_prompt = ""
        self.task: asyncio.Task[None] | None = None
        self.stop_as: Status | None = None  # the status to end with, once a stop was requested
        # Totals of the answer, over all calls that it took.
        self.usage: Usage | None = None
        self.first_token_ms: int | None = None
        self.reasoning_ms: int | None = None
        self.total_ms: int | None = None
        self._call_usage: Usage | None = None
        self._call_first_token_ms: int | None = None
        self._call_total_ms: int | None = None
        self._resumed: Message | None = None
        self._started_at = 0.0
        self._reasoning_since: float | None = None

    def resume(self, answer: Message) -> None:
        """Continue `answer`; its measurements are added to those of this call."""
        self._resumed = answer
        self.buffer.resume(answer.text, answer.reasoning)

    def begin(self, now: float) -> None:
        self._started_at = now

    def add(self, delta: Delta, now: float) -> None:
        if self.status is not Status.STREAMING:
            return  # ended before the provider closed its stream
        is_first = self.first_token_ms is None and bool(delta.text or delta.reasoning)
        if is_first:
            self.first_token_ms = self._elapsed_ms(now)
        if delta.reasoning:
            self.buffer.add_reasoning(delta.reasoning, is_new_block=self._reasoning_since is None)
            self._reasoning_since = self._reasoning_since or now
        if delta.text and self.buffer.add_text(delta.text):
            self._end_reasoning(now)
            if self.buffer.closes_unopened_tag():
                self._reclassify(now)
        if delta.finish_reason:
            self.finish_reason = storable(delta.finish_reason)[:40]
        self.usage = delta.usage or self.usage
        self.failure = delta.problem or self.failure
        if is_first or delta.finish_reason:
            self.buffer.notify()

    def settle(self, now: float) -> None:
        """Classify text that depended on what followed; call when the stream has ended."""
        if self.buffer.ends_with_unopened_tag():
            self._reclassify(now)

    def end(self, status: Status, now: float) -> None:
        self.settle(now)
        self._end_reasoning(now)
        self.total_ms = self._elapsed_ms(now)
        self.usage = _clamped(self.usage)
        self._call_usage, self._call_total_ms = self.usage, self.total_ms
        self._call_first_token_ms = self.first_token_ms
        if (resumed := self._resumed) is not None:
            self.total_ms += resumed.total_ms or 0
            self.first_token_ms = resumed.first_token_ms or self.first_token_ms
            if resumed.reasoning_ms is not None or self.reasoning_ms is not None:
                self.reasoning_ms = (resumed.reasoning_ms or 0) + (self.reasoning_ms or 0)
            # A stopped part without reported usage leaves the usage of the whole unknown.
            self.usage = _sum(resumed.usage, self.usage) if resumed.usage else None
            self.usage = _clamped(self.usage)
        self.status = status
        self.buffer.notify()

    def record(self) -> CallRecord:
        """Return the measurements of this call, without those of the answer it continues."""
        text, reasoning = self.buffer.appended()
        return CallRecord(
            status=self.status,
            text=text,
            reasoning=reasoning,
            usage=self._call_usage,
            first_token_ms=self._call_first_token_ms,
            total_ms=self._call_total_ms,
            error_code=self.failure.code if self.failure else None,
            finish_reason=self.finish_reason,
            sent_tokens=self.sent_tokens,
            system_prompt=self.system_prompt,
        )

    def _reclassify(self, now: float) -> None:
        if self.buffer.reclassify_as_reasoning():
            self.reasoning_ms = self._elapsed_ms(now) - (self.first_token_ms or 0)

    def _end_reasoning(self, now: float) -> None:
        if self._reasoning_since is not None and self.reasoning_ms is None:
            self.reasoning_ms = round((now - self._reasoning_since) * 1000)

    def _elapsed_ms(self, now: float) -> int:
        return round((now - self._started_at) * 1000)


def _clamped(usage: Usage | None) -> Usage | None:
    """Limit reported counts to what the database stores."""
    if usage is None:
        return None
    return replace(
        usage,
        prompt_tokens=min(usage.prompt_tokens, MAX_STORED_INT),
        completion_tokens=min(usage.completion_tokens, MAX_STORED_INT),
    )


def _sum(first: Usage | None, second: Usage | None) -> Usage | None:
    if first is None or second is None:
        return first or second
    return Usage(
        first.prompt_tokens + second.prompt_tokens,
        first.completion_tokens + second.completion_tokens,
        first.is_reported and second.is_reported,
    )
