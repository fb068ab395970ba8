"""Apply patches of Streamlit for the duration of one test."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from pages.streamlit_patches.replacement import Replacement


def apply(monkeypatch: pytest.MonkeyPatch, replacements: Iterable[Replacement]) -> None:
    for each in replacements:
        monkeypatch.setattr(each.owner, each.name, each.function)
