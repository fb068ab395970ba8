"""Access codes: granted owners, failed attempts and lockouts. Stores hashes only.

Attempts are serialized across processes, so parallel attempts cannot exceed the limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import CursorResult, Engine, delete, func, or_, select, update

from chat.errors import LockedOut, WrongCode
from chat.store.engine import read_transaction, write_transaction
from chat.store.schema import ConversationRow, EntryRow, ShareRow, WrongCodeRow

_ADVISORY_LOCK = 7205759404  # PostgreSQL; serializes attempts


class AccessStore:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def has_entered(self, owner: str, code_hash: str) -> bool:
        with read_transaction(self._engine) as session:
            row = session.get(EntryRow, owner)
            return row is not None and row.code_hash == code_hash

    def enter(
        self,
        owner: str,
        code_hash: str,
        limits: Mapping[str, int],
        *,
        is_right: bool,
        at: datetime,
        lasts: timedelta,
    ) -> None:
        """Grant access to an owner, or count a failed attempt.

        `limits` maps the hash of each rate-limited subject (person, address, instance) to its
        number of attempts per `lasts`. Raises `LockedOut` while a subject is locked, even if the
        code is right, and `WrongCode` after a failed attempt.
        """
        problem: WrongCode | LockedOut | None = None
        with write_transaction(self._engine) as session:
            if self._engine.dialect.name == "postgresql":
                session.execute(select(func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
            expired = (WrongCodeRow.since <= at - lasts) & or_(
                WrongCodeRow.locked_until.is_(None), WrongCodeRow.locked_until <= at
            )
            session.execute(delete(WrongCodeRow).where(expired))
            rows = {row.who: row for row in session.scalars(
                select(WrongCodeRow).where(WrongCodeRow.who.in_(limits)))}  # fmt: skip
            locks = [row.locked_until for row in rows.values() if row.locked_until]
            if locks and max(locks) > at:
                raise LockedOut(max(locks))
            if is_right:
                session.merge(EntryRow(owner=owner, code_hash=code_hash, entered_at=at))
                return
            problem = WrongCode()
            for subject, limit in limits.items():
                row = rows.get(subject)
                if row is None or row.locked_until is not None:  # the lock has expired
                    new = WrongCodeRow(who=subject, count=0, since=at, locked_until=None)
                    row = session.merge(new)
                row.count += 1
                if row.count >= limit:
                    row.locked_until = at + lasts
                    problem = LockedOut(row.locked_until)
        raise problem

    def transfer_visitor_data(self, account: str, visitor: str) -> int:
        """Move a visitor's data to an account; return the number of conversations."""
        with write_transaction(self._engine) as session:
            moved: CursorResult[tuple[()]] = session.execute(  # type: ignore[assignment]
                update(ConversationRow)
                .where(ConversationRow.owner == visitor)
                .values(owner=account)
                .execution_options(synchronize_session=False)
            )
            session.execute(
                update(ShareRow)
                .where(ShareRow.owner == visitor)
                .values(owner=account)
                .execution_options(synchronize_session=False)
            )
            return moved.rowcount
