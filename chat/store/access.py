"""Who has entered the access code, and who has guessed too often. Holds hashes only.

Guesses are looked at one after the other, whichever process they reach: however many come at
once, no more are looked at than are allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import CursorResult, Engine, delete, func, or_, select, update

from chat.errors import LockedOut, WrongCode
from chat.store.engine import reading, writing
from chat.store.schema import ConversationRow, EntryRow, ShareRow, WrongCodeRow

_LOCK = 7205759404  # of PostgreSQL, held while a guess is looked at


class AccessStore:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def has_entered(self, owner: str, code_hash: str) -> bool:
        with reading(self._engine) as session:
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
        """Let an owner in, or count a wrong guess against each of `limits`: who, how many.

        Raises `LockedOut` while one of them has had too many, right or wrong, and `WrongCode`.
        """
        problem: WrongCode | LockedOut | None = None
        with writing(self._engine) as session:
            if self._engine.dialect.name == "postgresql":
                session.execute(select(func.pg_advisory_xact_lock(_LOCK)))
            over = (WrongCodeRow.since <= at - lasts) & or_(
                WrongCodeRow.locked_until.is_(None), WrongCodeRow.locked_until <= at
            )
            session.execute(delete(WrongCodeRow).where(over))
            rows = {row.who: row for row in session.scalars(
                select(WrongCodeRow).where(WrongCodeRow.who.in_(limits)))}  # fmt: skip
            locks = [row.locked_until for row in rows.values() if row.locked_until]
            if locks and max(locks) > at:
                raise LockedOut(max(locks))
            if is_right:
                session.merge(EntryRow(owner=owner, code_hash=code_hash, entered_at=at))
                return
            problem = WrongCode()
            for who, most in limits.items():
                row = rows.get(who)
                if row is None or row.locked_until is not None:  # that lock is over
                    row = session.merge(WrongCodeRow(who=who, count=0, since=at, locked_until=None))
                row.count += 1
                if row.count >= most:
                    row.locked_until = at + lasts
                    problem = LockedOut(row.locked_until)
        raise problem

    def take_along(self, account: str, visitor: str) -> int:
        """Give an account all that a visitor has; how many conversations that was."""
        with writing(self._engine) as session:
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
