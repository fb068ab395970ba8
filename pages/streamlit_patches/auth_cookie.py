"""The claims in Streamlit's sign-in cookie, which is otherwise read for WebSockets only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def signed_in_claims(cookies: Mapping[str, str]) -> dict[str, Any]:
    """Return the OpenID claims; empty if there is no cookie or its signature is not valid."""
    from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME
    from streamlit.web.server.starlette.starlette_websocket import _get_signed_cookie_with_chunks

    if USER_COOKIE_NAME not in cookies:
        return {}
    try:
        value = _get_signed_cookie_with_chunks(dict(cookies), USER_COOKIE_NAME)
        claims = json.loads(value) if value else {}
    except (ValueError, KeyError, TypeError):  # not latin-1, not JSON, or a chunk is missing
        return {}
    return claims if isinstance(claims, dict) and claims.get("is_logged_in") is True else {}
