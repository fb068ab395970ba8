"""A conversation of ChatGPT's data export, as one of ours. Pure.

There, an answer is a chain of nodes: thoughts, calls of tools, their results, pieces of text. Here
it is one message; where a chain forks, each arm is a version.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chat.domain.conversation import Conversation, ReplySettings
from chat.domain.message import Message, Role, Status
from chat.domain.title import UNTITLED, title_from
from chat.formats import validation
from chat.formats.chatgpt.message import Left, Said, Unknown, read_node
from chat.formats.conversation import Node, PortableConversation, Unreadable, key
from chat.formats.import_report import unknown
from chat.formats.message_tree import build_tree, children_of

SOURCE = "chatgpt"
_LEFT = {
    Left.HIDDEN: "{count:,} hidden messages were left out.",
    Left.SYSTEM: "{count:,} system messages or custom instructions were left out.",
    Left.TOOL: "{count:,} calls and results of tools were left out.",
}
_NOT_INCLUDED = "not included in the export]"


def is_chatgpt(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("mapping"), dict)


@dataclass(slots=True)
class _Draft:
    """A message while its chain is being read."""

    id: str
    parent_id: str | None
    depth: int
    role: Role
    created_at: datetime
    texts: list[str] = field(default_factory=list)
    reasonings: list[str] = field(default_factory=list)
    reasoning_ms: int | None = None
    status: Status = Status.COMPLETE
    finish_reason: str | None = None
    model: str | None = None

    def add(self, said: Said) -> None:
        self.texts += [said.text] if said.text else []
        self.reasonings += [said.reasoning] if said.reasoning else []
        if said.reasoning_ms is not None:
            self.reasoning_ms = (self.reasoning_ms or 0) + said.reasoning_ms
        if said.text and not said.is_aside:
            self.status, self.finish_reason = said.status, said.finish_reason
        self.model = said.model or self.model

    def to_node(self) -> Node:
        status = self.status
        if self.role is Role.ASSISTANT and not self.texts:
            status = Status.INTERRUPTED  # it thought, and then there was nothing
        message = Message(
            id=self.id,
            conversation_id="",
            parent_id=self.parent_id,
            depth=self.depth,
            role=self.role,
            text="\n\n".join(self.texts),
            status=status,
            created_at=self.created_at,
            reasoning="\n\n".join(self.reasonings),
            reasoning_ms=min(self.reasoning_ms, validation.LARGEST_INT)
            if self.reasoning_ms
            else None,
            finish_reason=self.finish_reason,
            model=self.model,
        )
        return Node(message, origin=key(SOURCE, self.id), is_counted=False)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a node stands: the message above it or of it, and whether no chain forked since."""

    draft: _Draft | None
    is_straight: bool


def from_chatgpt(value: Mapping[str, Any], now: datetime) -> PortableConversation:
    """The conversation. Raises `Unreadable`."""
    raw = value["mapping"]
    started = validation.moment(value.get("create_time"), now) or now
    nodes = {id_: validation.mapping(node) for id_, node in raw.items() if id_}
    tree = build_tree(
        {id_: validation.some_text(node.get("parent")) for id_, node in nodes.items()}
    )
    order = _as_listed(tree.order, tree.parents, nodes)
    drafts: dict[str, _Draft] = {}
    places: dict[str, _Place] = {}
    left: Counter[Left | Unknown] = Counter()
    children = Counter(tree.parents.values())
    for id_ in order:
        parent = tree.parents[id_]
        above = places[parent] if parent is not None else _Place(None, False)
        is_straight = above.is_straight and children[parent] == 1
        said = read_node(nodes[id_].get("message"))
        if not isinstance(said, Said):
            left[said] += 1
            places[id_] = _Place(above.draft, is_straight)
            continue
        draft = above.draft
        joins = draft is not None and draft.role is said.role and said.role is Role.ASSISTANT
        if draft is None or not (joins and is_straight):
            written = validation.mapping(nodes[id_].get("message")).get("create_time")
            draft = drafts[id_] = _Draft(
                id_,
                draft.id if draft else None,
                draft.depth + 1 if draft else 0,
                said.role,
                validation.moment(written, now) or (draft.created_at if draft else started),
            )
        draft.add(said)
        places[id_] = _Place(draft, True)
    notes = _notes(left)
    if not drafts:
        raise Unreadable(" ".join(("It holds no messages that a person would have seen.", *notes)))
    made = tuple(draft.to_node() for draft in drafts.values())
    if any(_NOT_INCLUDED in node.message.text for node in made):
        notes.append("Files, images or recordings are not in the export; they are mentioned.")
    shown = places.get(validation.text(value.get("current_node")))
    newest = max(made, key=lambda node: (node.message.created_at, node.message.depth))
    identity = validation.text(value.get("conversation_id")) or validation.text(value.get("id"))
    identity = identity or order[0]
    return PortableConversation(
        conversation=Conversation(
            id=identity,
            owner="",
            title=_title(value.get("title"), made),
            settings=ReplySettings(),
            leaf_id=shown.draft.id if shown and shown.draft else newest.message.id,
            cleared_ids=(),
            created_at=started,
            updated_at=validation.moment(value.get("update_time"), now)
            or newest.message.created_at,
        ),
        nodes=made,
        origin=key(SOURCE, identity),
        notes=(*tree.notes, *notes),
    )


def _as_listed(
    order: tuple[str, ...],
    parents: Mapping[str, str | None],
    nodes: Mapping[str, Mapping[str, Any]],
) -> list[str]:
    """Parents first, and versions in the order in which their parent lists them."""
    children = children_of({id_: parents[id_] for id_ in order})
    places: dict[str, int] = {}
    for id_, node in nodes.items():
        for place, child in enumerate(validation.sequence(node.get("children"))):
            if isinstance(child, str) and parents.get(child) == id_:
                places.setdefault(child, place)
    listed: list[str] = []
    todo = list(reversed(children.get(None, [])))
    while todo:
        id_ = todo.pop()
        listed.append(id_)
        below = children.get(id_, [])
        todo.extend(sorted(below, key=lambda child: places.get(child, len(below)))[::-1])
    return listed


def _title(value: Any, nodes: tuple[Node, ...]) -> str:
    title = title_from(validation.text(value))
    if title != UNTITLED:
        return title
    asked = (node.message.text for node in nodes if node.message.role is Role.USER)
    return title_from(next(asked, ""))


def _notes(left: Counter[Left | Unknown]) -> list[str]:
    notes = [words.format(count=left[why]) for why, words in _LEFT.items() if left[why]]
    roles = {why.role: count for why, count in left.items() if isinstance(why, Unknown)}
    return [*notes, *unknown(roles)]
