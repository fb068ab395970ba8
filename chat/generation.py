"""Runs replies: one asyncio loop in one thread of ours for all of them, whatever the pages do.

A `Generation` is the buffer of one running reply; pages look at it at their own pace. The loop
appends to it, has it saved about once a second, and ends it with one call to `finish`. It knows
no store and no page: what is to be kept goes through the two callbacks.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chat.domain import Status, Usage
from chat.errors import EmptyReply, ParleyError
from chat.providers.base import Delta

log = logging.getLogger("chat.generation")

LOOK_EVERY = 0.05  # seconds between two looks of a follower
SAVE_EVERY = 1.0
CLOSE_WITHIN = 1.5  # seconds a provider gets to close its connection after a stop


@dataclass(frozen=True, slots=True)
class Piece:
    """What is new since the last look; both empty when nothing came."""

    text: str = ""
    reasoning: str = ""


class Generation:
    """One running reply. Written by the loop alone; anyone may look."""

    def __init__(self, answer_id: str, text: str = "", reasoning: str = "") -> None:
        self.answer_id = answer_id
        self.status = Status.STREAMING
        self.finish_reason: str | None = None
        self.usage: Usage | None = None
        self.failure: ParleyError | None = None
        self.retry_at: datetime | None = None
        self.first_token_ms: int | None = None
        self.reasoning_ms: int | None = None
        self.total_ms: int | None = None
        self.provider_label = "The provider"
        self._texts = [text] if text else []
        self._reasonings = [reasoning] if reasoning else []
        self._had_text = bool(text)
        self._began = 0.0
        self._thinking_since: float | None = None
        self._changed = threading.Condition()
        self._is_over = False
        self._task: asyncio.Task[None] | None = None
        self._stop_as: Status | None = None  # how it is to end, once somebody wants it to

    @property
    def text(self) -> str:
        return "".join(self._texts)

    @property
    def reasoning(self) -> str:
        return "".join(self._reasonings)

    def follow(self) -> Iterator[Piece]:
        """All that was written so far, then what comes, about 20 times a second, to the end.

        Yields an empty piece when a look found nothing, so that the follower can be stopped.
        """
        seen_texts = seen_reasonings = 0
        while True:
            is_over = self._is_over
            texts, reasonings = self._texts[seen_texts:], self._reasonings[seen_reasonings:]
            seen_texts += len(texts)
            seen_reasonings += len(reasonings)
            yield Piece("".join(texts), "".join(reasonings))
            if is_over:
                return
            with self._changed:
                if not self._is_over:
                    self._changed.wait(LOOK_EVERY)

    def wait(self, seconds: float) -> bool:
        """Wait for the end to be stored; whether it was."""
        with self._changed:
            return self._changed.wait_for(lambda: self._is_over, seconds)

    def _begin(self, now: float) -> None:
        self._began = now

    def _add(self, delta: Delta, now: float) -> None:
        is_first = self.first_token_ms is None and bool(delta.text or delta.reasoning)
        if is_first:
            self.first_token_ms = round((now - self._began) * 1000)
        if delta.reasoning:
            self._thinking_since = self._thinking_since or now
            self._reasonings.append(delta.reasoning)
        if delta.text:
            self._end_thinking(now)
            self._texts.append(delta.text)
        if delta.finish_reason:
            self.finish_reason = delta.finish_reason
        self.usage = delta.usage or self.usage
        if is_first:
            with self._changed:
                self._changed.notify_all()

    def _end_thinking(self, now: float) -> None:
        if self._thinking_since is not None and self.reasoning_ms is None:
            self.reasoning_ms = round((now - self._thinking_since) * 1000)

    def _end(self, status: Status, now: float) -> None:
        self._end_thinking(now)
        self.total_ms = round((now - self._began) * 1000)
        self.status = status

    def _announce_end(self) -> None:
        with self._changed:
            self._is_over = True
            self._changed.notify_all()


Save = Callable[[Generation], None]


class Replies:
    """All running replies of this process. `save` and `finish` are called off the loop."""

    def __init__(self, save: Save, finish: Save, *, clock: Callable[[], float] = time.monotonic):
        self._save, self._finish, self._clock = save, finish, clock
        self._running: dict[str, Generation] = {}
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._writers = ThreadPoolExecutor(4, thread_name_prefix="parley-save")

    def reserve(self, generation: Generation) -> None:
        """Make a reply known before it is stored, so that nobody takes it for abandoned."""
        with self._lock:
            self._running[generation.answer_id] = generation

    def release(self, answer_id: str) -> None:
        """Forget a reserved reply that was not begun after all."""
        with self._lock:
            self._running.pop(answer_id, None)

    def start(self, generation: Generation, stream: AsyncIterator[Delta]) -> None:
        self.reserve(generation)
        self.submit(self._run(generation, stream))

    def get(self, answer_id: str) -> Generation | None:
        with self._lock:
            return self._running.get(answer_id)

    def stop(self, answer_id: str, wait: float = 2.0) -> bool:
        """End a reply, keeping its text; waits up to `wait` seconds for the end to be stored.

        Returns whether the reply was running here.
        """
        generation = self.get(answer_id)
        if generation is None:
            return False
        self._running_loop().call_soon_threadsafe(self._cancel, generation, Status.STOPPED)
        generation.wait(wait)
        return True

    def submit(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        """Run a coroutine on the loop of the replies."""
        return asyncio.run_coroutine_threadsafe(work, self._running_loop())

    def close(self) -> None:
        """Interrupt every reply, each stored with the text so far, then end the loop."""
        with self._lock:
            running = list(self._running.values())
            loop, self._loop = self._loop, None
        if loop is not None:
            for generation in running:
                loop.call_soon_threadsafe(self._cancel, generation, Status.INTERRUPTED)
            for generation in running:
                generation.wait(5.0)
            asyncio.run_coroutine_threadsafe(_cancel_the_rest(), loop).result(timeout=5)
            loop.call_soon_threadsafe(loop.stop)
            if self._thread is not None:
                self._thread.join(timeout=5)
            if not loop.is_running():
                loop.close()
        self._writers.shutdown(wait=True)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                # asyncio looks names up in this pool, a few threads by default: providers whose
                # name servers do not answer must not hold up everybody else.
                self._loop.set_default_executor(
                    ThreadPoolExecutor(64, thread_name_prefix="parley-lookup")
                )
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="parley-replies", daemon=True
                )
                self._thread.start()
            return self._loop

    @staticmethod
    def _cancel(generation: Generation, status: Status) -> None:
        generation._stop_as = status
        if generation._task is not None:
            generation._task.cancel()

    async def _run(self, generation: Generation, stream: AsyncIterator[Delta]) -> None:
        generation._begin(self._clock())
        saver = asyncio.create_task(self._save_regularly(generation))
        generation._task = asyncio.create_task(self._read(generation, stream))
        if generation._stop_as:
            generation._task.cancel()
        status = await self._outcome(generation)
        saver.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await saver
        generation._end(status, self._clock())
        await self._store_end(generation)
        self.release(generation.answer_id)
        generation._announce_end()

    async def _read(self, generation: Generation, stream: AsyncIterator[Delta]) -> None:
        async with aclosing(stream) as deltas:  # type: ignore[type-var]
            async for delta in deltas:
                generation._add(delta, self._clock())

    async def _outcome(self, generation: Generation) -> Status:
        task = generation._task
        assert task is not None
        while not task.done():
            # A provider that hangs while closing must not keep a stopped reply open.
            within = CLOSE_WITHIN if generation._stop_as else None
            done, _ = await asyncio.wait({task}, timeout=within or 1.0)
            if not done and within is not None:
                log.warning("reply %s: the provider did not close in time", generation.answer_id)
                return generation._stop_as or Status.STOPPED
        if task.cancelled():
            return generation._stop_as or Status.STOPPED
        error = task.exception()
        if error is None and not (generation.text or generation.reasoning):
            error = EmptyReply(generation.provider_label)
        if error is None:
            return Status.COMPLETE
        if generation._stop_as:
            return generation._stop_as
        if not isinstance(error, ParleyError):
            log.error("reply %s failed", generation.answer_id, exc_info=error)
            error = ParleyError(details=type(error).__name__)
        generation.failure = error
        generation.retry_at = getattr(error, "retry_at", None)
        return Status.FAILED

    async def _save_regularly(self, generation: Generation) -> None:
        while True:
            await asyncio.sleep(SAVE_EVERY)
            try:
                await self._write(self._save, generation)
            except Exception:  # the text is still in memory; the next second tries again
                log.exception("reply %s: could not be saved for now", generation.answer_id)

    async def _store_end(self, generation: Generation) -> None:
        for pause in (0.1, 0.5, 2.0, 5.0, None):
            try:
                return await self._write(self._finish, generation)
            except Exception:  # a busy or vanished database may come back
                log.exception("reply %s: its end could not be stored", generation.answer_id)
                if pause is None:
                    return None
                await asyncio.sleep(pause)
        return None

    async def _write(self, write: Save, generation: Generation) -> None:
        # Shielded: a write that has begun is finished, so that two never overlap.
        loop = asyncio.get_running_loop()
        await asyncio.shield(loop.run_in_executor(self._writers, write, generation))


async def _cancel_the_rest() -> None:
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
