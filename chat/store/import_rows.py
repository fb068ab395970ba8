"""Adds the rows of an imported conversation, inside a session of `chat.store.transfer`.

Ids of the export are kept if Parley created them and they are free; otherwise new ones are used.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from chat.domain.attachment import Attachment
from chat.domain.ids import new_id
from chat.domain.token_estimate import TokenCount
from chat.formats.conversation import Node, PortableConversation, is_parley_id
from chat.formats.merge import Addition, MergePlan
from chat.store.attachments import add_attachments
from chat.store.schema import ClearMarkRow, ConversationRow, MessageRow, now

_BATCH = 500  # ids per query
# One transaction adds that much, in a fraction of a second: others wait for SQLite's only writer.
_MAX_PART_CHARACTERS = 250_000
_CHARACTERS_PER_ROW = 400  # a row costs as much as the words of that many characters


def add_imported_conversation(
    session: Session, owner: str, portable: PortableConversation, *, keep_ids: bool
) -> ConversationRow:
    conversation, settings = portable.conversation, portable.conversation.settings
    id_ = conversation.id
    is_free = keep_ids and _is_plausible_id(id_) and session.get(ConversationRow, id_) is None
    row = ConversationRow(
        id=id_ if is_free else new_id(),
        owner=owner,
        title=conversation.title,
        model=settings.model,
        temperature=settings.temperature,
        system_prompt=settings.system_prompt,
        max_reply_tokens=settings.max_reply_tokens,
        leaf_id=None,
        created_at=conversation.created_at,
        updated_at=conversation.updated_at,
        pinned_at=portable.pinned_at,
        origin=portable.origin if is_free else portable.keys[0],
    )
    session.add(row)
    session.flush()
    return row


def _is_plausible_id(id_: str) -> bool:
    """Return whether Parley may have created an id: its timestamp is not in the future."""
    tomorrow = now() + timedelta(days=1)
    return is_parley_id(id_) and int(id_[:14], 16) <= tomorrow.timestamp() * 1_000_000


def next_part(additions: Sequence[Addition]) -> Sequence[Addition]:
    """Return the first of the messages to add, as many as one transaction may take."""
    size = 0
    for position, each in enumerate(additions):
        message = each.node.message
        size += len(message.text) + len(message.reasoning) + _CHARACTERS_PER_ROW
        size += len(message.attachments) * _CHARACTERS_PER_ROW
        if size > _MAX_PART_CHARACTERS and position:
            return additions[:position]
    return additions


def add_messages(
    session: Session,
    row: ConversationRow,
    planned: MergePlan,
    part: Sequence[Addition],
    counts: Mapping[str, TokenCount],
    *,
    keep_ids: bool,
) -> MergePlan:
    """Add the first of the new messages; return the plan for the others.

    References to messages that are not added yet stay empty; see `add_references`.
    """
    imported = [each.node.message.id for each in part]
    can_keep = (
        keep_ids
        and not any(each.is_changed for each in part)
        and all(map(_is_plausible_id, imported))
        and not _any_taken(session, imported)
    )
    # Versions are ordered by id, so new ids are assigned in the order of the old ones.
    in_order = sorted(imported) if all(map(is_parley_id, imported)) else imported
    new_ids = {id_: id_ if can_keep else new_id() for id_ in in_order}
    ids = {**planned.known, **new_ids}
    depths = dict(planned.depths)
    values = []
    for each in part:
        message = each.node.message
        parent_id = ids[message.parent_id] if message.parent_id else None
        depths[ids[message.id]] = depths[parent_id] + 1
        values.append(
            {
                **_columns(each.node, counts[message.id], ids),
                "id": ids[message.id],
                "conversation_id": row.id,
                "parent_id": parent_id,
                "depth": depths[ids[message.id]],
                "origin": each.node.origin if can_keep else each.origin,
            }
        )
    if values:
        session.execute(insert(MessageRow), values)
    return MergePlan(planned.additions[len(part) :], ids, depths)


def add_references(session: Session, nodes: Iterable[Node], ids: Mapping[str, str]) -> None:
    """Store the references among messages that were added in several parts."""
    for node in nodes:
        replaces_id, resume_leaf_id = node.message.replaces_id, node.resume_leaf_id
        if replaces_id or resume_leaf_id:
            session.execute(
                update(MessageRow)
                .where(MessageRow.id == ids[node.message.id])
                .values(
                    replaces_id=ids[replaces_id] if replaces_id else None,
                    resume_leaf_id=ids[resume_leaf_id] if resume_leaf_id else None,
                )
            )


def _any_taken(session: Session, ids: Sequence[str]) -> bool:
    for start in range(0, len(ids), _BATCH):
        batch = ids[start : start + _BATCH]
        if session.scalar(select(MessageRow.id).where(MessageRow.id.in_(batch)).limit(1)):
            return True
    return False


def _columns(node: Node, count: TokenCount, ids: Mapping[str, str]) -> dict[str, Any]:
    message, usage, failure = node.message, node.message.usage, node.message.failure
    return {
        "role": message.role.value,
        "text": message.text,
        "status": message.status.value,
        "created_at": message.created_at,
        "deleted_at": now() if message.is_deleted else None,
        "tokens": count.tokens,
        "is_exact": count.is_exact,
        "reasoning": message.reasoning,
        "reasoning_ms": message.reasoning_ms,
        "finish_reason": message.finish_reason,
        "model": message.model,
        "prompt_tokens": usage.prompt_tokens if usage else None,
        "completion_tokens": usage.completion_tokens if usage else None,
        "usage_is_reported": usage.is_reported if usage else None,
        "first_token_ms": message.first_token_ms,
        "total_ms": message.total_ms,
        "error_code": failure.code if failure else None,
        "error_sentence": failure.sentence if failure else None,
        "error_details": failure.details if failure else None,
        "retry_at": failure.retry_at if failure else None,
        "replaces_id": ids.get(message.replaces_id or ""),
        "resume_leaf_id": ids.get(node.resume_leaf_id or ""),
    }


def add_files(
    session: Session,
    part: Sequence[Addition],
    files: Mapping[Attachment, Attachment | None],
    ids: Mapping[str, str],
) -> None:
    """Add the files of new messages if their contents are stored."""
    for each in part:
        message = each.node.message
        found = (files[unbound(file)] for file in message.attachments)
        if valid := [file for file in found if file is not None]:
            add_attachments(session, ids[message.id], (), valid)


def unbound(file: Attachment) -> Attachment:
    """Return the attachment without its message."""
    return replace(file, message_id="")


def add_clear_marks(
    session: Session,
    row: ConversationRow,
    new: Container[str],
    portable: PortableConversation,
    ids: Mapping[str, str],
) -> None:
    """Add the marks at the `new` messages."""
    session.add_all(
        ClearMarkRow(
            conversation_id=row.id, message_id=ids[mark.message_id], created_at=mark.created_at
        )
        for mark in portable.marks
        if mark.message_id in new
    )
