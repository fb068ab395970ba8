"""Tests that exported conversations are imported without loss."""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat.domain.conversation import Conversation, ReplySettings
from chat.domain.ids import new_id, storable
from chat.domain.message import Message, Role, Status
from chat.errors import NotFound
from chat.formats.conversation import ClearMark, Node, PortableConversation
from chat.formats.export import ExportFormat, export
from chat.formats.import_report import ImportOutcome
from chat.formats.parley import archive
from chat.formats.parley.conversation_json import from_json, to_json, with_contents
from chat.store import Store
from chat.store.transfer import PortableStore
from tests.support.import_samples import ME, OTHER, import_checks, import_data
from tests.support.portable_samples import (
    CONTENTS,
    NOTES,
    PNG,
    STARTED,
    attachments,
    empty_store,
    sample_conversation,
)


def merge_all(portable: PortableStore, owner: str, *conversations: PortableConversation) -> None:
    for conversation in conversations:
        report = portable.merge(owner, conversation, import_checks())
        assert report.outcome is ImportOutcome.ADDED
        assert report.notes == ()


def archived(portable: PortableStore, owner: str = ME) -> bytes:
    data = BytesIO()
    conversations = (portable.load(owner, id_) for id_ in portable.ids(owner))
    archive.write(data, conversations, lambda: None)
    return data.getvalue()


def test_archive_is_restored_without_loss(portable: PortableStore, store: Store) -> None:
    merge_all(portable, ME, sample_conversation(0), sample_conversation(1))
    before = archived(portable)
    with zipfile.ZipFile(BytesIO(before)) as file:
        names = file.namelist()
        assert sum(name.startswith("contents/") for name in names) == len(CONTENTS)
        assert sum(name.startswith("conversations/") for name in names) == 2
    empty_store(store)
    report = import_data(portable, before, OTHER)
    assert [item.outcome for item in report.items] == [ImportOutcome.ADDED] * 2
    assert archived(portable, OTHER) == before
    assert report.notes == ()


def test_importing_own_archive_adds_nothing(portable: PortableStore) -> None:
    merge_all(portable, ME, sample_conversation(0), sample_conversation(1))
    before = archived(portable)
    report = import_data(portable, before)
    assert [item.outcome for item in report.items] == [ImportOutcome.UNCHANGED] * 2
    assert archived(portable) == before


def test_json_export_contains_attachments(portable: PortableStore, store: Store) -> None:
    merge_all(portable, ME, sample_conversation())
    conversation = portable.load(ME, portable.ids(ME)[0])
    out = export(conversation, ExportFormat.JSON, {})
    value = json.loads(out.data)
    assert value["format"] == "parley.conversation"
    assert sorted(value["contents"]) == sorted(CONTENTS)
    assert base64.b64decode(value["contents"][NOTES]) == CONTENTS[NOTES]
    assert (out.name, out.media_type) == ("Cats-0.json", "application/json")
    empty_store(store)
    report = import_data(portable, out.data)
    assert [item.notes for item in report.items] == [()]
    assert (
        export(portable.load(ME, report.items[0].conversation_id or ""), ExportFormat.JSON, {})
        == out
    )


def test_missing_and_forged_attachments_are_dropped_and_reported(portable: PortableStore) -> None:
    value = with_contents(sample_conversation())
    value["contents"][NOTES] = base64.b64encode(b"something else").decode()
    del value["contents"][PNG]
    report = import_data(portable, json.dumps(value).encode())
    assert report.items[0].notes == (
        "3 files are not in the export, damaged or too large, and were left out.",
    )
    conversation = portable.load(ME, report.items[0].conversation_id or "")
    assert [file.name for file in conversation.nodes[0].message.attachments] == ["t.csv"]


def test_attachment_of_another_owner_is_not_available_by_hash(portable: PortableStore) -> None:
    merge_all(portable, OTHER, sample_conversation())
    report = import_data(portable, json.dumps(to_json(sample_conversation(1))).encode())
    conversation = portable.load(ME, report.items[0].conversation_id or "")
    assert all(node.message.attachments == () for node in conversation.nodes)


def test_invalid_image_and_preview_are_dropped(
    portable: PortableStore,
) -> None:
    value = with_contents(sample_conversation())
    page = b"<script>alert(1)</script>"
    bad = hashlib.sha256(page).hexdigest()
    value["contents"][bad] = base64.b64encode(page).decode()
    picture, _, table = value["messages"][0]["attachments"]
    picture["sha256"], table["preview_sha256"] = bad, bad
    report = import_data(portable, json.dumps(value).encode())
    conversation = portable.load(ME, report.items[0].conversation_id or "")
    notes, kept = conversation.nodes[0].message.attachments
    assert (notes.name, kept.name, kept.preview_sha256) == ("notes.txt", "t.csv", None)


def test_export_of_another_owners_conversation_raises_not_found(portable: PortableStore) -> None:
    merge_all(portable, OTHER, sample_conversation())
    assert portable.ids(ME) == []
    with pytest.raises(NotFound):
        portable.load(ME, portable.ids(OTHER)[0])


TEXTS = st.text(max_size=20).map(storable)


BOOL = st.booleans()


SLOW = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]


@st.composite
def conversations(draw: st.DrawFn) -> PortableConversation:
    """Any tree that Parley may have stored."""
    count = draw(st.integers(1, 8))
    ids = [new_id() for _ in range(count)]
    nodes: list[Node] = []
    for place, id_ in enumerate(ids):
        above = nodes[draw(st.integers(0, place - 1))].message if place and draw(BOOL) else None
        role = draw(st.sampled_from(Role))
        text = draw(TEXTS)
        likely = st.integers(min(1, len(text)), max(1, len(text)))
        done = [status for status in Status if status is not Status.STREAMING]
        is_answer = role is Role.ASSISTANT
        message = Message(
            id_,
            "",
            above.id if above else None,
            above.depth + 1 if above else 0,
            role,
            text,
            draw(st.sampled_from(done)) if is_answer else Status.COMPLETE,
            STARTED - draw(st.timedeltas(timedelta(), timedelta(days=9000))),
            tokens=draw(likely) if text else 0,
            is_exact=draw(BOOL),
            reasoning=draw(TEXTS),
            model=draw(st.none() | st.just("a/b")),
            replaces_id=draw(st.none() | st.sampled_from(ids)),
            is_deleted=draw(BOOL),
            attachments=attachments(id_)[: draw(st.integers(0, 3))] if not is_answer else (),
        )
        nodes.append(Node(message, draw(st.none() | st.just(f"x:{place}"))))
    nodes = [
        Node(node.message, node.origin, draw(st.none() | st.sampled_from(ids))) for node in nodes
    ]
    nodes.sort(key=lambda node: (node.message.depth, node.message.id))
    conversation = Conversation(
        new_id(),
        "",
        draw(st.sampled_from(["A title", "# *Odd* `title` <b>", "日本", "x" * 60])),
        ReplySettings(None, draw(st.none() | st.floats(0, 2)), draw(TEXTS), None),
        draw(st.sampled_from(ids)),
        (),
        STARTED,
        STARTED,
    )
    marked = draw(st.sets(st.sampled_from(ids), max_size=2))
    marks = tuple(
        ClearMark(id_, STARTED + timedelta(seconds=place))
        for place, id_ in enumerate(sorted(marked))
    )
    return PortableConversation(conversation, tuple(nodes), marks, content=CONTENTS.get)


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
@given(conversations())
def test_any_conversation_survives_json(conversation: PortableConversation) -> None:
    value = json.loads(export(conversation, ExportFormat.JSON, {}).data)
    back = from_json(value, datetime.now(UTC))
    assert back.notes == ()
    assert sorted(map(repr, to_json(back)["messages"])) == sorted(
        map(repr, to_json(conversation)["messages"])
    )
    assert {**to_json(back), "messages": []} == {**to_json(conversation), "messages": []}


@settings(max_examples=8, deadline=None, suppress_health_check=SLOW)
@given(st.lists(conversations(), min_size=1, max_size=3))
def test_any_conversations_survive_an_archive(
    portable: PortableStore, store: Store, many: list[PortableConversation]
) -> None:
    empty_store(store)
    merge_all(portable, ME, *many)
    first = archived(portable)
    assert {item.outcome for item in import_data(portable, first).items} == {
        ImportOutcome.UNCHANGED
    }
    assert {item.outcome for item in import_data(portable, first, OTHER).items} == {
        ImportOutcome.ADDED
    }
    assert {item.outcome for item in import_data(portable, first, OTHER).items} == {
        ImportOutcome.UNCHANGED
    }
    empty_store(store)
    assert {item.outcome for item in import_data(portable, first, OTHER).items} == {
        ImportOutcome.ADDED
    }
    assert archived(portable, OTHER) == first
