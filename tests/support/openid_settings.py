"""Valid `[auth]` tables for tests of sign-in with OpenID Connect."""

from __future__ import annotations

from typing import Any

GOOGLE: dict[str, Any] = {
    "client_id": "parley",
    "client_secret": "hush-hush",
    "server_metadata_url": "https://accounts.google.com/.well-known/openid-configuration",
}
SHARED: dict[str, Any] = {
    "redirect_uri": "https://your.host/oauth2callback",
    "cookie_secret": "x" * 32,
}
SIGN_IN = {**SHARED, **GOOGLE}
