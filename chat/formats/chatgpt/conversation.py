"""Import a conversation of ChatGPT's data export. Pure.

ChatGPT stores an answer as a chain of nodes: reasoning, tool calls, their results and text. Here it
becomes one message; if the chain forks, each branch becomes a version.
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
from chat.formats.chatgpt.message import MessagePart, SkipReason, UnknownRole, parse_node
from chat.formats.conversation import Node, PortableConversation, UnreadableConversation, origin_key
from chat.formats.import_report import unknown_role_notes
from chat.formats.message_tree import build_tree, children_of

SOURCE = "chatgpt"
_SKIP_NOTES = {
    SkipReason.HIDDEN: "{count:,} hidden messages were left out.",
    SkipReason.SYSTEM: "{count:,} system messages or custom instructions were left out.",
    SkipReason.TOOL: "{count:,} calls and results of tools were left out.",
}
_NOT_INCLUDED = "not included in the export]"


def is_chatgpt(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("mapping"), dict)


@dataclass(slots=True)
class _Draft:
    """A message under construction, while its chain is read."""

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

    def add(self, part: MessagePart) -> None:
        self.texts += [part.text] if part.text else []
        self.reasonings += [part.reasoning] if part.reasoning else []
        if part.reasoning_ms is not None:
            self.reasoning_ms = (self.reasoning_ms or 0) + part.reasoning_ms
        if part.text and not part.is_secondary:
            self.status, self.finish_reason = part.status, part.finish_reason
        self.model = part.model or self.model

    def to_node(self) -> Node:
        status = self.status
        if self.role is Role.ASSISTANT and not self.texts:
            status = Status.INTERRUPTED  # reasoning without an answer
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
            reasoning_ms=min(self.reasoning_ms, validation.MAX_INTEGER)
            if self.reasoning_ms
            else None,
            finish_reason=self.finish_reason,
            model=self.model,
        )
        return Node(message, origin=origin_key(SOURCE, self.id))


@dataclass(frozen=True, slots=True)
class _Position:
    """The message that a node belongs to or follows.

    `is_unforked` is true if no node since that message has siblings.
    """

    draft: _Draft | None
    is_unforked: bool


@dataclass(slots=True)
class _Reader:
    """Accumulator of messages while the nodes of a conversation are read, parents first."""

    nodes: Mapping[str, Mapping[str, Any]]
    started: datetime
    now: datetime
    drafts: dict[str, _Draft] = field(default_factory=dict)
    positions: dict[str, _Position] = field(default_factory=dict)
    skipped: Counter[SkipReason | UnknownRole] = field(default_factory=Counter)

    def read(self, id_: str, parent: str | None, *, has_siblings: bool) -> None:
        above = self.positions[parent] if parent is not None else _Position(None, False)
        is_unforked = above.is_unforked and not has_siblings
        part = parse_node(self.nodes[id_].get("message"))
        if not isinstance(part, MessagePart):
            self.skipped[part] += 1
            self.positions[id_] = _Position(above.draft, is_unforked)
            return
        draft = above.draft
        continues = draft is not None and draft.role is part.role is Role.ASSISTANT
        if draft is None or not (continues and is_unforked):
            draft = self.drafts[id_] = self._new_draft(id_, part, above.draft)
        draft.add(part)
        self.positions[id_] = _Position(draft, True)

    def _new_draft(self, id_: str, part: MessagePart, above: _Draft | None) -> _Draft:
        create_time = validation.mapping(self.nodes[id_].get("message")).get("create_time")
        return _Draft(
            id_,
            above.id if above else None,
            above.depth + 1 if above else 0,
            part.role,
            validation.timestamp(create_time, self.now)
            or (above.created_at if above else self.started),
        )


def from_chatgpt(value: Mapping[str, Any], now: datetime) -> PortableConversation:
    """Convert a JSON value. Raises `UnreadableConversation`."""
    started = validation.timestamp(value.get("create_time"), now) or now
    nodes = {id_: validation.mapping(node) for id_, node in value["mapping"].items() if id_}
    tree = build_tree(
        {id_: validation.optional_text(node.get("parent")) for id_, node in nodes.items()}
    )
    order = _in_listed_order(tree.order, tree.parents, nodes)
    children = Counter(tree.parents.values())
    reader = _Reader(nodes, started, now)
    for id_ in order:
        parent = tree.parents[id_]
        reader.read(id_, parent, has_siblings=children[parent] > 1)
    notes = _notes(reader.skipped)
    if not reader.drafts:
        raise UnreadableConversation(" ".join(("It holds no visible messages.", *notes)))
    messages = tuple(draft.to_node() for draft in reader.drafts.values())
    if any(_NOT_INCLUDED in node.message.text for node in messages):
        notes.append(
            "Files, images or recordings are not in the export; placeholders stand for them."
        )
    selected = reader.positions.get(validation.text(value.get("current_node")))
    newest = max(messages, key=lambda node: (node.message.created_at, node.message.depth))
    identity = validation.text(value.get("conversation_id")) or validation.text(value.get("id"))
    identity = identity or order[0]
    return PortableConversation(
        conversation=Conversation(
            id=identity,
            owner="",
            title=_title(value.get("title"), messages),
            settings=ReplySettings(),
            leaf_id=selected.draft.id if selected and selected.draft else newest.message.id,
            cleared_ids=(),
            created_at=started,
            updated_at=validation.timestamp(value.get("update_time"), now)
            or newest.message.created_at,
        ),
        nodes=messages,
        origin=origin_key(SOURCE, identity),
        notes=(*tree.notes, *notes),
    )


def _in_listed_order(
    order: tuple[str, ...],
    parents: Mapping[str, str | None],
    nodes: Mapping[str, Mapping[str, Any]],
) -> list[str]:
    """Return ids with parents first, and siblings in the order of their parent's list."""
    children = children_of({id_: parents[id_] for id_ in order})
    positions: dict[str, int] = {}
    for id_, node in nodes.items():
        for position, child in enumerate(validation.sequence(node.get("children"))):
            if isinstance(child, str) and parents.get(child) == id_:
                positions.setdefault(child, position)
    listed: list[str] = []
    stack = list(reversed(children.get(None, [])))
    while stack:
        id_ = stack.pop()
        listed.append(id_)
        below = children.get(id_, [])
        stack.extend(sorted(below, key=lambda child: positions.get(child, len(below)))[::-1])
    return listed


def _title(value: Any, nodes: tuple[Node, ...]) -> str:
    title = title_from(validation.text(value))
    if title != UNTITLED:
        return title
    questions = (node.message.text for node in nodes if node.message.role is Role.USER)
    return title_from(next(questions, ""))


def _notes(skipped: Counter[SkipReason | UnknownRole]) -> list[str]:
    notes = [
        note.format(count=skipped[reason])
        for reason, note in _SKIP_NOTES.items()
        if skipped[reason]
    ]
    roles = {
        reason.role: count for reason, count in skipped.items() if isinstance(reason, UnknownRole)
    }
    return [*notes, *unknown_role_notes(roles)]
