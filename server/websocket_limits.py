"""Bound the number of open tabs, and the size and rate of messages from people without access.

A tab beyond the bounds is refused twice: its page is a sentence, and its WebSocket is answered
with the same sentence and status 429 instead of being opened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import anyio
import anyio.to_thread
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat import Connection, is_visitor_cookie
from server.open_tabs import TOO_MANY, OpenTabs, Tab
from server.stranger_pace import StrangerPace
from server.visitor_cookie import COOKIE, is_page

# The same name as in pages/streamlit_patches/websocket_messages.py, which sets the first limit.
_SET_MESSAGE_LIMIT = "parley.set_message_limit"
_TRY_AGAIN_LATER = 1013
_RETRY = {"retry-after": "60", "cache-control": "no-store"}


class WebSocketLimits:
    """ASGI middleware around Streamlit's WebSocket.

    `has_access(cookies)` returns whether the browser with these cookies is signed in, if sign-in is
    configured, and has entered the access code, if there is one. It may block: it runs on a worker
    thread. `message_bytes()` is the largest message of a person with access. `forget(visitor)` is
    called after the tab of a person without access was closed: they have nothing to resume.
    `can_check_access()` is False until the database is open.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        tabs: OpenTabs,
        trusted_proxies: int,
        has_access: Callable[[Mapping[str, str]], bool],
        message_bytes: Callable[[], int],
        forget: Callable[[str], None],
        can_check_access: Callable[[], bool],
    ) -> None:
        self._app, self._tabs, self._proxies = app, tabs, trusted_proxies
        self._forget, self._can_check_access = forget, can_check_access
        self._pace = StrangerPace()
        self._has_access, self._message_bytes = has_access, message_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._open(scope, receive, send)
        elif is_page(scope) and (problem := self._tabs.problem(self._tab(scope))):
            await PlainTextResponse(problem, 429, _RETRY)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _open(self, scope: Scope, receive: Receive, send: Send) -> None:
        tab = self._tab(scope)
        if not tab.has_access:
            cookies = HTTPConnection(scope).cookies
            tab.has_access = await anyio.to_thread.run_sync(self._has_access, cookies)
        tab.on_access = partial(self._raise_message_limit, scope)
        if problem := self._tabs.add(tab):
            await PlainTextResponse(problem, 429, _RETRY)(scope, receive, send)
            return
        try:
            if tab.has_access:
                tab.on_access()
            elif not await self._turn_comes():
                await PlainTextResponse(TOO_MANY, 429, _RETRY)(scope, receive, send)
                return
            await self._app(scope, self._paced(tab, receive), send)
        finally:
            self._tabs.remove(tab)
            if not tab.has_access:
                self._forget(tab.visitor)

    async def _turn_comes(self) -> bool:
        """Wait for the next turn of a stranger; False if too many wait.

        While the app starts, everyone who reconnects looks like a stranger and does not wait.
        """
        if not self._can_check_access():
            return True
        wait = self._pace.reserve()
        await anyio.sleep(wait or 0)
        return wait is not None

    def _paced(self, tab: Tab, receive: Receive) -> Receive:
        """Let the messages of a stranger wait for their turn; the server reads no further then."""

        async def receive_in_turn() -> Message:
            message = await receive()
            is_paced = message["type"] == "websocket.receive" and not tab.has_access
            if is_paced and not await self._turn_comes():
                return {"type": "websocket.disconnect", "code": _TRY_AGAIN_LATER}
            return message

        return receive_in_turn

    def _tab(self, scope: Scope) -> Tab:
        request = HTTPConnection(scope)
        cookie = request.cookies.get(COOKIE, "")
        host = request.client.host if request.client else None
        headers = {name: request.headers.getlist(name) for name in request.headers}
        address = Connection(host, headers).client_address(self._proxies)
        visitor = cookie if is_visitor_cookie(cookie) else ""
        return Tab(visitor, address, self._tabs.is_known(visitor))

    def _raise_message_limit(self, scope: Scope) -> None:
        set_limit = scope.get("extensions", {}).get(_SET_MESSAGE_LIMIT)
        if set_limit is not None:  # only uvicorn's protocol that Streamlit selects offers it
            set_limit(self._message_bytes())
