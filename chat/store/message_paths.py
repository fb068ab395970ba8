"""The path above a message, as whole messages or as little of them as is needed.

A long conversation is looked at before each reply and each time it is drawn, and its texts are
most of what there is to read. The statements are made once: building one takes longer than
running it.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Boolean, bindparam, column, text
from sqlalchemy.orm import Session

from chat.domain.attachment import Attachment
from chat.domain.context_window import PathStep, SentMessage
from chat.domain.message import Message, Role, Status
from chat.store.attachments import files_of
from chat.store.schema import MessageRow, PlainRow, as_message

_ROLES = {role.value: role for role in Role}
_COLUMNS = MessageRow.__table__.columns
_HAS_FILES = "EXISTS (SELECT 1 FROM attachments a WHERE a.message_id = m.id) AS has_files"


def _walk(lowest: str) -> str:
    """From `leaf_id` upwards to the depth `lowest`."""
    return f"""
    WITH RECURSIVE walk (id, parent_id, depth) AS (
        SELECT m.id, m.parent_id, m.depth FROM messages m
        JOIN conversations c ON c.id = m.conversation_id
        WHERE m.id = :leaf_id AND m.conversation_id = :conversation_id
            AND c.owner = :owner AND c.deleted_at IS NULL
        UNION ALL
        SELECT m.id, m.parent_id, m.depth FROM walk w JOIN messages m ON m.id = w.parent_id
        WHERE m.depth >= {lowest}
    )
    """


_MOST = _walk("(SELECT depth FROM messages WHERE id = :leaf_id) - :most + 1")
_UP_TO = _walk("(SELECT depth FROM messages WHERE id = :first_id)")
_IN_ORDER = "FROM walk w CROSS JOIN messages m WHERE m.id = w.id ORDER BY w.depth DESC"

_PATH = text(
    f"{_MOST} SELECT {', '.join(f'm.{each.name}' for each in _COLUMNS)}, {_HAS_FILES} {_IN_ORDER}"
).columns(*_COLUMNS, column("has_files", Boolean))

_SAID = text(f"{_UP_TO} SELECT m.id, m.role, m.text, {_HAS_FILES} {_IN_ORDER}")

# The text itself only where it decides something: nobody counted it, or it may be blank.
_STEPS = text(
    f"""{_MOST}
    SELECT m.id, m.parent_id, m.depth, m.role, m.status, m.deleted_at IS NOT NULL, m.tokens,
        m.is_exact,
        CASE WHEN m.tokens = 0 OR (m.tokens < 40 AND length(m.text) < 40)
            THEN m.text ELSE 'counted' END,
        {_HAS_FILES}
    {_IN_ORDER}
    """
)

_CLEARED_DEPTH = text(
    f"""{_walk("(SELECT MIN(depth) FROM messages WHERE id IN :cleared_ids)")}
    SELECT MAX(depth) FROM walk WHERE id IN :cleared_ids"""
).bindparams(bindparam("cleared_ids", expanding=True))


def path(
    session: Session, owner: str, conversation_id: str, leaf_id: str, most: int
) -> list[Message]:
    """At most `most` messages from `leaf_id` upwards, newest first, deleted ones included."""
    place = {"leaf_id": leaf_id, "conversation_id": conversation_id, "owner": owner}
    rows = session.execute(_PATH, {**place, "most": most}).all()
    files = files_of(session, [row.id for row in rows if row.has_files])
    return [as_message(row, files.get(row.id, ())) for row in rows]


def steps(
    session: Session, owner: str, conversation_id: str, leaf_id: str, most: int
) -> list[PathStep]:
    """The same without the texts."""
    place = {"leaf_id": leaf_id, "conversation_id": conversation_id, "owner": owner}
    rows = session.execute(_STEPS, {**place, "most": most}).all()
    files = files_of(session, [row[0] for row in rows if row[9]])
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


def said(
    session: Session, owner: str, conversation_id: str, first_id: str, last_id: str
) -> list[SentMessage]:
    """What was said between two messages of one path, both included, oldest first."""
    place = {"leaf_id": last_id, "conversation_id": conversation_id, "owner": owner}
    rows = session.execute(_SAID, {**place, "first_id": first_id}).all()
    files = files_of(session, [row[0] for row in rows if row[3]])
    return [
        SentMessage(row[0], _ROLES[row[1]], row[2], files.get(row[0], ())) for row in reversed(rows)
    ]


def cleared_depth(
    session: Session, owner: str, conversation_id: str, leaf_id: str, cleared_ids: Sequence[str]
) -> int | None:
    """Return the depth of the newest of `cleared_ids` on the path above `leaf_id`, if any."""
    place = {"leaf_id": leaf_id, "conversation_id": conversation_id, "owner": owner}
    depth: int | None = session.scalar(_CLEARED_DEPTH, {**place, "cleared_ids": list(cleared_ids)})
    return depth
