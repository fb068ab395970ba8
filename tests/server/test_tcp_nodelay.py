"""Connections whose small messages leave at once."""

from __future__ import annotations

import socket

from starlette.applications import Starlette
from starlette.testclient import TestClient

from server.wiring import MIDDLEWARE


def test_a_connection_waits_for_no_acknowledgement() -> None:
    with socket.socket() as listener:  # as Streamlit makes it
        listener.bind(("localhost", 0))
        listener.listen()
        with TestClient(Starlette(middleware=MIDDLEWARE)), socket.socket() as browser:
            browser.connect(listener.getsockname())
            connection, _ = listener.accept()
            with connection:
                assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_other_sockets_stay_as_they_are() -> None:
    one, other = socket.socketpair()
    with one, other, socket.socket() as unused, TestClient(Starlette(middleware=MIDDLEWARE)):
        assert not unused.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
