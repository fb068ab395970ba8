"""What every response tells the browser: what a page may load, run, send and be framed by.

The last line of defence: whatever a model's answer might smuggle into a page, the browser fetches
nothing from elsewhere and runs no script that is not a file of ours. This module must not know
what is on the pages.
"""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import file_util

from chat import SettingsError, load_config, read_settings
from server.scheme import is_https

_YEAR = 365 * 24 * 3600
_SCRIPT = re.compile(r"<script(?P<attributes>[^>]*)>(?P<code>.*?)</script>", re.DOTALL | re.I)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_OLDER = {"'self'": "SAMEORIGIN", "'none'": "DENY"}  # the older header knows no list
_LOOPBACK = re.compile(r"(?:[\w.-]+\.)?localhost|127(?:\.\d+){3}|\[::1\]")

# Allowed: the microphone to dictate with, the clipboard to copy to (and, for those who ask, from).
_OFF = (
    "accelerometer autoplay browsing-topics camera display-capture encrypted-media "
    "fullscreen geolocation gyroscope hid idle-detection local-fonts magnetometer midi payment "
    "picture-in-picture publickey-credentials-create publickey-credentials-get screen-wake-lock "
    "serial storage-access usb window-management xr-spatial-tracking"
)
_PERMISSIONS = ", ".join(
    [
        *(f"{name}=(self)" for name in ("microphone", "clipboard-write", "clipboard-read")),
        *(f"{name}=()" for name in _OFF.split()),
    ]
)


def page_policy(script_hashes: list[str], ancestors: str) -> str:
    """The Content-Security-Policy of a page, whose inline scripts have these hashes.

    Scripts: Streamlit loads a component's own script from a `blob:`, which only a script that
    already runs can make, and its reader of messages compiles a few lines of WebAssembly.
    Styles may be inline because Streamlit writes them so; what they could fetch (images, fonts,
    other styles) is bound to our own origin. `connect-src 'self'` covers our WebSocket: so says
    CSP 3, as Chromium, Firefox and Safari (since 15.4) do it.
    """
    return "; ".join(
        [
            "default-src 'none'",
            " ".join(["script-src 'self' blob: 'wasm-unsafe-eval'", *script_hashes]),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "media-src 'self' blob:",
            "font-src 'self' data:",
            "connect-src 'self' blob:",
            "frame-src 'self'",
            "worker-src 'self' blob:",
            "manifest-src 'self'",
            "base-uri 'self'",
            "form-action 'self'",
            "object-src 'none'",
            f"frame-ancestors {ancestors}",
        ]
    )


def file_policy(ancestors: str) -> str:
    """The policy of a file that somebody opens by its address: it runs and loads nothing."""
    return f"default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors {ancestors}"


def script_hashes(html: str) -> list[str]:
    """The CSP hashes of the inline scripts in a page."""
    html = _COMMENT.sub("", html.replace("\r\n", "\n").replace("\r", "\n"))
    inline = [found["code"] for found in _SCRIPT.finditer(html) if "src=" not in found[1]]
    digests = [sha256(code.encode()).digest() for code in inline]
    return [f"'sha256-{b64encode(digest).decode()}'" for digest in digests]


class SecurityHeaders:
    """Stands around everything else; what a response says itself is not overwritten."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        served = Path(file_util.get_static_dir(), "index.html")  # the page of every address
        html = served.read_text("utf-8") if served.is_file() else ""
        ancestors = _ancestors()
        self._page = page_policy(script_hashes(html), ancestors)
        self._file = file_policy(ancestors)
        self._headers = {
            "x-content-type-options": "nosniff",
            "x-dns-prefetch-control": "off",  # a link that is only shown looks up no name
            "referrer-policy": "same-origin",
            "permissions-policy": _PERMISSIONS,
            "cross-origin-resource-policy": "same-origin",
        }
        if older := _OLDER.get(ancestors):
            self._headers["x-frame-options"] = older

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        wanted = self._for(scope)
        has_begun = False

        async def send_with_headers(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                headers = MutableHeaders(scope=message)
                for name, value in wanted.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            # Else the framework would answer, outside of this, without any of the headers.
            if not has_begun:
                answer = PlainTextResponse("Internal Server Error", status_code=500)
                await answer(scope, receive, send_with_headers)
            raise

    def _for(self, scope: Scope) -> dict[str, str]:
        given = Headers(scope=scope)
        is_secure = is_https(scope)
        host = given.get("host", "").rpartition(":")[0] or given.get("host", "")
        # Uploaded and generated files; a page below such an address would only be drawn empty.
        is_file = "/media/" in scope["path"]
        wanted = {**self._headers, "content-security-policy": self._file if is_file else self._page}
        if is_secure or _LOOPBACK.fullmatch(host):  # elsewhere browsers complain that it is ignored
            wanted["cross-origin-opener-policy"] = "same-origin"
        if is_secure:
            wanted["strict-transport-security"] = f"max-age={_YEAR}"
        return wanted


def _ancestors() -> str:
    """Whose pages may show Parley in a frame: our own always, unless nobody's may."""
    secrets = st.secrets.to_dict() if st.secrets.load_if_toml_exists() else None
    try:
        named = read_settings(load_config(secrets)).frame_ancestors.split()
    except SettingsError:  # the page says so once it is opened
        named = []
    if named == ["'none'"]:
        return "'none'"
    return " ".join(["'self'", *(each for each in named if each != "'self'")])
