"""Tests for the import of ChatGPT's data export."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from chat.domain.message import Role, Status
from chat.formats.conversation import PortableConversation
from chat.formats.importing.detect import RejectedItem
from chat.store import Store
from chat.store.transfer import PortableStore
from tests.support import chatgpt_samples as samples
from tests.support.import_samples import (
    ME,
    NOW,
    import_data,
    json_bytes,
    outcomes,
    parse,
    parse_one,
    visible_messages,
)


def test_chatgpt_conversation_is_added(portable: PortableStore) -> None:
    report = import_data(portable, samples.export(samples.simple()))
    assert outcomes(report) == ["added"]
    assert report.items[0].title == "Fruit"
    question, answer = visible_messages(portable)
    assert (question.role, question.text) == (Role.USER, "Which fruit is red?")
    assert (answer.role, answer.text) == (Role.ASSISTANT, "An apple.")
    assert (question.depth, question.parent_id) == (0, None)
    assert (answer.depth, answer.parent_id) == (1, question.id)
    assert answer.model == "chatgpt/gpt-4o"
    assert answer.status is Status.COMPLETE
    assert answer.created_at == datetime.fromtimestamp(samples.STARTED + 2, UTC)
    assert question.tokens > 0


def test_imported_path_and_versions_can_be_queried(store: Store, portable: PortableStore) -> None:
    import_data(portable, samples.export(samples.simple()))
    (id_,) = portable.ids(ME)
    last = visible_messages(portable)[-1]
    path_ = store.messages.path(ME, id_, last.id, 10)
    assert [message.text for message in path_] == ["An apple.", "Which fruit is red?"]
    assert store.messages.versions(path_)[last.id].count == 1


def test_reasoning_code_and_text_nodes_become_one_answer() -> None:
    conversation = parse_one(samples.export(samples.thinking()))
    question, answer = [node.message for node in conversation.nodes][-2:]
    assert question.text == "And 2 + 2?"
    assert answer.text == "```python\nprint(2 + 2)\n```\n\n```\n4\n```\n\nIt is 4."
    assert answer.reasoning == "**Adding**\n\nTwo and two."
    assert answer.reasoning_ms == 8000
    assert conversation.conversation.leaf_id == answer.id
    assert "2 calls and results of tools were left out." in conversation.notes


def test_missing_files_become_placeholders() -> None:
    conversation = parse_one(samples.export(samples.media()))
    first, answer, thanks = [node.message for node in conversation.nodes]
    assert first.text == (
        "[File “notes.pdf”, not included in the export]\n\n"
        "[Image, not included in the export]\n\nWhat is this?"
    )
    assert answer.text == "[Image, not included in the export]\n\nA cat."
    assert thanks.text == "Thank you."
    assert conversation.conversation.title.startswith("[File “notes.pdf”")
    assert any("placeholders" in note for note in conversation.notes)


def test_branches_become_versions_in_listed_order(store: Store, portable: PortableStore) -> None:
    import_data(portable, samples.export(samples.branched()))
    question, answer = visible_messages(portable)
    assert answer.text == "An apple."
    versions = store.messages.versions([question, answer])
    assert (versions[question.id].position, versions[question.id].count) == (1, 2)
    assert (versions[answer.id].position, versions[answer.id].count) == (2, 2)
    other = store.messages.get(ME, versions[answer.id].previous_id or "")
    assert other.text == "A cherry."
    store.messages.show_version(ME, other.id)
    assert [message.text for message in visible_messages(portable)][-1] == "A cherry."


def test_zip_and_split_conversation_files_are_read(portable: PortableStore) -> None:
    first, second = samples.simple(), samples.thinking()
    data = samples.archive(
        {
            "conversations-000.json": samples.export(first),
            "conversations-001.json": samples.export(second),
            "chat.html": b"<html>",
            "user.json": b"{}",
        }
    )
    assert outcomes(import_data(portable, data)) == ["added", "added"]
    again = samples.archive({"export/conversations.json": samples.export(first, second)})
    assert outcomes(import_data(portable, again)) == ["unchanged", "unchanged"]


def test_empty_conversation_is_rejected_and_others_are_read() -> None:
    items = parse(samples.export(samples.Tree(title="Nothing"), samples.simple()))
    assert [type(item) for item in items] == [RejectedItem, PortableConversation]
    assert items[0].title == "Nothing"


@pytest.mark.parametrize("field", ["weight", "hidden"])
def test_hidden_answers_are_skipped(field: str) -> None:
    tree = samples.simple()
    node = tree.mapping["a1"]["message"]
    if field == "weight":
        node["weight"] = 0
    else:
        node["metadata"]["is_visually_hidden_from_conversation"] = True
    conversation = parse_one(samples.export(tree))
    assert [node.message.text for node in conversation.nodes] == ["Which fruit is red?"]
    assert "1 hidden messages were left out." in conversation.notes


def test_invalid_times_are_replaced() -> None:
    tree = samples.simple()
    for id_, time in (("q1", None), ("a1", 1e300)):
        tree.mapping[id_]["message"]["create_time"] = time
    conversation = parse_one(json_bytes([tree.to_json(create_time="yesterday", update_time=-5)]))
    assert {node.message.created_at for node in conversation.nodes} == {NOW}
    assert conversation.conversation.updated_at == NOW


def test_interrupted_answer_has_status_stopped() -> None:
    tree = samples.simple()
    tree.mapping["a1"]["message"]["metadata"]["finish_details"] = {"type": "interrupted"}
    tree.mapping["a1"]["message"]["status"] = "in_progress"
    assert parse_one(samples.export(tree)).nodes[-1].message.status is Status.STOPPED


def test_consecutive_messages_of_one_role_are_kept(portable: PortableStore) -> None:
    tree = samples.Tree()
    last = tree.add("client-created-root", "a0", "assistant", "Welcome.")
    last = tree.add(last, "q1", "user", "One")
    last = tree.add(last, "q2", "user", "Two")
    tree.add(last, "a1", "robot", "Beep")
    import_data(portable, samples.export(tree))
    assert [(message.role.value, message.depth) for message in visible_messages(portable)] == [
        ("assistant", 0),
        ("user", 1),
        ("user", 2),
    ]
