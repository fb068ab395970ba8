"""Fencing of documents in a prompt, and truncation to a token budget."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from chat.domain.document_fencing import fence_document, truncate_document
from chat.domain.token_estimate import estimate_tokens

texts = st.text(st.sampled_from("`ab \n"), max_size=200)


def test_fence_document_adds_name_and_fence() -> None:
    assert (
        fence_document("a.txt", "2 lines", "one\ntwo\n")
        == 'File "a.txt" (2 lines):\n```\none\ntwo\n```'
    )
    assert fence_document("a.txt", "", "one") == 'File "a.txt":\n```\none\n```'


def test_fence_document_replaces_quotes_in_names() -> None:
    assert fence_document('a"b.txt', "", "x").splitlines()[0] == 'File "a\'b.txt":'


@given(texts)
def test_document_cannot_close_its_fence(text: str) -> None:
    lines = fence_document("a.txt", "", text).splitlines()
    fence = lines[1]
    assert re.fullmatch("`{3,}", fence)
    assert lines[-1] == fence
    assert all(fence not in line for line in lines[2:-1])


@given(st.text(max_size=2000), st.integers(0, 600))
def test_truncate_document_returns_a_beginning_within_the_budget(text: str, room: int) -> None:
    found = truncate_document(text, estimate_tokens, room)
    assert not found or estimate_tokens(found) <= room
    kept = found.rpartition("\n[The file continues")[0]
    assert text.startswith(kept)


def test_truncate_document_ends_at_a_line_break_with_a_note() -> None:
    text = "".join(f"line {number}\n" for number in range(1000))
    found = truncate_document(text, estimate_tokens, 300)
    *lines, last = found.splitlines()
    assert last == "[The file continues; only its beginning is included.]"
    assert lines == [f"line {number}" for number in range(len(lines))]
    assert estimate_tokens(found) > 250
