"""The person who uses this tab: a signed-in account, or the visitor of this browser."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from chat import (
    Connection,
    NotAllowed,
    ParleyError,
    Person,
    SignInExpired,
    account_from_claims,
    is_local_admin,
    is_visitor_cookie,
    visitor_from_cookie,
)
from pages.session import process
from pages.streamlit_patches.auth_cookie import signed_in_claims
from pages.streamlit_patches.session_owners import owns_session
from pages.streamlit_patches.streamlit_secrets import read_secrets

VISITOR_COOKIE = "parley_visitor"  # set by server/visitor_cookie.py


def owner() -> str:
    """Return the owner id for all data of this tab; empty for a person without access."""
    return person().owner


def person() -> Person:
    """Return the current person; one with an empty owner if they have no access yet."""
    try:
        found = identified()
    except (NotAllowed, SignInExpired):
        return Person("")
    if found.owner and st.session_state.get("entered") != found.owner:
        if not process.chat_service().access.has_entered(found.owner):
            return Person("")
        st.session_state["entered"] = found.owner  # until this tab is closed
        process.open_tabs().grant_access(visitor_cookie())
    return found


def signing_key() -> bytes | None:
    """Return the key that signs visitor cookies, or None while the database is not open."""
    service = process.opened_service()
    return None if service is None else service.access.visitor_key


def is_earlier(cookie: str) -> bool:
    """Return whether a cookie that is not signed has data, such as that of an earlier release.

    True if it cannot be found out now: nothing can be read either.
    """
    service = process.opened_service()
    try:
        return service is None or service.access.is_earlier_visitor(cookie)
    except ParleyError:
        return True


def has_access(cookies: Mapping[str, str]) -> bool:
    """Return whether the browser with these cookies may use Parley, outside of a page script.

    It must be signed in, if sign-in is configured, and must have entered the access code, if there
    is one. False if it cannot be found out now: the pages show the error.
    """
    service = process.opened_service()
    try:
        if service is None:
            return False
        if has_sign_in():
            claims = signed_in_claims(cookies)
            return bool(claims) and service.access.has_entered(_account(claims).owner)
        cookie = cookies.get(VISITOR_COOKIE, "")
        owner = visitor_from_cookie(cookie).owner if is_visitor_cookie(cookie) else ""
        return service.access.has_entered(owner)
    except ParleyError:
        return False


def may_upload(cookies: Mapping[str, str], session_id: str) -> bool:
    """Return whether this browser may upload a file to this session, which it must own."""
    return has_access(cookies) and owns_session(session_id, cookies.get(VISITOR_COOKIE, ""))


def may_clear_sign_in(cookies: Mapping[str, str]) -> bool:
    """Return whether the cookie of a sign-in may be removed: only after `sign_out`, or if invalid.

    Any page, also a picture in an answer, can make a browser request the address that removes it.
    """
    claims = signed_in_claims(cookies)
    try:
        return not claims or process.chat_service().access.is_signed_out(claims)
    except ParleyError:
        return False


def sign_out() -> None:
    """End this sign-in, also for copies of its cookie, and leave for the provider's sign-out."""
    claims = st.user.to_dict()
    process.chat_service().access.sign_out(claims)
    process.open_tabs().revoke_access(visitor_cookie())
    st.logout()


def identified() -> Person:
    """Return the person by sign-in or cookie, without checking the access code.

    The owner is empty before sign-in. Raises `NotAllowed` and `SignInExpired`.
    """
    settings = process.chat_service().settings
    if has_sign_in():
        claims = st.user.to_dict()
        return _account(claims) if claims.get("is_logged_in") is True else Person("")
    found = visitor_from_cookie(visitor_cookie() or _tab_id())
    has_desktop = not st.get_option("server.headless")
    is_admin = is_local_admin(_connection(), settings, has_desktop=has_desktop)
    return replace(found, is_admin=is_admin)


def _account(claims: Mapping[str, Any]) -> Person:
    """Return the account; one with an empty owner after its sign-out.

    Raises `NotAllowed` and `SignInExpired`.
    """
    service = process.chat_service()
    now, is_only = datetime.now(UTC), _providers() == 1
    found = account_from_claims(claims, service.settings, now, is_only_provider=is_only)
    return Person("") if service.access.is_signed_out(claims) else found


def has_sign_in() -> bool:
    """Return whether sign-in was configured at start or is configured now.

    A secrets file that is edited or becomes unreadable therefore never disables sign-in.
    """
    return "auth" in (process.chat_service().settings.values or {}) or "auth" in sign_in_settings()


def sign_in_settings() -> Mapping[str, Any]:
    """Return the secrets as Streamlit's own sign-in reads them; empty if they cannot be read."""
    return read_secrets() or {}


def _providers() -> int:
    """Return the number of configured OpenID Connect providers."""
    auth = sign_in_settings().get("auth", {})
    named = [each for each in auth.values() if isinstance(each, Mapping) and "client_id" in each]
    return len(named) + ("client_id" in auth)


def visitor_cookie() -> str:
    """Return the visitor cookie of this browser; empty if it has none or it is not well-formed.

    It is kept in the session state: Streamlit no longer knows the cookies after a disconnect, but
    still handles the last request of the browser.
    """
    cookie = st.context.cookies.get(VISITOR_COOKIE)
    if not is_visitor_cookie(cookie):
        return str(st.session_state.get("visitor_cookie", ""))
    if st.session_state.get("visitor_cookie") != cookie:
        st.session_state["visitor_cookie"] = cookie
    return str(cookie)


def client_address() -> str:
    return _connection().client_address(process.chat_service().settings.trusted_proxies)


def has_earlier_conversations() -> bool:
    """Return whether this browser has conversations from before sign-in. Queried once per tab."""
    if "has_earlier_conversations" not in st.session_state:
        cookie, found = visitor_cookie(), False
        if cookie:
            before = visitor_from_cookie(cookie).owner
            found = bool(
                process.chat_service().as_owner(before).conversations.latest(1)
                or process.chat_service().as_owner(before).conversations.pinned()
            )
        st.session_state["has_earlier_conversations"] = found
    return bool(st.session_state["has_earlier_conversations"])


def dismiss_earlier_conversations() -> None:
    st.session_state["has_earlier_conversations"] = False


def _tab_id() -> str:
    """Return an id for this tab, for browsers that reject cookies."""
    return str(st.session_state.setdefault("visitor", secrets.token_urlsafe(32)))


def _connection() -> Connection:
    headers = st.context.headers
    return Connection(st.context.ip_address, {name: headers.get_all(name) for name in headers})
