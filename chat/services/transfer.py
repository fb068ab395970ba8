"""Out of Parley and into it: one conversation in many forms, everything as a zip, and imports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import BinaryIO

from chat.attachments.reading import is_valid_image
from chat.domain.identity import require_owner
from chat.errors import NotFound, ProviderError, Refused
from chat.formats.attachment_check import without_invalid_images
from chat.formats.code_snippets import ApiCall, find_endpoint
from chat.formats.conversation import PortableConversation
from chat.formats.export import Export, ExportFormat, export, export_call
from chat.formats.import_report import ImportReport, ItemReport
from chat.formats.importing.importer import import_file
from chat.formats.parley import archive
from chat.services import conversations

Progress = Callable[[int, int], None]


def _quiet(_done: int, _total: int) -> None: ...


class Carrying(conversations.Library):
    def export(self, owner: str, conversation_id: str, export_format: ExportFormat) -> Export:
        """A conversation in one of the forms people take it away in.

        Raises `Refused` when the newest question cannot be asked from outside.
        """
        if export_format.is_code:
            conversation = self._store.conversations.get(owner, conversation_id)
            provider, request = self._dispatch.newest(owner, conversation)
            address = find_endpoint(self.settings.values or {}, provider.name)
            if address is None:
                raise Refused(f"{provider.label} has no API that could be called from outside.")
            return export_call(ApiCall(conversation.title, address, request), export_format)
        portable = self._store.portable.load(owner, conversation_id)
        refs = {node.message.model for node in portable.nodes if node.message.model}
        return export(portable, export_format, {ref: self._label(ref) for ref in refs})

    def export_all(self, owner: str, file: BinaryIO, on_progress: Progress = _quiet) -> int:
        """Write all conversations of an owner into a zip; how many.

        `on_progress(done, total)` is called after each.
        """
        ids, done = self._store.portable.ids(owner), count(1)
        archive.write(
            file, self._conversations(owner, ids), lambda: on_progress(next(done), len(ids))
        )
        return len(ids)

    def import_(
        self,
        owner: str,
        file: BinaryIO,
        name: str,
        on_progress: Progress = _quiet,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> ImportReport:
        """Add what a file holds: an export of ours, of ChatGPT, or JSONL; a report by item.

        `on_progress(done, total)` counts bytes. The same file twice adds nothing.
        """
        require_owner(owner)

        def merge(portable: PortableConversation) -> ItemReport:
            portable = without_invalid_images(portable, is_valid_image)
            return self._store.portable.merge(owner, portable, self._dispatch.count)

        return import_file(file, name, merge, on_progress=on_progress, is_cancelled=is_cancelled)

    def _conversations(self, owner: str, ids: list[str]) -> Iterator[PortableConversation]:
        for conversation_id in ids:
            try:
                yield self._store.portable.load(owner, conversation_id)
            except NotFound:  # deleted meanwhile
                continue

    def _label(self, ref: str) -> str:
        try:
            return self._dispatch.label(ref)
        except ProviderError:
            return ref
