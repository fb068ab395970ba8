"""Running replies: periodic saves with heartbeats, the end, and recovery of abandoned ones."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Engine, bindparam, exists, select, update
from sqlalchemy.orm import Session

from chat.domain.message import Message, Status
from chat.domain.writes import NewAnswer, Outcome
from chat.errors import NothingToAnswer
from chat.store.attachments import load_attachments
from chat.store.conversations import IS_RUNNING
from chat.store.engine import read_transaction, write_transaction
from chat.store.ledger import ComputeCost, LedgerStore, end_call, interrupt_call, resume_call
from chat.store.message_tree import lock_idle_conversation, owned_message, remember_branch
from chat.store.row_values import as_message
from chat.store.schema import ConversationRow, MessageRow, now

_SAVE = (
    update(MessageRow)
    .where(
        MessageRow.id == bindparam("answer_id"),
        MessageRow.worker == bindparam("by_worker"),
        IS_RUNNING,
    )
    .values(
        text=bindparam("new_text"),
        reasoning=bindparam("new_reasoning"),
        heartbeat_at=bindparam("moment"),
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

IsAbandoned = Callable[[str, str | None, datetime | None], bool | None]
"""Return whether a reply's worker is dead, from answer id, worker and last heartbeat.

None if another look is needed.
"""


class ReplyStore:
    def __init__(self, engine: Engine, ledger: LedgerStore) -> None:
        self._engine, self._ledger = engine, ledger

    def save(self, answer_id: str, worker: str, text: str, reasoning: str) -> bool:
        """Store the text so far with a heartbeat and return whether the reply may continue.

        It may not if a stop was requested, the reply was purged, or it was interrupted and a user
        has acted on the conversation since.
        """
        values = {
            "answer_id": answer_id,
            "by_worker": worker,
            "new_text": text,
            "new_reasoning": reasoning,
        }
        with write_transaction(self._engine, durable=False) as session:
            saved = session.execute(_SAVE, {**values, "moment": now()}).one_or_none()
        if saved is not None:
            return saved.stop_asked_at is None
        # A new transaction: the conversation has to be locked before the reply.
        with write_transaction(self._engine) as session:
            row = _own_row(session, answer_id, worker)
            if row is None:
                return False
            row.status = Status.STREAMING.value
            resume_call(session, answer_id, worker)
            session.flush()
            return session.execute(_SAVE, {**values, "moment": now()}).one()[0] is None

    def ask_to_stop(self, answer_id: str) -> None:
        """Request a stop; the process that writes the reply reads the request when it saves.

        Includes interrupted replies, since their process may come back.
        """
        with write_transaction(self._engine) as session:
            session.execute(
                update(MessageRow)
                .where(MessageRow.id == answer_id, MessageRow.worker.is_not(None))
                .values(stop_asked_at=now())
            )

    def is_running(self, answer_id: str) -> bool:
        with read_transaction(self._engine) as session:
            query = select(MessageRow.status).where(MessageRow.id == answer_id)
            return session.scalar(query) == Status.STREAMING.value

    def finish(self, answer_id: str, worker: str, outcome: Outcome) -> bool:
        """Store the end of a reply and return True; return False if the worker has lost it.

        A retry that failed or ended without text restores the leaf that it replaced. The ledger
        is updated in either case.
        """
        with write_transaction(self._engine) as session:
            row = _own_row(session, answer_id, worker)
            if outcome.call is not None:
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
        """Mark the last answer of a conversation as running again, to continue its text."""
        with write_transaction(self._engine) as session:
            row = owned_message(session, owner, answer.id)
            conversation = lock_idle_conversation(session, owner, row.conversation_id)
            if conversation.leaf_id != row.id:
                raise NothingToAnswer("Only the last reply of a conversation can go on.")
            row.status = Status.STREAMING.value
            row.worker, row.heartbeat_at, row.model = answer.worker, now(), answer.model
            row.error_code = row.error_sentence = row.error_details = row.retry_at = None
            row.finish_reason = row.replaces_id = row.stop_asked_at = None
            conversation.updated_at = now()
            if answer.call is not None:
                self._ledger.record(session, answer.call)
            return as_message(row, load_attachments(session, [row.id]).get(row.id, ()))

    def interrupt_abandoned(
        self, is_abandoned: IsAbandoned, compute_cost: ComputeCost | None = None
    ) -> int:
        """Mark the running replies as interrupted that `is_abandoned`; return their number.

        The stored text is kept, and the ledger gets the estimated usage and cost. A heartbeat
        that arrives during the check wins. The row keeps `worker` and the `updated_at` of its
        conversation, so that the worker can take the reply back; see `_own_row`.
        """
        with read_transaction(self._engine) as session:
            running = session.execute(_STREAMING).all()
        count = 0
        for id_, worker, heartbeat_at, model in running:
            if not is_abandoned(id_, worker, heartbeat_at):
                continue
            if compute_cost is not None:  # loads the price list outside of the transaction
                compute_cost(model or "", 0, 0)
            with write_transaction(self._engine) as session:
                count += _interrupt(session, id_, (worker, heartbeat_at), compute_cost)
        return count


def _interrupt(
    session: Session,
    answer_id: str,
    seen: tuple[str | None, datetime | None],
    compute_cost: ComputeCost | None,
) -> bool:
    """Mark a reply as interrupted unless its worker or heartbeat is no longer the one `seen`."""
    session.execute(_LOCK, {"answer_id": answer_id})
    row = session.get(MessageRow, answer_id, with_for_update=True)  # blocks `save`
    if row is None or row.status != Status.STREAMING.value:
        return False
    if (row.worker, row.heartbeat_at) != seen:
        return False
    conversation = session.get_one(ConversationRow, row.conversation_id)
    row.status, row.heartbeat_at = Status.INTERRUPTED.value, conversation.updated_at
    _restore_replaced_leaf(session, row)
    interrupt_call(session, row, compute_cost)
    return True


def _restore_replaced_leaf(session: Session, row: MessageRow) -> None:
    """Show the replaced leaf again if a retry failed or ended without text."""
    is_useless = row.status == Status.FAILED.value or not row.text.strip()
    if row.replaces_id is None or not is_useless:
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
        remember_branch(session, conversation, row)
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
