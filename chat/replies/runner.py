"""Runs replies: one asyncio loop in one thread of ours for all of them, whatever the pages do.

The loop reads the provider's stream into a `Generation`, has it saved about once a second, and
ends it with one call to `finish`. It knows no store and no page: what is to be kept goes through
the two callbacks.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing
from typing import Any

from chat.domain.message import Status
from chat.errors import EmptyReply, OnlyReasoning, ParleyError, ReplyRunning, ServiceClosed
from chat.providers.base import Delta
from chat.replies.buffer import Crowd, Generation

log = logging.getLogger("chat.replies.runner")

SAVE_EVERY = 1.0  # seconds
# Seconds. An hour in all: a database that is restarted, moved or out of space comes back.
TRY_AGAIN_AFTER = (0.1, 0.5, 2.0, *[5.0] * 720)
CLOSE_WITHIN = 1.5  # seconds a provider gets to close its connection after a stop
STORED_WITHIN = 5.0  # seconds that all ends together get to be stored before the process ends
ENDED_WITHIN = 5.0  # seconds that what else runs on the loop gets to be cancelled

Save = Callable[[Generation], None]


class Replies:
    """All running replies of this process. `save` and `finish` are called off the loop."""

    def __init__(self, save: Save, finish: Save, *, clock: Callable[[], float] = time.monotonic):
        self._save, self._finish, self._clock = save, finish, clock
        self._running: dict[str, Generation] = {}
        self.crowd = Crowd()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False
        self._stored_by: float | None = None
        self._writers = ThreadPoolExecutor(4, thread_name_prefix="parley-save")

    def reserve(self, generation: Generation) -> None:
        """Make a reply known before it is stored, so that nobody takes it for abandoned.

        Raises `ReplyRunning` when the same answer is being written already.
        """
        with self._lock:
            known = self._running.get(generation.answer_id)
            if known is not None and known.status is Status.STREAMING:
                raise ReplyRunning
            self._running[generation.answer_id] = generation

    def release(self, generation: Generation) -> None:
        """Forget a reply that is over, or was not begun after all."""
        with self._lock:
            if self._running.get(generation.answer_id) is generation:
                del self._running[generation.answer_id]

    def start(self, generation: Generation, stream: AsyncIterator[Delta]) -> None:
        """Begin a reserved reply."""
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

    def running(self) -> list[Generation]:
        """The replies being written in this process."""
        with self._lock:
            return list(self._running.values())

    def write_soon(self, write: Callable[[], object]) -> None:
        """Do something with the database that nobody waits for, a few times if it fails."""

        def attempt(pauses: tuple[float, ...]) -> None:
            try:
                write()
            except Exception as error:  # a busy or vanished database may come back
                log.error("something could not be written yet", exc_info=not _is_known(error))
                if pauses:
                    with contextlib.suppress(ServiceClosed, RuntimeError):
                        loop = self._running_loop()
                        again = (pauses[0], begin, pauses[1:])
                        loop.call_soon_threadsafe(loop.call_later, *again)

        def begin(pauses: tuple[float, ...]) -> None:
            with contextlib.suppress(RuntimeError):  # the process is about to end
                self._writers.submit(attempt, pauses)

        begin(TRY_AGAIN_AFTER)

    def submit(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        """Run a coroutine on the loop of the replies."""
        return asyncio.run_coroutine_threadsafe(work, self._running_loop())

    def tell_all(self) -> None:
        """Interrupt every reply; `wait_for_all` waits until each is stored with its text so far."""
        for generation in self.running():
            self._running_loop().call_soon_threadsafe(self._cancel, generation, Status.INTERRUPTED)
        if self._stored_by is None:  # what could not be stored by then is not waited for again
            self._stored_by = self._clock() + STORED_WITHIN

    def wait_for_all(self) -> None:
        """Unless the database is away: then what was saved before is what stays."""
        for generation in self.running():
            generation.wait(self._left())

    def interrupt(self) -> None:
        self.tell_all()
        self.wait_for_all()

    def _left(self) -> float:
        """Seconds that ends still get to be stored, once all are told."""
        return max(0.0, (self._stored_by or 0.0) - self._clock())

    def settle(self, seconds: float) -> None:
        """Give what else runs on the loop, such as a look for models, that long to end.

        A connection that is cancelled while it is being made is left open by asyncio.
        """
        self.submit(wait_for_the_rest(seconds)).result(timeout=seconds + 5)

    def close(self) -> None:
        """End the loop, interrupting what still runs. Nothing can be begun afterwards."""
        self.interrupt()
        with self._lock:
            self._is_closed = True
            loop, thread = self._loop, self._thread
        if loop is not None and thread is not None:
            try:
                asyncio.run_coroutine_threadsafe(cancel_the_rest(), loop).result(ENDED_WITHIN)
            except TimeoutError:
                log.warning("something on the loop of the replies did not end in time")
            loop.call_soon_threadsafe(loop.stop)
            thread.join(ENDED_WITHIN)
            if not loop.is_running():
                loop.close()
        # A writer may wait for the database longer than anybody does for it.
        ending = threading.Thread(target=self._writers.shutdown, daemon=True)
        ending.start()
        ending.join(self._left())

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._is_closed:
                raise ServiceClosed
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                # asyncio looks names up in this pool, a few threads by default: providers whose
                # name servers do not answer must not hold up everybody else.
                self._loop.set_default_executor(
                    ThreadPoolExecutor(64, thread_name_prefix="parley-lookup")
                )
                self._thread = threading.Thread(
                    target=turn, args=(self._loop,), name="parley-replies", daemon=True
                )
                self._thread.start()
            return self._loop

    @staticmethod
    def _cancel(generation: Generation, status: Status) -> None:
        generation.stop_as = status
        if generation.task is not None:
            generation.task.cancel()

    async def _run(self, generation: Generation, stream: AsyncIterator[Delta]) -> None:
        generation.begin(self._clock())
        is_over = asyncio.Event()
        saver = asyncio.create_task(self._save_regularly(generation, is_over))
        generation.task = asyncio.create_task(self._read(generation, stream))
        if generation.stop_as:
            generation.task.cancel()
        try:
            status = await self._outcome(generation)
            is_over.set()
            await saver
            generation.end(status, self._clock())
            await self._store_end(generation)
        finally:  # whatever ended this: nobody waits for a reply that nobody writes
            is_over.set()
            generation.task.cancel()
            self.release(generation)
            generation.announce_end()

    async def _read(self, generation: Generation, stream: AsyncIterator[Delta]) -> None:
        async with aclosing(stream) as deltas:  # type: ignore[type-var]
            async for delta in deltas:
                generation.add(delta, self._clock())
        generation.settle(self._clock())

    async def _outcome(self, generation: Generation) -> Status:
        task = generation.task
        assert task is not None
        while not task.done():
            # A provider that hangs while closing must not keep a stopped reply open.
            within = CLOSE_WITHIN if generation.stop_as else None
            done, _ = await asyncio.wait({task}, timeout=within or 1.0)
            if not done and within is not None:
                log.warning(
                    "reply %s: the provider did not close in time",
                    generation.answer_id,
                    extra=_named(generation),
                )
                task.cancel()
                return generation.stop_as or Status.STOPPED
        if task.cancelled():
            return generation.stop_as or Status.STOPPED
        error = task.exception()
        if error is None and not generation.text:
            kind = OnlyReasoning if generation.reasoning.strip() else EmptyReply
            error = kind(generation.provider_label)
        if error is None:
            return Status.COMPLETE
        if generation.stop_as:
            return generation.stop_as
        if not isinstance(error, ParleyError):
            log.error(
                "reply %s failed", generation.answer_id, exc_info=error, extra=_named(generation)
            )
            error = ParleyError(details=type(error).__name__)
        generation.failure = error
        generation.retry_at = getattr(error, "retry_at", None)
        return Status.FAILED

    async def _save_regularly(self, generation: Generation, is_over: asyncio.Event) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SAVE_EVERY):
                    await is_over.wait()
            if is_over.is_set():
                return
            try:
                await self._write(self._save, generation)
            except Exception as error:  # the text is in memory; the next second tries again
                log.error(
                    "reply %s: could not be saved for now",
                    generation.answer_id,
                    exc_info=not _is_known(error),
                    extra=_named(generation),
                )

    async def _store_end(self, generation: Generation) -> None:
        """Try until it is stored: people have read this text."""
        for pause in (*TRY_AGAIN_AFTER, None):
            try:
                return await self._write(self._finish, generation)
            except Exception as error:  # a busy or vanished database may come back
                log.error(
                    "reply %s: its end is not stored yet",
                    generation.answer_id,
                    exc_info=not _is_known(error),
                    extra=_named(generation),
                )
                generation.is_unstored = True
            if pause is None:
                return None
            await asyncio.sleep(pause)
        return None

    async def _write(self, write: Save, generation: Generation) -> None:
        loop = asyncio.get_running_loop()
        here = contextvars.copy_context()  # a thread of the pool knows no request
        await loop.run_in_executor(self._writers, here.run, write, generation)


def _named(generation: Generation) -> dict[str, str]:
    """For a line of the log that machines read."""
    return {"answer_id": generation.answer_id}


def _is_known(error: Exception) -> bool:
    """Whether its cause is logged already where it was met."""
    return isinstance(error, ParleyError)


log = logging.getLogger("chat.replies.runner")


def turn(loop: asyncio.AbstractEventLoop) -> None:
    """Run the loop until it is stopped.

    What asyncio lets through, such as `SystemExit`, ends one task; it must not end everybody's.
    """
    while True:
        try:
            return loop.run_forever()
        except BaseException:
            log.critical("the loop of the replies was thrown out, and goes on", exc_info=True)


async def wait_for_the_rest(seconds: float) -> None:
    if rest := _rest():
        await asyncio.wait(rest, timeout=seconds)


async def cancel_the_rest() -> None:
    rest = _rest()
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)


def _rest() -> set[asyncio.Task[object]]:
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}
