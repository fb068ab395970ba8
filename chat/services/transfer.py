"""Transfer: export conversations and import files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import BinaryIO

from chat.background.file_jobs import FileJob, Progress
from chat.background.import_jobs import ImportJob
from chat.errors import NotFound, ProviderError, Refused
from chat.formats.code_snippets import ApiCall, find_endpoint
from chat.formats.conversation import PortableConversation
from chat.formats.export import Export, ExportFormat, export, export_call
from chat.formats.import_report import ImportReport, ItemReport
from chat.formats.importing.checks import ImportChecks
from chat.formats.importing.importer import import_file
from chat.formats.parley import archive
from chat.services.scope import Scope


def _ignore(_done: int, _total: int) -> None: ...


class TransferService:
    def __init__(self, scope: Scope) -> None:
        self._scope, self._owner, self._store = scope, scope.owner, scope.space.store
        self._runtime = scope.runtime

    def export(self, conversation_id: str, export_format: ExportFormat) -> Export:
        """Return a conversation in an export format.

        Raises `Refused` if the format needs an API call and the provider has no public API.
        """
        if export_format.is_code:
            conversation = self._store.conversations.get(self._owner, conversation_id)
            provider, request = self._scope.space.requests.newest(self._owner, conversation)
            address = find_endpoint(self._runtime.settings.values or {}, provider.name)
            if address is None:
                raise Refused(f"{provider.label} has no API that can be called from elsewhere.")
            return export_call(ApiCall(conversation.title, address, request), export_format)
        portable = self._store.portable.load(self._owner, conversation_id)
        refs = {node.message.model for node in portable.nodes if node.message.model}
        return export(portable, export_format, {ref: self._label(ref) for ref in refs})

    def export_all(
        self, file: BinaryIO, on_progress: Progress = _ignore, ids: Sequence[str] | None = None
    ) -> int:
        """Write all conversations of the owner, or those with `ids`, to a zip file.

        Calls `on_progress(done, total)` after each conversation. Returns their number.
        """
        wanted = self._store.portable.ids(self._owner) if ids is None else ids
        done = count(1)
        archive.write(
            file, self._conversations(wanted), lambda: on_progress(next(done), len(wanted))
        )
        return len(wanted)

    def begin_export(self) -> FileJob:
        """Start `export_all` in the background; the job holds the path of the finished file.

        Raises `ExportRunning`.
        """
        self._scope.require_owner()
        ids: list[str] = []

        def write(path: Path, on_progress: Progress) -> None:
            ids.extend(self._store.portable.ids(self._owner))
            with path.open("wb") as file:
                self.export_all(file, on_progress, ids)

        name = f"parley-{datetime.now(UTC):%Y-%m-%d}.zip"
        job, run = self._runtime.exports.begin(self._owner, name, write)
        # Another process may purge a conversation that is in the file.
        job.is_current = lambda: self._store.portable.have(self._owner, ids)
        self._runtime.tasks.start(run)
        return job

    def export_job(self) -> FileJob | None:
        """Return the running export, or the last one while its file is kept."""
        return self._runtime.exports.of(self._owner)

    def discard_export(self) -> None:
        """Delete the file of the last export, such as after a conversation in it was purged."""
        self._runtime.exports.discard(self._owner)

    def import_(
        self,
        file: BinaryIO,
        name: str,
        on_progress: Progress = _ignore,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> ImportReport:
        """Import a Parley export, a ChatGPT export or JSONL; return a report for each item.

        Calls `on_progress(done, total)` with bytes. Importing a file twice adds nothing.
        """
        self._scope.require_owner()
        checks = self._checks()

        def merge(portable: PortableConversation) -> ItemReport:
            return self._store.portable.merge(self._owner, portable, checks)

        return import_file(
            file,
            name,
            merge,
            on_progress=on_progress,
            is_cancelled=is_cancelled,
            max_content_bytes=checks.max_content_bytes,
        )

    def begin_import(self, file: BinaryIO, name: str) -> ImportJob:
        """Start `import_` in the background. Raises `ImportRunning` or `ImportsBusy`."""
        self._scope.require_owner()
        imports = self._runtime.imports
        job = imports.begin(self._owner)
        self._runtime.tasks.start(
            lambda: imports.run(job, lambda *hooks: self.import_(file, name, *hooks))
        )
        return job

    def import_job(self) -> ImportJob | None:
        """Return the running import, or the last one of this process with its report."""
        return self._runtime.imports.of(self._owner)

    def _checks(self) -> ImportChecks:
        runtime, limit = self._runtime, int(self._runtime.settings.max_stored_mb * 1_000_000)
        return ImportChecks(
            runtime.tokenizer.count,
            lambda image: runtime.reader.image_size(image, self._owner),
            max_file_bytes=int(runtime.settings.max_file_mb * 1_000_000),
            room=limit - self._store.contents.stored_bytes(self._owner),
            limit=limit,
        )

    def _conversations(self, ids: Sequence[str]) -> Iterator[PortableConversation]:
        for conversation_id in ids:
            try:
                yield self._store.portable.load(self._owner, conversation_id)
            except NotFound:  # deleted since the ids were read
                continue

    def _label(self, ref: str) -> str:
        try:
            return self._runtime.selection.label(ref)
        except ProviderError:
            return ref
