"""Redirects: reported and never followed, so that a key is sent to the configured host only."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from chat import errors
from chat.config.settings import Endpoint, Settings
from chat.domain.message import Role
from chat.providers.base import Request, Turn
from chat.providers.openai_compatible.client import OpenAIProvider
from chat.providers.openai_compatible.speech import OpenAITranscriber
from tests.support.llm_server import LLMServer

KEY = "my-Secret-Passphrase"
SETTINGS = Settings(values={}, max_retries=1)


class Redirector:
    """A server that redirects every request to `target`."""

    def __init__(self, target: str, status: int) -> None:
        self.paths = paths = list[str]()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                paths.append(self.path)
                self.rfile.read(int(self.headers.get("content-length", 0)))
                self.send_response(status)
                self.send_header("location", target + self.path)
                self.send_header("content-length", "0")
                self.end_headers()

            do_GET = do_POST

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base_url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Redirector:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def target_server() -> Iterator[LLMServer]:
    with LLMServer() as server:
        yield server


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_refused(target_server: LLMServer, status: int) -> None:
    async def run(url: str) -> list[errors.ParleyError]:
        endpoint = Endpoint("acme", "Acme", url, KEY)
        failures: list[errors.ParleyError] = []
        provider = OpenAIProvider(endpoint, SETTINGS)
        transcriber = OpenAITranscriber(endpoint, "whisper-1", SETTINGS)
        await provider.discover()
        assert provider.last_error is not None
        failures.append(provider.last_error)
        try:
            async for _ in provider.stream(Request("any", (Turn(Role.USER, "hello"),))):
                pass
        except errors.ParleyError as error:
            failures.append(error)
        try:
            await transcriber.transcribe(b"RIFF", "recording.wav", "audio/wav")
        except errors.ParleyError as error:
            failures.append(error)
        await provider.close()
        await transcriber.close()
        return failures

    target = target_server.base_url.removesuffix("/v1")
    with Redirector(target, status) as redirector:
        failures = asyncio.run(run(redirector.base_url))
    assert [type(each) for each in failures] == [errors.RedirectRefused] * 3
    assert redirector.paths == ["/v1/models", "/v1/chat/completions", "/v1/audio/transcriptions"]
    assert target_server.connections == 0, "a redirect was followed"
