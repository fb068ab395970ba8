"""Bound what the messages of a WebSocket may unpack to, before they are unpacked.

Upstream: Streamlit accepts messages of 200 MB (`server.maxMessageSize`) from everyone, and uvicorn
unpacks all messages that arrive in one read of the socket before the app sees the first.
Symptom: 185 kB of compressed zeros, before sign-in, became 380 MB in memory.
Versions: Streamlit 1.67, which runs uvicorn's "websockets-sansio" protocol, with uvicorn 0.44 to
0.54; tests/streamlit_patches/test_websocket_messages.py.

A connection begins with a small limit. The app may raise it by calling the function that
`scope["extensions"]` holds under `EXTENSION`, with a number of bytes.
"""

from __future__ import annotations

from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from pages.streamlit_patches.replacement import Replacement

EXTENSION = "parley.set_message_limit"
FIRST_LIMIT = 256 * 1024  # bytes; the widgets of a page without a conversation need far less
# Bytes that are unpacked before the app takes a message that is complete. Deflate packs at most
# 1032 to 1, so that much more than one message of the largest size never waits.
_MAX_SLICE = 4096
_MAX_CLOSE_FRAME = 125  # bytes; nothing else is read after the app has closed the connection

_connection_made = WebSocketsSansIOProtocol.connection_made
_data_received = WebSocketsSansIOProtocol.data_received
_handle_connect = WebSocketsSansIOProtocol.handle_connect
_receive = WebSocketsSansIOProtocol.receive

_unread: WeakKeyDictionary[WebSocketsSansIOProtocol, bytearray] = WeakKeyDictionary()


def replacements() -> list[Replacement]:
    owner = WebSocketsSansIOProtocol
    return [
        Replacement(owner, "connection_made", ("transport",), _begin_with_small_limit),
        Replacement(owner, "handle_connect", ("event",), _offer_larger_limit),
        Replacement(owner, "data_received", ("data",), _read_in_slices),
        Replacement(owner, "receive", (), _receive_then_read_on),
    ]


def _begin_with_small_limit(protocol: WebSocketsSansIOProtocol, transport: Any) -> None:
    _set_limit(protocol, FIRST_LIMIT)
    _unread[protocol] = bytearray()
    _connection_made(protocol, transport)


def _set_limit(protocol: WebSocketsSansIOProtocol, size: int) -> None:
    protocol.conn.max_message_size = min(size, protocol.config.ws_max_size)


def _offer_larger_limit(protocol: WebSocketsSansIOProtocol, event: Any) -> None:
    _handle_connect(protocol, event)
    scope = getattr(protocol, "scope", None)  # missing if the handshake was refused
    if scope is not None:
        scope["extensions"][EXTENSION] = partial(_set_limit, protocol)


def _read_in_slices(protocol: WebSocketsSansIOProtocol, data: bytes) -> None:
    _unread[protocol] += data
    _read_on(protocol)


def _read_on(protocol: WebSocketsSansIOProtocol) -> None:
    """Unpack until a message is complete, which pauses the protocol until the app takes it."""
    unread = _unread[protocol]
    if protocol.close_sent:
        protocol.conn.max_message_size = _MAX_CLOSE_FRAME
    size = max(1024, min(_MAX_SLICE, (protocol.conn.max_message_size or 0) // 256))
    while unread and not protocol.read_paused:
        if protocol.conn.parser_exc is not None or protocol.disconnected:
            unread.clear()
            return
        part = bytes(unread[:size])
        del unread[:size]
        _data_received(protocol, part)


async def _receive_then_read_on(protocol: WebSocketsSansIOProtocol) -> Any:
    message = await _receive(protocol)
    _read_on(protocol)
    return message
