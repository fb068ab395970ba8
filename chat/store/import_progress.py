"""Progress of storing one conversation in several transactions, its completion and its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from chat.formats.conversation import Node, PortableConversation
from chat.formats.import_report import ImportOutcome, ItemReport
from chat.formats.importing.checks import ImportChecks
from chat.formats.merge import MergePlan
from chat.store.import_rows import add_clear_marks, add_references, unbound
from chat.store.message_tree import is_on_path
from chat.store.schema import ConversationRow, MessageRow


@dataclass(slots=True)
class ImportProgress:
    """The messages of a conversation that were added so far, and the plan for the others."""

    nodes: list[Node] = field(default_factory=list)
    is_new: bool = False
    was_deleted: bool = False
    _planned: MergePlan | None = None
    _stored: int = 0  # messages after the last part

    def add(
        self, session: Session, row: ConversationRow, nodes: Sequence[Node], planned: MergePlan
    ) -> None:
        self.nodes += nodes
        self._planned, self._stored = planned, _message_count(session, row)

    def rest(self, session: Session, row: ConversationRow | None) -> MergePlan | None:
        """Return the plan for the other messages, or None if the conversation has changed."""
        if row is None or self._planned is None or _message_count(session, row) != self._stored:
            return None
        return self._planned


def _message_count(session: Session, row: ConversationRow) -> int:
    query = select(func.count()).where(MessageRow.conversation_id == row.id)
    return session.scalar(query) or 0


def complete(
    session: Session,
    row: ConversationRow,
    portable: PortableConversation,
    progress: ImportProgress,
    ids: Mapping[str, str],
    checks: ImportChecks,
) -> ItemReport:
    """Show a conversation after all its messages were added."""
    row.deleted_at = None
    add_references(session, progress.nodes, ids)
    add_clear_marks(session, row, {node.message.id for node in progress.nodes}, portable, ids)
    if progress.nodes:
        row.updated_at = max(row.updated_at, portable.conversation.updated_at)
        leaf_id = portable.conversation.leaf_id
        wanted = ids[leaf_id] if leaf_id else None
        if progress.is_new or _extends(session, row.leaf_id, wanted):
            row.leaf_id = wanted
    session.flush()
    files = (unbound(file) for node in progress.nodes for file in node.message.attachments)
    skipped = sum(checks.stored[file] is None for file in files)
    if skipped:
        note = f"{skipped:,} files are not in the export, damaged or too large, and were left out."
        portable = replace(portable, notes=(*portable.notes, note))
    return item_report(row, progress, portable)


def _extends(session: Session, leaf_id: str | None, wanted: str | None) -> bool:
    """Return whether the path to `wanted` contains the current leaf."""
    leaf = session.get(MessageRow, leaf_id) if leaf_id else None
    return leaf is None or is_on_path(session, wanted, leaf)


def item_report(
    row: ConversationRow, progress: ImportProgress, portable: PortableConversation
) -> ItemReport:
    count = len(progress.nodes)
    messages = "1 message" if count == 1 else f"{count:,} messages"
    outcome, sentence = ImportOutcome.UNCHANGED, "All its messages are already here."
    if progress.is_new:
        outcome, sentence = ImportOutcome.ADDED, f"{messages} added."
    elif count:
        outcome, sentence = (
            ImportOutcome.MERGED,
            f"{messages} added to the existing conversation.",
        )
    if progress.was_deleted:
        outcome = ImportOutcome.MERGED
        sentence = f"The deleted conversation was restored. {sentence}"
    return ItemReport(row.title, outcome, sentence, row.id, portable.notes)
