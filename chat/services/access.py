"""Coming in: the access code, its lock-out, and what a visitor takes along into an account."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import pbkdf2_hmac, sha256

from chat.config.settings import Settings
from chat.domain.identity import ACCOUNT, is_visitor_cookie, require_owner, visitor_from_cookie
from chat.errors import NotFound
from chat.store import Store

LOCKED = timedelta(minutes=15)
GUESSES = 5  # of one person or address in that time
ALL_GUESSES = 50  # of everybody in that time


class Entering:
    settings: Settings
    _store: Store

    def has_entered(self, owner: str) -> bool:
        """Whether this owner needs no access code, or has entered the one that is set now."""
        if not self.settings.access_code:
            return True
        return bool(owner) and self._store.access.has_entered(owner, self._keyed(owner))

    def enter(self, owner: str, code: str, address: str = "", at: datetime | None = None) -> None:
        """Let an owner in who knows the access code, until it is changed.

        Raises `WrongCode`, and `LockedOut` after too many of them: of this owner, from this
        address, or of everybody together, so that a new cookie gives no new guesses.
        """
        require_owner(owner)
        right = sha256((self.settings.access_code or "").encode()).digest()
        given = sha256(code.strip().encode("utf-8", "replace")).digest()
        limits = {f"owner:{self._keyed(owner)}": GUESSES, "everybody": ALL_GUESSES}
        if address:  # else it is not known, and nobody shall be locked out for somebody else
            limits[f"address:{self._keyed(f'address {address}')}"] = GUESSES
        self._store.access.enter(
            owner,
            self._keyed(owner),
            limits,
            is_right=hmac.compare_digest(right, given),
            at=at or datetime.now(UTC),
            lasts=LOCKED,
        )

    def take_along(self, owner: str, cookie: str) -> int:
        """Give an account what was made under a visitor's cookie; how many conversations.

        Whoever holds the cookie is that visitor. Temporary conversations stay behind.
        """
        if not owner.startswith(ACCOUNT) or not is_visitor_cookie(cookie):
            raise NotFound
        return self._store.access.transfer_visitor_data(owner, visitor_from_cookie(cookie).owner)

    def _keyed(self, text: str) -> str:
        """A hash that says nothing to whoever does not know the code, and changes with it."""
        return hmac.new(self._key, text.encode("utf-8", "replace"), sha256).hexdigest()

    @cached_property
    def _key(self) -> bytes:
        code = (self.settings.access_code or "").encode()
        return pbkdf2_hmac("sha256", code, b"Parley's access code", 200_000)
