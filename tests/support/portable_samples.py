"""A sample conversation with every kind of message and attachment."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

from PIL import Image

from chat.domain.attachment import Attachment, FileKind
from chat.domain.conversation import Conversation, ReplySettings
from chat.domain.ids import new_id
from chat.domain.message import Failure, Message, Role, Status, Usage
from chat.formats.conversation import ClearMark, Node, PortableConversation
from chat.store import Store
from chat.store.schema import Base, MessageRow

STARTED = datetime(2026, 1, 1, 12, tzinfo=UTC)


def png() -> bytes:
    data = BytesIO()
    Image.new("RGB", (3, 2), "red").save(data, "PNG")
    return data.getvalue()


CONTENTS = {
    hashlib.sha256(data).hexdigest(): data
    for data in (
        png(),
        b"The password is swordfish.",
        b"a,b\n1,2\n",
        b'{"sheets": [{"name": "", "columns": ["a", "b"], "rows": [["1", "2"]]}]}',
    )
}
PNG, NOTES, CSV, PREVIEW = CONTENTS


def attachments(message_id: str) -> tuple[Attachment, ...]:
    image = Attachment(
        "", message_id, "cat.png", FileKind.IMAGE, "image/png", 99, "3 × 2", 85, False, PNG
    )
    notes = Attachment(
        "",
        message_id,
        "notes.txt",
        FileKind.DOCUMENT,
        "text/plain",
        26,
        "text",
        9,
        True,
        NOTES,
        NOTES,
    )
    table = Attachment(
        "",
        message_id,
        "t.csv",
        FileKind.TABLE,
        "text/csv",
        8,
        "",
        7,
        False,
        CSV,
        CSV,
        PREVIEW,
        True,
    )
    return image, notes, table


def sample_conversation(number: int = 0) -> PortableConversation:
    """Return a conversation with versions, attachments, a failure, a deletion and a clear mark."""
    ids = [new_id() for _ in range(6)]
    at = STARTED + timedelta(days=number)

    def message(
        index: int, parent_index: int | None, role: Role, text: str, **more: Any
    ) -> Message:
        parent = ids[parent_index] if parent_index is not None else None
        values = {"tokens": len(text) // 3, "status": Status.COMPLETE, **more}
        depth = {0: 0, 1: 1, 2: 1, 3: 2, 4: 2, 5: 3}[index]
        return Message(ids[index], "", parent, depth, role, text, created_at=at, **values)

    nodes = (
        Node(message(0, None, Role.USER, "What is this?", attachments=attachments(ids[0]))),
        Node(
            message(
                1,
                0,
                Role.ASSISTANT,
                "A *cat*.",
                model="openai/gpt-5",
                reasoning="Looks like one.",
                reasoning_ms=12,
                finish_reason="stop",
                usage=Usage(5, 2, True),
                first_token_ms=3,
                total_ms=40,
            ),
            resume_leaf_id=ids[5],
        ),
        Node(
            message(
                2,
                0,
                Role.ASSISTANT,
                "",
                status=Status.FAILED,
                failure=Failure("rate_limited", "Wait.", "429", at + timedelta(seconds=9)),
                replaces_id=ids[1],
            )
        ),
        Node(message(3, 1, Role.USER, "Thanks")),
        Node(message(4, 1, Role.USER, "Really?", attachments=attachments(ids[4])[1:2])),
        Node(message(5, 4, Role.ASSISTANT, "Yes", status=Status.STOPPED, is_deleted=True)),
    )
    settings_ = ReplySettings("openai/gpt-5", 0.5, "Be kind.", 100)
    conversation = Conversation(
        new_id(), "", f"Cats {number}", settings_, ids[5], (), at, at + timedelta(hours=1)
    )
    marks = (ClearMark(ids[1], at + timedelta(minutes=1)),)
    pinned = at if number else None
    return PortableConversation(conversation, nodes, marks, pinned_at=pinned, content=CONTENTS.get)


def empty_store(store: Store) -> None:
    with store.engine.execution_options(writes=True).begin() as connection:
        # Unlink the messages first: SQLite checks foreign keys recursively, at most 1,000 deep.
        connection.execute(MessageRow.__table__.update().values(parent_id=None))  # type: ignore[attr-defined]
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(table.delete())
