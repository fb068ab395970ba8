"""A browser that disconnects while it is sent a message leaves no traceback in the log."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from server.disconnects import SuppressDisconnectErrors

WEBSOCKET = {"type": "websocket", "path": "/_stcore/stream", "headers": []}


async def streamlit_handler(scope: Scope, receive: Receive, send: Send) -> None:
    """Do what Streamlit's handler does: a failed send, another read, then a close that fails."""
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
        raise OSError("the browser has disconnected")


def test_disconnect_during_send_raises_nothing() -> None:
    asyncio.run(SuppressDisconnectErrors(streamlit_handler)(WEBSOCKET, receive, send))


def test_other_errors_of_a_websocket_are_raised() -> None:
    async def broken(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError("a defect")

    with pytest.raises(RuntimeError, match="a defect"):
        asyncio.run(SuppressDisconnectErrors(broken)(WEBSOCKET, receive, send))
