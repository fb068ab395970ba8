"""Export the visible path of a conversation as Markdown. Pure.

Messages already are Markdown and stay unchanged, except that each is self-contained: an open code
fence is closed, HTML is escaped, and images become links, as on the page. Otherwise a viewer would
load them from other hosts as soon as the file is opened.
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
_IMAGE = re.compile(r"(?<!\\)((?:\\\\)*)!(?=\[)")
_BACKTICKS = re.compile(r"(`+)")
_LINE_END = re.compile(r"\r\n?|\n")
_STATUS_LINES = {
    Status.STOPPED: "Stopped.",
    Status.INTERRUPTED: "Interrupted.",
    Status.STREAMING: "Still being written.",
}


def to_markdown(portable: PortableConversation, model_labels: Mapping[str, str]) -> str:
    """Return the conversation. `model_labels` maps model references to display names."""
    blocks = [f"# {escape_line(portable.conversation.title)}"]
    cleared = {mark.message_id for mark in portable.marks}
    for node in visible_path(portable):
        message = node.message
        if not message.is_deleted:
            blocks += _blocks(message, model_labels)
        if message.id in cleared:
            blocks += ["---", "*Context cleared.*"]
    return "\n\n".join(blocks) + "\n"


def visible_path(portable: PortableConversation) -> list[Node]:
    """Return the messages from the root to the selected leaf."""
    nodes = {node.message.id: node for node in portable.nodes}
    id_, path = portable.conversation.leaf_id, []
    while id_ is not None and id_ in nodes:
        path.append(nodes[id_])
        id_ = nodes[id_].message.parent_id
    return path[::-1]


def _blocks(message: Message, model_labels: Mapping[str, str]) -> Iterator[str]:
    author = "You" if message.role is Role.USER else "Assistant"
    model = message.model and model_labels.get(message.model, message.model)
    yield f"## {author} · {escape_line(model)}" if model else f"## {author}"
    yield from (_attachment_line(file) for file in message.attachments)
    if message.reasoning.strip():
        rows = self_contained(message.reasoning).split("\n")
        quoted = "\n".join(f"> {row}".rstrip() for row in rows)
        yield f"> *Reasoning*\n>\n{quoted}"
    if message.text.strip():
        yield self_contained(message.text)
    if message.failure:
        yield f"*{escape_line(message.failure.sentence)}*"
    elif message.status in _STATUS_LINES:
        yield f"*{_STATUS_LINES[message.status]}*"


def _attachment_line(file: Attachment) -> str:
    details = f" ({escape_line(file.details)})" if file.details else ""
    return f"*Attached: {escape_line(file.name)}{details}*"


def escape_line(text: str) -> str:
    """Return the text on one line with all Markdown and HTML escaped."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    return _SPECIAL.sub(r"\\\1", text)


def self_contained(text: str) -> str:
    """Return Markdown that cannot affect what follows, with HTML and images escaped."""
    fence = ""
    rows = []
    for row in _LINE_END.split(text.strip("\r\n")):
        match = _FENCE.match(row)
        if fence:
            is_end = match and match[1].startswith(fence) and not match[2].strip()
            fence = "" if is_end else fence
            rows.append(row)
        elif match and not ("`" in match[1] and "`" in match[2]):
            fence = match[1]
            rows.append(row)
        else:
            rows.append(_escape_html(row))
    return "\n".join([*rows, fence] if fence else rows)


def _escape_html(row: str) -> str:
    """Escape HTML and images outside of code spans."""
    parts = _BACKTICKS.split(row)  # text and runs of backticks alternate
    next_index: dict[str, int] = {}
    span_ends: dict[int, int] = {}
    for index in range(len(parts) - 2, 0, -2):
        if parts[index] in next_index:
            span_ends[index] = next_index[parts[index]]
        next_index[parts[index]] = index
    escaped, index = [], 0
    while index < len(parts):
        end = span_ends.get(index, index)
        is_text = index % 2 == 0
        escaped.append(
            _IMAGE.sub(r"\1\!", _TAG.sub("&lt;", parts[index]))
            if is_text
            else "".join(parts[index : end + 1])
        )
        index = end + 1
    return "".join(escaped)
