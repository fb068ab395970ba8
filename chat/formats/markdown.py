"""One conversation as Markdown for people: the path in view, as it is drawn. Pure.

What people and models wrote is Markdown already and stays so, but nothing in it reaches beyond its
own message: an open fence is closed, and HTML is shown as text, as it is on the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from chat.domain.attachment import Attachment
from chat.domain.message import Message, Role, Status
from chat.formats.conversation import Node, PortableConversation

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|~>$:])")
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})(.*)$")
_TAG = re.compile(r"<(?=[A-Za-z/!?])(?!(?:https?|mailto):[^\s<>]*>)")
_RUN = re.compile(r"(`+)")
_LINE_END = re.compile(r"\r\n?|\n")
_ENDS = {
    Status.STOPPED: "Stopped.",
    Status.INTERRUPTED: "Interrupted.",
    Status.STREAMING: "Still being written.",
}


def to_markdown(portable: PortableConversation, model_labels: Mapping[str, str]) -> str:
    """The conversation; `model_labels` names models as people know them."""
    blocks = [f"# {line(portable.conversation.title)}"]
    cleared = {mark.message_id for mark in portable.marks}
    for node in path(portable):
        message = node.message
        if not message.is_deleted:
            blocks += _blocks(message, model_labels)
        if message.id in cleared:
            blocks += ["---", "*The context begins afresh here.*"]
    return "\n\n".join(blocks) + "\n"


def path(portable: PortableConversation) -> list[Node]:
    """The messages in view, the oldest first."""
    nodes = {node.message.id: node for node in portable.nodes}
    id_, found = portable.conversation.leaf_id, []
    while id_ is not None and id_ in nodes:
        found.append(nodes[id_])
        id_ = nodes[id_].message.parent_id
    return found[::-1]


def _blocks(message: Message, model_labels: Mapping[str, str]) -> Iterator[str]:
    who = "You" if message.role is Role.USER else "Assistant"
    model = message.model and model_labels.get(message.model, message.model)
    yield f"## {who} · {line(model)}" if model else f"## {who}"
    yield from (_attached(file) for file in message.attachments)
    if message.reasoning.strip():
        quoted = "\n".join(f"> {row}".rstrip() for row in contained(message.reasoning).split("\n"))
        yield f"> *Reasoning*\n>\n{quoted}"
    if message.text.strip():
        yield contained(message.text)
    if message.failure:
        yield f"*{line(message.failure.sentence)}*"
    elif message.status in _ENDS:
        yield f"*{_ENDS[message.status]}*"


def _attached(file: Attachment) -> str:
    details = f" ({line(file.details)})" if file.details else ""
    return f"*Attached: {line(file.name)}{details}*"


def line(text: str) -> str:
    """The text on one line that draws as it reads, whatever is in it."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    return _SPECIAL.sub(r"\\\1", text)


def contained(text: str) -> str:
    """A text of Markdown that ends where it ends."""
    fence = ""
    rows = []
    for row in _LINE_END.split(text.strip("\r\n")):
        found = _FENCE.match(row)
        if fence:
            is_end = found and found[1].startswith(fence) and not found[2].strip()
            fence = "" if is_end else fence
            rows.append(row)
        elif found and not ("`" in found[1] and "`" in found[2]):
            fence = found[1]
            rows.append(row)
        else:
            rows.append(_without_tags(row))
    return "\n".join([*rows, fence] if fence else rows)


def _without_tags(row: str) -> str:
    """The row with its HTML as text; code between backticks is left alone."""
    pieces = _RUN.split(row)  # text and runs of backticks in turn
    following: dict[str, int] = {}
    ends: dict[int, int] = {}
    for at in range(len(pieces) - 2, 0, -2):
        if pieces[at] in following:
            ends[at] = following[pieces[at]]
        following[pieces[at]] = at
    done, at = [], 0
    while at < len(pieces):
        end = ends.get(at, at)
        is_text = at % 2 == 0
        done.append(_TAG.sub("&lt;", pieces[at]) if is_text else "".join(pieces[at : end + 1]))
        at = end + 1
    return "".join(done)
