"""The buffer of one running reply: what was written so far, how it stands, and who looks.

Written by the loop of `chat.replies.runner` alone; anyone may follow it, at their own pace.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from chat.domain.calls import NewCall
from chat.domain.ids import storable
from chat.domain.message import Message, Status, Usage
from chat.errors import NotFound, ParleyError, StoreFailed
from chat.providers.base import Delta
from chat.providers.openai_compatible.reasoning_tags import UnopenedThinkTag

LOOK_EVERY = 0.05  # seconds between two looks of a follower, at least
LOOKS = 300  # a second, of all followers together: each costs a redraw


@dataclass(frozen=True, slots=True)
class Piece:
    """What is new since the last look; both empty when nothing came."""

    text: str = ""
    reasoning: str = ""
    is_unstored: bool = False  # nothing more comes, but the database does not take the end


class Crowd:
    """Everybody who follows a reply in this process: the more they are, the less often each looks.

    Whoever takes long to draw what was found looks less often by themselves, and finds more.
    """

    def __init__(self) -> None:
        self._size = 0
        self._lock = threading.Lock()

    @property
    def pause(self) -> float:
        """Seconds between two looks."""
        return max(LOOK_EVERY, self._size / LOOKS)

    def __enter__(self) -> Crowd:
        with self._lock:
            self._size += 1
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._size -= 1


class Generation:
    """One running reply. Written by the loop alone; anyone may look."""

    def __init__(self, answer_id: str, crowd: Crowd | None = None) -> None:
        self.answer_id = answer_id
        self._crowd = crowd or Crowd()
        self.status = Status.STREAMING
        self.finish_reason: str | None = None
        self.usage: Usage | None = None
        self.failure: ParleyError | None = None
        self.retry_at: datetime | None = None
        self.first_token_ms: int | None = None
        self.reasoning_ms: int | None = None
        self.total_ms: int | None = None
        self.provider_label = "The provider"
        self.call: NewCall | None = None  # as the ledger knows it …
        self.sent_tokens = 0  # … and about what was sent, without the system prompt
        self.system_prompt = ""
        # What this call alone took; the others count what an answer took over several calls.
        self.own_usage: Usage | None = None
        self.own_first_token_ms: int | None = None
        self.own_total_ms: int | None = None
        self._texts: list[str] = []
        self._blanks: list[str] = []  # white space that becomes text with the first word
        self._reasonings: list[str] = []
        self._unopened = UnopenedThinkTag()
        self._watched_from = 0  # the first of the texts that it was fed
        self._before: Message | None = None
        self._began = 0.0
        self._thinking_since: float | None = None
        self._changed = threading.Condition()
        self._news = 0  # what nobody should wait to see: the first words, the last, the end
        self._is_over = False
        self.is_unstored = False
        self.task: asyncio.Task[None] | None = None
        self.stop_as: Status | None = None  # how it is to end, once somebody wants it to

    @property
    def text(self) -> str:
        return "".join(self._texts)

    @property
    def reasoning(self) -> str:
        return "".join(self._reasonings)

    def resume(self, answer: Message) -> None:
        """Go on where `answer` ended; what was measured then counts with what comes now."""
        if answer.text:
            self._texts.append(answer.text)
        if answer.reasoning:
            self._reasonings.append(answer.reasoning)
            self._watched_from = len(self._texts)
        else:  # it may have been cut while the model was thinking
            self._unopened.feed(answer.text)
        self._before = answer

    def own_text(self) -> tuple[str, str]:
        """Text and reasoning that this call brought."""
        before = self._before
        texts = self._texts[1:] if before and before.text else self._texts
        reasonings = self._reasonings[1:] if before and before.reasoning else self._reasonings
        return "".join(texts), "".join(reasonings)

    def follow(self) -> Iterator[Piece]:
        """All that was written so far, then what comes, about 20 times a second, to the end.

        The last words come before the end, which is when they are stored. Yields an empty piece
        when a look found nothing, so that the follower can be stopped. Ends early when what was
        told as text turns out to be thinking: whoever wants the rest follows anew.
        """
        all_texts, all_reasonings = self._texts, self._reasonings
        seen_texts = seen_reasonings = 0
        with self._crowd as crowd:
            while True:
                news, is_over = self._news, self._is_over
                if self._texts is not all_texts:
                    return
                texts, reasonings = all_texts[seen_texts:], all_reasonings[seen_reasonings:]
                seen_texts += len(texts)
                seen_reasonings += len(reasonings)
                yield Piece("".join(texts), "".join(reasonings), self.is_unstored)
                if is_over:
                    return
                with self._changed:
                    if self._news == news:
                        self._changed.wait(crowd.pause)

    def wait(self, seconds: float) -> bool:
        """Wait for the end to be stored; whether it was."""
        with self._changed:
            return self._changed.wait_for(lambda: self._is_over, seconds)

    def begin(self, now: float) -> None:
        self._began = now

    def add(self, delta: Delta, now: float) -> None:
        if self.status is not Status.STREAMING:
            return  # it was ended without waiting for the provider
        is_first = self.first_token_ms is None and bool(delta.text or delta.reasoning)
        if is_first:
            self.first_token_ms = round((now - self._began) * 1000)
        if delta.reasoning:
            self._unopened.ignore()
            if self._thinking_since is None and self._reasonings:
                self._reasonings.append("\n\n")
            self._thinking_since = self._thinking_since or now
            self._reasonings.append(storable(delta.reasoning))
        if delta.text and not self._texts and delta.text.isspace():
            self._blanks.append(delta.text)
        elif delta.text:
            self._end_thinking(now)
            self._texts.append("".join(self._blanks) + storable(delta.text))
            self._blanks.clear()
            if self._unopened.feed(self._texts[-1]):
                self._take_back(now)
        if delta.finish_reason:
            self.finish_reason = storable(delta.finish_reason)[:40]
        self.usage = delta.usage or self.usage
        if is_first or delta.finish_reason:
            self._tell()

    def settle(self, now: float) -> None:
        """Nothing more comes: what can only be told at the end, is told."""
        if self._unopened.finish():
            self._take_back(now)

    def _take_back(self, now: float) -> None:
        """What was told as text so far was thinking, up to a closing tag without an opening one.

        The lists are replaced, by which followers notice; the texts last, so that nothing is
        missing in what is saved meanwhile.
        """
        assert self._unopened.span is not None
        ends, begins = self._unopened.span
        watched = "".join(self._texts[self._watched_from :])
        thoughts, rest = watched[:ends], watched[begins:].lstrip()
        before, reasonings = self._before, self._reasonings.copy()
        if before is not None and before.text and not self._watched_from:
            reasonings.append(thoughts[: len(before.text)])
            thoughts = thoughts[len(before.text) :]
            self._before = replace(before, text="", reasoning=reasonings[0])
        elif reasonings and thoughts.strip():
            reasonings.append("\n\n")
        if thoughts.strip():
            reasonings.append(thoughts)
            self.reasoning_ms = round((now - self._began) * 1000) - (self.first_token_ms or 0)
        self._reasonings = reasonings
        self._texts = self._texts[: self._watched_from] + ([rest] if rest else [])
        self._tell()

    def _end_thinking(self, now: float) -> None:
        if self._thinking_since is not None and self.reasoning_ms is None:
            self.reasoning_ms = round((now - self._thinking_since) * 1000)

    def end(self, status: Status, now: float) -> None:
        self.settle(now)
        self._end_thinking(now)
        self.total_ms = round((now - self._began) * 1000)
        self.usage = _bounded(self.usage)
        self.own_usage, self.own_total_ms = self.usage, self.total_ms
        self.own_first_token_ms = self.first_token_ms
        if (before := self._before) is not None:
            self.total_ms += before.total_ms or 0
            self.first_token_ms = before.first_token_ms or self.first_token_ms
            if before.reasoning_ms is not None or self.reasoning_ms is not None:
                self.reasoning_ms = (before.reasoning_ms or 0) + (self.reasoning_ms or 0)
            # A part that nobody counted (it was stopped) leaves the whole uncounted.
            self.usage = _sum(before.usage, self.usage) if before.usage else None
            self.usage = _bounded(self.usage)
        self.status = status
        self._tell()

    def announce_end(self) -> None:
        """The end is stored: whoever draws the reply again finds it."""
        self._is_over = True
        self._tell()

    def _tell(self) -> None:
        with self._changed:
            self._news += 1
            self._changed.notify_all()


def _bounded(usage: Usage | None) -> Usage | None:
    """As much as the database takes, whatever a provider tells."""
    if usage is None:
        return None
    most = 2**31 - 1
    return replace(
        usage,
        prompt_tokens=min(usage.prompt_tokens, most),
        completion_tokens=min(usage.completion_tokens, most),
    )


def _sum(first: Usage | None, second: Usage | None) -> Usage | None:
    if first is None or second is None:
        return first or second
    return Usage(
        first.prompt_tokens + second.prompt_tokens,
        first.completion_tokens + second.completion_tokens,
        first.is_reported and second.is_reported,
    )


LOOK_AGAIN = 0.3  # seconds between looks


def follow_stored(answer: Message, look: Callable[[], Message]) -> Iterator[Piece]:
    """All of a reply so far, then what comes, until it is there to its end or deleted.

    Or until its text begins anew; see `Generation.follow`.
    """
    text, seen_reasoning, pause = "", 0, threading.Event()
    while answer.text.startswith(text):
        yield Piece(answer.text[len(text) :], answer.reasoning[seen_reasoning:])
        text, seen_reasoning = answer.text, len(answer.reasoning)
        if not answer.is_live:
            return
        pause.wait(LOOK_AGAIN)
        try:
            answer = look()
        except NotFound:  # deleted meanwhile: there is nothing more to come
            return
        except StoreFailed:  # the database may come back, and the reply may still be written
            continue
