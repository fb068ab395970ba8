"""Administration: usage of all users, kill switch, banner, backups, readiness and metrics.

Methods for administrators take the person who calls and raise `NotFound` for everyone else.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from chat.background.file_jobs import FileJob, Progress
from chat.billing.kill_switch import ALL, GUIDE
from chat.domain.identity import require_admin
from chat.domain.ids import storable
from chat.domain.person import OWN_KEY_PREFIX, Person
from chat.domain.usage import UsageReport
from chat.replies.runtime import Runtime
from chat.services.usage import clamp_days
from chat.store import Store

_BACKUP = "database"  # one backup job in a process, for all administrators


class AdminService:
    def __init__(self, runtime: Runtime, store: Store) -> None:
        self._runtime, self._store = runtime, store
        self._kill_switch = runtime.billing.kill_switch

    def usage(self, person: Person, days: int = 30) -> UsageReport:
        """Return the usage of all users by day, model and owner."""
        require_admin(person)
        return self._runtime.billing.report(None, clamp_days(days))

    def switch_off(self, person: Person, ref: str, is_off: bool = True) -> None:
        """Switch a model off for all users, or on again; "*" means all models but Guide.

        Stops the running replies of the model. Raises `Refused` or `UnknownModel`.
        """
        require_admin(person)
        self._kill_switch.set_off(self._resolve(ref) if is_off else ref, is_off=is_off)

    def switched_off(self) -> frozenset[str]:
        """Return the references that are switched off; "*" means all models but Guide."""
        return self._kill_switch.off()

    def set_banner(self, person: Person, text: str) -> None:
        """Set the text shown at the top of every screen; empty for none."""
        require_admin(person)
        self._kill_switch.set_banner(text)

    def banner(self) -> str:
        return self._kill_switch.banner()

    def begin_backup(self, person: Person) -> FileJob:
        """Start a backup in the background; the job holds the path of the finished file.

        Raises `BackupRunning`.
        """
        require_admin(person)

        def write(path: Path, _: Progress) -> None:
            self._store.back_up(path)

        name = f"parley-{datetime.now(UTC):%Y-%m-%d-%H%M}.db"
        job, run = self._runtime.backups.begin(_BACKUP, name, write)
        self._runtime.tasks.start(run)
        return job

    def backup(self, person: Person) -> FileJob | None:
        """Return the running backup, or the last one while its file is kept."""
        require_admin(person)
        return self._runtime.backups.of(_BACKUP)

    def readiness(self) -> str:
        """Return why no request can be served, in one word; empty when ready."""
        return self._store.readiness()

    def metrics(self, sessions: int | None = None) -> bytes:
        """Return the metrics of this process as OpenMetrics text; `sessions` counts open tabs."""
        return self._runtime.metrics.render(sessions)

    def _resolve(self, text: str) -> str:
        """Return the full reference for typed text. Raises `UnknownModel`."""
        text = storable(text).strip()
        transcriber = self._runtime.transcriber
        if transcriber and text.casefold() == transcriber.ref.casefold():
            return transcriber.ref
        if not text or text == ALL or text.startswith((OWN_KEY_PREFIX, GUIDE)):
            return text
        return self._runtime.selection.find(text).ref
