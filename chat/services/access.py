"""Access: the access code, its lockout, and moving a visitor's data to an account."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import pbkdf2_hmac, sha256

from chat.background.file_jobs import FileJobs
from chat.config.settings import Settings
from chat.domain.identity import ACCOUNT, is_visitor_cookie, require_owner, visitor_from_cookie
from chat.errors import NotFound
from chat.store import Store

LOCKOUT = timedelta(minutes=15)
MAX_GUESSES = 5  # of one owner or address within the lockout time
MAX_GUESSES_OF_ALL = 50


class AccessService:
    def __init__(self, settings: Settings, store: Store, exports: FileJobs) -> None:
        self._settings, self._store, self._exports = settings, store, exports

    def has_entered(self, owner: str) -> bool:
        """Return whether the owner has entered the current access code, or none is set."""
        if not self._settings.access_code:
            return True
        return bool(owner) and self._store.access.has_entered(owner, self._keyed(owner))

    def enter(self, owner: str, code: str, address: str = "", at: datetime | None = None) -> None:
        """Grant an owner access who knows the code, until the code is changed.

        Raises `WrongCode`, and `LockedOut` after too many wrong codes of this owner, from this
        address or of all users together: a new cookie gives no new guesses.
        """
        require_owner(owner)
        right = sha256((self._settings.access_code or "").encode()).digest()
        given = sha256(code.strip().encode("utf-8", "replace")).digest()
        limits = {f"owner:{self._keyed(owner)}": MAX_GUESSES, "everybody": MAX_GUESSES_OF_ALL}
        if address:  # an unknown address must not lock out other users
            limits[f"address:{self._keyed(f'address {address}')}"] = MAX_GUESSES
        self._store.access.enter(
            owner,
            self._keyed(owner),
            limits,
            is_right=hmac.compare_digest(right, given),
            at=at or datetime.now(UTC),
            lasts=LOCKOUT,
        )

    def claim_visitor(self, owner: str, cookie: str) -> int:
        """Move the conversations of a visitor to an account; return their number.

        The cookie authenticates the visitor. Temporary conversations are not moved.
        """
        if not owner.startswith(ACCOUNT) or not is_visitor_cookie(cookie):
            raise NotFound
        visitor = visitor_from_cookie(cookie).owner
        count = self._store.access.transfer_visitor_data(owner, visitor)
        self._exports.discard(visitor)  # a later purge would not find it under the new owner
        return count

    def _keyed(self, text: str) -> str:
        """Return a keyed hash that cannot be reversed or verified without the access code."""
        return hmac.new(self._key, text.encode("utf-8", "replace"), sha256).hexdigest()

    @cached_property
    def _key(self) -> bytes:
        code = (self._settings.access_code or "").encode()
        return pbkdf2_hmac("sha256", code, b"Parley's access code", 200_000)
