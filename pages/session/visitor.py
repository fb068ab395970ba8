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
    return found


def may_upload(cookie: str) -> bool:
    """Return whether the visitor with this cookie may upload files.

    With sign-in every visitor may: the account is known to the page scripts only.
    """
    try:
        if has_sign_in() or not process.chat_service().settings.access_code:
            return True
        return bool(cookie) and process.chat_service().access.has_entered(
            visitor_from_cookie(cookie).owner
        )
    except ParleyError:  # the pages show the error
        return False


def identified() -> Person:
    """Return the person by sign-in or cookie, without checking the access code.

    The owner is empty before sign-in. Raises `NotAllowed` and `SignInExpired`.
    """
    settings = process.chat_service().settings
    if has_sign_in():
        claims = st.user.to_dict()
        if claims.get("is_logged_in") is not True:
            return Person("")
        return account_from_claims(
            claims, settings, datetime.now(UTC), is_only_provider=_providers() == 1
        )
    found = visitor_from_cookie(visitor_cookie() or _tab_id())
    has_desktop = not st.get_option("server.headless")
    is_admin = is_local_admin(_connection(), settings, has_desktop=has_desktop)
    return replace(found, is_admin=is_admin)


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
