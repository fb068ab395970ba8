"""Tests for the sanitization of file names."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.attachments.file_names import clean_name
from tests.support import hostile_files as hostile


@pytest.mark.parametrize(("raw", "name"), hostile.NAMES.items(), ids=map(ascii, hostile.NAMES))
def test_hostile_file_name_is_sanitized(raw: str, name: str) -> None:
    assert clean_name(raw) == name


@given(st.text(alphabet=st.characters(), max_size=300))
def test_clean_name_is_one_short_visible_line(raw: str) -> None:
    name = clean_name(raw)
    assert 0 < len(name) <= 120
    assert not set(name) & set("/\\\0\r\n\t")
    assert not {unicodedata.category(character) for character in name} & {
        "Cc",
        "Cf",
        "Cs",
        "Zl",
        "Zp",
    }
    assert unicodedata.is_normalized("NFC", name)
    assert name == name.strip() == clean_name(name)


def test_long_name_keeps_its_extension() -> None:
    name = clean_name("x" * 500 + ".xlsx")
    assert len(name) == 120 and name.endswith("x….xlsx")
    assert clean_name("x" * 500) == "x" * 120
