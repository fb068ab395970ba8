"""Files on disk that a page offers for download, and the browsers that may fetch them."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

import streamlit as st

from pages.session import visitor
from server.downloads import PREFIX, Download


@dataclass
class _Offer:
    download: Download
    cookies: set[str] = field(default_factory=set)


_offers: dict[str, _Offer] = {}
_lock = threading.Lock()


def offer(token: str, path: Path, file_name: str) -> str:
    """Let the browser that this page is drawn for download the file; return its URL.

    `token` is a random secret that identifies the file. With sign-in the browser is bound too: the
    link works only in browsers in which a page of the owner has offered it.
    """
    cookie = visitor.visitor_cookie()
    with _lock:
        for other in [each for each, made in _offers.items() if not made.download.path.exists()]:
            del _offers[other]
        made = _offers.setdefault(token, _Offer(Download(path, file_name)))
        made.cookies.add(cookie)
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"{f'/{base}' if base else ''}{PREFIX}/{token}"


def find(token: str, cookie: str) -> Download | None:
    """Return the file if the browser with this visitor cookie may download it."""
    with _lock:
        made = _offers.get(token)
        return made.download if made is not None and cookie in made.cookies else None
