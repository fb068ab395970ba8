"""Takes all conversations of a file in, one after the other, and reports on each.

It knows how to read; how a conversation is stored it is told by whoever calls.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import BinaryIO

from chat.attachments.file_names import clean_name
from chat.errors import ParleyError
from chat.formats.conversation import PortableConversation
from chat.formats.import_report import ImportOutcome, ImportReport, ItemReport
from chat.formats.importing.detect import Note, Refused, read


def import_file(
    file: BinaryIO,
    name: str,
    merge: Callable[[PortableConversation], ItemReport],
    *,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    is_cancelled: Callable[[], bool] = lambda: False,
    now: datetime | None = None,
) -> ImportReport:
    """Read a seekable file and `merge` each conversation in it.

    `on_progress` is told bytes read and bytes in all; `is_cancelled` is asked between
    conversations, and what was taken in before stays.
    """
    reports: list[ItemReport] = []
    notes: list[str] = []
    name = clean_name(name)
    for item in read(file, name, now or datetime.now(UTC), on_progress):
        if is_cancelled():
            return ImportReport(tuple(reports), tuple(notes), is_cancelled=True)
        if isinstance(item, PortableConversation):
            reports.append(_merged(item, merge))
        elif isinstance(item, Refused):
            reports.append(ItemReport(item.title, ImportOutcome.REFUSED, item.sentence))
        elif isinstance(item, Note):
            notes.append(item.sentence)
    return ImportReport(tuple(reports), tuple(notes))


def _merged(
    portable: PortableConversation, merge: Callable[[PortableConversation], ItemReport]
) -> ItemReport:
    try:
        return merge(portable)
    except ParleyError as error:
        return ItemReport(portable.conversation.title, ImportOutcome.REFUSED, error.sentence)
