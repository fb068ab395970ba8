"""Reads the path above a message, as whole messages or without their texts.

The path is read before each reply and on each page run, and texts make up most of its data. The
statements are built once, since building one takes longer than running it.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Boolean, bindparam, column, text
from sqlalchemy.orm import Session

from chat.domain.attachment import Attachment
from chat.domain.context_window import PathStep, SentMessage
from chat.domain.message import Message, Role, Status
from chat.store.attachments import load_attachments
from chat.store.column_types import WholeNumber
from chat.store.row_values import as_message
from chat.store.schema import MessageRow, PlainRow

_ROLES = {role.value: role for role in Role}
_COLUMNS = MessageRow.__table__.columns
_HAS_FILES = "EXISTS (SELECT 1 FROM attachments a WHERE a.message_id = m.id) AS has_files"


def _walk(min_depth: str) -> str:
    """Return a CTE that walks from `leaf_id` up to the depth `min_depth`."""
    return f"""
    WITH RECURSIVE walk (id, parent_id, depth) AS (
        SELECT m.id, m.parent_id, m.depth FROM messages m
        JOIN conversations c ON c.id = m.conversation_id
        WHERE m.id = :leaf_id AND m.conversation_id = :conversation_id
            AND c.owner = :owner AND c.deleted_at IS NULL
        UNION ALL
        SELECT m.id, m.parent_id, m.depth FROM walk w JOIN messages m ON m.id = w.parent_id
        WHERE m.depth >= {min_depth}
    )
    """


_LIMITED = _walk("(SELECT depth FROM messages WHERE id = :leaf_id) - :limit + 1")
_UP_TO_FIRST = _walk("(SELECT depth FROM messages WHERE id = :first_id)")
_IN_ORDER = "FROM walk w CROSS JOIN messages m WHERE m.id = w.id ORDER BY w.depth DESC"

_PATH = text(
    f"{_LIMITED} SELECT {', '.join(f'm.{each.name}' for each in _COLUMNS)}, {_HAS_FILES}"
    f" {_IN_ORDER}"
).columns(*_COLUMNS, column("has_files", Boolean))

_SENT = text(f"{_UP_TO_FIRST} SELECT m.id, m.role, m.text, {_HAS_FILES} {_IN_ORDER}")

# Reads a text only if it affects the window: its tokens are unknown, or it may be blank.
_STEPS = text(
    f"""{_LIMITED}
    SELECT m.id, m.parent_id, m.depth, m.role, m.status, m.deleted_at IS NOT NULL, m.tokens,
        m.is_exact,
        CASE WHEN m.tokens = 0 OR (m.tokens < 40 AND length(m.text) < 40)
            THEN m.text ELSE 'counted' END,
        {_HAS_FILES}
    {_IN_ORDER}
    """
).columns(tokens=WholeNumber())

_CLEARED_DEPTH = text(
    f"""{_walk("(SELECT MIN(depth) FROM messages WHERE id IN :cleared_ids)")}
    SELECT MAX(depth) FROM walk WHERE id IN :cleared_ids"""
).bindparams(bindparam("cleared_ids", expanding=True))


def read_path(
    session: Session, owner: str, conversation_id: str, leaf_id: str, limit: int
) -> list[Message]:
    """Return up to `limit` messages from `leaf_id` upwards, including deleted ones."""
    values = {"leaf_id": leaf_id, "conversation_id": conversation_id, "owner": owner}
    rows = session.execute(_PATH, {**values, "limit": limit}).all()
    files = load_attachments(session, [row.id for row in rows if row.has_files])
    return [as_message(row, files.get(row.id, ())) for row in rows]


def read_steps(
    session: Session, owner: str, conversation_id: str, leaf_id: str, limit: int
) -> list[PathStep]:
    """Return the same path as `read_path`, with texts only where their length is unknown."""
    values = {"leaf_id": leaf_id, "conversation_id": conversation_id, "owner": owner}
    rows = session.execute(_STEPS, {**values, "limit": limit}).all()
    files = load_attachments(session, [row[0] for row in rows if row[9]])
    return [_step(row, files.get(row[0], ())) for row in rows]


def _step(row: PlainRow, files: tuple[Attachment, ...]) -> PathStep:
    id_, parent_id, depth, role, status, is_deleted, tokens, is_exact, text_, _ = row
    return PathStep(
        id_,
        parent_id,
        depth,
        _ROLES[role],
        text_,
        tokens,
        is_exact=bool(is_exact) and (not files or all(file.is_exact for file in files)),
        is_live=status == Status.STREAMING.value,
        is_deleted=bool(is_deleted),
        files=len(files),
        file_tokens=sum(file.tokens for file in files) if files else 0,
    )


def read_sent_messages(
    session: Session, owner: str, conversation_id: str, first_id: str, last_id: str
) -> list[SentMessage]:
    """Return the texts and files between two messages of a path, both included, oldest first."""
    values = {"leaf_id": last_id, "conversation_id": conversation_id, "owner": owner}
    rows = session.execute(_SENT, {**values, "first_id": first_id}).all()
    files = load_attachments(session, [row[0] for row in rows if row[3]])
    return [
        SentMessage(row[0], _ROLES[row[1]], row[2], files.get(row[0], ())) for row in reversed(rows)
    ]


def cleared_depth(
    session: Session, owner: str, conversation_id: str, leaf_id: str, cleared_ids: Sequence[str]
) -> int | None:
    """Return the depth of the newest of `cleared_ids` on the path above `leaf_id`, if any."""
    values = {"leaf_id": leaf_id, "conversation_id": conversation_id, "owner": owner}
    depth: int | None = session.scalar(_CLEARED_DEPTH, {**values, "cleared_ids": list(cleared_ids)})
    return depth
