"""Tests for file sizes as text."""

from __future__ import annotations

import pytest

from chat.domain.sizes import human_size


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (84_000, "84 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (1_230_000, "1.2 MB"),
        (31_000_000, "31.0 MB"),
    ],
)
def test_human_size(size: int, text: str) -> None:
    assert human_size(size) == text
