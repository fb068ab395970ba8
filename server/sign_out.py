"""Let Streamlit's sign-out address remove the cookie of a sign-in that was ended before.

A GET request must change nothing: an image or a link with this address would sign people out. The
button in the sidebar ends the sign-in over the WebSocket; only then is the cookie worthless.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_PATH = "/auth/logout"
_SENTENCE = "To sign out, use the button in the sidebar."


class ConfirmedSignOut:
    """ASGI middleware that answers 403 unless `may_clear_sign_in(cookies)`.

    That function may block: it runs on a worker thread.
    """

    def __init__(
        self, app: ASGIApp, may_clear_sign_in: Callable[[Mapping[str, str]], bool]
    ) -> None:
        self._app, self._may_clear = app, may_clear_sign_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].rstrip("/").endswith(_PATH):
            cookies = Request(scope).cookies
            if not await anyio.to_thread.run_sync(self._may_clear, cookies):
                response = PlainTextResponse(_SENTENCE, 403, {"cache-control": "no-store"})
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)
