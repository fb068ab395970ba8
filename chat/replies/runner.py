"""Runs all replies of a process on one asyncio event loop in one thread.

The loop reads a provider's stream into a `RunningReply`, saves its text about once a second, and
stores its end. It knows no database: `RunningReply.sink` does the storing, in `BackgroundWriter`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing
from typing import Any

from chat.domain.message import Status
from chat.errors import EmptyReply, OnlyReasoning, ParleyError, ReplyRunning, ServiceClosed
from chat.observability.failure_log import FailureLog
from chat.providers.base import Delta
from chat.replies.background_writer import BackgroundWriter
from chat.replies.buffer import FollowerCount
from chat.replies.running_reply import RunningReply

log = logging.getLogger("chat.replies.runner")

SAVE_INTERVAL = 1.0  # seconds
CLOSE_TIMEOUT = 1.5  # seconds for a provider to close its connection after a stop
STORE_TIMEOUT = 5.0  # seconds for all replies together to be stored when the process ends
LOOP_TIMEOUT = 5.0  # seconds for the event loop to end


class ReplyRunner:
    """The running replies of this process, and the event loop they run on."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._running: dict[str, RunningReply] = {}
        self.followers = FollowerCount()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self.is_ending = False  # no reply starts any more; other work still runs
        self._is_closed = False
        self._store_deadline: float | None = None
        self._writer = BackgroundWriter()

    def reserve(self, reply: RunningReply) -> None:
        """Register a reply before it is stored, so that recovery does not take it for abandoned.

        Raises `ReplyRunning` while an earlier run of the same answer is not stored yet.
        """
        with self._lock:
            if reply.answer_id in self._running:
                raise ReplyRunning
            self._running[reply.answer_id] = reply

    def release(self, reply: RunningReply) -> None:
        """Unregister a reply that has ended or was not stored."""
        with self._lock:
            if self._running.get(reply.answer_id) is reply:
                del self._running[reply.answer_id]

    def start(self, reply: RunningReply, stream: AsyncIterator[Delta]) -> None:
        """Run a reserved reply. At shutdown, mark it as interrupted; the question is kept."""
        try:
            if self.is_ending:  # its provider is about to be closed
                raise ServiceClosed
            self.submit(self._run(reply, stream))
        except ServiceClosed:
            reply.sent_tokens, reply.system_prompt = 0, ""  # no provider was called
            reply.begin(self._clock())
            reply.end(Status.INTERRUPTED, self._clock())
            try:
                reply.sink.finish(reply)
            except ParleyError as error:  # the next start marks it as interrupted
                log.error("reply %s: its end was not stored: %s", reply.answer_id, error)
            finally:
                self.release(reply)
                reply.buffer.close()

    def get(self, answer_id: str) -> RunningReply | None:
        with self._lock:
            return self._running.get(answer_id)

    def stop(self, answer_id: str, wait: float = 2.0) -> bool:
        """Stop a reply and keep its text; wait up to `wait` seconds until it is stored.

        Returns False if the reply does not run in this process.
        """
        reply = self.get(answer_id)
        if reply is None:
            return False
        self._running_loop().call_soon_threadsafe(self._cancel, reply, Status.STOPPED)
        reply.buffer.wait(wait)
        return True

    def running(self) -> list[RunningReply]:
        with self._lock:
            return list(self._running.values())

    def write_soon(self, operation: str, write: Callable[[], object]) -> None:
        """Write to the database in the background; retry if that fails."""
        self._writer.write_soon(operation, write, self.submit)

    def submit(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        """Run a coroutine on the event loop. Raises `ServiceClosed` and closes the coroutine."""
        try:
            return asyncio.run_coroutine_threadsafe(work, self._running_loop())
        except ServiceClosed:
            work.close()
            raise

    def interrupt_all(self) -> None:
        """Ask every reply to end as interrupted; `wait_for_all` waits until they are stored.

        A reply that is reserved or started later ends as interrupted as well.
        """
        self.is_ending = True  # before the list is read, so that no reply is missed
        for reply in self.running():
            self._running_loop().call_soon_threadsafe(self._cancel, reply, Status.INTERRUPTED)
        if self._store_deadline is None:  # set once: a second call does not wait again
            self._store_deadline = self._clock() + STORE_TIMEOUT

    def wait_for_all(self) -> None:
        """Wait until all replies are stored, up to `STORE_TIMEOUT` seconds after the interrupt."""
        for reply in self.running():
            reply.buffer.wait(self._remaining())

    def drain(self, seconds: float) -> None:
        """Wait up to `seconds` for the other tasks of the loop, such as model discovery.

        asyncio leaks a connection that is cancelled while it is being established.
        """
        self.submit(_wait_for_tasks(seconds)).result(timeout=seconds + 5)

    def close(self) -> None:
        """Interrupt the running replies, wait until they are stored, and end the loop."""
        if self._is_closed:
            return
        self.interrupt_all()
        self.wait_for_all()
        with self._lock:
            self._is_closed = True
            loop, thread = self._loop, self._thread
        if loop is not None and thread is not None:
            try:
                asyncio.run_coroutine_threadsafe(_cancel_tasks(), loop).result(LOOP_TIMEOUT)
            except TimeoutError:
                log.warning("a task of the reply loop did not end in time")
            loop.call_soon_threadsafe(loop.stop)
            thread.join(LOOP_TIMEOUT)
            if not loop.is_running():
                loop.close()
        self._writer.close(self._remaining())

    def _remaining(self) -> float:
        return max(0.0, (self._store_deadline or 0.0) - self._clock())

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._is_closed:
                raise ServiceClosed
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                # asyncio resolves names in this pool. The default of a few threads would let
                # providers with unresponsive name servers block all others.
                self._loop.set_default_executor(
                    ThreadPoolExecutor(64, thread_name_prefix="parley-lookup")
                )
                self._thread = threading.Thread(
                    target=_run_loop, args=(self._loop,), name="parley-replies", daemon=True
                )
                self._thread.start()
            return self._loop

    @staticmethod
    def _cancel(reply: RunningReply, status: Status) -> None:
        reply.stop_as = status
        if reply.task is not None:
            reply.task.cancel()

    async def _run(self, reply: RunningReply, stream: AsyncIterator[Delta]) -> None:
        reply.begin(self._clock())
        has_ended = asyncio.Event()
        saver = asyncio.create_task(self._save_regularly(reply, has_ended))
        reply.task = asyncio.create_task(self._read(reply, stream))
        if reply.stop_as:
            reply.task.cancel()
        try:
            status = await self._final_status(reply)
            has_ended.set()
            await saver
            reply.end(status, self._clock())
            await self._writer.write_with_retries(
                f"storing the end of reply {reply.answer_id}",
                lambda: reply.sink.finish(reply),
                on_failure=lambda: setattr(reply.buffer, "is_unstored", True),
                answer_id=reply.answer_id,
            )
        finally:  # followers and recovery must never wait for a reply without a writer
            has_ended.set()
            reply.task.cancel()
            self.release(reply)
            reply.buffer.close()

    async def _read(self, reply: RunningReply, stream: AsyncIterator[Delta]) -> None:
        async with aclosing(stream) as deltas:  # type: ignore[type-var]
            async for delta in deltas:
                reply.add(delta, self._clock())
        reply.settle(self._clock())

    async def _final_status(self, reply: RunningReply) -> Status:
        task = reply.task
        assert task is not None
        while not task.done():
            # A provider that hangs while closing must not keep a stopped reply open.
            timeout = CLOSE_TIMEOUT if reply.stop_as else None
            done, _ = await asyncio.wait({task}, timeout=timeout or 1.0)
            if not done and timeout is not None:
                log.warning(
                    "reply %s: the provider did not close in time",
                    reply.answer_id,
                    extra={"answer_id": reply.answer_id},
                )
                task.cancel()
                return reply.stop_as or Status.STOPPED
        if task.cancelled():
            return reply.stop_as or Status.STOPPED
        error = task.exception()
        if error is None and not reply.buffer.has_text:
            kind = OnlyReasoning if reply.buffer.reasoning.strip() else EmptyReply
            error = kind(reply.provider_label)
        if error is None:
            return Status.COMPLETE
        if reply.stop_as:
            return reply.stop_as
        if not isinstance(error, ParleyError):
            log.error(
                "reply %s failed",
                reply.answer_id,
                exc_info=error,
                extra={"answer_id": reply.answer_id},
            )
            error = ParleyError(details=type(error).__name__)
        reply.failure = error
        reply.retry_at = getattr(error, "retry_at", None)
        return Status.FAILED

    async def _save_regularly(self, reply: RunningReply, has_ended: asyncio.Event) -> None:
        failures = FailureLog(log, f"saving reply {reply.answer_id}")
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SAVE_INTERVAL):
                    await has_ended.wait()
            if has_ended.is_set():
                return
            try:
                await self._writer.write(lambda: reply.sink.save(reply))
                failures.succeeded()
            except Exception as error:  # the text is in memory; the next second tries again
                failures.failed(
                    error,
                    with_traceback=not isinstance(error, ParleyError),
                    answer_id=reply.answer_id,
                )


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Run the loop until it is stopped.

    asyncio re-raises `SystemExit` and `KeyboardInterrupt` of a task out of `run_forever`; they
    must end that task only.
    """
    while True:
        try:
            return loop.run_forever()
        except BaseException:
            log.critical("the reply loop was left by an exception; restarting it", exc_info=True)


async def _wait_for_tasks(seconds: float) -> None:
    if tasks := _other_tasks():
        await asyncio.wait(tasks, timeout=seconds)


async def _cancel_tasks() -> None:
    tasks = _other_tasks()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _other_tasks() -> set[asyncio.Task[object]]:
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}
