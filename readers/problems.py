"""Why a file cannot be read."""

from __future__ import annotations


class Problem(Exception):
    """`name` is "encrypted", "unreadable", "too_complex" or "no_text"."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)
