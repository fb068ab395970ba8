"""Serve finished export and backup files from disk, to their owner only.

Streamlit's download button holds the whole file in memory; this route streams it. This module
must not know how the files are made or who owns them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from chat import is_visitor_cookie
from server.visitor_cookie import COOKIE

PREFIX = "/downloads"
_HEADERS = {"cache-control": "private, no-store", "x-content-type-options": "nosniff"}


@dataclass(frozen=True)
class Download:
    """A finished file and the name that the browser saves it under."""

    path: Path
    file_name: str


class DownloadsEndpoint:
    """`GET /downloads/{token}`: the file as an attachment, with support for range requests.

    `may_download(token, cookie)` returns the file if the browser with this visitor cookie may have
    it, otherwise None. The cookie is empty for browsers that reject cookies. It may block: it runs
    on a worker thread. Unknown tokens, files of others and deleted files get the same 404.
    """

    def __init__(self, may_download: Callable[[str, str], Download | None]) -> None:
        self._may_download = may_download

    async def answer(self, request: Request) -> Response:
        cookie = request.cookies.get(COOKIE, "")
        cookie = cookie if is_visitor_cookie(cookie) else ""
        token = str(request.path_params["token"])
        found = await anyio.to_thread.run_sync(self._find, token, cookie)
        if found is None:
            return PlainTextResponse("Not Found", 404, _HEADERS)
        download, status = found
        return FileResponse(
            download.path,
            headers=_HEADERS,
            media_type="application/octet-stream",  # never rendered by the browser
            filename=download.file_name,
            stat_result=status,
        )

    def _find(self, token: str, cookie: str) -> tuple[Download, os.stat_result] | None:
        download = self._may_download(token, cookie)
        if download is None:
            return None
        try:
            status = download.path.stat()
        except OSError:  # deleted, such as by the removal of old files
            return None
        return (download, status) if stat.S_ISREG(status.st_mode) else None
