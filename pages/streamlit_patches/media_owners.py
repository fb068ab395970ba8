"""Record which visitors a media file was made for."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection

_SPARE = 100  # entries of deleted files that may remain before they are removed


class MediaOwners:
    """Maps the ids of media files to the cookies of the visitors who may fetch them."""

    def __init__(self, visitor_cookie: Callable[[], str]) -> None:
        self._visitor_cookie = visitor_cookie
        self._cookies: dict[str, set[str]] = {}
        self._lock = threading.Lock()

    def may_fetch(self, name: str, cookie: str) -> bool:
        """Return whether the file `name` (id and extension) was made for this browser.

        Browsers that reject cookies send an empty one and are treated as one visitor.
        """
        with self._lock:
            return cookie in self._cookies.get(os.path.splitext(name)[0], ())

    def add(self, file_id: str, *existing: Collection[str]) -> None:
        """Record the current visitor as an owner; `existing` holds the ids of all known files."""
        self._add(file_id, {self._visitor_cookie()}, existing)

    def copy(self, source_id: str, file_id: str, *existing: Collection[str]) -> None:
        """Give the file `file_id` the owners of `source_id`."""
        with self._lock:
            cookies = set(self._cookies.get(source_id, ()))
        self._add(file_id, cookies, existing)

    def __len__(self) -> int:
        return len(self._cookies)

    def _add(self, file_id: str, cookies: set[str], existing: tuple[Collection[str], ...]) -> None:
        with self._lock:
            self._cookies.setdefault(file_id, set()).update(cookies)
            self._remove_deleted(file_id, existing)

    def _remove_deleted(self, new_id: str, existing: tuple[Collection[str], ...]) -> None:
        if len(self._cookies) <= sum(map(len, existing)) + _SPARE:
            return
        for file_id in list(self._cookies):
            if file_id != new_id and not any(file_id in ids for ids in existing):
                del self._cookies[file_id]
