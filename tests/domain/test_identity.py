"""Identification by cookie and by OpenID claims, administrators, and the visitor cookie."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chat import (
    Connection,
    Person,
    account_from_claims,
    is_local_admin,
    visitor_from_cookie,
)
from chat.config.settings import Settings, read_settings
from chat.errors import NotAllowed, SettingsError, SignInExpired

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
CLAIMS = {"iss": "https://id.example", "sub": "7", "iat": NOW.timestamp(), "email": "ann@x.org"}


def signed_in(allowed: str = "", admins: str = "", **claims: Any) -> Person:
    settings = Settings(allowed_emails=allowed or None, admin_emails=admins or None)
    return account_from_claims({**CLAIMS, **claims}, settings, NOW)


def test_visitor_owner_is_the_hash_of_the_cookie() -> None:
    expected = hashlib.sha256(b"cookie").hexdigest()[:40]
    assert visitor_from_cookie("cookie") == Person(f"visitor:{expected}")


def test_account_owner_depends_on_issuer_and_subject_only() -> None:
    owner = signed_in().owner
    assert owner.startswith("account:") and len(owner) == len("account:") + 40
    assert signed_in(email="new@x.org", name="Ann").owner == owner
    others = {signed_in(sub="8").owner, signed_in(iss="https://other.example").owner}
    assert len(others | {owner}) == 3
    assert signed_in(iss="a\nb", sub="c").owner != visitor_from_cookie("a\nb\nc").owner


@pytest.mark.parametrize(
    ("email", "is_allowed"),
    [
        ("ann@x.org", True),
        ("ANN@X.ORG", True),
        ("bob@x.org", False),
        ("anyone@y.org", True),
        ("Anyone@Y.Org", True),
        ("someone@z.org", True),
        ("a@evil-y.org", False),
        ("a@y.org.evil.com", False),
        ("a@sub.y.org", False),
        ("a@y.org.", False),
        ("a@y.org@evil.com", False),
        ("a@evil.com@y.org", False),
        ("@y.org", False),
        ("y.org", False),
        ("", False),
        ("a@\u0443.org", False),  # a Cyrillic letter that looks like y
        ("a\u212a@k.org", False),
        ("\u212aate@k.org", False),  # the Kelvin sign, lower case: k
        ("a@\uff59.org", False),  # fullwidth y
        ("a@y.org\n", False),
        ("a b@y.org", False),
        ("a@y.org,b@q.org", False),
        (None, False),
        (["ann@x.org"], False),
    ],
)
def test_allowed_emails_matches_addresses_and_whole_domains(
    email: object, is_allowed: bool
) -> None:
    allowed = "ann@x.org, Y.org ,@z.org, kate@k.org,,"
    if is_allowed:
        assert signed_in(allowed, email=email).email == email
        return
    with pytest.raises(NotAllowed):
        signed_in(allowed, email=email)


def test_every_account_is_allowed_without_allowed_emails() -> None:
    assert signed_in(email="ann@elsewhere.example")
    assert signed_in(email=None).email == ""


@pytest.mark.parametrize("verified", [False, "false", "False", 0, "0", "", "no", [], 1])
def test_unverified_address_is_neither_allowed_nor_admin(verified: object) -> None:
    with pytest.raises(NotAllowed):
        signed_in("ann@x.org", email_verified=verified)
    person = signed_in(admins="ann@x.org", email_verified=verified)
    assert not person.is_admin and person.email == ""


@pytest.mark.parametrize("verified", [True, "true", "True", None])
def test_verified_address_is_allowed_and_admin(verified: object) -> None:
    assert signed_in("x.org", "ann@x.org", email_verified=verified).is_admin


def test_admin_emails_ignores_domains() -> None:
    assert signed_in(admins="bob@x.org, Ann@X.org").is_admin
    assert not signed_in(admins="x.org, @x.org").is_admin
    assert not signed_in(admins="").is_admin


@pytest.mark.parametrize(
    "since",
    [
        NOW.timestamp() - timedelta(days=30, seconds=1).total_seconds(),
        NOW.timestamp() + timedelta(days=2).total_seconds(),
        0,
        None,
        float("nan"),
        str(NOW.timestamp()),
    ],
)
def test_sign_in_with_invalid_or_old_time_is_expired(since: object) -> None:
    with pytest.raises(SignInExpired):
        signed_in(iat=since)


@pytest.mark.parametrize("claim", [{"iss": None}, {"iss": ""}, {"sub": None}, {"sub": 7}])
def test_claims_need_an_issuer_and_a_subject(claim: dict[str, Any]) -> None:
    with pytest.raises(SignInExpired):
        signed_in(**claim)


LOCAL = {"Host": ["localhost:8501"], "Origin": ["http://localhost:8501"]}


@pytest.mark.parametrize(
    ("address", "headers", "is_admin"),
    [
        (None, LOCAL, True),
        ("127.0.0.1", {"host": ["127.0.0.1"], "origin": ["http://127.0.0.1"]}, True),
        (None, {"Host": ["127.0.0.1:8501"]}, False),  # browsers send an Origin header
        ("::1", {"Host": ["[::1]:8501"], "Origin": ["http://[::1]:8501"]}, True),
        ("::ffff:127.0.0.1", LOCAL, True),
        (None, {"Host": ["LOCALHOST:1"], "Origin": ["https://localhost:1"]}, True),
        (None, {}, True),  # no connection at all
        ("192.168.1.4", LOCAL, False),
        ("172.17.0.1", LOCAL, False),
        ("8.8.8.8", LOCAL, False),
        ("nonsense", LOCAL, False),
        (None, {"Host": ["chat.example.com"]}, False),
        (None, {"Host": ["localhost.evil.com"]}, False),
        (None, {"Host": ["evil.com:80"], "Origin": ["http://evil.com"]}, False),
        (None, {"Host": ["127.0.0.1:8501"], "Origin": ["https://chat.example.com"]}, False),
        (None, {"Host": ["127.0.0.1:8501"], "Origin": ["null"]}, False),
        (None, {"Host": ["127.0.0.1:8501"], "Origin": [""]}, False),
        (None, {"Host": ["localhost"], "Origin": ["http://localhost@evil.com"]}, False),
        (None, {"Host": ["localhost"], "Origin": ["http://localhost.evil.com"]}, False),
        (None, {"Origin": ["http://localhost"]}, False),
        (None, {"Host": ["localhost", "evil.com"]}, False),
        (None, {"Accept": ["*/*"]}, False),
        *(
            (None, {**LOCAL, name: ["127.0.0.1"]}, False)
            for name in [
                "Forwarded",
                "X-Forwarded-For",
                "x-forwarded-proto",
                "X-FORWARDED-HOST",
                "X-Real-IP",
                "Via",
                "CF-Connecting-IP",
                "CF-Ray",
            ]
        ),
    ],
)
def test_local_admin_requires_a_direct_local_browser(
    address: str | None, headers: dict[str, list[str]], is_admin: bool
) -> None:
    connection = Connection(address, headers)
    assert is_local_admin(connection, Settings(), has_desktop=True) is is_admin
    assert is_local_admin(connection, Settings(local_admin=True)) is is_admin
    assert not is_local_admin(connection, Settings()), "the default is off on a server"
    assert not is_local_admin(connection, Settings(local_admin=False), has_desktop=True)
    assert not is_local_admin(connection, Settings(access_code="secret code"), has_desktop=True)


def test_several_providers_require_verified_addresses() -> None:
    settings = Settings(admin_emails="ann@x.org", values={"auth": {}})
    claims = {"iss": "https://id", "sub": "1", "iat": NOW.timestamp(), "email": "ann@x.org"}
    assert account_from_claims(claims, settings, NOW).is_admin
    assert not account_from_claims(claims, settings, NOW, is_only_provider=False).is_admin
    verified = {**claims, "email_verified": True}
    assert account_from_claims(verified, settings, NOW, is_only_provider=False).is_admin


@pytest.mark.parametrize(
    ("proxies", "address", "forwarded", "client"),
    [
        (0, "8.8.8.8", [], "8.8.8.8"),
        (0, "8.8.8.8", ["1.1.1.1"], "8.8.8.8"),  # no proxy is trusted: the header is ignored
        (0, "8.8.8.8", ["", "1.1.1.1, 2.2.2.2"], "8.8.8.8"),
        (0, None, ["1.1.1.1"], ""),
        (1, "10.0.0.1", ["1.1.1.1, 8.8.8.8"], "8.8.8.8"),
        (2, "10.0.0.1", ["1.1.1.1, 8.8.8.8", "10.0.0.2"], "8.8.8.8"),
        (3, "8.8.8.8", ["1.1.1.1"], "8.8.8.8"),  # fewer entries than proxies
        (1, "::ffff:10.0.0.1", [], "10.0.0.1"),
        (1, "10.0.0.1", [], "10.0.0.1"),
        (1, "10.0.0.1", ["rubbish"], "10.0.0.1"),
        (1, "10.0.0.1", ["1.1.1.1, "], "10.0.0.1"),
        (1, "10.0.0.1", ["unknown"], "10.0.0.1"),
        (1, "10.0.0.1", ["8.8.8.8:4711"], "8.8.8.8"),
        (1, "10.0.0.1", ["[2001:db8:1:2::9]:443"], "2001:db8:1:2::"),
        (1, "10.0.0.1", ["8.8.8.8:99999999"], "10.0.0.1"),
        (0, None, [], ""),
        (0, "2001:db8:1:2:3:4:5:6", [], "2001:db8:1:2::"),  # the /64 network
        (0, "::ffff:8.8.8.8", [], "8.8.8.8"),
    ],
)
def test_client_address_is_the_last_trusted_entry(
    proxies: int, address: str | None, forwarded: list[str], client: str
) -> None:
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    assert Connection(address, headers).client_address(proxies) == client


@pytest.mark.parametrize(
    "values",
    [
        {"ACCESS_CODE": "12345"},
        {"auth": {"cookie_secret": "xxx"}},
        {"auth": {}},
        {"auth": "from the environment"},
    ],
)
def test_weak_secrets_are_rejected_and_not_repeated(values: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(values)
    assert "12345" not in str(caught.value) and "xxx" not in str(caught.value)


def test_access_code_is_not_in_the_repr() -> None:
    settings = read_settings({"ACCESS_CODE": "open sesame"})
    assert settings.access_code == "open sesame"
    assert "sesame" not in repr(settings)
