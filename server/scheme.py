"""The scheme that the browser used, also behind a TLS-terminating proxy."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import Scope


def is_https(scope: Scope) -> bool:
    """Return whether the request left the browser over HTTPS.

    The proxy's header is trusted from any client: forging it only makes the client's own browser
    apply stricter rules.
    """
    if scope.get("scheme") == "https":
        return True
    protocol, _, _ = Headers(scope=scope).get("x-forwarded-proto", "").partition(",")
    return protocol.strip().lower() == "https"
