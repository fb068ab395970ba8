"""Import all conversations of a file, one at a time, and report the outcome of each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import BinaryIO

from chat.attachments.file_names import clean_name
from chat.errors import ParleyError
from chat.formats.conversation import PortableConversation
from chat.formats.import_report import ImportOutcome, ImportReport, ItemReport
from chat.formats.importing.detect import (
    MAX_CONTENT_BYTES,
    FileNote,
    RejectedItem,
    read_conversations,
)


def import_file(
    file: BinaryIO,
    name: str,
    merge: Callable[[PortableConversation], ItemReport],
    *,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    is_cancelled: Callable[[], bool] = lambda: False,
    now: datetime | None = None,
    max_content_bytes: int = MAX_CONTENT_BYTES,
) -> ImportReport:
    """Call `merge` with each conversation of a seekable file.

    `on_progress` is called with the bytes read and the total. `is_cancelled` is checked between
    conversations; those merged before a cancellation are kept.
    """
    reports: list[ItemReport] = []
    notes: list[str] = []
    name = clean_name(name)
    for item in read_conversations(
        file, name, now or datetime.now(UTC), on_progress, max_content_bytes=max_content_bytes
    ):
        if is_cancelled():
            return ImportReport(tuple(reports), tuple(notes), is_cancelled=True)
        if isinstance(item, PortableConversation):
            reports.append(_merge(item, merge))
        elif isinstance(item, RejectedItem):
            reports.append(ItemReport(item.title, ImportOutcome.REFUSED, item.sentence))
        elif isinstance(item, FileNote):
            notes.append(item.sentence)
    return ImportReport(tuple(reports), tuple(notes))


def _merge(
    portable: PortableConversation, merge: Callable[[PortableConversation], ItemReport]
) -> ItemReport:
    try:
        return merge(portable)
    except ParleyError as error:
        return ItemReport(portable.conversation.title, ImportOutcome.REFUSED, error.sentence)
