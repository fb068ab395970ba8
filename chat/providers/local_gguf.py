"""Provider for a GGUF file: runs llama.cpp's OpenAI-compatible server inside this process.

Needs the optional `xllamacpp` package. The model is loaded in a thread at the first discovery or
reply. The server listens on a random loopback port and requires a random key, because it answers
cross-origin requests of any web page on this machine.
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

_PARALLEL_REPLIES = 4  # further requests are queued by the server
SHUTDOWN_TIMEOUT = 4.0  # seconds
_PROMPT_OVERHEAD = 1024  # tokens for the system prompt and the chat template


def check_file(path: str | None) -> None:
    """Check `LOCAL_MODEL`. Raises `SettingsError` if the file or the package is missing."""
    if not path:
        return
    problems = []
    if not Path(path).expanduser().is_file():
        problems.append(f"LOCAL_MODEL: no such file: {path}")
    if importlib.util.find_spec("xllamacpp") is None:
        problems.append("LOCAL_MODEL needs the xllamacpp package: pip install xllamacpp")
    if problems:
        raise errors.SettingsError(problems)


class LocalModelProvider:
    """See `base.Provider`. Raises `SettingsError` if the file or the package is missing."""

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
        listed = self._inner.models() if self._inner is not None else ()
        return listed or (Model(self.name, self._path.stem),)

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
            # The destructor joins llama.cpp's threads and sometimes blocks forever (xllamacpp
            # 2026.10), so the last reference is dropped in a daemon thread.
            holder = [server]
            del server
            thread = threading.Thread(target=holder.clear, name="parley-llama-end", daemon=True)
            thread.start()
            await asyncio.to_thread(thread.join, SHUTDOWN_TIMEOUT)

    async def _loaded(self) -> OpenAIProvider:
        """Return the provider of the running server; cancellation does not stop the loading."""
        if self._inner is not None:
            return self._inner
        if self._loading is None:
            self._loading = asyncio.create_task(self._load())
        try:
            return await asyncio.shield(self._loading)
        except errors.ProviderError:
            self._loading = None  # the next call tries again: the file may be complete by then
            raise

    async def _load(self) -> OpenAIProvider:
        try:
            server, address = await asyncio.to_thread(self._start)
        except Exception as error:  # the C++ bindings raise undocumented types
            details = f"{self._path.name}: {type(error).__name__}: {error}"
            raise errors.ModelNotLoaded(self.label, details=details) from None
        self.base_url = f"{address}/v1"
        endpoint = Endpoint(self.name, self.label, self.base_url, self.key)
        self._server, self._inner = server, OpenAIProvider(endpoint, self._settings)
        return self._inner

    def _start(self) -> tuple[Any, str]:
        import xllamacpp

        settings = self._settings
        window = settings.max_history_tokens + settings.max_reply_tokens + _PROMPT_OVERHEAD
        params = xllamacpp.CommonParams()
        params.model.path = str(self._path)
        params.model_alias = {self._path.stem}
        params.api_keys = [self.key]
        params.hostnames = ["127.0.0.1"]
        params.port = 0
        params.ui = False
        params.n_ctx = window  # llama.cpp limits it to the window of the model
        params.n_parallel = _PARALLEL_REPLIES
        params.kv_unified = True  # each reply may use the whole window, not a quarter
        params.cache_ram_mib = 512
        params.verbosity = 1
        params.cpuparams.n_threads = max(1, (os.cpu_count() or 2) - 1)  # leave one for the pages
        server = xllamacpp.Server(params)
        return server, str(server.listening_address).rstrip("/")
