"""TCP_NODELAY on the connections that the server accepts."""

from __future__ import annotations

import socket

from starlette.applications import Starlette
from starlette.testclient import TestClient

from tests.support.middleware import middleware


def test_accepted_connections_have_tcp_nodelay() -> None:
    with socket.socket() as listener:  # created like Streamlit's, without a protocol
        listener.bind(("localhost", 0))
        listener.listen()
        with TestClient(Starlette(middleware=middleware())), socket.socket() as browser:
            browser.connect(listener.getsockname())
            connection, _ = listener.accept()
            with connection:
                assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_sockets_that_do_not_listen_are_unchanged() -> None:
    one, other = socket.socketpair()
    with one, other, socket.socket() as unused, TestClient(Starlette(middleware=middleware())):
        assert not unused.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
