"""Sign visitor cookies, so that a browser can only have one that Parley has made.

The key is in the database, which may not be open yet when the first page is requested. Until then
a key of this process signs new cookies, and existing ones cannot be checked.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from secrets import token_bytes, token_urlsafe

import anyio.to_thread

from chat import is_visitor_cookie


class VisitorSignature:
    """`key()` returns the stored key, or None until it is known.

    `is_earlier_visitor(cookie)` returns whether an unsigned cookie has data that would be lost. It
    may block: it runs on a worker thread.
    """

    def __init__(
        self, key: Callable[[], bytes | None], is_earlier_visitor: Callable[[str], bool]
    ) -> None:
        self._key, self._is_earlier_visitor = key, is_earlier_visitor
        self._own_key = token_bytes(32)

    @property
    def can_check(self) -> bool:
        return self._key() is not None

    def new(self) -> str:
        return token_urlsafe(32)

    def sign(self, visitor: str) -> str:
        """Return the value of the cookie for this visitor."""
        return f"{visitor}.{_mac(self._key() or self._own_key, visitor)}"

    def is_signed(self, value: str) -> bool:
        visitor, _, mac = value.partition(".")
        if not is_visitor_cookie(visitor) or not mac.isascii():
            return False
        keys = [each for each in (self._key(), self._own_key) if each]
        return any(hmac.compare_digest(_mac(key, visitor), mac) for key in keys)

    async def visitor(self, value: str, *, trust_signature: bool = True) -> str:
        """Return the visitor that a cookie identifies; empty if it is not ours.

        A cookie without a valid signature is accepted while it cannot be checked, and if it has
        data. With `trust_signature` False that is required of a signed one, too.
        """
        visitor = value.partition(".")[0]
        if not is_visitor_cookie(visitor):
            return ""
        if trust_signature and self.is_signed(value):
            return visitor
        if not self.can_check:
            return visitor
        known = await anyio.to_thread.run_sync(self._is_earlier_visitor, visitor)
        return visitor if known else ""


def _mac(key: bytes, visitor: str) -> str:
    digest = hmac.new(key, f"visitor cookie:{visitor}".encode(), sha256).digest()
    return urlsafe_b64encode(digest).decode().rstrip("=")
