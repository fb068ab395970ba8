"""Tests for importing a conversation again, unchanged, continued or edited."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from chat.formats.conversation import PortableConversation
from chat.formats.import_report import ImportOutcome
from chat.store import Store
from chat.store.transfer import PortableStore
from tests.support import chatgpt_samples as samples
from tests.support.import_samples import (
    ME,
    OTHER,
    all_conversations,
    import_checks,
    import_data,
    json_bytes,
    outcomes,
    parley_export,
    parse_one,
    visible_messages,
)


def test_importing_a_file_twice_adds_nothing(portable: PortableStore) -> None:
    data = samples.export(samples.simple(), samples.thinking(), samples.branched())
    import_data(portable, data)
    before = all_conversations(portable)
    assert outcomes(import_data(portable, data)) == ["unchanged"] * 3
    assert all_conversations(portable) == before


def test_new_messages_are_merged_into_the_conversation(portable: PortableStore) -> None:
    tree = samples.simple()
    import_data(portable, samples.export(tree))
    asked = tree.add("a1", "q2", "user", "And yellow?", at=samples.STARTED + 9)
    tree.add(asked, "a2", "assistant", "A banana.", at=samples.STARTED + 10)
    report = import_data(portable, samples.export(tree))
    assert outcomes(report) == ["merged"]
    assert report.items[0].sentence.startswith("2 messages added")
    assert [message.text for message in visible_messages(portable)][-2:] == [
        "And yellow?",
        "A banana.",
    ]
    assert outcomes(import_data(portable, samples.export(tree))) == ["unchanged"]


def test_merge_keeps_selected_leaf_of_local_messages(store: Store, portable: PortableStore) -> None:
    tree = samples.simple()
    import_data(portable, samples.export(tree))
    question, answer = visible_messages(portable)
    changed = parley_export(
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
    assert outcomes(import_data(portable, json_bytes(changed))) == ["merged"]
    assert [message.text for message in visible_messages(portable)] == [
        question.text,
        answer.text,
        "Mine",
    ]
    asked = tree.add("a1", "q2", "user", "And yellow?")
    tree.add(asked, "a2", "assistant", "A banana.")
    assert outcomes(import_data(portable, samples.export(tree))) == ["merged"]
    assert visible_messages(portable)[-1].text == "Mine"
    assert (
        store.messages.versions(visible_messages(portable))[visible_messages(portable)[-1].id].count
        == 2
    )


def test_changed_message_becomes_a_version_with_its_descendants(
    store: Store, portable: PortableStore
) -> None:
    tree = samples.simple()
    import_data(portable, samples.export(tree))
    tree.mapping["q1"]["message"]["content"]["parts"] = ["Which fruit is green?"]
    assert outcomes(import_data(portable, samples.export(tree))) == ["merged"]
    assert outcomes(import_data(portable, samples.export(tree))) == ["unchanged"]
    question = visible_messages(portable)[0]
    assert question.text == "Which fruit is red?"
    versions = store.messages.versions([question])[question.id]
    assert versions.count == 2
    store.messages.show_version(ME, versions.next_id or "")
    assert [message.text for message in visible_messages(portable)] == [
        "Which fruit is green?",
        "An apple.",
    ]
    tree.add("a1", "q2", "user", "More?")
    assert outcomes(import_data(portable, samples.export(tree))) == ["merged"]
    assert [message.text for message in visible_messages(portable)][-1] == "More?"


def test_import_restores_a_deleted_conversation(store: Store, portable: PortableStore) -> None:
    data = samples.export(samples.simple())
    import_data(portable, data)
    store.conversations.set_deleted(ME, portable.ids(ME)[0], is_deleted=True)
    report = import_data(portable, data)
    assert outcomes(report) == ["merged"]
    assert "was restored" in report.items[0].sentence
    assert len(portable.ids(ME)) == 1


def test_each_owner_gets_a_separate_copy(portable: PortableStore) -> None:
    for owner in (ME, OTHER):
        assert outcomes(import_data(portable, json_bytes(parley_export()), owner)) == ["added"]
        assert outcomes(import_data(portable, json_bytes(parley_export()), owner)) == ["unchanged"]
    assert portable.ids(ME) == [parley_export()["id"]]
    assert portable.ids(OTHER) != portable.ids(ME)
    # The copy goes home, and is known there.
    copy = json_bytes(all_conversations(portable, OTHER)[0])
    assert outcomes(import_data(portable, copy)) == ["unchanged"]


def test_unfinished_copy_of_a_finished_answer_adds_nothing(portable: PortableStore) -> None:
    import_data(portable, json_bytes(parley_export()))
    older = parley_export()
    older["messages"][1] |= {"text": "", "status": "streaming"}
    assert outcomes(import_data(portable, json_bytes(older))) == ["unchanged"]


@pytest.mark.parametrize("text", ["Yes", "Yes, and no", "Yes, and no. Or", "No", ""])
def test_complete_answer_with_other_text_becomes_a_version(
    store: Store, portable: PortableStore, text: str
) -> None:
    value = parley_export()
    value["messages"][1] |= {"text": "Yes, and no.", "status": "complete", "finish_reason": "stop"}
    import_data(portable, json_bytes(value))
    value["messages"][1]["text"] = text
    assert outcomes(import_data(portable, json_bytes(value))) == ["merged"]
    assert outcomes(import_data(portable, json_bytes(value))) == ["unchanged"]
    answer = visible_messages(portable)[-1]
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
def test_truncated_copy_of_a_continued_answer_adds_nothing(
    portable: PortableStore, end: dict[str, str]
) -> None:
    value, older = parley_export(), parley_export()
    value["messages"][1] |= {"text": "Yes, and no.", "status": "complete", "finish_reason": "stop"}
    older["messages"][1] |= {"text": "Yes, and", **end}
    import_data(portable, json_bytes(value))
    assert outcomes(import_data(portable, json_bytes(older))) == ["unchanged"]


@pytest.mark.parametrize("owners", [(ME, ME, ME), (ME, OTHER, "visitor:third")])
def test_concurrent_imports_add_a_conversation_once_per_owner(
    portable: PortableStore, owners: tuple[str, ...]
) -> None:
    data, start = json_bytes(parley_export()), threading.Barrier(len(owners))

    def import_at_once(owner: str) -> list[str]:
        start.wait(10)
        return outcomes(import_data(portable, data, owner))

    with ThreadPoolExecutor() as pool:
        found = sorted(fate for (fate,) in pool.map(import_at_once, owners))
    different = len(set(owners))
    assert found == ["added"] * different + ["unchanged"] * (len(owners) - different)
    assert all(len(portable.ids(owner)) == 1 for owner in owners)


def test_failed_merge_is_rolled_back(portable: PortableStore) -> None:
    conversation = parse_one(json_bytes(parley_export()))

    def fail(sha256: str) -> bytes | None:
        raise RuntimeError

    value = parley_export()
    value["messages"][1]["attachments"] = [{"kind": "document", "name": "x", "sha256": "0" * 64}]
    broken = parse_one(json_bytes(value))
    broken = PortableConversation(broken.conversation, broken.nodes, content=fail)
    with pytest.raises(RuntimeError):
        portable.merge(ME, broken, import_checks())
    assert portable.ids(ME) == []
    assert portable.merge(ME, conversation, import_checks()).outcome is ImportOutcome.ADDED
