"""Content-Security-Policy and the other security headers, on every response.

This is the last line of defence: even if a model's answer gets unsafe HTML into a page, the
browser loads nothing from other origins and runs only scripts that are our own files. This module
must not know what the pages contain.
"""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.scheme import is_https

_YEAR = 365 * 24 * 3600
_SCRIPT = re.compile(r"<script(?P<attributes>[^>]*)>(?P<code>.*?)</script>", re.DOTALL | re.I)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_X_FRAME_OPTIONS = {"'self'": "SAMEORIGIN", "'none'": "DENY"}  # it cannot express a list
_FILES = ("/media/", "/downloads/")  # uploaded and generated files
_MEDIA_PATH = "/media/"
_IMAGE_PATHS = (_MEDIA_PATH, "/static/", "/favicon.png")
# A host with port as it may stand in a policy; anything else in the header is ignored.
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*(?::\d{1,5})?")
# Hosts that a policy cannot name, such as "my_server" and "[::1]", are covered by 'self'.
_UNNAMEABLE_HOST = re.compile(r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_LOOPBACK = re.compile(r"(?:[\w.-]+\.)?localhost|127(?:\.\d+){3}|\[::1\]")

# Allowed are only the microphone, for dictation, and the clipboard.
_DENIED = (
    "accelerometer autoplay browsing-topics camera display-capture encrypted-media "
    "fullscreen geolocation gyroscope hid idle-detection local-fonts magnetometer midi payment "
    "picture-in-picture publickey-credentials-create publickey-credentials-get screen-wake-lock "
    "serial storage-access usb window-management xr-spatial-tracking"
)
_PERMISSIONS = ", ".join(
    [
        *(f"{name}=(self)" for name in ("microphone", "clipboard-write", "clipboard-read")),
        *(f"{name}=()" for name in _DENIED.split()),
    ]
)


def page_policy(script_hashes: list[str], ancestors: str, origins: list[str] | None) -> str:
    """Return the Content-Security-Policy for a page with these hashes of inline scripts.

    `origins` are the host names with port, and the path of the app, under which browsers reach it.
    Images and sounds are allowed from the paths that serve them only: at other addresses of our
    own, such as that of signing out, a request could have an effect. None if they are not known.

    `blob:` scripts: Streamlit loads the scripts of components from blob URLs, which only a script
    that already runs can create. `wasm-unsafe-eval`: its message decoder compiles WebAssembly.
    Inline styles: Streamlit writes them; the images, fonts and styles that they can load are
    restricted to our origin. `connect-src 'self'` includes our WebSocket according to CSP 3
    (Chromium, Firefox, Safari since 15.4).
    """
    if origins is None:
        images = sounds = ["'self'"]
    else:
        images = [f"{each}{path}" for each in origins for path in _IMAGE_PATHS]
        sounds = [f"{each}{_MEDIA_PATH}" for each in origins]
    return "; ".join(
        [
            "default-src 'none'",
            " ".join(["script-src 'self' blob: 'wasm-unsafe-eval'", *script_hashes]),
            "style-src 'self' 'unsafe-inline'",
            " ".join(["img-src", *images, "data: blob:"]),
            " ".join(["media-src", *sounds, "blob:"]),
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
    """Return the policy for a file that is opened directly: it may run and load nothing."""
    return f"default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors {ancestors}"


def script_hashes(html: str) -> list[str]:
    """Return the CSP hashes of the inline scripts in a page."""
    html = _COMMENT.sub("", html.replace("\r\n", "\n").replace("\r", "\n"))
    inline = [found["code"] for found in _SCRIPT.finditer(html) if "src=" not in found[1]]
    digests = [sha256(code.encode()).digest() for code in inline]
    return [f"'sha256-{b64encode(digest).decode()}'" for digest in digests]


class SecurityHeaders:
    """ASGI middleware that adds the headers a response does not set itself.

    `index_html` is the page that is served at every address. `ancestors` is the value of
    `FRAME_ANCESTORS`: origins that may embed Parley in a frame, separated by spaces. `base_path` is
    the path of the app, empty or with a slash in front. `is_address_known` is False if a proxy
    serves the app under another host or path and reports neither: images may then come from every
    path of our origin.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        index_html: str,
        ancestors: str,
        base_path: str = "",
        is_address_known: bool = True,
    ) -> None:
        self._app, self._base_path, self._is_address_known = app, base_path, is_address_known
        self._sources = sources = _frame_sources(ancestors)
        self._script_hashes = script_hashes(index_html)
        self._file_policy = file_policy(sources)
        self._headers = {
            "x-content-type-options": "nosniff",
            "x-dns-prefetch-control": "off",  # a link in an answer must not cause a DNS query
            "referrer-policy": "same-origin",
            "permissions-policy": _PERMISSIONS,
            "cross-origin-resource-policy": "same-origin",
        }
        if value := _X_FRAME_OPTIONS.get(sources):
            self._headers["x-frame-options"] = value

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        added = self._headers_for(scope)
        has_started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                headers = MutableHeaders(scope=message)
                for name, value in added.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            # Starlette's own error response is sent outside of this middleware, without headers.
            if not has_started:
                response = PlainTextResponse("Internal Server Error", status_code=500)
                await response(scope, receive, send_with_headers)
            raise

    def _page_policy(self, request: Headers) -> str:
        if not self._is_address_known:
            return page_policy(self._script_hashes, self._sources, None)
        prefix = request.get("x-forwarded-prefix", "").rstrip("/")
        paths = [self._base_path, *([prefix] if _PREFIX.fullmatch(prefix) else [])]
        origins = [f"{host}{path}" for host in _hosts(request) for path in paths]
        if not origins and _UNNAMEABLE_HOST.fullmatch(request.get("host", "")):
            return page_policy(self._script_hashes, self._sources, None)
        return page_policy(self._script_hashes, self._sources, origins)

    def _headers_for(self, scope: Scope) -> dict[str, str]:
        request = Headers(scope=scope)
        is_secure = is_https(scope)
        host = request.get("host", "").rpartition(":")[0] or request.get("host", "")
        is_file = any(each in scope["path"] for each in _FILES)
        policy = self._file_policy if is_file else self._page_policy(request)
        headers = {**self._headers, "content-security-policy": policy}
        if is_secure or _LOOPBACK.fullmatch(host):  # elsewhere browsers ignore it with a warning
            headers["cross-origin-opener-policy"] = "same-origin"
        if is_secure:
            headers["strict-transport-security"] = f"max-age={_YEAR}"
        return headers


def _hosts(request: Headers) -> list[str]:
    """Return the host that the browser sees; a proxy may report it in another header.

    A client can forge both, for itself only.
    """
    forwarded = request.get("x-forwarded-host", "").partition(",")[0].strip()
    found = (request.get("host", ""), forwarded)
    return list(dict.fromkeys(each for each in found if _HOST.fullmatch(each)))


def _frame_sources(ancestors: str) -> str:
    """Return the sources for `frame-ancestors`: always our own origin, unless it is 'none'."""
    sources = ancestors.split()
    if sources == ["'none'"]:
        return "'none'"
    return " ".join(["'self'", *(each for each in sources if each != "'self'")])
