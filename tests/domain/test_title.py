"""Titles of conversations, and positions of versions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.domain.message import Versions
from chat.domain.title import TITLE_LENGTH, UNTITLED, title_from
from chat.domain.versions import versions


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("What is a monad?", "What is a monad?"),
        ("  \n\nHello,\n\tworld  ", "Hello, world"),
        ("# A heading\n\nand more", "A heading and more"),
        ("- first\n- second", "first second"),
        ("1. first\n2. second", "first second"),
        ("> quoted **bold** and *slanted* `code`", "quoted bold and slanted code"),
        ("see [the guide](https://example.com/x)", "see the guide"),
        ("```python\nprint(1)\n```", "print(1)"),
        (
            "why does my_long_name fail, and 2 * 3 * 4?",
            "why does my_long_name fail, and 2 * 3 * 4?",
        ),
        ("$5 and $10", "$5 and $10"),
        ("a\x00b\x1b[31mc\u202ed\u200be", "ab[31mcde"),
        ("", UNTITLED),
        (" \n\t", UNTITLED),
        ("\u200b\u202e", UNTITLED),
        ("```\n```", UNTITLED),
        ("---", UNTITLED),
    ],
)
def test_title_is_plain_text_without_markdown(text: str, title: str) -> None:
    assert title_from(text) == title


def test_long_title_is_truncated_after_a_word() -> None:
    title = title_from("Please explain to me how the garbage collector of Python finds cycles")
    assert title == "Please explain to me how the garbage collector of Python…"


def test_title_of_maximum_length_is_unchanged() -> None:
    text = "ten chars " * 5 + "ten  chars"[:4] + "enough"
    assert len(text) == TITLE_LENGTH
    assert title_from(text) == text


def test_long_word_is_truncated() -> None:
    assert title_from("x" * 5_000) == "x" * (TITLE_LENGTH - 1) + "…"


def test_truncation_keeps_emoji_sequences_together() -> None:
    family = "👨‍👩‍👧‍👦"
    assert title_from("x" * 56 + family + "x" * 20) == "x" * 56 + "…"


@given(st.text(max_size=300))
def test_title_is_one_line_of_bounded_length(text: str) -> None:
    title = title_from(text)
    assert 0 < len(title) <= TITLE_LENGTH
    assert title == " ".join(title.split())


def test_first_version_has_only_a_next_version() -> None:
    assert versions(["a", "b", "c"], "a") == Versions(1, 3, None, "b")


def test_middle_version_has_both_neighbours() -> None:
    assert versions(["a", "b", "c"], "b") == Versions(2, 3, "a", "c")


def test_single_message_is_the_only_version() -> None:
    assert versions(["a"], "a") == Versions()
