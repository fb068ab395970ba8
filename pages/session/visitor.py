"""Who this tab belongs to: an account, or the browser it is in."""

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

VISITOR_COOKIE = "parley_visitor"


def owner() -> str:
    """Who owns what is made in this tab; empty, which owns nothing, until they are let in."""
    return person().owner


def person() -> Person:
    """Who this tab belongs to: an account, or this browser. Nobody until they are let in."""
    try:
        found = claimed()
    except (NotAllowed, SignInExpired):
        return Person("")
    if found.owner and st.session_state.get("entered") != found.owner:
        if not process.chat_service().access.has_entered(found.owner):
            return Person("")
        st.session_state["entered"] = found.owner  # until this tab is closed
    return found


def may_upload(cookie: str) -> bool:
    """Whether the visitor with this cookie is let in; with sign-in, only a page can tell."""
    try:
        if has_sign_in() or not process.chat_service().settings.access_code:
            return True
        return bool(cookie) and process.chat_service().access.has_entered(
            visitor_from_cookie(cookie).owner
        )
    except ParleyError:  # the page says what is wrong
        return False


def claimed() -> Person:
    """Who this is, the access code aside; nobody before they sign in.

    Raises `NotAllowed` and `SignInExpired`.
    """
    settings = process.chat_service().settings
    if has_sign_in():
        claims = st.user.to_dict()
        if claims.get("is_logged_in") is not True:
            return Person("")
        return account_from_claims(
            claims, settings, datetime.now(UTC), is_only_provider=_providers() == 1
        )
    found = visitor_from_cookie(visitor_cookie() or _tab_only())
    has_desktop = not st.get_option("server.headless")
    is_admin = is_local_admin(_connection(), settings, has_desktop=has_desktop)
    return replace(found, is_admin=is_admin)


def has_sign_in() -> bool:
    """Whether people sign in here: as it was at the start, or is said since.

    A secrets file that is being edited, or was broken, opens no door.
    """
    return "auth" in (process.chat_service().settings.values or {}) or "auth" in sign_in_settings()


def sign_in_settings() -> Mapping[str, Any]:
    """Return the secrets as Streamlit's own sign-in reads them; empty if they cannot be read."""
    return read_secrets() or {}


def _providers() -> int:
    """How many OpenID providers people can choose from."""
    auth = sign_in_settings().get("auth", {})
    named = [each for each in auth.values() if isinstance(each, Mapping) and "client_id" in each]
    return len(named) + ("client_id" in auth)


def visitor_cookie() -> str:
    """The cookie of this browser; empty when it has none of ours.

    Once a browser is gone Streamlit knows its cookies no more, and what it sent last is still done.
    """
    cookie = st.context.cookies.get(VISITOR_COOKIE)
    if not is_visitor_cookie(cookie):
        return str(st.session_state.get("visitor_cookie", ""))
    if st.session_state.get("visitor_cookie") != cookie:
        st.session_state["visitor_cookie"] = cookie
    return str(cookie)


def client_address() -> str:
    return _connection().client_address(process.chat_service().settings.trusted_proxies)


def can_take_along() -> bool:
    """Whether this browser had conversations before its person signed in. Looked up once."""
    if "can_take_along" not in st.session_state:
        cookie, found = visitor_cookie(), False
        if cookie:
            before = visitor_from_cookie(cookie).owner
            found = bool(
                process.chat_service().as_owner(before).conversations.latest(1)
                or process.chat_service().as_owner(before).conversations.pinned()
            )
        st.session_state["can_take_along"] = found
    return bool(st.session_state["can_take_along"])


def stop_taking_along() -> None:
    st.session_state["can_take_along"] = False


def _tab_only() -> str:
    """In place of a cookie: no cookies, no memory beyond this tab."""
    return str(st.session_state.setdefault("visitor", secrets.token_urlsafe(32)))


def _connection() -> Connection:
    headers = st.context.headers
    return Connection(st.context.ip_address, {name: headers.get_all(name) for name in headers})
