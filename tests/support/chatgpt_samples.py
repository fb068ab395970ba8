"""Sample conversations in the format of ChatGPT's data export, modelled on real exports."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

STARTED = 1_720_000_000.25


def message(
    id_: str,
    role: str,
    *parts: Any,
    kind: str = "text",
    at: float | None = STARTED,
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
    """Builder for a conversation. `add` appends a node to another one."""

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
            "create_time": STARTED,
            "update_time": STARTED + 60,
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
    """Return a hidden system message, a question and an answer."""
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
    question = tree.add(system, "q1", "user", "Which fruit is red?")
    tree.add(question, "a1", "assistant", "An apple.", at=STARTED + 2, model_slug="gpt-4o")
    return tree


def thinking() -> Tree:
    """Return an answer of several nodes: reasoning, code, its output and text."""
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


def media() -> Tree:
    """Return a conversation with attached files, a recording and a generated image."""
    tree = Tree("c0ffee00-0000-4000-8000-000000000003", None)
    pointer = {"content_type": "image_asset_pointer", "asset_pointer": "file-service://file-1"}
    question = tree.add(
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
    last = tree.add(question, "d1", "assistant", '{"prompt": "a cat"}', recipient="dalle.text2im")
    last = tree.add(last, "d2", "tool", pointer, "Seed: 1", kind="multimodal_text")
    last = tree.add(last, "a1", "assistant", "A cat.")
    transcript = {"content_type": "audio_transcription", "text": "Thank you.", "direction": "in"}
    recording = {"content_type": "audio_asset_pointer", "asset_pointer": "sediment://1"}
    tree.add(last, "q2", "user", transcript, recording, kind="multimodal_text")
    return tree


def branched() -> Tree:
    """Return a question with two versions, one of them with two answers."""
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
    for number in range(depth):
        role = "assistant" if number % 2 else "user"
        last = tree.add(last, f"n{number}", role, f"Message {number}")
    return tree


def export(*trees: Tree) -> bytes:
    return json.dumps([tree.to_json() for tree in trees]).encode()


def archive(entries: dict[str, bytes]) -> bytes:
    data = BytesIO()
    with ZipFile(data, "w", ZIP_DEFLATED) as file:
        for name, content in entries.items():
            file.writestr(ZipInfo(name), content, ZIP_DEFLATED)  # a fixed timestamp
    return data.getvalue()
