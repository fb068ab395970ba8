"""A fast fake provider: a subset of OpenAI's API at any pace, which records times.

    python -m benchmarks.provider --port 9000

The question specifies the reply: `[bench 4000@200 k7]` requests 4,000 tokens at 200 tokens/s,
`[bench 8000 k7]` all at once, `[bench 50@20+300 k7]` after 300 ms. The last marker of a request
applies; `k7` names the reply. `GET /bench/replies` returns the times at which each request arrived
and its tokens were written, in CLOCK_MONOTONIC, which all processes of a machine share.

Frames are prepared in advance, so that each token is one write.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.words import reply

MODEL = "bench"
_MARKER = re.compile(rb"\[bench (\d+)(?:@([\d.]+))?(?:\+(\d+))? (\w+)\]")
_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
_END = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Script:
    """One reply: `pace` in tokens/s (None: all at once), `delay` before the first token in ms."""

    tokens: int
    pace: float | None
    delay: int
    name: str


@dataclass(slots=True)
class Record:
    """Times of a request and of each written token, in nanoseconds of CLOCK_MONOTONIC."""

    name: str
    tokens: int
    arrived: int
    written: list[int] = field(default_factory=list)
    cut: int = 0  # time at which the app closed the connection early


def script_in(body: bytes) -> Script:
    """Parse the last marker of a request; without one, return a short immediate reply."""
    found = _MARKER.findall(body)
    if not found:
        return Script(3, None, 0, "")
    count, pace, delay, name = found[-1]
    return Script(int(count), float(pace) if pace else None, int(delay or 0), name.decode())


def question(name: str, tokens: int, pace: float | None = None, delay: int = 0) -> str:
    """Return a question that requests this reply."""
    at = f"@{pace:g}" if pace else ""
    after = f"+{delay}" if delay else ""
    return f"Say something [bench {tokens}{at}{after} {name}]"


def event(delta: dict[str, str], finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return _data({"choices": [choice]})


def _data(value: dict[str, Any]) -> bytes:
    head = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1, "model": MODEL}
    text = json.dumps({**head, **value}, separators=(",", ":"))
    return b"data: " + text.encode() + b"\n\n"


def _usage(tokens: int) -> dict[str, int]:
    return {"prompt_tokens": 10, "completion_tokens": tokens, "total_tokens": 10 + tokens}


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


_known: dict[str, bytes] = {}


def _frame(piece: str) -> bytes:
    frame = _known.get(piece)
    if frame is None:
        frame = _framed(event({"content": piece}))
        if len(_known) < 10_000:
            _known[piece] = frame
    return frame


class Connection(asyncio.Protocol):
    """One client connection; its requests are answered sequentially."""

    def __init__(self, records: list[Record]) -> None:
        self._records, self._got = records, bytearray()
        self._transport: asyncio.Transport | None = None
        self._playing: Playing | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        if self._playing is not None:
            self._playing.cut()

    def data_received(self, data: bytes) -> None:
        arrived = time.monotonic_ns()
        self._got += data
        end = self._got.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._got[:end]).decode("latin-1")
        found = re.search(r"(?i)\r\ncontent-length: *(\d+)", head)
        length = int(found[1]) if found else 0
        if len(self._got) < end + 4 + length:
            return
        body = bytes(self._got[end + 4 : end + 4 + length])
        del self._got[: end + 4 + length]
        self._answer(head.split(" ", 2)[1], body, arrived)

    def _answer(self, path: str, body: bytes, arrived: int) -> None:
        assert self._transport is not None
        if path == "/bench/replies":
            self._json([asdict(record) for record in self._records])
        elif path == "/bench/clear":
            self._records.clear()
            self._json({})
        elif path.endswith("/models"):
            model = {"id": MODEL, "object": "model", "created": 1, "owned_by": "bench"}
            self._json({"object": "list", "data": [model]})
        elif path.endswith("/chat/completions"):
            script = script_in(body)
            record = Record(script.name, script.tokens, arrived)
            self._records.append(record)
            asked = json.loads(body)
            if asked.get("stream"):
                has_usage = bool((asked.get("stream_options") or {}).get("include_usage"))
                self._playing = Playing(script, record, self._transport, has_usage)
            else:
                message = {"role": "assistant", "content": "".join(reply("", script.tokens))}
                choice = {"index": 0, "message": message, "finish_reason": "stop"}
                usage = _usage(script.tokens)
                self._json({"model": MODEL, "choices": [choice], "usage": usage})
        else:
            self._json({"error": {"message": "no such path"}}, b"404 Not Found")

    def _json(self, value: Any, status: bytes = b"200 OK") -> None:
        assert self._transport is not None
        content = json.dumps(value).encode()
        head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self._transport.write(head % (status, len(content)) + content)


class Playing:
    """Writer of one reply; overdue tokens are written immediately."""

    def __init__(
        self, script: Script, record: Record, transport: asyncio.Transport, has_usage: bool
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._pace, self._record, self._transport = script.pace, record, transport
        self._frames = [_frame(piece) for piece in reply(script.name, script.tokens)]
        usage = _data({"choices": [], "usage": _usage(script.tokens)}) if has_usage else b""
        last = _framed(event({}, "stop") + usage + _END) + b"0\r\n\r\n"
        self._place, self._last = 0, last
        transport.write(_HEAD)
        self._begins_at = self._loop.time() + script.delay / 1000
        self._timer = self._loop.call_at(self._begins_at, self._step)

    def cut(self) -> None:
        self._timer.cancel()
        if self._place < len(self._frames):
            self._record.cut = time.monotonic_ns()

    def _step(self) -> None:
        count, written = len(self._frames), self._record.written
        if self._pace is None:
            due = count
        else:
            passed = self._loop.time() - self._begins_at
            due = min(count, int(passed * self._pace + 1e-6) + 1)
        if due > self._place:
            data = b"".join(self._frames[self._place : due])
            is_last = due == count
            written.extend([time.monotonic_ns()] * (due - self._place))
            self._transport.write(data + self._last if is_last else data)
            self._place = due
        if self._place < count:
            assert self._pace is not None
            at = self._begins_at + self._place / self._pace
            self._timer = self._loop.call_at(at, self._step)


async def serve(port: int) -> None:
    records: list[Record] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(records), "127.0.0.1", port, backlog=1000)
    port = server.sockets[0].getsockname()[1]
    print(f"http://127.0.0.1:{port}/v1", flush=True)
    await server.serve_forever()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--port", type=int, default=0)
    asyncio.run(serve(options.parse_args().port))


if __name__ == "__main__":
    main()
