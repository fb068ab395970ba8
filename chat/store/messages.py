"""The tree of messages: the path in view, the versions beside it, and what grows or moves it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, Engine, Select, and_, bindparam, exists, or_, select
from sqlalchemy.orm import Session, aliased

from chat.calls import NewCall
from chat.context import Said, Step
from chat.domain import Attachment, Message, ReplySettings, Role, Status, Versions, new_id
from chat.errors import NotFound
from chat.store.attachments import NewAttachment, add_attachments
from chat.store.branches import (
    has_followers,
    idle,
    is_on_path,
    is_version,
    leaf_below,
    leave,
    live_sibling,
    message_of,
    owned_message,
    put_aside,
)
from chat.store.conversations import IS_RUNNING, must_be_an_id, owned
from chat.store.engine import reading, writing
from chat.store.ledger import LedgerStore
from chat.store.paths import path, said, steps
from chat.store.schema import ConversationRow, MessageRow, as_message, now
from chat.tokens import Count
from chat.tree import versions


@dataclass(frozen=True, slots=True)
class NewQuestion:
    text: str
    tokens: int
    is_exact: bool
    id: str = field(default_factory=new_id)  # made before the answer's: ids sort by time
    new_files: tuple[NewAttachment, ...] = ()
    kept_files: tuple[Attachment, ...] = ()  # of the version before


@dataclass(frozen=True, slots=True)
class NewAnswer:
    """The empty reply to begin with; its id is known before it is stored.

    `call` is what the ledger is told of it, in the same transaction.
    """

    id: str
    model: str
    worker: str
    call: NewCall | None = None


STEPS = 350  # that are read at once: as many as most budgets have room for, and a look further

_MESSAGES = MessageRow.__table__
_RUNNING = (
    select(ConversationRow.id, MessageRow.id.label("running_id"))
    .outerjoin(MessageRow, (MessageRow.conversation_id == ConversationRow.id) & IS_RUNNING)
    .where(
        ConversationRow.owner == bindparam("owner"),
        ConversationRow.id == bindparam("id"),
        ConversationRow.deleted_at.is_(None),
    )
    .order_by(MessageRow.id)
)
_later = aliased(MessageRow)
_FAILED_RETRY = (
    select(_MESSAGES)
    .where(
        _MESSAGES.c.replaces_id == bindparam("leaf_id"),
        _MESSAGES.c.status == Status.FAILED.value,
        ~exists().where(
            _later.conversation_id == _MESSAGES.c.conversation_id,
            _later.parent_id == _MESSAGES.c.parent_id,
            _later.id > _MESSAGES.c.id,
        ),
    )
    .order_by(_MESSAGES.c.id.desc())
    .limit(1)
)
_DEPTH = select(MessageRow.depth).where(MessageRow.id == bindparam("id"))


def _versions(under: ColumnElement[bool]) -> Select[str, str | None]:
    return (
        select(MessageRow.id, MessageRow.parent_id)
        .where(
            MessageRow.conversation_id == bindparam("conversation_id"),
            under,
            or_(
                MessageRow.id.in_(bindparam("ids", expanding=True)),
                and_(MessageRow.deleted_at.is_(None), is_version()),
            ),
        )
        .order_by(MessageRow.id)
    )


_VERSIONS = _versions(MessageRow.parent_id.in_(bindparam("parents", expanding=True)))
_VERSIONS_AT_TOP = _versions(
    or_(
        MessageRow.parent_id.in_(bindparam("parents", expanding=True)),
        MessageRow.parent_id.is_(None),
    )
)


class MessageStore:
    def __init__(self, engine: Engine, ledger: LedgerStore) -> None:
        self._engine, self._ledger = engine, ledger

    def get(self, owner: str, message_id: str) -> Message:
        with reading(self._engine) as session:
            return message_of(session, owner, message_id)

    def path(
        self, owner: str, conversation_id: str, leaf_id: str | None, limit: int
    ) -> list[Message]:
        """At most `limit` messages from `leaf_id` upwards, newest first, deleted ones included."""
        if leaf_id is None:
            return []
        with reading(self._engine) as session:
            return path(session, owner, conversation_id, leaf_id, limit)

    def walk(self, owner: str, conversation_id: str, leaf_id: str | None) -> Iterator[Message]:
        """The path from `leaf_id` upwards, read a piece at a time as far as it is needed."""
        piece = 64
        while leaf_id is not None:
            messages = self.path(owner, conversation_id, leaf_id, piece)
            yield from messages
            leaf_id = messages[-1].parent_id if messages else None
            piece *= 2

    def steps(self, owner: str, conversation_id: str, leaf_id: str | None) -> Iterator[Step]:
        """The same without the texts."""
        while leaf_id is not None:
            with reading(self._engine) as session:
                found = steps(session, owner, conversation_id, leaf_id, STEPS)
            yield from found
            leaf_id = found[-1].parent_id if found else None

    def said(self, owner: str, conversation_id: str, first_id: str, last_id: str) -> list[Said]:
        """What was said between two messages of one path, both included, oldest first."""
        with reading(self._engine) as session:
            return said(session, owner, conversation_id, first_id, last_id)

    def versions(self, shown: Sequence[Message]) -> dict[str, Versions]:
        """The versions beside each message of one conversation's path.

        Deleted versions and answers that came to nothing do not count unless they are shown.
        """
        if not shown:
            return {}
        values = {
            "conversation_id": shown[0].conversation_id,
            "ids": [message.id for message in shown],
            "parents": list({message.parent_id for message in shown if message.parent_id}),
        }
        is_whole = any(message.parent_id is None for message in shown)
        with reading(self._engine) as session:
            rows = session.execute(_VERSIONS_AT_TOP if is_whole else _VERSIONS, values).all()
        siblings: dict[str | None, list[str]] = {}
        for id_, parent_id in rows:
            siblings.setdefault(parent_id, []).append(id_)
        return {m.id: versions(siblings[m.parent_id], m.id) for m in shown}

    def running(self, owner: str, conversation_id: str) -> list[str]:
        """The ids of the replies being written in a conversation, whichever version they are."""
        must_be_an_id(conversation_id)
        with reading(self._engine) as session:
            found = session.execute(_RUNNING, {"owner": owner, "id": conversation_id}).all()
        if not found:
            raise NotFound
        return [row.running_id for row in found if row.running_id]

    def failed_retry(self, leaf_id: str) -> Message | None:
        """The try that failed and gave `leaf_id` back, when no later one was made."""
        with reading(self._engine) as session:
            row = session.execute(_FAILED_RETRY, {"leaf_id": leaf_id}).first()
            return as_message(row) if row else None

    def send(
        self,
        owner: str,
        conversation_id: str | None,
        question: NewQuestion,
        answer: NewAnswer,
        *,
        title: str = "",
        settings: ReplySettings | None = None,
    ) -> Message:
        """Question and empty answer below the leaf, in a new conversation when there is none."""
        with writing(self._engine) as session:
            if conversation_id is None:
                chosen = settings or ReplySettings()
                conversation = ConversationRow(
                    id=new_id(),
                    owner=owner,
                    title=title,
                    model=chosen.model,
                    temperature=chosen.temperature,
                    system_prompt=chosen.system_prompt,
                    max_reply_tokens=chosen.max_reply_tokens,
                    created_at=now(),
                    updated_at=now(),
                )
                session.add(conversation)
                session.flush()
            else:
                conversation = idle(session, owner, conversation_id)
            asked = _add_question(session, conversation, conversation.leaf_id, question)
            return as_message(self._add_answer(session, conversation, asked, answer))

    def edit(
        self, owner: str, message_id: str, question: NewQuestion, answer: NewAnswer
    ) -> Message:
        """A new version of a question, beside the old one, with an empty answer below it."""
        with writing(self._engine) as session:
            old = owned_message(session, owner, message_id)
            if old.role != Role.USER.value:
                raise NotFound
            conversation = idle(session, owner, old.conversation_id)
            put_aside(session, conversation, old)
            asked = _add_question(session, conversation, old.parent_id, question)
            return as_message(self._add_answer(session, conversation, asked, answer))

    def retry(self, owner: str, message_id: str, answer: NewAnswer) -> Message:
        """A new, empty version of an answer; the leaf it replaces is remembered."""
        with writing(self._engine) as session:
            old = owned_message(session, owner, message_id)
            if old.role != Role.ASSISTANT.value or old.parent_id is None:
                raise NotFound
            conversation = idle(session, owner, old.conversation_id)
            before = conversation.leaf_id
            put_aside(session, conversation, old)
            parent = session.get_one(MessageRow, old.parent_id)
            row = self._add_answer(session, conversation, parent, answer)
            row.replaces_id = before if old.text or before != old.id else None
            return as_message(row)

    def copy(
        self, owner: str, title: str, said: Sequence[tuple[Role, str, str | None, Count]]
    ) -> str:
        """A new conversation of these messages, oldest first: (role, text, model, tokens)."""
        moment = now()
        with writing(self._engine) as session:
            conversation = ConversationRow(
                id=new_id(),
                owner=owner,
                title=title,
                system_prompt="",
                created_at=moment,
                updated_at=moment,
            )
            session.add(conversation)
            session.flush()
            for depth, (role, text, model, count) in enumerate(said):
                row = MessageRow(
                    id=new_id(),
                    conversation_id=conversation.id,
                    parent_id=conversation.leaf_id,
                    depth=depth,
                    role=role.value,
                    text=text,
                    status=Status.COMPLETE.value,
                    tokens=count.tokens,
                    is_exact=count.is_exact,
                    reasoning="",
                    model=model,
                    created_at=moment,
                )
                session.add(row)
                session.flush()
                conversation.leaf_id = row.id
            return conversation.id

    def show_version(self, owner: str, message_id: str) -> None:
        """Put a version in view, with everything that followed it when it was last seen."""
        with writing(self._engine) as session:
            wanted = owned_message(session, owner, message_id)
            conversation = owned(session, owner, wanted.conversation_id, lock=True)
            leave(session, conversation, wanted)
            conversation.leaf_id = leaf_below(session, wanted)

    def show(self, owner: str, message_id: str) -> int:
        """Bring a message into view, on the version that holds it.

        Returns its place from the end of the path, 1 for the last message.
        """
        with writing(self._engine) as session:
            wanted = owned_message(session, owner, message_id)
            conversation = owned(session, owner, wanted.conversation_id, lock=True)
            if not is_on_path(session, conversation.leaf_id, wanted):
                leave(session, conversation, wanted)
                conversation.leaf_id = leaf_below(session, wanted)
            leaf = session.get_one(MessageRow, conversation.leaf_id)
            return leaf.depth - wanted.depth + 1

    def set_deleted(self, owner: str, message_id: str, *, is_deleted: bool) -> None:
        """Hide one message, or bring it back. What follows it stays, as do its other versions.

        A hidden version that nothing follows gives way to the one beside it.
        """
        with writing(self._engine) as session:
            row = owned_message(session, owner, message_id)
            conversation = idle(session, owner, row.conversation_id)
            is_shown = is_on_path(session, conversation.leaf_id, row)
            row.deleted_at = now() if is_deleted else None
            if is_deleted and is_shown and not has_followers(session, row):
                if (beside := live_sibling(session, row)) is not None:
                    row.resume_leaf_id = conversation.leaf_id
                    conversation.leaf_id = leaf_below(session, beside)
            elif not is_deleted and not is_shown:
                leave(session, conversation, row)
                conversation.leaf_id = leaf_below(session, row)

    def _add_answer(
        self,
        session: Session,
        conversation: ConversationRow,
        question: MessageRow,
        answer: NewAnswer,
    ) -> MessageRow:
        moment = now()
        row = MessageRow(
            id=answer.id,
            conversation_id=conversation.id,
            parent_id=question.id,
            depth=question.depth + 1,
            role=Role.ASSISTANT.value,
            text="",
            status=Status.STREAMING.value,
            tokens=0,
            is_exact=False,
            reasoning="",
            model=answer.model,
            worker=answer.worker,
            heartbeat_at=moment,
            created_at=moment,
        )
        session.add(row)
        conversation.leaf_id = row.id
        conversation.updated_at = moment
        if answer.call is not None:
            self._ledger.record(session, answer.call)
        return row


def _add_question(
    session: Session,
    conversation: ConversationRow,
    parent_id: str | None,
    question: NewQuestion,
) -> MessageRow:
    above = session.scalar(_DEPTH, {"id": parent_id}) if parent_id else None
    row = MessageRow(
        id=question.id,
        conversation_id=conversation.id,
        parent_id=parent_id,
        depth=0 if above is None else above + 1,
        role=Role.USER.value,
        text=question.text,
        status=Status.COMPLETE.value,
        tokens=question.tokens,
        is_exact=question.is_exact,
        created_at=now(),
    )
    session.add(row)
    if question.new_files or question.kept_files:
        session.flush()
        add_attachments(session, row.id, question.new_files, question.kept_files)
    return row
