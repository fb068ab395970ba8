"""A file with a conversation on each line, some of them bad: each counts for itself."""

from __future__ import annotations

import json
from io import BytesIO

import pytest

from chat.formats.conversation import PortableConversation
from chat.formats.importing.detect import Refused, read
from chat.formats.importing.json_stream import Bounds
from tests.formats.test_import import NOW, dumped, one, own, parse
from tests.support import chatgpt_samples as samples

GOOD_LINES = [dumped({"messages": [{"role": "user", "content": word}]}) for word in ("One", "Two")]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (b"not json", "no JSON"),
        (b"[1,2]", "a list"),
        (b"[1,2", "ends in the middle"),
        (b"null", "empty (null)"),
        (b'"words"', "a text"),
        (b"17", "a number"),
        (b"{}", "no export"),
        (b'{"messages": []}', "no question"),
        (b'{"messages": [{"role": "user", "con', "ends in the middle"),
        (b'{"messages": [{"role": "user", "content": "x"},', "ends in the middle"),
        (b'{"messages": [', "ends in the middle"),
        (b'{"messages": [{"role": "user", "content": "' + b"x" * 100_000, "ends in the middle"),
        (GOOD_LINES[0].replace(b"One", b"Three") + b" and more", "no JSON"),
        (b"\x89PNG\r", "no JSON"),
    ],
    ids=lambda value: repr(value[:30]),
)
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_bad_line_takes_no_other_along(bad: bytes, why: str, place: int, mark: bytes) -> None:
    lines = [*GOOD_LINES[:place], bad, *GOOD_LINES[place:]]
    items = parse(mark + b"\n\n".join(lines))
    texts = [item.nodes[0].message.text for item in items if isinstance(item, PortableConversation)]
    assert [text for text in texts if text != "Three"] == ["One", "Two"]
    (said,) = [item for item in items if isinstance(item, Refused)]
    assert why in said.sentence
    assert said.title == f"a file, line {2 * place + 1}"


def test_several_bad_lines_at_the_beginning_are_passed_over() -> None:
    items = parse(b"\n".join((b"[1,2]", b"nothing", b'{"messages": [', *GOOD_LINES)))
    assert [type(item) for item in items] == [Refused] * 3 + [PortableConversation] * 2


def test_a_bad_line_before_a_long_one_takes_no_other_along() -> None:
    long = dumped({"messages": [{"role": "user", "content": "x" * 100_000}]})
    for bad in (b"[1,2]", b"not json", b'{"messages": ['):
        items = parse(b"\n".join((bad, long)))
        assert [type(item) for item in items] == [Refused, PortableConversation]


@pytest.mark.parametrize("word", [b"true", b"-1.5e+10", b'"\\u00e4\\\\"', '"日本"'.encode()])
def test_a_list_may_be_looked_at_in_the_middle_of_a_word(word: bytes) -> None:
    start = b'[\n{"x": "'
    for cut in range(1, len(word) + 1):
        filling = b"x" * (65_536 - len(start) - len(b'", "y": ') - cut)
        data = start + filling + b'", "y": ' + word + b"},\n" + GOOD_LINES[0] + b"\n]"
        assert data.index(word) + cut == 65_536
        assert [type(item) for item in parse(data)] == [Refused, PortableConversation]


def test_a_document_of_several_lines_is_no_list_of_lines() -> None:
    value = json.loads(samples.export(samples.simple(), samples.thinking()))
    for indent in (None, 0, 2):
        text = json.dumps(value, indent=indent).encode()
        assert [type(item) for item in parse(text)] == [PortableConversation] * 2
        assert [type(item) for item in parse(text[:-200])] == [PortableConversation, Refused]
        alone = json.dumps(own(), indent=indent).encode()
        assert len(one(alone).nodes) == 2
        assert [type(item) for item in parse(alone + b"\n}")] == [PortableConversation, Refused]
        assert [type(item) for item in parse(alone.replace(b"user", b'us"er'))] == [Refused]
    rows = b"[\n" + b",\n".join(json.dumps(each).encode() for each in value) + b"\n]\n"
    assert [type(item) for item in parse(rows)] == [PortableConversation] * 2


def test_a_line_that_is_too_long_is_refused_once() -> None:
    long = dumped({"messages": [{"role": "user", "content": "x" * 300_000}]})
    for lines in ([long, *GOOD_LINES], [GOOD_LINES[0], long, GOOD_LINES[1]]):
        items = parse(b"\n".join(lines), Bounds(size=50_000))
        assert [type(item) for item in items].count(PortableConversation) == 2
        (said,) = [item for item in items if isinstance(item, Refused)]
        assert "too large" in said.sentence
        assert said.title == f"a file, line {lines.index(long) + 1}"


def test_progress_never_goes_back_when_lines_are_read_again() -> None:
    told: list[int] = []
    text = b'{"messages": [\n' + GOOD_LINES[0] + b"," + b" " * 300_000 + b"\n" + GOOD_LINES[1]
    items = list(read(BytesIO(text), "x", NOW, lambda done, total: told.append(done)))
    assert sum(isinstance(item, PortableConversation) for item in items) == 2
    assert told == sorted(told)
    assert told[-1] == len(text)
