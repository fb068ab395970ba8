"""Errors of the readers."""

from __future__ import annotations


class ReaderError(Exception):
    """The file cannot be read. `code` is "encrypted", "unreadable", "too_complex" or "no_text"."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)
