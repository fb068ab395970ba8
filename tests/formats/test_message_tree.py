"""Tests for building message trees from untrusted links."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.formats.import_report import ImportOutcome
from chat.formats.message_tree import build_tree, prune
from chat.store import Store
from chat.store.transfer import PortableStore
from tests.support import chatgpt_samples as samples
from tests.support.import_samples import ME, import_checks, parse_one


@given(st.dictionaries(st.integers(0, 12).map(str), st.none() | st.integers(0, 14).map(str)))
def test_build_tree_accepts_any_links(links: dict[str, str | None]) -> None:
    tree = build_tree(links)
    assert sorted(tree.order) == sorted(links)
    seen: set[str] = set()
    for id_ in tree.order:
        parent = tree.parents[id_]
        assert parent is None or parent in seen
        assert tree.depths[id_] == (0 if parent is None else tree.depths[parent] + 1)
        seen.add(id_)


def test_prune_removes_a_long_chain() -> None:
    links = {str(place): str(place - 1) if place else None for place in range(10_000)}
    tree = prune(build_tree(links), set(links) - {"0", "9999"})
    assert tree.parents == {"0": None, "9999": "0"}
    assert tree.resolve("5000") == "0"


@pytest.mark.slow
def test_conversation_of_ten_thousand_messages_is_stored(
    store: Store, portable: PortableStore
) -> None:
    conversation = parse_one(samples.export(samples.deep(10_000)))
    assert portable.merge(ME, conversation, import_checks()).outcome is ImportOutcome.ADDED
    id_ = portable.ids(ME)[0]
    newest = store.conversations.get(ME, id_)
    (last,) = store.messages.path(ME, id_, newest.leaf_id, 1)
    assert (last.depth, last.text) == (9_999, "Message 9999")
    assert portable.merge(ME, conversation, import_checks()).outcome is ImportOutcome.UNCHANGED
