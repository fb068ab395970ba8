"""Files on disk that a page offers for download, and the browsers that may fetch them."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import streamlit as st

from chat import ParleyError
from pages.session import visitor
from server.downloads import PREFIX, Download


@dataclass
class _Offer:
    download: Download
    is_available: Callable[[], bool]
    cookies: set[str] = field(default_factory=set)


_offers: dict[str, _Offer] = {}  # by token
_lock = threading.Lock()


def offer(path: Path, file_name: str, is_available: Callable[[], bool] = lambda: True) -> str:
    """Let the browser that this page is drawn for download the file; return its URL.

    `is_available` is asked at each download; it may block.

    The URL holds a random token. It works only in browsers in which a page of the owner has
    offered the file, also with sign-in.
    """
    cookie = visitor.visitor_cookie()
    with _lock:
        token = _find_token(path) or secrets.token_urlsafe(32)
        made = _Offer(Download(path, file_name), is_available)
        _offers.setdefault(token, made).cookies.add(cookie)
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"{f'/{base}' if base else ''}{PREFIX}/{token}"


def _find_token(path: Path) -> str:
    """Return the token of the file after removing the offers of deleted files."""
    for token, made in list(_offers.items()):
        if made.download.path == path:
            return token
        if not made.download.path.exists():
            del _offers[token]
    return ""


def find(token: str, cookie: str) -> Download | None:
    """Return the file if the browser with this visitor cookie may download it."""
    with _lock:
        made = _offers.get(token)
    if made is None or cookie not in made.cookies:
        return None
    try:
        return made.download if made.is_available() else None
    except ParleyError:  # the database is away
        return None
