"""A browser that goes away while it is told something leaves no traceback in the log."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from server.disconnects import HangUps

WEBSOCKET = {"type": "websocket", "path": "/_stcore/stream", "headers": []}


async def as_streamlit_does(scope: Scope, receive: Receive, send: Send) -> None:
    """Its sender notes that the browser is gone; its reader then answers what it did not get."""
    websocket = WebSocket(scope, receive, send)
    await websocket.accept()
    with suppress(WebSocketDisconnect):
        await websocket.send_bytes(b"an element")
    try:
        await websocket.receive_bytes()
    except RuntimeError:
        await websocket.close()


async def receive() -> Message:
    return {"type": "websocket.connect"}


async def send(message: Message) -> None:
    if message["type"] == "websocket.send":
        raise OSError("the browser is gone")


def test_a_browser_that_goes_away_is_nothing_to_report() -> None:
    asyncio.run(HangUps(as_streamlit_does)(WEBSOCKET, receive, send))


def test_a_fault_of_ours_is_reported() -> None:
    async def broken(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError("ours")

    with pytest.raises(RuntimeError, match="ours"):
        asyncio.run(HangUps(broken)(WEBSOCKET, receive, send))
