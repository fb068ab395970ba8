"""ORM tables. Rows never leave this package; see `chat.store.row_values`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    Row,
    String,
    Text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, validates

from chat.domain.identity import require_owner
from chat.domain.sharing import Share
from chat.store.column_types import Moment, RealNumber, WholeNumber


def now() -> datetime:
    return datetime.now(UTC)


PlainRow = Row[*tuple[Any, ...]]
"""A row read by column, which costs a fraction of loading an ORM object."""


class Base(DeclarativeBase):
    type_annotation_map = {datetime: Moment, int: WholeNumber, float: RealNumber}  # noqa: RUF012


class ConversationRow(Base):
    __tablename__ = "conversations"

    id: Mapped[str] = mapped_column(String(30), primary_key=True)
    owner: Mapped[str] = mapped_column(String(100))
    title: Mapped[str] = mapped_column(Text)
    model: Mapped[str | None] = mapped_column(Text)
    temperature: Mapped[float | None]
    system_prompt: Mapped[str] = mapped_column(Text, default="")
    max_reply_tokens: Mapped[int | None]
    leaf_id: Mapped[str | None] = mapped_column(String(30))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    pinned_at: Mapped[datetime | None]
    origin: Mapped[str | None] = mapped_column(String(200))  # id in the system it was imported from

    @validates("owner")
    def _check_owner(self, _name: str, owner: str) -> str:
        require_owner(owner)  # here, since every owned row belongs to a conversation
        return owner


class ClearMarkRow(Base):
    __tablename__ = "clear_marks"

    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id"), primary_key=True)
    message_id: Mapped[str] = mapped_column(String(30), primary_key=True)
    created_at: Mapped[datetime]


class ShareRow(Base):
    """A shared link. `token_hash` is the hash of its secret part, which is not stored."""

    __tablename__ = "shares"

    id: Mapped[str] = mapped_column(String(30), primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    owner: Mapped[str] = mapped_column(String(100))
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id"))
    title: Mapped[str] = mapped_column(Text)
    snapshot: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]

    def to_domain(self) -> Share:
        return Share(self.id, self.title, self.created_at, self.expires_at)


class EntryRow(Base):
    """An owner who entered the access code with the keyed hash `code_hash`."""

    __tablename__ = "entries"

    owner: Mapped[str] = mapped_column(String(100), primary_key=True)
    code_hash: Mapped[str] = mapped_column(String(64))
    entered_at: Mapped[datetime]


class WrongCodeRow(Base):
    """Failed access codes of a person, an address or the instance; `who` is a keyed hash."""

    __tablename__ = "wrong_codes"

    who: Mapped[str] = mapped_column(String(80), primary_key=True)
    count: Mapped[int]
    since: Mapped[datetime]
    locked_until: Mapped[datetime | None]


class SigningKeyRow(Base):
    """A random key of this instance in hexadecimal, such as the one that signs visitor cookies."""

    __tablename__ = "signing_keys"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    key: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]


class SignOutRow(Base):
    """A sign-in that was ended; `sign_in` is a hash of its claims."""

    __tablename__ = "sign_outs"

    sign_in: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[datetime]  # the sign-in is invalid after that anyway


class ContentRow(Base):
    """Bytes keyed by their SHA-256, so that a file attached twice is stored once."""

    __tablename__ = "contents"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    data: Mapped[bytes]
    created_at: Mapped[datetime]


class AttachmentRow(Base):
    __tablename__ = "attachments"

    id: Mapped[str] = mapped_column(String(30), primary_key=True)
    message_id: Mapped[str] = mapped_column(ForeignKey("messages.id"))
    place: Mapped[int]
    name: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(10))
    media_type: Mapped[str] = mapped_column(String(100))
    size: Mapped[int]
    details: Mapped[str] = mapped_column(Text)
    tokens: Mapped[int]
    is_exact: Mapped[bool]
    is_partial: Mapped[bool]
    sha256: Mapped[str] = mapped_column(ForeignKey("contents.sha256"))
    text_sha256: Mapped[str | None] = mapped_column(ForeignKey("contents.sha256"))
    preview_sha256: Mapped[str | None] = mapped_column(ForeignKey("contents.sha256"))


class MessageRow(Base):
    """One message. `resume_leaf_id` is the leaf to show when this version is selected again.

    `worker` is the process that writes a running reply, `heartbeat_at` its last heartbeat, and
    `stop_asked_at` asks it to stop. An interrupted reply keeps the `worker` that was presumed
    dead; its `heartbeat_at` then holds the `updated_at` of its conversation, which detects later
    changes to the conversation.
    """

    __tablename__ = "messages"

    id: Mapped[str] = mapped_column(String(30), primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id"))
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("messages.id"))
    depth: Mapped[int]
    role: Mapped[str] = mapped_column(String(10))
    text: Mapped[str] = mapped_column(Text, default="")
    status: Mapped[str] = mapped_column(String(12))
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    tokens: Mapped[int] = mapped_column(default=0)
    is_exact: Mapped[bool] = mapped_column(default=False)
    reasoning: Mapped[str] = mapped_column(Text, default="")
    reasoning_ms: Mapped[int | None]
    finish_reason: Mapped[str | None] = mapped_column(String(40))
    model: Mapped[str | None] = mapped_column(Text)
    prompt_tokens: Mapped[int | None]
    completion_tokens: Mapped[int | None]
    usage_is_reported: Mapped[bool | None]
    first_token_ms: Mapped[int | None]
    total_ms: Mapped[int | None]
    error_code: Mapped[str | None] = mapped_column(String(40))
    error_sentence: Mapped[str | None] = mapped_column(Text)
    error_details: Mapped[str | None] = mapped_column(Text)
    retry_at: Mapped[datetime | None]
    replaces_id: Mapped[str | None] = mapped_column(String(30))
    resume_leaf_id: Mapped[str | None] = mapped_column(String(30))
    worker: Mapped[str | None] = mapped_column(String(100))
    heartbeat_at: Mapped[datetime | None]
    stop_asked_at: Mapped[datetime | None]
    origin: Mapped[str | None] = mapped_column(String(200))


class LedgerRow(Base):
    """One provider call. `answer_id` is no foreign key: the row outlives the conversation.

    `limit_tokens` and `limit_nanos` count towards limits: the reserved amount while the call runs,
    then the used amount. Money is in nanodollars, None if the price is unknown. `heartbeat_at` is
    set for replies; those of temporary conversations send their heartbeats here.
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
    day: Mapped[str] = mapped_column(String(10))  # of `created_at`, for GROUP BY
    created_at: Mapped[datetime]
    status: Mapped[str] = mapped_column(String(12))
    worker: Mapped[str] = mapped_column(String(100))
    heartbeat_at: Mapped[datetime | None]
    answer_id: Mapped[str | None] = mapped_column(String(30))
    prompt_tokens: Mapped[int | None] = mapped_column(BigInteger)
    completion_tokens: Mapped[int | None] = mapped_column(BigInteger)
    is_reported: Mapped[bool]
    is_limited: Mapped[bool]  # False for the built-in Guide
    cost_nanos: Mapped[int | None] = mapped_column(BigInteger)
    limit_tokens: Mapped[int] = mapped_column(BigInteger)
    limit_nanos: Mapped[int] = mapped_column(BigInteger)
    first_token_ms: Mapped[int | None]
    total_ms: Mapped[int | None]
    error_code: Mapped[str | None] = mapped_column(String(40))


class SwitchRow(Base):
    """A model that is switched off; "*" means all models except Guide."""

    __tablename__ = "switched_off"

    ref: Mapped[str] = mapped_column(String(300), primary_key=True)
    created_at: Mapped[datetime]


class BannerRow(Base):
    """The announcement above every screen; at most one row."""

    __tablename__ = "banner"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    text: Mapped[str] = mapped_column(Text)
