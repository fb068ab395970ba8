"""Who somebody is: a browser by its cookie, or an account by what its provider says. Pure.

Also who is an admin. Knows no page, no server and no database; whoever calls brings the clock.
"""

from __future__ import annotations

import hashlib
import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any

from chat.config.settings import Settings
from chat.domain.person import Person
from chat.errors import NotAllowed, NotFound, SignInExpired

VISITOR, ACCOUNT = "visitor:", "account:"
SIGN_IN_LIFETIME = timedelta(days=30)
_SKEW = timedelta(days=1)  # clocks differ, but not by more

_COOKIE = re.compile(r"[A-Za-z0-9_-]{43}")
# Only ASCII: other alphabets have letters whose small form is an ASCII one (the Kelvin sign).
_SMALL = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_LOCAL_HOST = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?", re.I)
_PASSED_ON = re.compile(
    r"forwarded|via|x-forwarded.*|x-real-ip|x-client-ip|x-original-.*|true-client-ip|cf-.*|fly-.*",
    re.I,
)


def is_visitor_cookie(value: object) -> bool:
    """Whether this can be a cookie of ours: 32 random bytes. Anything else was made by others."""
    return isinstance(value, str) and _COOKIE.fullmatch(value) is not None


def visitor_from_cookie(cookie: str) -> Person:
    """The browser that holds this cookie; only a hash of it is ever kept."""
    return Person(VISITOR + _hash(cookie))


def account_from_claims(
    claims: Mapping[str, Any], settings: Settings, now: datetime, *, is_only_provider: bool = True
) -> Person:
    """The account that an OpenID provider vouches for: its issuer and its subject.

    Where there are several providers, one must not vouch for an address that another one knows:
    then it counts only when it is said to be verified.

    Raises `SignInExpired` when the sign-in is older than 30 days or is none, and `NotAllowed` when
    ALLOWED_EMAILS does not hold its address.
    """
    issuer, subject, since = claims.get("iss"), claims.get("sub"), claims.get("iat")
    if not (_is_text(issuer) and _is_text(subject) and isinstance(since, int | float)):
        raise SignInExpired
    age = now.timestamp() - since
    if not -_SKEW.total_seconds() <= age <= SIGN_IN_LIFETIME.total_seconds():
        raise SignInExpired
    email = _email(claims, must_be_verified=not is_only_provider)
    if settings.allowed_emails and not is_email_listed(email, settings.allowed_emails):
        raise NotAllowed
    return Person(
        ACCOUNT + _hash(f"{issuer}\n{subject}"),
        email,
        is_email_listed(email, settings.admin_emails or "", with_domains=False),
    )


def is_email_listed(email: str, names: str, *, with_domains: bool = True) -> bool:
    """Whether an address, or its whole domain, is one of `names`: "ann@x.org, y.org, @y.org"."""
    local, at, domain = email.translate(_SMALL).partition("@")
    if not (local and at and domain) or "@" in domain or not email.isprintable() or " " in email:
        return False
    for name in names.split(","):
        wanted = name.strip().translate(_SMALL)
        if wanted == f"{local}@{domain}":
            return True
        if with_domains and wanted.removeprefix("@") == domain:
            return True
    return False


def require_admin(person: Person) -> None:
    """Raise `NotFound` unless the person is an administrator."""
    if not (person.owner and person.is_admin):
        raise NotFound


def require_owner(owner: str) -> None:
    """Nobody owns nothing: who is not signed in has an empty owner. Raises `NotFound`."""
    if not owner:
        raise NotFound


@dataclass(frozen=True, slots=True)
class Connection:
    """Where a page is asked for from. `address` is None for this machine; names in any case."""

    address: str | None = None
    headers: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def header(self, name: str) -> list[str]:
        return [
            value for key, all_ in self.headers.items() if key.lower() == name for value in all_
        ]

    @property
    def is_local(self) -> bool:
        """Whether this is the person at the machine, and nothing stands between.

        A proxy on this machine also comes from here: it is told by its headers, by the name it
        was asked for, or by the page's origin, which no usual proxy rewrites. Whoever is no
        browser can forge all that through a bare tunnel, so it alone makes nobody an admin of a
        server: see `is_local_admin`.
        """
        if self.address is not None and not _is_loopback(self.address):
            return False
        if any(_PASSED_ON.fullmatch(name) for name in self.headers):
            return False
        hosts, origins = self.header("host"), self.header("origin")
        if self.headers and (len(hosts) != 1 or len(origins) != 1):
            return False  # every browser tells where a page's socket comes from
        return all(_LOCAL_HOST.fullmatch(host) for host in hosts) and all(
            _LOCAL_HOST.fullmatch(re.sub("^https?://", "", origin)) for origin in origins
        )

    def client_address(self, proxies: int) -> str:
        """The address of whoever asks, behind that many proxies of ours.

        Empty for this machine, and for all whose address only somebody else tells. Each proxy
        adds the address it was asked from at the end; what stands before that is what the client
        says of itself.
        """
        told = [each.strip() for line in self.header("x-forwarded-for") for each in line.split(",")]
        if not told:
            return _of_a_home(self.address or "")
        # The server itself may have taken the address from there already: it is not used.
        return _of_a_home(told[-proxies]) if 0 < proxies <= len(told) else ""


def is_local_admin(
    connection: Connection, settings: Settings, *, has_desktop: bool = False
) -> bool:
    """Whether the visitor is an admin because they sit at the machine that runs Parley.

    Unless LOCAL_ADMIN says so, only where Parley was started on a desktop, not as a server.
    """
    is_wanted = has_desktop if settings.local_admin is None else settings.local_admin
    return is_wanted and not settings.access_code and connection.is_local


def _email(claims: Mapping[str, Any], *, must_be_verified: bool) -> str:
    """The address, unless the provider says that it is not verified; some say nothing of it."""
    email, verified = claims.get("email"), claims.get("email_verified")
    is_verified = verified is True or str(verified).lower() == "true"
    is_verified = is_verified or (verified is None and not must_be_verified)
    return email if isinstance(email, str) and is_verified else ""


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:40]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _of_a_home(address: str) -> str:
    """An address as one person has it: a home has 2^64 of version 6."""
    try:
        found = ip_address(address)
    except ValueError:
        return ""
    if found.version == 4:
        return str(found)
    return str(found.ipv4_mapped or ip_address(int(found) >> 64 << 64))


def _is_loopback(address: str) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return bool((mapped or found).is_loopback)
