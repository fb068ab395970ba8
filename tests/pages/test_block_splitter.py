"""Tests for the block splitter: segments are lossless, stable and never split a block."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pages.markdown import parser
from pages.markdown.block_splitter import BlockSplitter, split_blocks

CORPUS = sorted((Path(__file__).parents[1] / "support" / "corpus").glob("*.md"))
FRAGMENTS = [
    "word ", "Word", "\n", "\n", "\n\n", "\r\n", "\r", "```", "```\n", "~~~\n", "- ", "* ", "1. ",
    "> ", "    ", "\t", "$$", "$$\n", "\\[\n", "\\]\n", "| a | b |\n", "|---|---|\n", "# ", "---\n",
    "===\n", "<div>\n", "<!--", "-->", "<pre>\n", "</pre>", "[^1]: ", "[r]: u\n", "[", "中文", "é",
]  # fmt: skip
texts = st.lists(st.sampled_from(FRAGMENTS), max_size=40).map("".join)


def split_in_chunks(text: str, sizes: Iterator[int], min_length: int) -> list[str]:
    splitter = BlockSplitter(min_length)
    segments: list[str] = []
    at = 0
    while at < len(text):
        size = next(sizes)
        segments += splitter.feed(text[at : at + size])
        at += size
    return [*segments, splitter.pending] if text else []


@given(texts, st.integers(0, 60))
def test_joined_segments_equal_the_text(text: str, min_length: int) -> None:
    assert "".join(split_blocks(text, min_length)) == text


@given(texts, st.integers(0, 30))
def test_finished_segments_do_not_change_as_the_text_grows(text: str, min_length: int) -> None:
    expected = split_blocks(text, min_length)
    for end in range(len(text)):
        finished = split_blocks(text[:end], min_length)[:-1]
        assert finished == expected[: len(finished)]


@given(texts, st.lists(st.integers(1, 7), min_size=1), st.integers(0, 30))
def test_chunk_size_does_not_change_the_segments(
    text: str, sizes: list[int], min_length: int
) -> None:
    def forever() -> Iterator[int]:
        while True:
            yield from sizes

    assert split_in_chunks(text, forever(), min_length) == split_blocks(text, min_length)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
@pytest.mark.parametrize("min_length", [1, 200, 1200])
def test_document_segments_are_stable_at_every_prefix(path: Path, min_length: int) -> None:
    text = path.read_text(encoding="utf-8")
    expected = split_blocks(text, min_length)
    assert "".join(expected) == text
    assert split_in_chunks(text, iter(lambda: 1, 0), min_length) == expected
    for end in range(len(text)):
        finished = split_blocks(text[:end], min_length)[:-1]
        assert finished == expected[: len(finished)]


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_blocks_of_a_segment_parse_as_in_the_document(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    alone = [block for segment in split_blocks(text, 1) for block in parsed_blocks(segment)]
    assert alone == parsed_blocks(text)


def parsed_blocks(text: str) -> list[tuple[str, int, str]]:
    tokens = parser.parse_blocks(text, {})
    return [(token.type, token.level, token.content) for token in tokens]


UNSPLIT = {
    "a fence": "```\na\n\nb\n```",
    "a longer fence": "````\n```\n\nb\n```\n\n````",
    "a tilde fence": "~~~\n```\n\na\n\n~~~",
    "a fence in a list": "- a\n\n  ```\n  b\n\n  c\n  ```",
    "a loose list": "- a\n\n- b\n\n\n- c",
    "a list with a paragraph": "1. a\n\n   b\n\n2. c",
    "items of another kind right after": "- a\n\n1. b",
    "indented code": "    a\n\n    b",
    "a table": "| a |\n|---|\n| b |",
    "a continued quote": "> a\n\n> b",
    "a formula in dollars": "$$\na\n\nb\n$$",
    "a formula in brackets": "\\[\na\n\nb\n\\]",
    "a formula that never closes": "$$\na\n\nb\n\nc",
    "a footnote": "[^1]: a\n\n    b",
    "a definition and its paragraph": "See [a].\n\n[a]: https://example.org\n",
    "a footnote and its paragraph": "See[^1].\n\n[^1]: that.\n",
    "a setext heading": "a\n---",
    "an indented paragraph": "a\n\n  b",
    "an incomplete last line": "a\n\n1986",
}


@pytest.mark.parametrize("name", UNSPLIT)
def test_block_is_not_split(name: str) -> None:
    assert split_blocks(UNSPLIT[name], 1) == [UNSPLIT[name]]


SPLIT = {
    "paragraphs": ["a\n\n", "b"],
    "before a letter": ["a\n\n", "B"],
    "before a number, once its line is complete": ["a\n\n", "1986 was\n"],
    "after a fence": ["```\na\n```\n\n", "b"],
    "after a list": ["- a\n\n", "b"],
    "after an open fence in a list": ["- ```\n  a\n\n", "b"],
    "after a formula": ["$$\na\n$$\n\n", "b"],
    "after a table": ["| a |\n|---|\n\n", "b"],
    "before a heading": ["a\n\n", "# b\n\n", "c"],
    "before a fence": ["a\n\n", "```\nb\n\nc\n```\n"],
    "before a list": ["a\n\n", "- b\n"],
    "dollars at the start of a line that are no formula": ["$$ is a process id\n\n", "b"],
    "Windows line endings": ["a\r\n\r\n", "b"],
}


@pytest.mark.parametrize("name", SPLIT)
def test_text_is_split_between_blocks(name: str) -> None:
    assert split_blocks("".join(SPLIT[name]), 1) == SPLIT[name]


def test_segments_have_the_minimum_length() -> None:
    text = "Some words.\n\n" * 1000
    segments = split_blocks(text)
    assert len(segments) > 5
    assert all(1200 <= len(segment) < 1300 for segment in segments[:-1])


def test_large_code_block_is_not_split() -> None:
    code = "```\n" + "x = 1\n\n" * 5000 + "```\n"
    assert split_blocks(code + "\nAfter it.\n\nMore", 1) == [code + "\n", "After it.\n\n", "More"]


def test_empty_text_has_no_segments() -> None:
    assert split_blocks("") == []
