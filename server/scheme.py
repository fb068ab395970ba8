"""How the browser asked: by HTTPS itself, or by HTTPS to a proxy in front of us."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import Scope


def is_https(scope: Scope) -> bool:
    """Whether the request left the browser by HTTPS.

    Anybody can send the header of a proxy. Who lies with it makes their own browser stricter.
    """
    if scope.get("scheme") == "https":
        return True
    outside, _, _ = Headers(scope=scope).get("x-forwarded-proto", "").partition(",")
    return outside.strip().lower() == "https"
