"""A real OpenAI-compatible server on a loopback port, for tests and benchmarks.

It streams over real sockets, simulates every failure of a provider, and records each request and
when its client disconnected. A `Script` describes a reply. It is selected by `server.next(…)`,
`server.default`, or by the model's name, so that a browser can choose it. Transcriptions use the
same scripts and are answered in one piece.

    echo · tokens:500 · tokens:500@50 (per second) · think:20 · fault:<name> · fault:<status>

    python -m tests.support.llm_server --port 9000        # to try Parley by hand
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

from tests.support.llm_scripts import FAULTS, MODELS, Script, text_of, transcription, word
from tests.support.uploads import Upload, read_upload

__all__ = ["FAULTS", "MODELS", "LLMServer", "RecordedRequest", "Script", "text_of", "word"]
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)


@dataclass
class RecordedRequest:
    """One request for a reply or a transcription, and its outcome. Times: `time.monotonic()`.

    For a transcription `upload` is the audio file and `body` the form's fields.
    """

    body: dict[str, Any]
    headers: dict[str, str]
    arrived_at: float
    upload: Upload | None = None
    sent_tokens: int = 0
    finished: threading.Event = field(default_factory=threading.Event)  # response complete
    disconnected: threading.Event = field(default_factory=threading.Event)  # by the client
    disconnected_at: float | None = None
    over: threading.Event = field(default_factory=threading.Event)  # finished or disconnected


class LLMServer:
    """`with LLMServer() as server:` — `server.base_url`. If `api_key` is set, it is required."""

    def __init__(self, *, port: int = 0, api_key: str | None = None, models: Any = MODELS) -> None:
        self.default = Script()
        self.api_key = api_key
        self.models: Any = models  # ids, or the complete response of /models
        self.requests: list[RecordedRequest] = []
        self.targets: list[str] = []  # of all requests but model lists
        self.without_version: Script | None = None  # the answer to paths that do not begin with /v1
        self.model_lists = 0
        self.connections = 0
        self._port = port
        self._next: deque[Script] = deque()
        self._changed = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="llm-server", daemon=True)
        self._started = threading.Event()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def next(self, *scripts: Script) -> None:
        """Queue scripts for the next requests, one each."""
        self._next.extend(scripts)

    def reset(self) -> None:
        """Forget recorded requests and queued scripts."""
        self.requests.clear()
        self.targets.clear()
        self.without_version = None
        self._next.clear()

    def wait_for_requests(self, count: int, timeout: float = 10.0) -> list[RecordedRequest]:
        """Wait until `count` requests have arrived and return all of them."""
        with self._changed:
            is_done = self._changed.wait_for(lambda: len(self.requests) >= count, timeout)
            assert is_done, f"{len(self.requests)} of {count} requests arrived"
            return list(self.requests)

    def __enter__(self) -> LLMServer:
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._handle, "127.0.0.1", self._port, backlog=512)
        self._port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stop.wait()
        server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        self.connections += 1
        try:
            early = b""
            while True:
                request = await _read_request(reader, early)
                if request is None:
                    return
                early = await self._answer(*request, reader, writer)
        except (ConnectionError, asyncio.CancelledError, asyncio.IncompleteReadError):
            return
        finally:
            self._connections.discard(task)
            writer.close()

    async def _answer(
        self,
        target: str,
        headers: dict[str, str],
        body: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bytes:
        """Answer one request; return a byte of the next request if it was read already."""
        key = headers.get("authorization", "").removeprefix("Bearer ")
        is_allowed = self.api_key in {None, key}
        path = target.partition("?")[0]
        if not path.endswith("/models"):
            self.targets.append(target)
        if self.without_version is not None and not path.startswith("/v1/"):
            request = RecordedRequest({}, headers, time.monotonic())
            await self._play(self.without_version, request, writer)
            return b""
        if path.endswith("/models"):
            self.model_lists += 1
            listed = self.models
            if isinstance(listed, tuple):
                listed = {"object": "list", "data": [{"id": each} for each in listed]}
            refused = FAULTS["401"].body
            await _reply(writer, 200 if is_allowed else 401, listed if is_allowed else refused)
            return b""
        upload = None
        if path.endswith("/audio/transcriptions"):
            upload = read_upload(headers["content-type"], body)
        elif not path.endswith("/chat/completions"):
            await _reply(writer, 404, "<html>404 page not found</html>")
            return b""
        asked = upload.fields if upload else json.loads(body)
        script = self._next.popleft() if self._next else self._script_for(asked)
        if not is_allowed:
            script = FAULTS["401"]
        request = RecordedRequest(asked, headers, time.monotonic(), upload)
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
        watch = asyncio.create_task(reader.read(1))
        task = asyncio.create_task(self._play(script, request, writer))
        try:
            await asyncio.wait({watch, task}, return_when=asyncio.FIRST_COMPLETED)
            early = watch.result() if watch.done() else None
            if early == b"":
                raise ConnectionResetError
            await task
            request.finished.set()
            return early or b""
        except ConnectionError:  # closed, or reset by the client
            request.disconnected_at = time.monotonic()
            request.disconnected.set()
            raise
        finally:
            task.cancel()
            watch.cancel()
            await asyncio.gather(watch, task, return_exceptions=True)
            request.over.set()

    def _script_for(self, asked: dict[str, Any]) -> Script:
        kind, _, rest = str(asked.get("model")).partition(":")
        if kind == "fault":
            return FAULTS[rest]
        if kind == "tokens":
            count, _, pace = rest.partition("@")
            return replace(self.default, tokens=int(count), pace=float(pace) if pace else None)
        if kind == "think":
            thoughts = tuple(f"thought{place} " for place in range(int(rest)))
            return replace(self.default, reasoning=thoughts)
        if kind == "echo" and self.default.text is None and "messages" in asked:
            return replace(self.default, text=str(asked["messages"][-1]["content"]))
        return self.default

    async def _play(
        self, script: Script, request: RecordedRequest, writer: asyncio.StreamWriter
    ) -> None:
        if script.choose is not None:
            script = script.choose(request.body)
        refused = next((name for name in script.refuses if name in request.body), None)
        if refused:
            message = f"Unsupported parameter: '{refused}' is not supported with this model."
            error = {"message": message, "code": "unsupported_parameter", "param": refused}
            await _reply(writer, 400, {"error": error})
        elif script.status != 200:
            text = script.body if isinstance(script.body, str) else json.dumps(script.body)
            key = request.headers.get("authorization", "").removeprefix("Bearer ")
            text = text.replace("{key}", key).replace("{model}", str(request.body.get("model")))
            await _reply(writer, script.status, text, script.headers)
        elif script.raw is not None:
            await _reply(writer, 200, script.raw)
        elif script.fault == "html":
            await _reply(writer, 200, "<!doctype html><html><body>Welcome</body></html>")
        elif script.fault == "hang-up":
            _break(writer)
        elif request.upload is not None:
            await self._transcribe(script, writer)
        elif script.fault == "json":
            answer = {"role": "assistant", "content": "".join(script.pieces())}
            choice = {"index": 0, "message": answer, "finish_reason": "stop"}
            await _reply(writer, 200, {"choices": [choice], "usage": _usage(script.tokens)})
        else:
            writer.write(_STREAM_HEAD)
            async for data in self._stream(script, request):
                if data is None:
                    _break(writer)
                    return
                writer.write(b"%x\r\n%s\r\n" % (len(data), data))
                await writer.drain()
            writer.write(b"0\r\n\r\n")
            await writer.drain()

    async def _transcribe(self, script: Script, writer: asyncio.StreamWriter) -> None:
        """Send the script's text as JSON, after its gate or instead of it its fault."""
        while script.gate is not None and not script.gate.is_set():  # noqa: ASYNC110  # as below
            await asyncio.sleep(0.005)
        if script.fault == "stall":
            await self._stop.wait()
        if script.fault == "break":
            writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"text": "hel')
            _break(writer)
        else:
            await _reply(writer, 200, transcription(script))

    async def _stream(
        self, script: Script, request: RecordedRequest
    ) -> AsyncIterator[bytes | None]:
        """Yield the chunks of the body; None aborts the connection."""
        model = request.body.get("model")
        begun_at = time.monotonic()
        if script.events is not None:
            for place, data in enumerate(script.events):
                if script.pace:
                    await asyncio.sleep(begun_at + place / script.pace - time.monotonic())
                if data:  # an empty chunk would end the body
                    yield data
            if script.fault == "break":
                yield None
            if script.fault == "stall":
                await self._stop.wait()
            return
        yield _chunk(model, {"role": "assistant", "content": ""})
        for thought in script.reasoning:
            yield _chunk(model, {"reasoning_content": thought})
        for place, piece in enumerate([*script.pieces(), None]):
            if script.gate is not None and place == script.gate_at:
                while not script.gate.is_set():  # noqa: ASYNC110  # set from another thread
                    await asyncio.sleep(0.005)
                begun_at = time.monotonic() - (place / script.pace if script.pace else 0)
            if script.fault and place == script.fault_at:
                if script.fault == "break":
                    yield None
                    return
                if script.fault == "end":
                    return
                if script.fault == "stall":
                    await self._stop.wait()
                if script.fault == "malformed":
                    yield b'data: {"choices": [{"delta"\n\n'
                if script.fault == "error-event":
                    error = {"message": "overloaded", "type": "server_error", "code": 503}
                    yield b"data: " + json.dumps({"error": error}).encode() + b"\n\n"
            if piece is None:
                break
            if script.pace:
                await asyncio.sleep(max(0.0, begun_at + place / script.pace - time.monotonic()))
            request.sent_tokens += 1
            yield _chunk(model, {"content": piece})
        if script.finish_reason:
            yield _chunk(model, {}, script.finish_reason)
        if script.has_usage and (request.body.get("stream_options") or {}).get("include_usage"):
            usage = {"choices": [], "usage": _usage(request.sent_tokens)}
            yield b"data: " + json.dumps(usage).encode() + b"\n\n"
        yield b"data: [DONE]\n\n"


def _chunk(model: Any, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    value = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model}
    return b"data: " + json.dumps({**value, "choices": [choice]}).encode() + b"\n\n"


def _usage(completion: int) -> dict[str, int]:
    return {"prompt_tokens": 7, "completion_tokens": completion, "total_tokens": 7 + completion}


def _break(writer: asyncio.StreamWriter) -> None:
    """Abort the connection, as when the server process dies."""
    writer.transport.abort()


async def _reply(
    writer: asyncio.StreamWriter,
    status: int,
    body: Any,
    headers: tuple[tuple[str, str], ...] = (),
) -> None:
    kind = "text/html" if isinstance(body, str) and body.startswith("<") else "application/json"
    content = (body if isinstance(body, str) else json.dumps(body)).encode()
    lines = [f"HTTP/1.1 {status} -", f"Content-Type: {kind}", f"Content-Length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    writer.write("\r\n".join([*lines, "", ""]).encode() + content)
    await writer.drain()


async def _read_request(
    reader: asyncio.StreamReader, early: bytes
) -> tuple[str, dict[str, str], bytes] | None:
    try:
        head = early + await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return first.split(" ")[1], headers, body


async def endless_comments(writer: asyncio.StreamWriter) -> None:
    """Send keep-alive comments and never a token."""
    while True:
        writer.write(b": keep-alive\n\n")
        await writer.drain()
        await asyncio.sleep(0.02)


async def comments_between_tokens(writer: asyncio.StreamWriter) -> None:
    """Send two tokens, separated by keep-alive comments for longer than the idle timeout."""
    writer.write(b'data: {"choices": [{"delta": {"content": "a"}}]}\n\n')
    for _ in range(8):
        await asyncio.sleep(0.1)
        writer.write(b": keep-alive\n\n")
    writer.write(b'data: {"choices": [{"delta": {"content": "b"}, "finish_reason": "stop"}]}\n\n')
    writer.write(b"data: [DONE]\n\n")
    await writer.drain()


def main() -> None:
    import argparse

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--api-key")
    options = parser.parse_args()
    models = (*MODELS, *(f"fault:{name}" for name in FAULTS))
    with LLMServer(port=options.port, api_key=options.api_key, models=models) as server:
        print(server.base_url, flush=True)  # noqa: T201
        threading.Event().wait()


if __name__ == "__main__":
    main()
