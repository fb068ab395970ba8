"""Conversations as ChatGPT's data export has them, made up, with everything found in real ones.

And a database that tests of one file share, emptied after each: making one takes half a second.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pytest

from chat.store import Store
from chat.store.schema import Base, MessageRow
from tests.support.databases import postgres_database

BEGUN = 1_720_000_000.25


def message(
    id_: str,
    role: str,
    *parts: Any,
    kind: str = "text",
    at: float | None = BEGUN,
    recipient: str = "all",
    weight: float = 1.0,
    content: dict[str, Any] | None = None,
    **metadata: Any,
) -> dict[str, Any]:
    body = content if content is not None else {"parts": list(parts)}
    return {
        "id": id_,
        "author": {"role": role, "name": None, "metadata": {}},
        "create_time": at,
        "update_time": None,
        "content": {"content_type": kind, **body},
        "status": "finished_successfully",
        "end_turn": None,
        "weight": weight,
        "metadata": metadata,
        "recipient": recipient,
        "channel": None,
    }


class Tree:
    """Builds one conversation: `add` puts a node below another one."""

    def __init__(self, id_: str = "c0ffee00-0000-4000-8000-000000000001", title: Any = "Fruit"):
        self.id, self.title = id_, title
        self.mapping: dict[str, Any] = {}
        self.current: Any = None
        self.put("client-created-root", None, None)

    def put(self, id_: str, value: Any, parent: Any) -> str:
        self.mapping[id_] = {"id": id_, "message": value, "parent": parent, "children": []}
        if parent in self.mapping:
            self.mapping[parent]["children"].append(id_)
        self.current = id_
        return id_

    def add(self, parent: str, id_: str, role: str, *parts: Any, **more: Any) -> str:
        return self.put(id_, message(id_, role, *parts, **more), parent)

    def to_json(self, **more: Any) -> dict[str, Any]:
        return {
            "title": self.title,
            "create_time": BEGUN,
            "update_time": BEGUN + 60,
            "mapping": self.mapping,
            "moderation_results": [],
            "current_node": self.current,
            "conversation_id": self.id,
            "id": self.id,
            "is_archived": False,
            "default_model_slug": "gpt-5",
            **more,
        }


def simple(id_: str = "c0ffee00-0000-4000-8000-000000000001", title: Any = "Fruit") -> Tree:
    """A hidden system message, a question and an answer."""
    tree = Tree(id_, title)
    system = tree.add(
        "client-created-root",
        "sys",
        "system",
        "",
        at=None,
        weight=0.0,
        is_visually_hidden_from_conversation=True,
    )
    asked = tree.add(system, "q1", "user", "Which fruit is red?")
    tree.add(asked, "a1", "assistant", "An apple.", at=BEGUN + 2, model_slug="gpt-4o")
    return tree


def thinking() -> Tree:
    """One answer in many nodes: thoughts, a program, what it printed, the text."""
    tree = simple("c0ffee00-0000-4000-8000-000000000002", "Sums")
    last = tree.add("a1", "q2", "user", "And 2 + 2?")
    thought = {"thoughts": [{"summary": "Adding", "content": "Two and two."}]}
    last = tree.add(last, "t1", "assistant", kind="thoughts", content=thought)
    recap = {"content": "Thought for 8 seconds"}
    last = tree.add(
        last, "t2", "assistant", kind="reasoning_recap", content=recap, finished_duration_sec=8
    )
    code = {"language": "unknown", "text": "print(2 + 2)"}
    last = tree.add(last, "p1", "assistant", kind="code", content=code, recipient="python")
    last = tree.add(last, "p2", "tool", kind="execution_output", content={"text": "4\n"})
    search = {"language": "json", "text": '{"query": "four"}'}
    last = tree.add(last, "w1", "assistant", kind="code", content=search, recipient="web.run")
    last = tree.add(last, "w2", "tool", kind="tether_quote", content={"text": "Four, a number"})
    tree.add(last, "a2", "assistant", "It is 4.\ue200cite\ue202turn0search0\ue201")
    return tree


def pictures() -> Tree:
    """A picture and a file that somebody attached, a recording, a picture that was made."""
    tree = Tree("c0ffee00-0000-4000-8000-000000000003", None)
    pointer = {"content_type": "image_asset_pointer", "asset_pointer": "file-service://file-1"}
    asked = tree.add(
        "client-created-root",
        "q1",
        "user",
        pointer,
        "What is this?",
        kind="multimodal_text",
        attachments=[
            {"id": "1", "name": "cat.png", "mime_type": "image/png"},
            {"id": "2", "name": "../notes.pdf", "mime_type": "application/pdf"},
        ],
    )
    made = tree.add(asked, "d1", "assistant", '{"prompt": "a cat"}', recipient="dalle.text2im")
    made = tree.add(made, "d2", "tool", pointer, "Seed: 1", kind="multimodal_text")
    last = tree.add(made, "a1", "assistant", "A cat.")
    said = {"content_type": "audio_transcription", "text": "Thank you.", "direction": "in"}
    sound = {"content_type": "audio_asset_pointer", "asset_pointer": "sediment://1"}
    tree.add(last, "q2", "user", said, sound, kind="multimodal_text")
    return tree


def branched() -> Tree:
    """A question asked twice, one of them answered twice; the first answer is in view."""
    tree = simple("c0ffee00-0000-4000-8000-000000000004", "Branches")
    tree.add("q1", "a1b", "assistant", "A cherry.")
    other = tree.add("sys", "q1b", "user", "Which fruit is yellow?")
    tree.add(other, "a2", "assistant", "A banana.")
    tree.mapping["q1"]["children"] = ["a1b", "a1"]
    tree.current = "a1"
    return tree


def deep(depth: int, id_: str = "c0ffee00-0000-4000-8000-000000000005") -> Tree:
    tree = Tree(id_, "Deep")
    last = "client-created-root"
    for place in range(depth):
        role = "assistant" if place % 2 else "user"
        last = tree.add(last, f"n{place}", role, f"Message {place}")
    return tree


def export(*trees: Tree) -> bytes:
    return json.dumps([tree.to_json() for tree in trees]).encode()


def archive(entries: dict[str, bytes]) -> bytes:
    data = BytesIO()
    with ZipFile(data, "w", ZIP_DEFLATED) as file:
        for name, content in entries.items():
            file.writestr(ZipInfo(name), content, ZIP_DEFLATED)  # of the same time in each process
    return data.getvalue()


@contextmanager
def one_database(
    request: pytest.FixtureRequest, folders: pytest.TempPathFactory
) -> Iterator[Store]:
    """A store on the kind of database that the fixture's parameter names."""
    if request.param == "sqlite":
        store = Store(f"sqlite:///{folders.mktemp('portable') / 'parley.db'}")
        yield store
        store.close()
        return
    with postgres_database(request.getfixturevalue("postgres")) as url:
        store = Store(url)
        yield store
        store.close()


def empty(store: Store) -> None:
    with store.engine.execution_options(writes=True).begin() as connection:
        # Row by row SQLite would follow a path downwards, and gives up after a thousand.
        connection.execute(MessageRow.__table__.update().values(parent_id=None))  # type: ignore[attr-defined]
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(table.delete())
