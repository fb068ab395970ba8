"""The database file itself, and the files people attached: whether they are what they were."""

from __future__ import annotations

import hashlib

from sqlalchemy import Engine, exists, or_, select, text
from sqlalchemy.orm import Session

from chat.store.doctor.kinds import Kind
from chat.store.schema import AttachmentRow, ContentRow


def of_database(engine: Engine) -> tuple[Kind, ...]:
    """PostgreSQL has tools of its own for this."""
    if engine.dialect.name != "sqlite":
        return ()
    return (
        Kind(
            "database file",
            "places where the file is damaged",
            _damages,
            advice="restore a backup",
        ),
    )


def _damages(session: Session) -> list[str]:
    told = list(session.scalars(text("PRAGMA integrity_check(20)")))
    return [] if told == ["ok"] else [f"damage {number}" for number in range(1, len(told) + 1)]


def _changed(session: Session) -> list[str]:
    """Read a few at a time: together they may be larger than the memory."""
    query = select(ContentRow.sha256, ContentRow.data).execution_options(yield_per=4)
    return [
        sha256
        for sha256, data in session.execute(query)
        if hashlib.sha256(data).hexdigest() != sha256
    ]


def _missing(session: Session) -> list[str]:
    def lost(column: object) -> object:
        return column.is_not(None) & ~exists().where(ContentRow.sha256 == column)  # type: ignore[attr-defined]

    columns = (AttachmentRow.sha256, AttachmentRow.text_sha256, AttachmentRow.preview_sha256)
    wrong = or_(*(lost(column) for column in columns))  # type: ignore[arg-type]
    return list(session.scalars(select(AttachmentRow.id).where(wrong)))


_ADVICE = "what they held is gone: restore a backup that has it"
KINDS = (
    Kind("changed content", "contents that are not what was stored", _changed, advice=_ADVICE),
    Kind("missing content", "files whose content is missing", _missing, advice=_ADVICE),
)
