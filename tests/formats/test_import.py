"""What comes in: ChatGPT's export, JSONL, our own; once, again, changed, damaged, hostile."""

from __future__ import annotations

import json
import struct
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any, BinaryIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat.domain.message import Message, Role, Status
from chat.formats.conversation import PortableConversation
from chat.formats.import_report import ImportOutcome, ImportReport
from chat.formats.importing import detect, json_stream
from chat.formats.importing.detect import Refused, read
from chat.formats.importing.importer import import_file
from chat.formats.importing.json_stream import Bounds
from chat.formats.markdown import path
from chat.formats.message_tree import build_tree
from chat.formats.parley.conversation_json import to_json
from chat.providers.tokenizer import Tokenizer
from chat.store import Store
from chat.store.transfer import PortableStore
from tests.support import chatgpt_samples as samples
from tests.support.chatgpt_samples import empty, one_database

ME, OTHER = "visitor:me", "visitor:other"
NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    with one_database(request, tmp_path_factory) as store:
        yield store


@pytest.fixture
def store(database: Store) -> Iterator[Store]:
    yield database
    empty(database)


@pytest.fixture
def portable(store: Store) -> PortableStore:
    return PortableStore(store.engine)


def take(
    portable: PortableStore, data: bytes, owner: str = ME, name: str = "conversations.json"
) -> ImportReport:
    count = Tokenizer().count
    return import_file(
        BytesIO(data),
        name,
        lambda conversation: portable.merge(owner, conversation, count),
        now=NOW,
    )


def fates(report: ImportReport) -> list[str]:
    return [item.outcome.value for item in report.items]


def parse(data: bytes, bounds: Bounds | None = None) -> list[Any]:
    """The conversations of a file and what was refused, without any database."""
    items = read(BytesIO(data), "a file", NOW, lambda done, total: None, bounds)
    return [item for item in items if item is not None]


def one(data: bytes) -> PortableConversation:
    (conversation,) = parse(data)
    assert isinstance(conversation, PortableConversation), conversation
    return conversation


def refused(data: bytes) -> list[str]:
    return [item.sentence for item in parse(data) if isinstance(item, Refused)]


def shown(portable: PortableStore, owner: str = ME) -> list[Message]:
    """The path in view of the owner's only conversation."""
    (id_,) = portable.ids(owner)
    return [node.message for node in path(portable.load(owner, id_))]


def everything(portable: PortableStore, owner: str = ME) -> list[dict[str, Any]]:
    return [to_json(portable.load(owner, id_)) for id_ in portable.ids(owner)]


def own(**more: Any) -> dict[str, Any]:
    """A small export of our own, as somebody may have changed it."""
    said = [
        {
            "id": f"{place:014x}{0:016x}",
            "parent_id": f"{place - 1:014x}{0:016x}",
            "text": f"{place}",
        }
        for place in (1, 2)
    ]
    said[0]["parent_id"] = None  # type: ignore[assignment]
    messages = [
        {**each, "role": role, "created_at": "2026-01-01T00:00:00+00:00"}
        for each, role in zip(said, ("user", "assistant"), strict=True)
    ]
    head = {"format": "parley.conversation", "version": 1, "id": f"{9:014x}{0:016x}"}
    return {**head, "title": "Mine", "messages": messages, **more}


def dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


# --- ChatGPT -------------------------------------------------------------------------------------


def test_a_conversation_of_chatgpt_is_added_and_can_be_drawn(portable: PortableStore) -> None:
    report = take(portable, samples.export(samples.simple()))
    assert fates(report) == ["added"]
    assert report.items[0].title == "Fruit"
    question, answer = shown(portable)
    assert (question.role, question.text) == (Role.USER, "Which fruit is red?")
    assert (answer.role, answer.text) == (Role.ASSISTANT, "An apple.")
    assert (question.depth, question.parent_id) == (0, None)
    assert (answer.depth, answer.parent_id) == (1, question.id)
    assert answer.model == "chatgpt/gpt-4o"
    assert answer.status is Status.COMPLETE
    assert answer.created_at == datetime.fromtimestamp(samples.BEGUN + 2, UTC)
    assert question.tokens > 0


def test_the_conversation_can_be_continued(store: Store, portable: PortableStore) -> None:
    take(portable, samples.export(samples.simple()))
    (id_,) = portable.ids(ME)
    last = shown(portable)[-1]
    path_ = store.messages.path(ME, id_, last.id, 10)
    assert [message.text for message in path_] == ["An apple.", "Which fruit is red?"]
    assert store.messages.versions(path_)[last.id].count == 1


def test_one_answer_is_made_of_thoughts_programs_and_text() -> None:
    conversation = one(samples.export(samples.thinking()))
    question, answer = [node.message for node in conversation.nodes][-2:]
    assert question.text == "And 2 + 2?"
    assert answer.text == "```python\nprint(2 + 2)\n```\n\n```\n4\n```\n\nIt is 4."
    assert answer.reasoning == "**Adding**\n\nTwo and two."
    assert answer.reasoning_ms == 8000
    assert conversation.conversation.leaf_id == answer.id
    assert "2 calls and results of tools were left out." in conversation.notes


def test_what_is_not_in_the_export_is_mentioned() -> None:
    conversation = one(samples.export(samples.pictures()))
    first, answer, thanks = [node.message for node in conversation.nodes]
    assert first.text == (
        "[File “notes.pdf”, not included in the export]\n\n"
        "[Image, not included in the export]\n\nWhat is this?"
    )
    assert answer.text == "[Image, not included in the export]\n\nA cat."
    assert thanks.text == "Thank you."
    assert conversation.conversation.title.startswith("[File “notes.pdf”")
    assert any("they are mentioned" in note for note in conversation.notes)


def test_branches_become_versions_in_the_order_they_had(
    store: Store, portable: PortableStore
) -> None:
    take(portable, samples.export(samples.branched()))
    question, answer = shown(portable)
    assert answer.text == "An apple."
    versions = store.messages.versions([question, answer])
    assert (versions[question.id].place, versions[question.id].count) == (1, 2)
    assert (versions[answer.id].place, versions[answer.id].count) == (2, 2)
    other = store.messages.get(ME, versions[answer.id].previous_id or "")
    assert other.text == "A cherry."
    store.messages.show_version(ME, other.id)
    assert [message.text for message in shown(portable)][-1] == "A cherry."


def test_the_zip_and_its_parts_are_read(portable: PortableStore) -> None:
    first, second = samples.simple(), samples.thinking()
    data = samples.archive(
        {
            "conversations-000.json": samples.export(first),
            "conversations-001.json": samples.export(second),
            "chat.html": b"<html>",
            "user.json": b"{}",
        }
    )
    assert fates(take(portable, data)) == ["added", "added"]
    again = samples.archive({"export/conversations.json": samples.export(first, second)})
    assert fates(take(portable, again)) == ["unchanged", "unchanged"]


def test_a_conversation_without_words_is_refused_and_the_rest_goes_on() -> None:
    items = parse(samples.export(samples.Tree(title="Nothing"), samples.simple()))
    assert [type(item) for item in items] == [Refused, PortableConversation]
    assert items[0].title == "Nothing"


@pytest.mark.parametrize("field", ["weight", "hidden"])
def test_hidden_answers_are_left_out(field: str) -> None:
    tree = samples.simple()
    node = tree.mapping["a1"]["message"]
    if field == "weight":
        node["weight"] = 0
    else:
        node["metadata"]["is_visually_hidden_from_conversation"] = True
    conversation = one(samples.export(tree))
    assert [node.message.text for node in conversation.nodes] == ["Which fruit is red?"]
    assert "1 hidden messages were left out." in conversation.notes


def test_strange_times_are_replaced() -> None:
    tree = samples.simple()
    for id_, time in (("q1", None), ("a1", 1e300)):
        tree.mapping[id_]["message"]["create_time"] = time
    conversation = one(dumped([tree.to_json(create_time="yesterday", update_time=-5)]))
    assert {node.message.created_at for node in conversation.nodes} == {NOW}
    assert conversation.conversation.updated_at == NOW


def test_an_answer_that_was_stopped_says_so() -> None:
    tree = samples.simple()
    tree.mapping["a1"]["message"]["metadata"]["finish_details"] = {"type": "interrupted"}
    tree.mapping["a1"]["message"]["status"] = "in_progress"
    assert one(samples.export(tree)).nodes[-1].message.status is Status.STOPPED


# --- JSONL ---------------------------------------------------------------------------------------

LINE = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "image_url"}]},
        {"role": "assistant", "content": "Hello."},
        {"role": "tool", "content": "42"},
        {"role": "assistant", "content": None},
    ]
}


def test_jsonl_has_a_conversation_on_each_line(portable: PortableStore) -> None:
    other = {"messages": [{"role": "user", "content": "Only a question"}]}
    lines = b"\n".join((dumped(LINE), b"", dumped(other), b"{broken}", dumped(LINE)))
    report = take(portable, lines, name="data.jsonl")
    assert sorted(fates(report)) == ["added", "added", "refused", "unchanged"]
    assert "line 4" in next(
        item.title for item in report.items if item.outcome is ImportOutcome.REFUSED
    )
    assert fates(take(portable, lines)).count("unchanged") == 3
    first = portable.load(ME, report.items[0].conversation_id or "")
    assert first.conversation.settings.system_prompt == "Be brief."
    texts = [node.message.text for node in first.nodes]
    assert texts == ["Hi\n\n[Image, not included]", "Hello."]
    assert report.items[0].notes == (
        "1 message of tools was left out.",
        "1 message without any text was left out.",
    )


def test_a_single_line_is_jsonl_too() -> None:
    assert len(one(dumped(LINE)).nodes) == 2


# --- again, and changed --------------------------------------------------------------------------


def test_the_same_file_twice_adds_nothing(portable: PortableStore) -> None:
    data = samples.export(samples.simple(), samples.thinking(), samples.branched())
    take(portable, data)
    before = everything(portable)
    assert fates(take(portable, data)) == ["unchanged"] * 3
    assert everything(portable) == before


def test_a_conversation_that_went_on_goes_on_here(portable: PortableStore) -> None:
    tree = samples.simple()
    take(portable, samples.export(tree))
    asked = tree.add("a1", "q2", "user", "And yellow?", at=samples.BEGUN + 9)
    tree.add(asked, "a2", "assistant", "A banana.", at=samples.BEGUN + 10)
    report = take(portable, samples.export(tree))
    assert fates(report) == ["merged"]
    assert report.items[0].sentence.startswith("2 messages added")
    assert [message.text for message in shown(portable)][-2:] == ["And yellow?", "A banana."]
    assert fates(take(portable, samples.export(tree))) == ["unchanged"]


def test_what_went_on_here_stays_in_view(store: Store, portable: PortableStore) -> None:
    tree = samples.simple()
    take(portable, samples.export(tree))
    question, answer = shown(portable)
    changed = own(
        id="x" * 30,
        origin=f"chatgpt:{tree.id}",
        messages=[
            {"id": "here", "parent_id": "a", "role": "user", "text": "Mine", "origin": "here:1"},
            {
                "id": "a",
                "parent_id": None,
                "role": "assistant",
                "text": "An",
                "status": "stopped",
                "origin": "chatgpt:a1",
            },
        ],
        leaf_id="here",
    )
    assert fates(take(portable, dumped(changed))) == ["merged"]
    assert [message.text for message in shown(portable)] == [question.text, answer.text, "Mine"]
    asked = tree.add("a1", "q2", "user", "And yellow?")
    tree.add(asked, "a2", "assistant", "A banana.")
    assert fates(take(portable, samples.export(tree))) == ["merged"]
    assert shown(portable)[-1].text == "Mine"
    assert store.messages.versions(shown(portable))[shown(portable)[-1].id].count == 2


def test_a_changed_message_becomes_a_version_with_all_that_follows(
    store: Store, portable: PortableStore
) -> None:
    tree = samples.simple()
    take(portable, samples.export(tree))
    tree.mapping["q1"]["message"]["content"]["parts"] = ["Which fruit is green?"]
    assert fates(take(portable, samples.export(tree))) == ["merged"]
    assert fates(take(portable, samples.export(tree))) == ["unchanged"]
    question = shown(portable)[0]
    assert question.text == "Which fruit is red?"
    versions = store.messages.versions([question])[question.id]
    assert versions.count == 2
    store.messages.show_version(ME, versions.next_id or "")
    assert [message.text for message in shown(portable)] == ["Which fruit is green?", "An apple."]
    tree.add("a1", "q2", "user", "More?")
    assert fates(take(portable, samples.export(tree))) == ["merged"]
    assert [message.text for message in shown(portable)][-1] == "More?"


def test_what_was_deleted_comes_back(store: Store, portable: PortableStore) -> None:
    data = samples.export(samples.simple())
    take(portable, data)
    store.conversations.set_deleted(ME, portable.ids(ME)[0], is_deleted=True)
    report = take(portable, data)
    assert fates(report) == ["merged"]
    assert "is back" in report.items[0].sentence
    assert len(portable.ids(ME)) == 1


def test_every_owner_has_a_copy_of_their_own(portable: PortableStore) -> None:
    for owner in (ME, OTHER):
        assert fates(take(portable, dumped(own()), owner)) == ["added"]
        assert fates(take(portable, dumped(own()), owner)) == ["unchanged"]
    assert portable.ids(ME) == [own()["id"]]
    assert portable.ids(OTHER) != portable.ids(ME)
    # The copy goes home, and is known there.
    copy = dumped(everything(portable, OTHER)[0])
    assert fates(take(portable, copy)) == ["unchanged"]


def test_an_older_copy_of_an_answer_that_went_on_adds_nothing(portable: PortableStore) -> None:
    take(portable, dumped(own()))
    older = own()
    older["messages"][1] |= {"text": "", "status": "streaming"}
    assert fates(take(portable, dumped(older))) == ["unchanged"]


@pytest.mark.parametrize("text", ["Yes", "Yes, and no", "Yes, and no. Or", "No", ""])
def test_an_answer_that_says_something_else_in_the_file_becomes_a_version(
    store: Store, portable: PortableStore, text: str
) -> None:
    value = own()
    value["messages"][1] |= {"text": "Yes, and no.", "status": "complete", "finish_reason": "stop"}
    take(portable, dumped(value))
    value["messages"][1]["text"] = text
    assert fates(take(portable, dumped(value))) == ["merged"]
    assert fates(take(portable, dumped(value))) == ["unchanged"]
    answer = shown(portable)[-1]
    assert answer.text == "Yes, and no."
    versions = store.messages.versions([answer])[answer.id]
    assert store.messages.get(ME, versions.next_id or "").text == text


@pytest.mark.parametrize(
    "end",
    [
        {"status": "stopped"},
        {"status": "interrupted"},
        {"status": "failed"},
        {"status": "complete", "finish_reason": "length"},
    ],
    ids=str,
)
def test_an_answer_that_was_cut_short_and_continued_here_is_no_other(
    portable: PortableStore, end: dict[str, str]
) -> None:
    value, older = own(), own()
    value["messages"][1] |= {"text": "Yes, and no.", "status": "complete", "finish_reason": "stop"}
    older["messages"][1] |= {"text": "Yes, and", **end}
    take(portable, dumped(value))
    assert fates(take(portable, dumped(older))) == ["unchanged"]


@pytest.mark.parametrize("owners", [(ME, ME, ME), (ME, OTHER, "visitor:third")])
def test_the_same_file_at_the_same_time_is_taken_once(
    portable: PortableStore, owners: tuple[str, ...]
) -> None:
    data, start = dumped(own()), threading.Barrier(len(owners))

    def import_at_once(owner: str) -> list[str]:
        start.wait(10)
        return fates(take(portable, data, owner))

    with ThreadPoolExecutor() as pool:
        found = sorted(fate for (fate,) in pool.map(import_at_once, owners))
    different = len(set(owners))
    assert found == ["added"] * different + ["unchanged"] * (len(owners) - different)
    assert all(len(portable.ids(owner)) == 1 for owner in owners)


# --- our own, changed by somebody ----------------------------------------------------------------


def test_an_unfinished_answer_comes_in_as_interrupted(portable: PortableStore) -> None:
    value = own()
    value["messages"][1]["status"] = "streaming"
    take(portable, dumped(value))
    assert shown(portable)[-1].status is Status.INTERRUPTED


def test_settings_out_of_range_are_left_out_and_reported() -> None:
    strange = {
        "model": 5,
        "temperature": 99,
        "max_reply_tokens": -3,
        "system_prompt": ["x"],
        "base_url": "http://evil.example",
    }
    conversation = one(dumped(own(settings=strange)))
    chosen = conversation.conversation.settings
    assert (chosen.model, chosen.temperature, chosen.max_reply_tokens) == (None, None, None)
    assert chosen.system_prompt == ""
    assert len(conversation.notes) == 5
    kept = {"model": "a/b", "temperature": 0, "system_prompt": "", "max_reply_tokens": None}
    assert one(dumped(own(settings=kept))).notes == ()


def test_a_newer_version_is_refused() -> None:
    assert "newer version of Parley" in refused(dumped(own(version=2)))[0]


def test_ids_from_the_future_are_not_kept(portable: PortableStore) -> None:
    value = own(id="f" * 30)
    value["messages"][1]["id"] = "e" * 30
    take(portable, dumped(value))
    conversation = portable.load(ME, portable.ids(ME)[0])
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).timestamp() * 1_000_000
    ids = [conversation.conversation.id, *(node.message.id for node in conversation.nodes)]
    assert all(int(id_[:14], 16) < tomorrow for id_ in ids)
    assert fates(take(portable, dumped(value))) == ["unchanged"]


def test_circles_missing_parents_and_doubles_are_put_right(portable: PortableStore) -> None:
    links = {"a": "c", "b": "a", "c": "b", "d": "gone", "e": "e", "f": None, "g": "f"}
    messages: list[Any] = [
        {"id": id_, "parent_id": parent, "role": "user", "text": id_}
        for id_, parent in links.items()
    ]
    messages += [{**messages[0]}, {"id": "h", "role": "robot", "text": "x"}, 7, None, {"id": 5}]
    report = take(portable, dumped(own(messages=messages)))
    assert fates(report) == ["added"]
    assert len(report.items[0].notes) == 5
    conversation = portable.load(ME, report.items[0].conversation_id or "")
    assert sorted(node.message.text for node in conversation.nodes) == sorted(links)
    assert fates(take(portable, dumped(own(messages=messages)))) == ["unchanged"]


def test_a_failure_while_storing_leaves_nothing_behind(portable: PortableStore) -> None:
    conversation = one(dumped(own()))

    def fail(sha256: str) -> bytes | None:
        raise RuntimeError

    value = own()
    value["messages"][1]["attachments"] = [{"kind": "document", "name": "x", "sha256": "0" * 64}]
    broken = one(dumped(value))
    broken = PortableConversation(broken.conversation, broken.nodes, content=fail)
    with pytest.raises(RuntimeError):
        portable.merge(ME, broken, Tokenizer().count)
    assert portable.ids(ME) == []
    assert portable.merge(ME, conversation, Tokenizer().count).outcome is ImportOutcome.ADDED


# --- trees ---------------------------------------------------------------------------------------


@given(st.dictionaries(st.integers(0, 12).map(str), st.none() | st.integers(0, 14).map(str)))
def test_any_links_make_a_tree(links: dict[str, str | None]) -> None:
    tree = build_tree(links)
    assert sorted(tree.order) == sorted(links)
    seen: set[str] = set()
    for id_ in tree.order:
        parent = tree.parents[id_]
        assert parent is None or parent in seen
        assert tree.depths[id_] == (0 if parent is None else tree.depths[parent] + 1)
        seen.add(id_)


def test_a_tree_of_ten_thousand_is_stored_and_read(store: Store, portable: PortableStore) -> None:
    conversation = one(samples.export(samples.deep(10_000)))
    assert portable.merge(ME, conversation, Tokenizer().count).outcome is ImportOutcome.ADDED
    id_ = portable.ids(ME)[0]
    newest = store.conversations.get(ME, id_)
    (last,) = store.messages.path(ME, id_, newest.leaf_id, 1)
    assert (last.depth, last.text) == (9_999, "Message 9999")
    assert portable.merge(ME, conversation, Tokenizer().count).outcome is ImportOutcome.UNCHANGED


def test_roles_that_do_not_alternate_are_kept_as_they_are(portable: PortableStore) -> None:
    tree = samples.Tree()
    last = tree.add("client-created-root", "a0", "assistant", "Welcome.")
    last = tree.add(last, "q1", "user", "One")
    last = tree.add(last, "q2", "user", "Two")
    tree.add(last, "a1", "robot", "Beep")
    take(portable, samples.export(tree))
    assert [(message.role.value, message.depth) for message in shown(portable)] == [
        ("assistant", 0),
        ("user", 1),
        ("user", 2),
    ]


# --- files that are none -------------------------------------------------------------------------

GOOD = samples.export(samples.simple())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"   \n ",
        b"hello",
        b"\x89PNG\r\n\x1a\n",
        b"[]",
        b"{}",
        b"[[]]",
        b'[1, null, "x"]',
        b"{",
        b"[",
        b"[{",
        b"{}{}",
        b'{"mapping": 5}',
        b'{"mapping": {}}',
        b'{"messages": []}',
        b'{"format": "parley.conversation"}',
        b'{"format": "parley.conversation", "version": 1, "messages": {}}',
        b"\xff\xfe[\x00]\x00",
        b"PK\x03\x04",
        b"PK\x05\x06" + b"\0" * 18,
        b"PK\x03\x04" + b"x" * 5000,
        samples.archive({"holiday.jpg": b"x"}),
        samples.archive({"conversations.json": b""}),
        samples.archive({"conversations.json": b"\x00\x01"}),
        b"9" * 100_000,
        b"[" + b"9" * 100_000 + b"]",
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
    ids=lambda data: repr(data[:20]),
)
def test_what_is_no_export_is_refused_in_words(data: bytes) -> None:
    sentences = refused(data)
    assert sentences
    assert all(sentence.endswith(".") for sentence in sentences)


def test_the_start_of_a_cut_off_file_is_taken(portable: PortableStore) -> None:
    conversation = samples.export(samples.simple(), samples.thinking())
    report = take(portable, conversation[:-200])
    assert fates(report) == ["added", "refused"]
    assert "ends in the middle" in report.items[1].sentence


def test_damaged_letters_are_replaced() -> None:
    conversation = one(GOOD.replace(b"An apple", b"An \xff\xfeapple"))
    assert conversation.nodes[-1].message.text == "An \ufffd\ufffdapple."
    assert one(b"\xef\xbb\xbf" + GOOD).conversation.title == "Fruit"


def test_nul_and_half_letters_can_be_stored(portable: PortableStore) -> None:
    tree = samples.simple(title="a\0b\ud800")
    tree.mapping["a1"]["message"]["content"]["parts"] = ["x\0y\ud800z"]
    assert fates(take(portable, samples.export(tree))) == ["added"]
    assert "\0" not in shown(portable)[-1].text


def test_too_large_a_conversation_is_passed_over() -> None:
    large = samples.deep(900, "large")
    data = samples.export(samples.simple(), large, samples.thinking())
    bounds = Bounds(size=200_000)
    assert [type(item) for item in parse(data, bounds)] == [
        PortableConversation,
        Refused,
        PortableConversation,
    ]
    finely = b'[{"title": "Fine", "mapping": [' + b"[]," * 5000 + b"[]]}, " + GOOD[1:]
    items = parse(finely, Bounds(values=1000))
    assert [type(item) for item in items] == [Refused, PortableConversation]
    assert items[0].title == "Fine"
    nested = b'[{"x": ' + b"[" * 500 + b"]" * 500 + b"}, " + GOOD[1:]
    assert [type(item) for item in parse(nested)] == [Refused, PortableConversation]


def test_an_endless_text_ends_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "LONGEST_SILENCE", 300_000)
    data = GOOD[:-1] + b', {"title": "' + b"x" * 1_000_000 + b'"}]'
    items = parse(data)
    assert [type(item) for item in items] == [PortableConversation, Refused]


class Endless(BytesIO):
    """A list of conversations that is made while it is read."""

    def __init__(self, size: int) -> None:
        super().__init__()
        tree = samples.deep(40)
        for node in tree.mapping.values():
            if node["message"]:
                node["message"]["content"]["parts"][0] += "words " * 500
        self._one = json.dumps(tree.to_json()).encode() + b",\n"
        self._size, self._at = size, 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = self._size if whence == 2 else offset
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        count = min(size or 0, self._size - self._at)
        start, self._at = self._at, self._at + count
        if not count:
            return b""
        if start == 0:
            return (b"[" + self._one * (count // len(self._one) + 1))[:count]
        start = (start - 1) % len(self._one)
        return (self._one * (count // len(self._one) + 2))[start : start + count]


def test_a_large_export_is_read_in_little_memory() -> None:
    size, count, seen = 16_000_000, 0, []
    tracemalloc.start()
    for item in read(Endless(size), "large", NOW, lambda done, total: seen.append(done)):
        count += isinstance(item, PortableConversation)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count > 90
    assert most < 12_000_000
    assert seen == sorted(seen)
    assert seen[-1] == size


# --- hostile archives ----------------------------------------------------------------------------


def test_names_that_lead_out_are_left_out() -> None:
    data = samples.archive(
        {
            "../conversations.json": GOOD,
            "/etc/conversations.json": GOOD,
            "C:\\conversations.json": GOOD,
            "a/../../conversations-000.json": GOOD,
            "inner.zip": samples.archive({"conversations.json": GOOD}),
        }
    )
    items = parse(data)
    assert not any(isinstance(item, PortableConversation) for item in items)
    sentences = " ".join(item.sentence for item in items)
    assert "lead out of the archive" in sentences
    assert "archive within the archive" in sentences


def test_a_falsified_size_ends_the_entry() -> None:
    data = bytearray(samples.archive({"conversations.json": GOOD}))
    directory = data.rfind(b"PK\x01\x02")
    struct.pack_into("<I", data, directory + 24, 10)
    assert isinstance(parse(bytes(data))[-1], Refused)
    struct.pack_into("<I", data, directory + 24, 2_000_000_000)  # no more comes than there is
    assert len(parse(bytes(data))) == 1


def test_a_bomb_is_refused_without_being_read() -> None:
    data = bytearray(samples.archive({f"conversations-{place:03}.json": GOOD for place in (0, 1)}))
    at = data.find(b"PK\x01\x02")
    while at >= 0:
        struct.pack_into("<I", data, at + 24, 0xF0000000)
        at = data.find(b"PK\x01\x02", at + 4)
    assert "more than 4 GB" in refused(bytes(data))[0]


def test_a_directory_that_claims_to_be_huge_is_refused() -> None:
    data = bytearray(samples.archive({"conversations.json": GOOD}))
    end = data.rfind(b"PK\x05\x06")
    struct.pack_into("<I", data, end + 12, 0x70000000)
    assert "more entries" in refused(bytes(data))[0]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_damage_to_a_file_ends_in_an_error(data: st.DataObject) -> None:
    files = (
        GOOD,
        samples.archive({"conversations.json": GOOD, "x.zip": b"PK"}),
        dumped(own()),
        dumped(LINE) + b"\n" + dumped(LINE),
    )
    raw = bytearray(data.draw(st.sampled_from(files)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    for item in parse(bytes(raw)):
        assert isinstance(item, (PortableConversation, Refused, detect.Note))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["user", "assistant", "text", "thoughts", "code", "id", "q1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every field of a JSON value: what holds it, and its name there."""
    todo = [value]
    while todo:
        each = todo.pop()
        names: Any = each if isinstance(each, dict) else range(len(each))
        for name in names:
            yield each, name
            if isinstance(each[name], (dict, list)):
                todo.append(each[name])


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_wrong_type_in_any_field_ends_in_an_error(data: st.DataObject) -> None:
    make: list[Callable[[], Any]] = [
        lambda: [samples.thinking().to_json()],
        lambda: [samples.pictures().to_json()],
        lambda: own(
            settings={"model": "a/b", "temperature": 1},
            clear_marks=[{"message_id": "1", "created_at": "2026-01-01"}],
            contents={"0" * 64: "aGk="},
        ),
        lambda: json.loads(json.dumps(LINE)),
    ]
    value = data.draw(st.sampled_from(make))()
    for _ in range(data.draw(st.integers(1, 3))):
        holder, name = data.draw(st.sampled_from(list(places(value))))
        holder[name] = data.draw(JSON)
    for item in parse(dumped(value)):
        assert isinstance(item, (PortableConversation, Refused))


# --- progress, cancelling ------------------------------------------------------------------------


def test_cancelling_keeps_what_was_taken_in(portable: PortableStore) -> None:
    trees = [samples.simple(f"id-{place}") for place in range(5)]
    count = Tokenizer().count
    done: list[ImportOutcome] = []

    def merge(conversation: PortableConversation) -> Any:
        report = portable.merge(ME, conversation, count)
        done.append(report.outcome)
        return report

    file: BinaryIO = BytesIO(samples.export(*trees))
    report = import_file(file, "x.json", merge, is_cancelled=lambda: len(done) == 2)
    assert report.is_cancelled
    assert fates(report) == ["added", "added"]
    assert len(portable.ids(ME)) == 2
    assert report.sentence == "2 added; cancelled before the end."


def test_progress_ends_at_the_whole(portable: PortableStore) -> None:
    for data in (GOOD, samples.archive({"conversations.json": GOOD}), dumped(own()), b""):
        told: list[tuple[int, int]] = []
        import_file(
            BytesIO(data),
            "x",
            lambda conversation: portable.merge(ME, conversation, Tokenizer().count),
            on_progress=lambda *progress: told.append(progress),  # noqa: B023
        )
        assert told == sorted(told)
        assert told[-1][0] == told[-1][1]
