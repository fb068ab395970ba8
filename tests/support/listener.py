"""A foreign web server that answers every request with an image and records the request."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

_PICTURE = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'


class Listener:
    """`with Listener() as listener:` — `listener.port`, `listener.paths` of all requests."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self._changed = threading.Condition()
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with listener._changed:
                    listener.paths.append(self.path)
                    listener._changed.notify_all()
                self.send_response(200)
                self.send_header("Content-Type", "image/svg+xml")
                self.send_header("Content-Length", str(len(_PICTURE)))
                self.send_header("Access-Control-Allow-Origin", "*")
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(_PICTURE)

            do_HEAD = do_POST = do_OPTIONS = do_PUT = do_GET

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def wait_for(self, word: str, timeout: float = 10.0) -> None:
        with self._changed:
            found = self._changed.wait_for(
                lambda: any(word in each for each in self.paths), timeout
            )
        assert found, f"no request contained {word!r}"

    def __enter__(self) -> Listener:
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
