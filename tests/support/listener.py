"""A stranger's server: it answers everything with a picture and remembers what it was asked."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

_PICTURE = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'


class Listener:
    """`with Listener() as stranger:` — `stranger.port`, `stranger.asked`."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._news = threading.Condition()
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with listener._news:
                    listener.asked.append(self.path)
                    listener._news.notify_all()
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
        with self._news:
            found = self._news.wait_for(lambda: any(word in path for path in self.asked), timeout)
        assert found, f"nobody asked for {word}"

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
