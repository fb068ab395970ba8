"""Checks of the SQLite file and of attachment contents."""

from __future__ import annotations

import hashlib

from sqlalchemy import Engine, exists, or_, select, text
from sqlalchemy.orm import Session

from chat.store.doctor.checks import Check
from chat.store.schema import AttachmentRow, ContentRow


def database_checks(engine: Engine) -> tuple[Check, ...]:
    """Return the integrity check of SQLite. PostgreSQL has its own tools."""
    if engine.dialect.name != "sqlite":
        return ()
    return (
        Check(
            "database file",
            "places where the file is damaged",
            _integrity_errors,
            advice="restore a backup",
        ),
    )


def _integrity_errors(session: Session) -> list[str]:
    """Return numbers instead of SQLite's messages, which may quote content."""
    messages = list(session.scalars(text("PRAGMA integrity_check(20)")))
    if messages == ["ok"]:
        return []
    return [f"damage {number}" for number in range(1, len(messages) + 1)]


def _changed_contents(session: Session) -> list[str]:
    # Contents may exceed the memory together, so they are loaded in small batches.
    query = select(ContentRow.sha256, ContentRow.data).execution_options(yield_per=4)
    return [
        sha256
        for sha256, data in session.execute(query)
        if hashlib.sha256(data).hexdigest() != sha256
    ]


def _missing_contents(session: Session) -> list[str]:
    def is_dangling(column: object) -> object:
        return column.is_not(None) & ~exists().where(ContentRow.sha256 == column)  # type: ignore[attr-defined]

    columns = (AttachmentRow.sha256, AttachmentRow.text_sha256, AttachmentRow.preview_sha256)
    dangling = or_(*(is_dangling(column) for column in columns))  # type: ignore[arg-type]
    return list(session.scalars(select(AttachmentRow.id).where(dangling)))


_ADVICE = "the original content is lost: restore a backup that has it"
CHECKS = (
    Check("changed content", "contents that were modified", _changed_contents, advice=_ADVICE),
    Check("missing content", "files without content", _missing_contents, advice=_ADVICE),
)
