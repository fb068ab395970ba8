"""The tables of the ledger and of what whoever runs Parley has switched off. They hold no text."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from chat.store.schema import Base


class LedgerRow(Base):
    """One call of a provider. `answer_id` is no foreign key: the row outlives the conversation.

    `limit_tokens` and `limit_nanos` are what limits count: what is reserved while the call runs,
    then what it took. Money is in billionths of a dollar; None: nobody knows the price.
    `heartbeat_at` is of a running call that gives signs of life here.
    """

    __tablename__ = "ledger"
    __table_args__ = (
        Index("ledger_of_owner", "owner", "created_at"),
        Index("ledger_by_time", "created_at"),
        Index("ledger_by_status", "status", "owner"),
        Index("ledger_of_answer", "answer_id"),
    )

    id: Mapped[str] = mapped_column(String(30), primary_key=True)
    owner: Mapped[str] = mapped_column(String(100))
    model: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(15))
    day: Mapped[str] = mapped_column(String(10))  # of `created_at`, to be grouped by
    created_at: Mapped[datetime]
    status: Mapped[str] = mapped_column(String(12))
    worker: Mapped[str] = mapped_column(String(100))
    heartbeat_at: Mapped[datetime | None]
    answer_id: Mapped[str | None] = mapped_column(String(30))
    prompt_tokens: Mapped[int | None] = mapped_column(BigInteger)
    completion_tokens: Mapped[int | None] = mapped_column(BigInteger)
    is_reported: Mapped[bool]
    is_limited: Mapped[bool]  # Guide is not
    cost_nanos: Mapped[int | None] = mapped_column(BigInteger)
    limit_tokens: Mapped[int] = mapped_column(BigInteger)
    limit_nanos: Mapped[int] = mapped_column(BigInteger)
    first_token_ms: Mapped[int | None]
    total_ms: Mapped[int | None]
    error_code: Mapped[str | None] = mapped_column(String(40))


class SwitchRow(Base):
    """A model that is switched off; "*" stands for all but Guide."""

    __tablename__ = "switched_off"

    ref: Mapped[str] = mapped_column(String(300), primary_key=True)
    created_at: Mapped[datetime]


class BannerRow(Base):
    """What everybody reads on top of every screen; at most one row."""

    __tablename__ = "banner"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    text: Mapped[str] = mapped_column(Text)
