"""Messages of roles that are unknown here: named in the report, and nothing is cut off by them."""

from __future__ import annotations

from typing import Any

import pytest

from chat.formats.markdown import path
from chat.formats.message_tree import build_tree, prune
from tests.formats.test_import import dumped, one, own, parse, refused
from tests.support import chatgpt_samples as samples


def said(*messages: tuple[str, str | None, str], **more: Any) -> bytes:
    """An own export of messages given as id, parent and role; each says its id."""
    made = [
        {"id": id_, "parent_id": parent, "role": role, "text": id_}
        for id_, parent, role in messages
    ]
    return dumped(own(messages=made, **more))


CHAIN = (
    ("q1", None, "user"),
    ("t1", "q1", "tool"),
    ("t2", "t1", "tool"),
    ("a1", "t2", "assistant"),
    ("q2", "a1", "user"),
)


def test_what_follows_an_unknown_role_hangs_below_the_message_before() -> None:
    conversation = one(said(*CHAIN))
    assert [(node.message.id, node.message.depth) for node in path(conversation)] == [
        ("q1", 0),
        ("a1", 1),
        ("q2", 2),
    ]
    assert conversation.notes == ("2 messages of the unknown role “tool” were left out.",)


def test_it_does_not_matter_in_which_order_the_messages_stand() -> None:
    conversation = one(said(*reversed(CHAIN)))
    assert [node.message.id for node in path(conversation)] == ["q1", "a1", "q2"]


def test_what_is_in_view_or_marked_may_be_of_an_unknown_role() -> None:
    messages = (*CHAIN, ("t3", "a1", "tool"))
    mark = {"message_id": "t1", "created_at": "2026-01-01"}
    conversation = one(said(*messages, leaf_id="t3", clear_marks=[mark]))
    assert conversation.conversation.leaf_id == "a1"
    assert [each.message_id for each in conversation.marks] == ["q1"]
    first = one(said(("t0", None, "tool"), ("q", "t0", "user"), leaf_id="t0"))
    assert (first.conversation.leaf_id, first.nodes[0].message.parent_id) == ("q", None)


def test_what_cannot_be_read_for_another_reason_cuts_nothing_off_either() -> None:
    value = own()
    extra = {"id": "x", "parent_id": value["messages"][0]["id"], "role": "user", "text": 5}
    value["messages"][1]["parent_id"] = "x"
    value["messages"].insert(1, extra)
    conversation = one(dumped(value))
    assert [node.message.text for node in path(conversation)] == ["1", "2"]
    assert conversation.notes == ("1 messages cannot be read and were left out.",)


def test_a_message_of_the_same_id_stands_before_one_that_is_left_out() -> None:
    conversation = one(said(("a", None, "robot"), ("a", None, "user"), ("b", "a", "user")))
    assert [node.message.id for node in path(conversation)] == ["a", "b"]


def test_circles_of_unknown_roles_end() -> None:
    conversation = one(said(("t1", "t2", "tool"), ("t2", "t1", "tool"), ("q", "t1", "user")))
    assert [(node.message.id, node.message.parent_id) for node in conversation.nodes] == [
        ("q", None)
    ]


def test_ten_thousand_in_a_row_can_be_left_out() -> None:
    links = {str(place): str(place - 1) if place else None for place in range(10_000)}
    tree = prune(build_tree(links), set(links) - {"0", "9999"})
    assert tree.parents == {"0": None, "9999": "0"}
    assert tree.standing("5000") == "0"


def test_only_some_of_many_roles_are_named() -> None:
    roles = [("q", None, "user"), *((f"r{n}", "q", f"role-{n}") for n in range(50))]
    (*named, rest) = one(said(*roles)).notes
    assert named == [f"1 message of the unknown role “role-{n}” was left out." for n in range(5)]
    assert rest == "45 messages of other unknown roles were left out."


def test_a_conversation_of_unknown_roles_alone_is_refused_by_their_name() -> None:
    tree = samples.Tree()
    tree.add("client-created-root", "r", "robot", "Beep")
    line = {"messages": [{"role": "robot", "content": "Beep"}]}
    for data in (said(("r", None, "robot")), samples.export(tree), dumped(line)):
        (sentence,) = refused(data)
        assert "unknown role “robot”" in sentence


def test_an_unknown_role_of_chatgpt_is_called_that() -> None:
    tree = samples.simple()
    last = tree.add("a1", "r1", "critic", "Beep")
    tree.add(last, "r2", "", "Beep")
    assert one(samples.export(tree)).notes[1:] == (
        "1 message of the unknown role “critic” was left out.",
        "1 message without a role was left out.",
    )


@pytest.mark.parametrize(
    ("message", "note"),
    [
        ({"role": "tool", "content": "42"}, "1 message of tools was left out."),
        ({"role": "function", "content": "42"}, "1 message of tools was left out."),
        ({"role": "assistant", "content": None}, "1 message without any text was left out."),
        ({"role": "robot", "content": "x"}, "1 message of the unknown role “robot” was left out."),
        ({"content": "x"}, "1 message without a role was left out."),
        (None, "1 message that cannot be read was left out."),
        ("words", "1 message that cannot be read was left out."),
    ],
)
def test_what_a_line_of_jsonl_leaves_out_is_called_what_it_is(message: Any, note: str) -> None:
    asked = {"role": "user", "content": "Hi"}
    assert one(dumped({"messages": [asked, message]})).notes == (note,)


def test_a_null_among_conversations_is_called_that() -> None:
    data = samples.export(samples.simple())
    items = parse(b"[null, " + data[1:])
    assert items[0].sentence == "It is empty (null), no conversation."
    assert len(items) == 2
