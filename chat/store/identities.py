"""Browser identities: the key that signs visitor cookies, known visitors, and ended sign-ins."""

from __future__ import annotations

from datetime import datetime
from secrets import token_hex

from sqlalchemy import Engine, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from chat.store.engine import read_transaction, write_transaction
from chat.store.schema import (
    ConversationRow,
    EntryRow,
    LedgerRow,
    SigningKeyRow,
    SignOutRow,
)


class IdentityStore:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def signing_key(self, name: str, at: datetime) -> tuple[bytes, datetime]:
        """Return the key with this name and its creation time; all processes get the same one."""
        dialect = postgresql if self._engine.dialect.name == "postgresql" else sqlite
        columns = select(SigningKeyRow.key, SigningKeyRow.created_at).filter_by(name=name)
        with read_transaction(self._engine) as session:
            found = session.execute(columns).one_or_none()
        if found is None:
            new = {"name": name, "key": token_hex(32), "created_at": at}
            with write_transaction(self._engine) as session:
                insert = dialect.insert(SigningKeyRow).values(new)
                session.execute(insert.on_conflict_do_nothing())
                found = session.execute(columns).one()
        return bytes.fromhex(found.key), found.created_at

    def has_data(self, owner: str) -> bool:
        """Return whether anything is stored for an owner that its browser could lose."""
        with read_transaction(self._engine) as session:
            return any(
                session.scalar(select(owner_column).where(owner_column == owner).limit(1))
                for owner_column in (ConversationRow.owner, EntryRow.owner, LedgerRow.owner)
            )

    def sign_out(self, sign_in: str, *, at: datetime, expires_at: datetime) -> None:
        """Record that a sign-in was ended, and forget those that have expired."""
        with write_transaction(self._engine) as session:
            session.execute(delete(SignOutRow).where(SignOutRow.expires_at <= at))
            session.merge(SignOutRow(sign_in=sign_in, expires_at=expires_at))

    def is_signed_out(self, sign_in: str) -> bool:
        with read_transaction(self._engine) as session:
            return session.get(SignOutRow, sign_in) is not None
