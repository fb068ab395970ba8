"""Tests that messages with unknown roles are reported and their descendants kept."""

from __future__ import annotations

from typing import Any

from chat.formats.markdown import visible_path
from tests.support import chatgpt_samples as samples
from tests.support.import_samples import json_bytes, parley_export, parse_one, rejection_sentences


def export_of_messages(*messages: tuple[str, str | None, str], **more: Any) -> bytes:
    """Return an export with one message per (id, parent, role); its text is the id."""
    made = [
        {"id": id_, "parent_id": parent, "role": role, "text": id_}
        for id_, parent, role in messages
    ]
    return json_bytes(parley_export(messages=made, **more))


CHAIN = (
    ("q1", None, "user"),
    ("t1", "q1", "tool"),
    ("t2", "t1", "tool"),
    ("a1", "t2", "assistant"),
    ("q2", "a1", "user"),
)


def test_children_of_an_unknown_role_move_to_its_parent() -> None:
    conversation = parse_one(export_of_messages(*CHAIN))
    assert [(node.message.id, node.message.depth) for node in visible_path(conversation)] == [
        ("q1", 0),
        ("a1", 1),
        ("q2", 2),
    ]
    assert conversation.notes == ("2 messages of the unknown role “tool” were left out.",)


def test_order_of_messages_does_not_matter() -> None:
    conversation = parse_one(export_of_messages(*reversed(CHAIN)))
    assert [node.message.id for node in visible_path(conversation)] == ["q1", "a1", "q2"]


def test_leaf_and_clear_mark_on_unknown_role_move_to_its_parent() -> None:
    messages = (*CHAIN, ("t3", "a1", "tool"))
    mark = {"message_id": "t1", "created_at": "2026-01-01"}
    conversation = parse_one(export_of_messages(*messages, leaf_id="t3", clear_marks=[mark]))
    assert conversation.conversation.leaf_id == "a1"
    assert [each.message_id for each in conversation.marks] == ["q1"]
    first = parse_one(export_of_messages(("t0", None, "tool"), ("q", "t0", "user"), leaf_id="t0"))
    assert (first.conversation.leaf_id, first.nodes[0].message.parent_id) == ("q", None)


def test_children_of_an_unreadable_message_move_to_its_parent() -> None:
    value = parley_export()
    extra = {"id": "x", "parent_id": value["messages"][0]["id"], "role": "user", "text": 5}
    value["messages"][1]["parent_id"] = "x"
    value["messages"].insert(1, extra)
    conversation = parse_one(json_bytes(value))
    assert [node.message.text for node in visible_path(conversation)] == ["1", "2"]
    assert conversation.notes == ("1 messages cannot be read and were left out.",)


def test_known_message_wins_over_skipped_message_with_same_id() -> None:
    conversation = parse_one(
        export_of_messages(("a", None, "robot"), ("a", None, "user"), ("b", "a", "user"))
    )
    assert [node.message.id for node in visible_path(conversation)] == ["a", "b"]


def test_cycle_of_unknown_roles_is_skipped() -> None:
    conversation = parse_one(
        export_of_messages(("t1", "t2", "tool"), ("t2", "t1", "tool"), ("q", "t1", "user"))
    )
    assert [(node.message.id, node.message.parent_id) for node in conversation.nodes] == [
        ("q", None)
    ]


def test_report_lists_at_most_five_unknown_roles() -> None:
    roles = [("q", None, "user"), *((f"r{n}", "q", f"role-{n}") for n in range(50))]
    (*named, rest) = parse_one(export_of_messages(*roles)).notes
    assert named == [f"1 message of the unknown role “role-{n}” was left out." for n in range(5)]
    assert rest == "45 messages of other unknown roles were left out."


def test_conversation_without_known_roles_is_rejected_with_role_name() -> None:
    tree = samples.Tree()
    tree.add("client-created-root", "r", "robot", "Beep")
    line = {"messages": [{"role": "robot", "content": "Beep"}]}
    for data in (export_of_messages(("r", None, "robot")), samples.export(tree), json_bytes(line)):
        (sentence,) = rejection_sentences(data)
        assert "unknown role “robot”" in sentence


def test_unknown_chatgpt_roles_are_reported() -> None:
    tree = samples.simple()
    last = tree.add("a1", "r1", "critic", "Beep")
    tree.add(last, "r2", "", "Beep")
    assert parse_one(samples.export(tree)).notes[1:] == (
        "1 message of the unknown role “critic” was left out.",
        "1 message without a role was left out.",
    )
