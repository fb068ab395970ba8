"""What the worker writes: the running text, its end, and the sweep of replies nobody writes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Engine, bindparam, exists, select, update
from sqlalchemy.orm import Session

from chat.domain.message import Message, Status
from chat.domain.writes import NewAnswer, Outcome
from chat.errors import NothingToAnswer
from chat.store.attachments import files_of
from chat.store.conversations import IS_RUNNING
from chat.store.engine import reading, writing
from chat.store.ledger import Cost, LedgerStore, end_call, interrupt_call, resume_call
from chat.store.message_tree import idle, leave, owned_message
from chat.store.schema import ConversationRow, MessageRow, as_message, now

_SAVE = (
    update(MessageRow)
    .where(MessageRow.id == bindparam("of"), MessageRow.worker == bindparam("by"), IS_RUNNING)
    .values(
        text=bindparam("written"), reasoning=bindparam("thought"), heartbeat_at=bindparam("moment")
    )
    .returning(MessageRow.stop_asked_at)
    .execution_options(synchronize_session=False)
)
_LOCK = (
    select(ConversationRow.id)
    .join(MessageRow, MessageRow.conversation_id == ConversationRow.id)
    .where(MessageRow.id == bindparam("answer_id"))
    .with_for_update(of=ConversationRow)
)
_STREAMING = select(
    MessageRow.id, MessageRow.worker, MessageRow.heartbeat_at, MessageRow.model
).where(IS_RUNNING)


class ReplyStore:
    def __init__(self, engine: Engine, ledger: LedgerStore) -> None:
        self._engine, self._ledger = engine, ledger

    def save(self, answer_id: str, worker: str, text: str, reasoning: str) -> bool:
        """The text so far and a sign of life; whether the reply shall go on.

        Not when somebody asks for its end, or it is this worker's no more: it was taken for dead
        and somebody has gone on since, or the reply was deleted for good.
        """
        values = {"of": answer_id, "by": worker, "written": text, "thought": reasoning}
        with writing(self._engine) as session:
            asked = session.execute(_SAVE, {**values, "moment": now()}).one_or_none()
        if asked is not None:
            return asked[0] is None
        with writing(self._engine) as session:  # anew: the conversation is locked before the reply
            row = _own_row(session, answer_id, worker)
            if row is None:
                return False
            row.status = Status.STREAMING.value
            resume_call(session, answer_id, worker)
            session.flush()
            return session.execute(_SAVE, {**values, "moment": now()}).one()[0] is None

    def ask_to_stop(self, answer_id: str) -> None:
        """Ask whichever process writes a reply to end it; it reads that when it saves.

        One that was taken for dead a moment ago may come back: it is asked, too.
        """
        with writing(self._engine) as session:
            session.execute(
                update(MessageRow)
                .where(MessageRow.id == answer_id, MessageRow.worker.is_not(None))
                .values(stop_asked_at=now())
            )

    def is_running(self, answer_id: str) -> bool:
        with reading(self._engine) as session:
            query = select(MessageRow.status).where(MessageRow.id == answer_id)
            return session.scalar(query) == Status.STREAMING.value

    def finish(self, answer_id: str, worker: str, outcome: Outcome) -> bool:
        """The end of a reply; whether it was still this worker's, else nothing of it is stored.

        A retry that failed or came back empty gives the old leaf back.
        """
        with writing(self._engine) as session:
            row = _own_row(session, answer_id, worker)
            if outcome.call is not None:  # also of a reply that was deleted meanwhile
                end_call(session, outcome.call)
            if row is None:
                return False
            row.status = outcome.status.value
            row.text = outcome.text
            row.reasoning = outcome.reasoning
            row.reasoning_ms = outcome.reasoning_ms
            row.finish_reason = outcome.finish_reason
            row.tokens = outcome.tokens
            row.is_exact = outcome.is_exact
            row.first_token_ms = outcome.first_token_ms
            row.total_ms = outcome.total_ms
            if outcome.usage:
                row.prompt_tokens = outcome.usage.prompt_tokens
                row.completion_tokens = outcome.usage.completion_tokens
                row.usage_is_reported = outcome.usage.is_reported
            if outcome.failure:
                row.error_code = outcome.failure.code
                row.error_sentence = outcome.failure.sentence
                row.error_details = outcome.failure.details
                row.retry_at = outcome.failure.retry_at
            row.worker = row.heartbeat_at = row.stop_asked_at = None
            _restore_replaced_leaf(session, row)
            return True

    def reopen(self, owner: str, answer: NewAnswer) -> Message:
        """Make the last answer a running one again; its text stays and will grow."""
        with writing(self._engine) as session:
            row = owned_message(session, owner, answer.id)
            conversation = idle(session, owner, row.conversation_id)
            if conversation.leaf_id != row.id:
                raise NothingToAnswer("Only the last reply of a conversation can go on.")
            row.status = Status.STREAMING.value
            row.worker, row.heartbeat_at, row.model = answer.worker, now(), answer.model
            row.error_code = row.error_sentence = row.error_details = row.retry_at = None
            row.finish_reason = row.replaces_id = row.stop_asked_at = None
            conversation.updated_at = now()
            if answer.call is not None:
                self._ledger.record(session, answer.call)
            return as_message(row, files_of(session, [row.id]).get(row.id, ()))

    def interrupt_abandoned(
        self,
        is_abandoned: Callable[[str, str | None, datetime | None], bool | None],
        cost: Cost | None = None,
    ) -> int:
        """Mark as interrupted what `is_abandoned(id, worker, heartbeat_at)` says nobody writes.

        Returns how many. The text saved so far stays; the ledger is told what it `cost`. A sign of
        life that comes meanwhile wins. `worker` stays, too: if it comes back, it is known again.
        `heartbeat_at` then holds when somebody last asked: whether it stays so tells if it may.
        """
        with reading(self._engine) as session:
            running = session.execute(_STREAMING).all()
        count = 0
        for id_, worker, heartbeat_at, model in running:
            if not is_abandoned(id_, worker, heartbeat_at):
                continue
            if cost is not None:  # the first price takes a while to find: not inside a transaction
                cost(model or "", 0, 0)
            with writing(self._engine) as session:
                session.execute(_LOCK, {"answer_id": id_})
                row = session.get(MessageRow, id_, with_for_update=True)  # `save` waits for it
                if row is None or row.status != Status.STREAMING.value:
                    continue
                if (row.worker, row.heartbeat_at) != (worker, heartbeat_at):
                    continue
                conversation = session.get_one(ConversationRow, row.conversation_id)
                row.status, row.heartbeat_at = Status.INTERRUPTED.value, conversation.updated_at
                _restore_replaced_leaf(session, row)
                interrupt_call(session, row, cost)
                count += 1
        return count


def _restore_replaced_leaf(session: Session, row: MessageRow) -> None:
    came_to_nothing = row.status == Status.FAILED.value or not row.text.strip()
    if row.replaces_id is None or not came_to_nothing:
        return
    session.execute(
        update(ConversationRow)
        .where(ConversationRow.id == row.conversation_id, ConversationRow.leaf_id == row.id)
        .values(leaf_id=row.replaces_id)
    )
    session.execute(
        update(MessageRow)
        .where(
            MessageRow.conversation_id == row.conversation_id,
            MessageRow.resume_leaf_id == row.id,
        )
        .values(resume_leaf_id=row.replaces_id)
    )


def _own_row(session: Session, answer_id: str, worker: str) -> MessageRow | None:
    """Return the row of a reply if `worker` still writes it; lock its conversation first.

    A reply that was marked as interrupted is given back to its worker unless a user has acted on
    the conversation since. The stored text is not compared: text may become reasoning later, so
    the final text need not begin with it.
    """
    session.execute(_LOCK, {"answer_id": answer_id})
    row = session.get(MessageRow, answer_id)
    if row is None or row.worker != worker:
        return None
    if row.status == Status.STREAMING.value:
        return row
    conversation = session.get_one(ConversationRow, row.conversation_id)
    if not _is_untouched(session, row, conversation):
        row.worker = row.heartbeat_at = None
        return None
    if not row.text.strip() and conversation.leaf_id == row.replaces_id:
        # The interruption restored the replaced leaf; see `_restore_replaced_leaf`.
        leave(session, conversation, row)
        conversation.leaf_id = row.id
    return row


def _is_untouched(session: Session, row: MessageRow, conversation: ConversationRow) -> bool:
    """Return whether no user has stopped, deleted, continued or superseded an interrupted reply.

    Viewing another version does not count. `heartbeat_at` holds the conversation's `updated_at`
    from the moment of the interruption, so equality decides and no two clocks are compared.
    """
    if row.stop_asked_at or row.deleted_at or conversation.deleted_at:
        return False
    if row.heartbeat_at != conversation.updated_at:
        return False
    others = exists().where(MessageRow.conversation_id == conversation.id, IS_RUNNING)
    return not session.scalar(select(others))
