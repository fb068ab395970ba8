"""Parsing of search queries, and matching of texts."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.domain.search_query import Matcher, Query, Term, parse_query
from chat.domain.tokenization import MARKS, fold


def test_query_is_parsed_into_terms_and_filters() -> None:
    query = parse_query('Model:gpt "two words" foo:bar before:2024-05 IS:Pinned has:file las')
    assert query == Query(
        terms=(
            Term(("two", "words")),
            Term(("foo", "bar")),
            Term(("las",), is_prefix=True),
        ),
        models=("gpt",),
        before=datetime(2024, 5, 1, tzinfo=UTC),
        is_pinned=True,
        has_file=True,
    )


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("before:yesterday", ("before", "yesterday")),
        ("after:2024-13", ("after", "2024", "13")),
        ("is:great", ("is", "great")),
        ("https://example.org/x", ("https", "example", "org", "x")),
        ("a" * 5000, ("a" * 1000,)),
    ],
)
def test_invalid_filters_are_parsed_as_words(typed: str, words: tuple[str, ...]) -> None:
    assert parse_query(typed).terms[0].tokens == words


@given(st.text(max_size=200))
def test_query_parser_accepts_any_text(typed: str) -> None:
    query = parse_query(typed)
    assert len(query.terms) <= 12
    for term in query.terms:
        assert term.tokens
        for token in term.tokens:
            assert token[0].isalnum() and all(c.isalnum() or c in MARKS for c in token)
    matcher = Matcher(query)
    assert "".join(piece for piece, _ in matcher.snippet(typed)).count("\n") == 0


@given(st.text())
def test_case_folding_keeps_the_length(words: str) -> None:
    assert len(fold(words)) == len(words)


@given(
    st.lists(
        st.sampled_from(["alpha", "βήτα", "Émile", "日本", "zwölf", "don't"]),
        min_size=1,
        max_size=9,
    )
)
def test_matcher_finds_all_words_of_a_text(words: list[str]) -> None:
    matcher = Matcher(parse_query(" ".join(words)))
    assert matcher.matches("… ".join(words).upper())
    assert any(is_match for _, is_match in matcher.snippet(" ".join(words)))
