"""A TCP relay between browser and app that counts the bytes of HTTP and websockets.

It counts the TCP payload: headers and frames, compressed if the app compresses. It runs in a thread
of the driver, which is idle during a measurement.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time


class Relay:
    """The relay as a context manager; `url` forwards to the app at `port`."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.down = self.up = 0  # bytes to and from the browser
        self.last_at = time.monotonic()  # time of the last bytes from the app
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self.url = ""

    def __enter__(self) -> Relay:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def quiet_for(self) -> float:
        """Return the seconds since the last bytes from the app."""
        return time.monotonic() - self.last_at

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        listening = self._loop.create_server(lambda: _Side(self), "127.0.0.1", 0)
        server = self._loop.run_until_complete(listening)
        self.url = f"http://localhost:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))

    def counted(self, size: int, is_down: bool) -> None:
        if is_down:
            self.down += size
            self.last_at = time.monotonic()
        else:
            self.up += size

    async def connect(self, near: _Side) -> None:
        try:
            far = lambda: _Side(self, near)  # noqa: E731
            await self._loop.create_connection(far, "127.0.0.1", self._target)
        except OSError:
            near.close()


class _Side(asyncio.Protocol):
    """One end of a relayed connection; the one created with `other` is connected to the app."""

    def __init__(self, relay: Relay, other: _Side | None = None) -> None:
        self._relay, self._other = relay, other
        self._is_app = other is not None
        self._early: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._other is None:
            self._task = asyncio.ensure_future(self._relay.connect(self))
        else:
            self._other.meet(self)

    def meet(self, other: _Side) -> None:
        self._other = other
        for data in self._early:
            other.write(data)
        self._early.clear()

    def data_received(self, data: bytes) -> None:
        self._relay.counted(len(data), self._is_app)
        if self._other is None:
            self._early.append(data)
        else:
            self._other.write(data)

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def pause_writing(self) -> None:
        self._reads(pause=True)

    def resume_writing(self) -> None:
        self._reads(pause=False)

    def _reads(self, *, pause: bool) -> None:
        if self._other is not None and (source := self._other._transport) is not None:
            with contextlib.suppress(RuntimeError):
                source.pause_reading() if pause else source.resume_reading()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        if self._other is not None:
            self._other.close()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
