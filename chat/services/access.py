"""Access: the access code, its lockout, visitor cookies, signing out, and claiming a visitor."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import pbkdf2_hmac, sha256
from typing import Any

from cachetools import TTLCache

from chat.background.file_jobs import FileJobs
from chat.config.settings import Settings
from chat.domain.identity import (
    ACCOUNT,
    SIGN_IN_LIFETIME,
    is_visitor_cookie,
    require_owner,
    sign_in_id,
    visitor_from_cookie,
)
from chat.errors import NotFound
from chat.store import Store

LOCKOUT = timedelta(minutes=15)
MAX_GUESSES = 5  # of one owner or address within the lockout time
MAX_GUESSES_OF_ALL = 50
UNSIGNED_COOKIES_END = timedelta(days=365)  # after the key was made: older cookies have expired
_SIGN_OUT_DELAY = 10.0  # seconds until the other processes notice it


class AccessService:
    def __init__(self, settings: Settings, store: Store, exports: FileJobs) -> None:
        self._settings, self._store, self._exports = settings, store, exports
        self._signed_out: TTLCache[str, bool] = TTLCache(10_000, _SIGN_OUT_DELAY)
        self._lock = threading.Lock()
        self._visitor_key: bytes | None = None
        self._visitor_key_created_at = datetime.max.replace(tzinfo=UTC) - UNSIGNED_COOKIES_END

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

    @property
    def visitor_key(self) -> bytes | None:
        """The key that signs visitor cookies, kept in the database; None until `load_keys`."""
        return self._visitor_key

    def load_keys(self) -> None:
        """Read the keys of this instance, or make them. Raises `StoreFailed`."""
        found = self._store.identities.signing_key("visitor", datetime.now(UTC))
        self._visitor_key, self._visitor_key_created_at = found

    def is_earlier_visitor(self, cookie: str, at: datetime | None = None) -> bool:
        """Return whether an unsigned cookie belongs to a visitor with stored data.

        Earlier releases did not sign cookies. A made-up cookie has no data. False a year after the
        first signed cookie: the last of the others has expired.
        """
        end = self._visitor_key_created_at + UNSIGNED_COOKIES_END
        return (at or datetime.now(UTC)) <= end and self._store.identities.has_data(
            visitor_from_cookie(cookie).owner
        )

    def sign_out(self, claims: Mapping[str, Any]) -> None:
        """End the sign-in with these OpenID claims: copies of its cookie are not accepted again."""
        sign_in, now = sign_in_id(claims), datetime.now(UTC)
        self._store.identities.sign_out(sign_in, at=now, expires_at=now + SIGN_IN_LIFETIME)
        with self._lock:
            self._signed_out[sign_in] = True

    def is_signed_out(self, claims: Mapping[str, Any]) -> bool:
        """Return whether `sign_out` has ended this sign-in, in any process, seconds ago or more."""
        sign_in = sign_in_id(claims)
        with self._lock:
            if (known := self._signed_out.get(sign_in)) is not None:
                return known
        found = self._store.identities.is_signed_out(sign_in)
        with self._lock:
            self._signed_out[sign_in] = found or self._signed_out.get(sign_in, False)
        return found

    def _keyed(self, text: str) -> str:
        """Return a keyed hash that cannot be reversed or verified without the access code."""
        return hmac.new(self._key, text.encode("utf-8", "replace"), sha256).hexdigest()

    @cached_property
    def _key(self) -> bytes:
        code = (self._settings.access_code or "").encode()
        return pbkdf2_hmac("sha256", code, b"Parley's access code", 200_000)
