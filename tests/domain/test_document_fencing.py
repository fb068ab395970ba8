"""How documents stand in what a model reads: inside their fence, and cut where the room ends."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from chat.domain.document_fencing import fence_document, truncate_document
from chat.domain.token_estimate import estimate_tokens

texts = st.text(st.sampled_from("`ab \n"), max_size=200)


def test_a_document_is_named_and_fenced() -> None:
    assert (
        fence_document("a.txt", "2 lines", "one\ntwo\n")
        == 'File "a.txt" (2 lines):\n```\none\ntwo\n```'
    )
    assert fence_document("a.txt", "", "one") == 'File "a.txt":\n```\none\n```'


def test_a_name_cannot_end_its_quotes() -> None:
    assert fence_document('a"b.txt', "", "x").splitlines()[0] == 'File "a\'b.txt":'


@given(texts)
def test_no_document_steps_out_of_its_fence(text: str) -> None:
    lines = fence_document("a.txt", "", text).splitlines()
    fence = lines[1]
    assert re.fullmatch("`{3,}", fence)
    assert lines[-1] == fence
    assert all(fence not in line for line in lines[2:-1])


@given(st.text(max_size=2000), st.integers(0, 600))
def test_a_beginning_fits_and_is_one(text: str, room: int) -> None:
    found = truncate_document(text, estimate_tokens, room)
    assert not found or estimate_tokens(found) <= room
    kept = found.rpartition("\n[The file goes on")[0]
    assert text.startswith(kept)


def test_a_beginning_ends_with_a_line_and_says_that_it_goes_on() -> None:
    text = "".join(f"line {number}\n" for number in range(1000))
    found = truncate_document(text, estimate_tokens, 300)
    *lines, last = found.splitlines()
    assert last == "[The file goes on; only its beginning is here.]"
    assert lines == [f"line {number}" for number in range(len(lines))]
    assert estimate_tokens(found) > 250
