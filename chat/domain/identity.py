"""Identification of users: visitors by cookie, accounts by OpenID claims, and administrators.

Pure: the caller passes the time. The module knows no page, server or database.
"""

from __future__ import annotations

import hashlib
import json
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
_CLOCK_SKEW = timedelta(days=1)
_SIGN_IN_CLAIMS = ("provider", "iss", "sub", "iat", "exp", "nonce", "jti", "sid", "at_hash")

_COOKIE = re.compile(r"[A-Za-z0-9_-]{43}")
# ASCII only: `str.lower` maps some other letters to ASCII, for example the Kelvin sign to "k".
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_LOCAL_HOST = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?", re.I)
_HOST_AND_PORT = re.compile(r"\[([^\]]*)\](?::\d{1,5})?|([\d.]+):\d{1,5}")  # some proxies add it
_PROXY_HEADER = re.compile(
    r"forwarded|via|x-forwarded.*|x-real-ip|x-client-ip|x-original-.*|true-client-ip|cf-.*|fly-.*",
    re.I,
)


def is_visitor_cookie(value: object) -> bool:
    """Return whether a value has the format of a visitor cookie: 32 random bytes in base64."""
    return isinstance(value, str) and _COOKIE.fullmatch(value) is not None


def visitor_from_cookie(cookie: str) -> Person:
    """Return the visitor with this cookie. Only a hash of the cookie is stored."""
    return Person(VISITOR + _hash(cookie))


def account_from_claims(
    claims: Mapping[str, Any], settings: Settings, now: datetime, *, is_only_provider: bool = True
) -> Person:
    """Return the account that is identified by the issuer and the subject of OpenID claims.

    With several providers, an e-mail address counts only if it is marked as verified, so that one
    provider cannot claim an address of another.

    Raises `SignInExpired` if the claims are incomplete or older than 30 days, and `NotAllowed` if
    ALLOWED_EMAILS does not include the address.
    """
    issuer, subject, since = claims.get("iss"), claims.get("sub"), claims.get("iat")
    if not (_is_text(issuer) and _is_text(subject) and isinstance(since, int | float)):
        raise SignInExpired
    age = now.timestamp() - since
    if not -_CLOCK_SKEW.total_seconds() <= age <= SIGN_IN_LIFETIME.total_seconds():
        raise SignInExpired
    email = _email(claims, must_be_verified=not is_only_provider)
    if settings.allowed_emails and not is_email_listed(email, settings.allowed_emails):
        raise NotAllowed
    return Person(
        ACCOUNT + _hash(f"{issuer}\n{subject}"),
        email,
        is_email_listed(email, settings.admin_emails or "", with_domains=False),
    )


def sign_in_id(claims: Mapping[str, Any]) -> str:
    """Return a hash that identifies one sign-in: the account, its session and its time."""
    return hashlib.sha256(
        json.dumps([str(claims.get(name)) for name in _SIGN_IN_CLAIMS]).encode()
    ).hexdigest()


def is_email_listed(email: str, names: str, *, with_domains: bool = True) -> bool:
    """Return whether `names`, such as "ann@x.org, y.org, @z.org", include an address or domain."""
    local, at, domain = email.translate(_LOWER).partition("@")
    if not (local and at and domain) or "@" in domain or not email.isprintable() or " " in email:
        return False
    for name in names.split(","):
        wanted = name.strip().translate(_LOWER)
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
    """Raise `NotFound` if `owner` is empty, which it is before sign-in."""
    if not owner:
        raise NotFound


@dataclass(frozen=True, slots=True)
class Connection:
    """The connection of a browser. `address` is None for this machine.

    Names of `headers` are compared without case.
    """

    address: str | None = None
    headers: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def header(self, name: str) -> list[str]:
        return [
            value for key, all_ in self.headers.items() if key.lower() == name for value in all_
        ]

    @property
    def is_local(self) -> bool:
        """True if the browser runs on this machine and connects without a proxy.

        A local proxy also connects from a loopback address. It is recognised by its headers, by
        the host name, or by the origin, which common proxies do not rewrite. A client other than a
        browser can forge all of these through a plain tunnel, so this is not sufficient to make
        someone an administrator of a server: see `is_local_admin`.
        """
        if self.address is not None and not _is_loopback(self.address):
            return False
        if any(_PROXY_HEADER.fullmatch(name) for name in self.headers):
            return False
        hosts, origins = self.header("host"), self.header("origin")
        if self.headers and (len(hosts) != 1 or len(origins) != 1):
            return False  # browsers send one of each with a WebSocket request
        return all(_LOCAL_HOST.fullmatch(host) for host in hosts) and all(
            _LOCAL_HOST.fullmatch(re.sub("^https?://", "", origin)) for origin in origins
        )

    def client_address(self, proxies: int) -> str:
        """Return the client's address behind `proxies` trusted proxies.

        Each proxy appends the address of its peer to X-Forwarded-For; earlier entries are sent by
        the client and are not trusted. Without trusted proxies, and if they report no valid
        address, the header is ignored: it would hide the client's own address. Empty for this
        machine. IPv6 addresses are reduced to their /64 network.
        """
        forwarded = [
            each.strip() for line in self.header("x-forwarded-for") for each in line.split(",")
        ]
        reported = forwarded[-proxies] if 0 < proxies <= len(forwarded) else ""
        return _client_network(reported) or _client_network(self.address or "")


def is_local_admin(
    connection: Connection, settings: Settings, *, has_desktop: bool = False
) -> bool:
    """Return whether a visitor is an administrator because they use the machine of the server.

    By default only if Parley was started on a desktop; LOCAL_ADMIN overrides this.
    """
    is_enabled = has_desktop if settings.local_admin is None else settings.local_admin
    return is_enabled and not settings.access_code and connection.is_local


def _email(claims: Mapping[str, Any], *, must_be_verified: bool) -> str:
    """Return the e-mail address, or an empty string if the provider does not vouch for it.

    Some providers omit `email_verified`.
    """
    email, verified = claims.get("email"), claims.get("email_verified")
    is_verified = verified is True or str(verified).lower() == "true"
    is_verified = is_verified or (verified is None and not must_be_verified)
    return email if isinstance(email, str) and is_verified else ""


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:40]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _client_network(address: str) -> str:
    """Return an IPv4 address, or the /64 network of an IPv6 address, which one client controls."""
    try:
        host = _HOST_AND_PORT.fullmatch(address)
        found = ip_address(host[1] or host[2] if host else address)
    except (TypeError, ValueError):
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
