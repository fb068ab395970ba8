"""The rows of an imported conversation: with ids of their own where the copy's are not free.

Helpers of `chat.store.transfer`, inside its transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from chat.domain.attachment import Attachment
from chat.domain.ids import new_id
from chat.domain.token_estimate import TokenCount
from chat.formats.attachment_check import check_attachment
from chat.formats.conversation import Node, PortableConversation, is_parley_id
from chat.formats.merge import MergePlan
from chat.store.attachments import add_attachments, store_content
from chat.store.schema import ClearMarkRow, ConversationRow, MessageRow, now

_AT_ONCE = 500  # ids in one query
_MOST_CONTENTS = 2 * 2**30  # bytes of files looked at for one conversation


class _Supply:
    """The contents of files, up to a limit: a small copy can name large ones many times."""

    def __init__(self, portable: PortableConversation) -> None:
        self._content, self._left = portable.content, _MOST_CONTENTS

    def __call__(self, sha256: str) -> bytes | None:
        data = self._content(sha256) if self._left > 0 else None
        self._left -= len(data or b"")
        return data


def new_conversation(
    session: Session, owner: str, portable: PortableConversation, *, keep_ids: bool
) -> ConversationRow:
    conversation, settings = portable.conversation, portable.conversation.settings
    id_ = conversation.id
    is_free = keep_ids and _can_be_kept(id_) and session.get(ConversationRow, id_) is None
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


def _can_be_kept(id_: str) -> bool:
    """Whether Parley can have made it, not later than now: ids sort by time."""
    tomorrow = now() + timedelta(days=1)
    return is_parley_id(id_) and int(id_[:14], 16) <= tomorrow.timestamp() * 1_000_000


def add_messages(
    session: Session,
    row: ConversationRow,
    planned: MergePlan,
    counts: dict[str, TokenCount],
    *,
    keep_ids: bool,
) -> dict[str, str]:
    """Store the new messages; gives the stored id for every id of the copy."""
    additions = planned.additions
    wanted = [each.node.message.id for each in additions]
    cankeep = (
        keep_ids
        and not any(each.is_changed for each in additions)
        and all(map(_can_be_kept, wanted))
        and not _any_taken(session, wanted)
    )
    # Ids are the order of versions; ours keep the order they had.
    in_order = sorted(wanted) if all(map(is_parley_id, wanted)) else wanted
    fresh = {id_: id_ if cankeep else new_id() for id_ in in_order}
    ids = {**planned.known, **fresh}
    depths = dict(planned.depths)
    values = []
    for each in additions:
        message = each.node.message
        parent_id = ids[message.parent_id] if message.parent_id else None
        depths[ids[message.id]] = depths[parent_id] + 1
        values.append(
            {
                **_columns(each.node, counts.get(message.id), ids),
                "id": ids[message.id],
                "conversation_id": row.id,
                "parent_id": parent_id,
                "depth": depths[ids[message.id]],
                "origin": each.node.origin if cankeep else each.origin,
            }
        )
    if values:
        session.execute(insert(MessageRow), values)
    return ids


def _any_taken(session: Session, ids: Sequence[str]) -> bool:
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        if session.scalar(select(MessageRow.id).where(MessageRow.id.in_(some)).limit(1)):
            return True
    return False


def _columns(node: Node, count: TokenCount | None, ids: dict[str, str]) -> dict[str, Any]:
    message, usage, failure = node.message, node.message.usage, node.message.failure
    return {
        "role": message.role.value,
        "text": message.text,
        "status": message.status.value,
        "created_at": message.created_at,
        "deleted_at": now() if message.is_deleted else None,
        "tokens": count.tokens if count else message.tokens,
        "is_exact": count.is_exact if count else message.is_exact,
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
        "replaces_id": ids[message.replaces_id] if message.replaces_id else None,
        "resume_leaf_id": ids[node.resume_leaf_id] if node.resume_leaf_id else None,
    }


def hold_files(
    session: Session, planned: MergePlan, portable: PortableConversation, ids: dict[str, str]
) -> list[str]:
    """Keep the files of new messages; gives a sentence about those that have to be left out."""
    supply = _Supply(portable)
    kept: dict[Attachment, Attachment | None] = {}
    left = 0
    for each in planned.additions:
        message, sound = each.node.message, []
        for file in message.attachments:
            same = replace(file, message_id="")
            if same not in kept:
                kept[same] = _kept(session, same, supply)
            found = kept[same]
            left += found is None
            if found is not None:
                sound.append(found)
        if sound:
            add_attachments(session, ids[message.id], (), sound)
    return [f"{left:,} files are not in the export, or damaged, and were left out."] if left else []


def _kept(session: Session, file: Attachment, supply: _Supply) -> Attachment | None:
    sound = check_attachment(file, supply)
    if sound is None:
        return None
    for data in sound.contents.values():
        store_content(session, data)
    return sound.attachment


def hold_marks(
    session: Session,
    row: ConversationRow,
    planned: MergePlan,
    portable: PortableConversation,
    ids: dict[str, str],
) -> None:
    new = {each.node.message.id for each in planned.additions}
    session.add_all(
        ClearMarkRow(
            conversation_id=row.id, message_id=ids[mark.message_id], created_at=mark.created_at
        )
        for mark in portable.marks
        if mark.message_id in new
    )
