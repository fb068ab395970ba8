"""What is known of a path without its texts: enough to decide what of it is sent.

A long conversation is looked at before each reply and each time it is drawn, and its texts are
most of what there is to read.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session

from chat.context import Step
from chat.domain import Role, Status

# The text itself only where it decides something: nobody counted it, or it may be blank.
_STEPS = text(
    """
    WITH RECURSIVE walk (id, parent_id, depth) AS (
        SELECT m.id, m.parent_id, m.depth FROM messages m
        JOIN conversations c ON c.id = m.conversation_id
        WHERE m.id = :leaf_id AND m.conversation_id = :conversation_id AND c.owner = :owner
        UNION ALL
        SELECT m.id, m.parent_id, m.depth FROM walk w JOIN messages m ON m.id = w.parent_id
        WHERE m.depth > (SELECT depth FROM messages WHERE id = :leaf_id) - :most
    )
    SELECT m.id, m.parent_id, m.depth, m.role, m.status, m.deleted_at IS NOT NULL, m.tokens,
        m.is_exact,
        CASE WHEN m.tokens = 0 OR length(m.text) < 40 THEN m.text ELSE 'counted' END,
        (SELECT count(*) FROM attachments a WHERE a.message_id = m.id),
        (SELECT sum(a.tokens) FROM attachments a WHERE a.message_id = m.id),
        (SELECT count(*) FROM attachments a WHERE a.message_id = m.id AND NOT a.is_exact)
    FROM walk w CROSS JOIN messages m WHERE m.id = w.id ORDER BY w.depth DESC
    """
)


def steps(
    session: Session, owner: str, conversation_id: str, leaf_id: str, most: int
) -> list[Step]:
    """At most `most` messages from `leaf_id` upwards, newest first, deleted ones included."""
    values = {
        "leaf_id": leaf_id,
        "conversation_id": conversation_id,
        "owner": owner,
        "most": most,
    }
    return [
        Step(
            id=row[0],
            parent_id=row[1],
            depth=row[2],
            role=Role(row[3]),
            is_live=row[4] == Status.STREAMING.value,
            is_deleted=bool(row[5]),
            tokens=row[6],
            is_exact=bool(row[7]) and not row[11],
            text=row[8],
            files=row[9],
            file_tokens=int(row[10] or 0),
        )
        for row in session.execute(_STEPS, values)
    ]
