"""Sample import files and helpers to import and inspect them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from PIL import Image

from chat.domain.message import Message
from chat.formats.conversation import PortableConversation
from chat.formats.import_report import ImportReport
from chat.formats.importing.checks import ImportChecks
from chat.formats.importing.detect import RejectedItem, read_conversations
from chat.formats.importing.importer import import_file
from chat.formats.importing.json_stream import JsonLimits
from chat.formats.markdown import visible_path
from chat.formats.parley.conversation_json import to_json
from chat.providers.tokenizer import Tokenizer
from chat.store.transfer import PortableStore
from tests.support import chatgpt_samples

ME, OTHER = "visitor:me", "visitor:other"
NOW = datetime(2026, 6, 1, tzinfo=UTC)
CHATGPT_EXPORT = chatgpt_samples.export(chatgpt_samples.simple())
JSONL_LINE = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "image_url"}]},
        {"role": "assistant", "content": "Hello."},
        {"role": "tool", "content": "42"},
        {"role": "assistant", "content": None},
    ]
}


def import_checks(max_file_bytes: int = 20_000_000, **options: int) -> ImportChecks:
    return ImportChecks(
        Tokenizer().count,
        lambda image: Image.open(BytesIO(image)).size,
        max_file_bytes=max_file_bytes,
        **options,
    )


def json_bytes(value: Any) -> bytes:
    return json.dumps(value).encode()


def parley_export(**fields: Any) -> dict[str, Any]:
    """Return Parley's JSON for a question "1" and an answer "2", with `fields` replaced."""
    question_id, answer_id = (f"{number:014x}{0:016x}" for number in (1, 2))
    created_at = "2026-01-01T00:00:00+00:00"
    messages: list[dict[str, Any]] = [
        {"id": question_id, "parent_id": None, "role": "user", "text": "1"},
        {"id": answer_id, "parent_id": question_id, "role": "assistant", "text": "2"},
    ]
    return {
        "format": "parley.conversation",
        "version": 1,
        "id": f"{9:014x}{0:016x}",
        "title": "Mine",
        "messages": [{**message, "created_at": created_at} for message in messages],
        **fields,
    }


def parse(data: bytes, limits: JsonLimits | None = None) -> list[Any]:
    """Return the conversations, rejections and notes of a file, without a database."""
    items = read_conversations(BytesIO(data), "a file", NOW, lambda done, total: None, limits)
    return [item for item in items if item is not None]


def parse_one(data: bytes) -> PortableConversation:
    (conversation,) = parse(data)
    assert isinstance(conversation, PortableConversation), conversation
    return conversation


def rejection_sentences(data: bytes) -> list[str]:
    return [item.sentence for item in parse(data) if isinstance(item, RejectedItem)]


def import_data(
    portable: PortableStore, data: bytes, owner: str = ME, name: str = "conversations.json"
) -> ImportReport:
    checks = import_checks()
    return import_file(
        BytesIO(data),
        name,
        lambda conversation: portable.merge(owner, conversation, checks),
        now=NOW,
    )


def outcomes(report: ImportReport) -> list[str]:
    return [item.outcome.value for item in report.items]


def visible_messages(portable: PortableStore, owner: str = ME) -> list[Message]:
    """Return the visible path of the owner's only conversation."""
    (id_,) = portable.ids(owner)
    return [node.message for node in visible_path(portable.load(owner, id_))]


def all_conversations(portable: PortableStore, owner: str = ME) -> list[dict[str, Any]]:
    return [to_json(portable.load(owner, id_)) for id_ in portable.ids(owner)]
