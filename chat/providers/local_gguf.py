"""A GGUF file answered in this process: llama.cpp's own server on a loopback port, spoken to like
any other OpenAI-compatible one.

Needs the optional `xllamacpp` package. Nothing is loaded until a model list or an answer is
wanted; loading runs in a thread. The port is random and guarded by a random key, because the
server lets any web page on this machine call it.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import secrets
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

from chat import errors
from chat.config.settings import Endpoint, Settings
from chat.providers.base import Delta, Model, Request
from chat.providers.openai_compatible.client import OpenAIProvider

_AT_ONCE = 4  # answers written at the same time; more wait for their turn
ENDS_WITHIN = 4.0  # seconds that a server gets to end
_ROOM_BESIDES = 1024  # tokens for the system prompt and the chat template


def check_file(path: str | None) -> None:
    """Raises `SettingsError` when the file or the package is missing."""
    if not path:
        return
    problems = []
    if not Path(path).expanduser().is_file():
        problems.append(f"LOCAL_MODEL names no file: {path}")
    if importlib.util.find_spec("xllamacpp") is None:
        problems.append("LOCAL_MODEL needs a package: pip install xllamacpp")
    if problems:
        raise errors.SettingsError(problems)


class LocalModelProvider:
    """Raises `SettingsError` when the file or the package is missing."""

    name = "local"
    label = "Local model"

    def __init__(self, path: str, settings: Settings) -> None:
        self._path, self._settings = Path(path).expanduser(), settings
        check_file(path)
        self.last_error: errors.ProviderError | None = None
        self.base_url: str | None = None  # of the running server
        self.key = secrets.token_urlsafe(24)
        self._server: Any = None
        self._inner: OpenAIProvider | None = None
        self._loading: asyncio.Task[OpenAIProvider] | None = None

    def models(self) -> tuple[Model, ...]:
        told = self._inner.models() if self._inner is not None else ()
        return told or (Model(self.name, self._path.stem),)

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        provider = await self._loaded()
        async with aclosing(provider.stream(request)) as deltas:
            async for delta in deltas:
                yield delta

    async def discover(self) -> None:
        try:
            provider = await self._loaded()
        except errors.ProviderError as error:
            self.last_error = error
            return
        await provider.discover()
        self.last_error = provider.last_error

    async def close(self) -> None:
        inner, self._inner = self._inner, None
        server, self._server = self._server, None
        loading, self._loading = self._loading, None
        if loading is not None:
            loading.cancel()
        if inner is not None:
            await inner.close()
        if server is not None:
            # Its end waits for llama.cpp's threads, now and then for ever: so the last reference
            # goes in a thread that nobody has to wait for.
            holder = [server]
            del server
            end = threading.Thread(target=holder.clear, name="parley-llama-end", daemon=True)
            end.start()
            await asyncio.to_thread(end.join, ENDS_WITHIN)

    async def _loaded(self) -> OpenAIProvider:
        """The server's provider. Who stops waiting does not stop the loading for the others."""
        if self._inner is not None:
            return self._inner
        if self._loading is None:
            self._loading = asyncio.create_task(self._load())
        try:
            return await asyncio.shield(self._loading)
        except errors.ProviderError:
            self._loading = None  # the next one may try again: the file may be whole by then
            raise

    async def _load(self) -> OpenAIProvider:
        try:
            server, address = await asyncio.to_thread(self._start)
        except Exception as error:  # the C++ side raises what it likes
            details = f"{self._path.name}: {type(error).__name__}: {error}"
            raise errors.ModelNotLoaded(self.label, details=details) from None
        self.base_url = f"{address}/v1"
        endpoint = Endpoint(self.name, self.label, self.base_url, self.key)
        self._server, self._inner = server, OpenAIProvider(endpoint, self._settings)
        return self._inner

    def _start(self) -> tuple[Any, str]:
        import xllamacpp

        settings = self._settings
        wanted = settings.max_history_tokens + settings.max_reply_tokens + _ROOM_BESIDES
        params = xllamacpp.CommonParams()
        params.model.path = str(self._path)
        params.model_alias = {self._path.stem}
        params.api_keys = [self.key]
        params.hostnames = ["127.0.0.1"]
        params.port = 0
        params.ui = False
        params.n_ctx = wanted  # llama.cpp caps it at what the model was trained for
        params.n_parallel = _AT_ONCE
        params.kv_unified = True  # each answer may use the whole window, not a quarter of it
        params.cache_ram_mib = 512
        params.verbosity = 1
        params.cpuparams.n_threads = max(1, (os.cpu_count() or 2) - 1)  # one is left for the pages
        server = xllamacpp.Server(params)
        return server, str(server.listening_address).rstrip("/")
