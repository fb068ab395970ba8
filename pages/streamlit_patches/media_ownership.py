"""Which browser a picture, an export or a backup was made for; nobody else may fetch it.

Streamlit serves what a page shows or offers to whoever has its address, which can be copied, and
stands in the logs of proxies. It knows no visitors: so it is noted here who adds what.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from streamlit.runtime.media_file_manager import MediaFileManager

from pages.session import visitor

_add = MediaFileManager.add
_add_deferred = MediaFileManager.add_deferred
_execute_deferred = MediaFileManager.execute_deferred
_SPARE = 100  # files that are gone and may be remembered

_cookies: dict[str, set[str]] = {}  # by the id of a file
_lock = threading.Lock()


def note_owners() -> None:
    """From now on what a page adds is known to be its visitor's."""
    MediaFileManager.add = _noted_add  # type: ignore[method-assign, assignment]
    MediaFileManager.add_deferred = _noted_add_deferred  # type: ignore[method-assign, assignment]
    MediaFileManager.execute_deferred = _noted_execute_deferred  # type: ignore[method-assign, assignment]


def may_fetch(name: str, cookie: str) -> bool:
    """Whether the file `name`, an id and an ending, was made for the browser with this cookie.

    Browsers that keep no cookies, and so send an empty one, cannot be told apart.
    """
    with _lock:
        return cookie in _cookies.get(os.path.splitext(name)[0], ())


def _noted_add(manager: MediaFileManager, *args: Any, **kwargs: Any) -> str:
    url = _add(manager, *args, **kwargs)
    _note(manager, _id(url), {visitor.visitor_cookie()})
    return url


def _noted_add_deferred(manager: MediaFileManager, *args: Any, **kwargs: Any) -> str:
    id_ = _add_deferred(manager, *args, **kwargs)
    _note(manager, id_, {visitor.visitor_cookie()})
    return id_


def _noted_execute_deferred(manager: MediaFileManager, id_: str) -> str:
    url = _execute_deferred(manager, id_)
    with _lock:
        cookies = set(_cookies.get(id_, ()))
    _note(manager, _id(url), cookies)
    return url


def _id(url: str) -> str:
    return os.path.splitext(url.rpartition("/")[2])[0]


def _note(manager: MediaFileManager, id_: str, cookies: set[str]) -> None:
    files, deferred = manager._file_metadata, manager._deferred_callables
    with _lock:
        _cookies.setdefault(id_, set()).update(cookies)
        if len(_cookies) > len(files) + len(deferred) + _SPARE:
            for gone in [each for each in _cookies if each not in files and each not in deferred]:
                del _cookies[gone]
            _cookies.setdefault(id_, set(cookies))
