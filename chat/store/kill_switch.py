"""Models that the administrator has switched off, and the banner."""

from __future__ import annotations

from sqlalchemy import Engine, delete, select
from sqlalchemy.exc import IntegrityError

from chat.store.engine import read_transaction, write_transaction
from chat.store.schema import BannerRow, SwitchRow, now


class SwitchStore:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read(self) -> tuple[frozenset[str], str]:
        """Return the model references that are switched off, and the text of the banner."""
        with read_transaction(self._engine) as session:
            refs = frozenset(session.scalars(select(SwitchRow.ref)))
            return refs, session.scalar(select(BannerRow.text)) or ""

    def set_off(self, ref: str, *, is_off: bool) -> None:
        with write_transaction(self._engine) as session:
            if not is_off:
                session.execute(delete(SwitchRow).where(SwitchRow.ref == ref))
            elif session.get(SwitchRow, ref) is None:
                try:
                    with session.begin_nested():
                        session.add(SwitchRow(ref=ref, created_at=now()))
                except IntegrityError:  # another process has just inserted it
                    return

    def set_banner(self, text: str) -> None:
        with write_transaction(self._engine) as session:
            session.execute(delete(BannerRow))
            if text:
                session.add(BannerRow(id=1, text=text))
