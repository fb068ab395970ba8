"""Cutting a growing reply: nothing is lost, nothing finished changes, no block is cut in two."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pages.markdown.block_splitter import Splitter, split
from pages.markdown.block_structure import Line, Outline

CORPUS = sorted((Path(__file__).parents[1] / "support" / "corpus").glob("*.md"))
SCRAPS = [
    "word ", "Word", "\n", "\n", "\n\n", "\r\n", "\r", "```", "```\n", "~~~\n", "- ", "* ", "1. ",
    "> ", "    ", "\t", "$$", "$$\n", "\\[\n", "\\]\n", "| a | b |\n", "|---|---|\n", "# ", "---\n",
    "===\n", "<div>\n", "<!--", "-->", "<pre>\n", "</pre>", "[^1]: ", "[r]: u\n", "[", "中文", "é",
]  # fmt: skip
texts = st.lists(st.sampled_from(SCRAPS), max_size=40).map("".join)


def fed(text: str, sizes: Iterator[int], least: int) -> list[str]:
    splitter = Splitter(least)
    pieces: list[str] = []
    at = 0
    while at < len(text):
        size = next(sizes)
        pieces += splitter.feed(text[at : at + size])
        at += size
    return [*pieces, splitter.rest] if text else []


@given(texts, st.integers(0, 60))
def test_the_pieces_joined_are_the_text(text: str, least: int) -> None:
    assert "".join(split(text, least)) == text


@given(texts, st.integers(0, 30))
def test_finished_pieces_stay_as_the_text_grows(text: str, least: int) -> None:
    whole = split(text, least)
    for end in range(len(text)):
        finished = split(text[:end], least)[:-1]
        assert finished == whole[: len(finished)]


@given(texts, st.lists(st.integers(1, 7), min_size=1), st.integers(0, 30))
def test_chunks_of_any_size_give_the_same_pieces(text: str, sizes: list[int], least: int) -> None:
    def forever() -> Iterator[int]:
        while True:
            yield from sizes

    assert fed(text, forever(), least) == split(text, least)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
@pytest.mark.parametrize("least", [1, 200, 1200])
def test_documents_cut_at_every_position(path: Path, least: int) -> None:
    text = path.read_text(encoding="utf-8")
    whole = split(text, least)
    assert "".join(whole) == text
    assert fed(text, iter(lambda: 1, 0), least) == whole
    for end in range(len(text)):
        finished = split(text[:end], least)[:-1]
        assert finished == whole[: len(finished)]


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_every_line_of_a_piece_is_what_it_is_in_the_whole(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    alone = [line for piece in split(text, 1) for line in kinds(piece)]
    assert alone == kinds(text)


def kinds(text: str) -> list[tuple[str, int, int]]:
    outline = Outline()
    read: list[Line] = []
    for line in text.splitlines():
        now = outline.feed(line)
        read[len(read) - len(outline.redone) :] = outline.redone
        read.append(now)
    outline.finish()
    read[len(read) - len(outline.redone) :] = outline.redone
    return [(line.kind, line.at, len(line.inside)) for line in read]


ONE_PIECE = {
    "a fence": "```\na\n\nb\n```",
    "a longer fence": "````\n```\n\nb\n```\n\n````",
    "a tilde fence": "~~~\n```\n\na\n\n~~~",
    "a fence in a list": "- a\n\n  ```\n  b\n\n  c\n  ```",
    "a loose list": "- a\n\n- b\n\n\n- c",
    "a list with a paragraph": "1. a\n\n   b\n\n2. c",
    "items of another kind right after": "- a\n\n1. b",
    "indented code": "    a\n\n    b",
    "a table": "| a |\n|---|\n| b |",
    "a quote that goes on": "> a\n\n> b",
    "a formula in dollars": "$$\na\n\nb\n$$",
    "a formula in brackets": "\\[\na\n\nb\n\\]",
    "a formula that never closes": "$$\na\n\nb\n\nc",
    "a comment": "<!-- a\n\nb -->",
    "raw HTML after raw HTML": "<div>\n\n<b>\n",
    "preformatted HTML": "<pre>\na\n\nb\n</pre>",
    "a footnote": "[^1]: a\n\n    b",
    "a definition and its paragraph": "See [a].\n\n[a]: https://example.org\n",
    "a footnote and its paragraph": "See[^1].\n\n[^1]: that.\n",
    "a setext heading": "a\n---",
    "an indented paragraph": "a\n\n  b",
    "the last line, not decided yet": "a\n\n1986",
}


@pytest.mark.parametrize("name", ONE_PIECE)
def test_stays_one_piece(name: str) -> None:
    assert split(ONE_PIECE[name], 1) == [ONE_PIECE[name]]


CUT = {
    "paragraphs": ["a\n\n", "b"],
    "a letter decides": ["a\n\n", "B"],
    "a number, once its line is whole": ["a\n\n", "1986 was\n"],
    "after a fence": ["```\na\n```\n\n", "b"],
    "after a list": ["- a\n\n", "b"],
    "after an open fence in a list": ["- ```\n  a\n\n", "b"],
    "after a formula": ["$$\na\n$$\n\n", "b"],
    "after a table": ["| a |\n|---|\n\n", "b"],
    "before a heading": ["a\n\n", "# b\n\n", "c"],
    "before a fence": ["a\n\n", "```\nb\n\nc\n```\n"],
    "before a list": ["a\n\n", "- b\n"],
    "money at the start of a line": ["$$ is a process id\n\n", "b"],
    "Windows line endings": ["a\r\n\r\n", "b"],
}


@pytest.mark.parametrize("name", CUT)
def test_is_cut(name: str) -> None:
    assert split("".join(CUT[name]), 1) == CUT[name]


def test_pieces_hold_at_least_what_was_asked_for() -> None:
    text = "Some words.\n\n" * 1000
    pieces = split(text)
    assert len(pieces) > 5
    assert all(1200 <= len(piece) < 1300 for piece in pieces[:-1])


def test_a_huge_code_block_stays_whole() -> None:
    code = "```\n" + "x = 1\n\n" * 5000 + "```\n"
    assert split(code + "\nAfter it.\n\nMore", 1) == [code + "\n", "After it.\n\n", "More"]


def test_no_text_has_no_pieces() -> None:
    assert split("") == []


@pytest.mark.parametrize(
    "scrap",
    ["word ", "a\n\n", "> ", "- ", "- a\n\n", "\\[\n", "$$\n", "> $$\n", "1. ", "```\n", "|", "\n"],
)
def test_work_grows_with_the_text_and_not_with_its_square(scrap: str) -> None:
    def work(text: str) -> int:
        calls = 0

        def count(_frame: object, event: str, _arg: object) -> None:
            nonlocal calls
            calls += event in ("call", "c_call")

        splitter = Splitter()
        before = sys.getprofile()
        sys.setprofile(count)
        try:
            for at in range(0, len(text), 4):
                splitter.feed(text[at : at + 4])
        finally:
            sys.setprofile(before)
        return calls

    size = 8000 // len(scrap)
    assert work(scrap * 4 * size) < 6 * work(scrap * size) + 1000
