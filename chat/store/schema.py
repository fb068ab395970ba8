"""The tables as rows, and rows as the values of `chat.domain`. Rows never leave this package."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import DateTime, Dialect, ForeignKey, String, Text, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, validates

from chat.domain import (
    Attachment,
    Conversation,
    Failure,
    FileKind,
    Message,
    ReplySettings,
    Role,
    Status,
    Usage,
)
from chat.identity import must_be_somebody
from chat.sharing import Share


def now() -> datetime:
    return datetime.now(UTC)


class Moment(TypeDecorator[datetime]):
    """An aware UTC datetime; SQLite keeps none, so the zone is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    type_annotation_map = {datetime: Moment}  # noqa: RUF012


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
    origin: Mapped[str | None] = mapped_column(String(200))  # its id where it came from

    @validates("owner")
    def _check_owner(self, _name: str, owner: str) -> str:
        must_be_somebody(owner)  # here, because all that is owned begins with a conversation
        return owner

    def to_domain(
        self, cleared_ids: tuple[str, ...] = (), *, is_running: bool = False
    ) -> Conversation:
        return Conversation(
            id=self.id,
            owner=self.owner,
            title=self.title,
            settings=ReplySettings(
                self.model, self.temperature, self.system_prompt, self.max_reply_tokens
            ),
            leaf_id=self.leaf_id,
            cleared_ids=cleared_ids,
            created_at=self.created_at,
            updated_at=self.updated_at,
            is_running=is_running,
            is_pinned=self.pinned_at is not None,
        )


class ClearMarkRow(Base):
    __tablename__ = "clear_marks"

    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id"), primary_key=True)
    message_id: Mapped[str] = mapped_column(String(30), primary_key=True)
    created_at: Mapped[datetime]


class ShareRow(Base):
    """`token_hash`: of the link's secret part, which is not kept."""

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
    """Who entered the access code; `code_hash` tells which one that was."""

    __tablename__ = "entries"

    owner: Mapped[str] = mapped_column(String(100), primary_key=True)
    code_hash: Mapped[str] = mapped_column(String(64))
    entered_at: Mapped[datetime]


class WrongCodeRow(Base):
    """Wrong access codes of one person, one address or everybody; `who` is a hash."""

    __tablename__ = "wrong_codes"

    who: Mapped[str] = mapped_column(String(80), primary_key=True)
    count: Mapped[int]
    since: Mapped[datetime]
    locked_until: Mapped[datetime | None]


class ContentRow(Base):
    """Bytes under their SHA-256: the same file attached twice is kept once."""

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

    def to_domain(self) -> Attachment:
        return Attachment(
            id=self.id,
            message_id=self.message_id,
            name=self.name,
            kind=FileKind(self.kind),
            media_type=self.media_type,
            size=self.size,
            details=self.details,
            tokens=self.tokens,
            is_exact=self.is_exact,
            sha256=self.sha256,
            text_sha256=self.text_sha256,
            preview_sha256=self.preview_sha256,
            is_partial=self.is_partial,
        )


class MessageRow(Base):
    """`resume_leaf_id`: where this version's own branch stood when another one was shown.

    `worker` and `heartbeat_at` name the process that writes a running reply; `stop_asked_at` asks
    it to end that.
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
    attachments: Mapped[list[AttachmentRow]] = relationship(
        order_by=AttachmentRow.place, lazy="selectin", viewonly=True
    )

    def to_domain(self) -> Message:
        usage = None
        if self.prompt_tokens is not None or self.completion_tokens is not None:
            usage = Usage(
                self.prompt_tokens or 0, self.completion_tokens or 0, bool(self.usage_is_reported)
            )
        failure = None
        if self.error_code:
            failure = Failure(
                self.error_code, self.error_sentence or "", self.error_details or "", self.retry_at
            )
        return Message(
            id=self.id,
            conversation_id=self.conversation_id,
            parent_id=self.parent_id,
            depth=self.depth,
            role=Role(self.role),
            text=self.text,
            status=Status(self.status),
            created_at=self.created_at,
            tokens=self.tokens,
            is_exact=self.is_exact,
            reasoning=self.reasoning,
            reasoning_ms=self.reasoning_ms,
            finish_reason=self.finish_reason,
            model=self.model,
            usage=usage,
            first_token_ms=self.first_token_ms,
            total_ms=self.total_ms,
            failure=failure,
            replaces_id=self.replaces_id,
            is_deleted=self.deleted_at is not None,
            attachments=tuple(each.to_domain() for each in self.attachments),
        )
