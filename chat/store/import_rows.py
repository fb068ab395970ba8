"""Adds the rows of an imported conversation, inside a session of `chat.store.transfer`.

Ids of the export are kept if Parley created them and they are free; otherwise new ones are used.
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

_BATCH = 500  # ids per query
_MAX_CONTENT_BYTES = 2 * 2**30  # read for one conversation


class _LimitedContents:
    """Contents by SHA-256 up to a total size: a small export can refer to large files often."""

    def __init__(self, portable: PortableConversation) -> None:
        self._content, self._bytes_left = portable.content, _MAX_CONTENT_BYTES

    def __call__(self, sha256: str) -> bytes | None:
        data = self._content(sha256) if self._bytes_left > 0 else None
        self._bytes_left -= len(data or b"")
        return data


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


def add_messages(
    session: Session,
    row: ConversationRow,
    planned: MergePlan,
    counts: dict[str, TokenCount],
    *,
    keep_ids: bool,
) -> dict[str, str]:
    """Add the new messages and return the stored id for every id of the export."""
    additions = planned.additions
    imported = [each.node.message.id for each in additions]
    can_keep = (
        keep_ids
        and not any(each.is_changed for each in additions)
        and all(map(_is_plausible_id, imported))
        and not _any_taken(session, imported)
    )
    # Versions are ordered by id, so new ids are assigned in the order of the old ones.
    in_order = sorted(imported) if all(map(is_parley_id, imported)) else imported
    new_ids = {id_: id_ if can_keep else new_id() for id_ in in_order}
    ids = {**planned.known, **new_ids}
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
                "origin": each.node.origin if can_keep else each.origin,
            }
        )
    if values:
        session.execute(insert(MessageRow), values)
    return ids


def _any_taken(session: Session, ids: Sequence[str]) -> bool:
    for start in range(0, len(ids), _BATCH):
        batch = ids[start : start + _BATCH]
        if session.scalar(select(MessageRow.id).where(MessageRow.id.in_(batch)).limit(1)):
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


def add_files(
    session: Session, planned: MergePlan, portable: PortableConversation, ids: dict[str, str]
) -> list[str]:
    """Add the files of new messages; return a sentence about missing or damaged ones."""
    contents = _LimitedContents(portable)
    checked: dict[Attachment, Attachment | None] = {}
    skipped = 0
    for each in planned.additions:
        message, valid = each.node.message, []
        for file in message.attachments:
            unbound = replace(file, message_id="")
            if unbound not in checked:
                checked[unbound] = _store_checked(session, unbound, contents)
            attachment = checked[unbound]
            if attachment is None:
                skipped += 1
            else:
                valid.append(attachment)
        if valid:
            add_attachments(session, ids[message.id], (), valid)
    if not skipped:
        return []
    return [f"{skipped:,} files are not in the export, or damaged, and were left out."]


def _store_checked(
    session: Session, file: Attachment, contents: _LimitedContents
) -> Attachment | None:
    """Store the contents of a file; return None if they are missing or invalid."""
    checked = check_attachment(file, contents)
    if checked is None:
        return None
    for data in checked.contents.values():
        store_content(session, data)
    return checked.attachment


def add_clear_marks(
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
