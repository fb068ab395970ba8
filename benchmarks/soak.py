"""Many people for a long time: is memory flat, and is every message there in the end?

    python -m benchmarks.soak --minutes 20 --sessions 20

Tabs without browsers ask, stop, edit, retry and load the page again at random, against the local
provider. The first third warms up; memory of the last third may be at most 5 % above that of the
second. Ends with 1 when something is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.apps.parley import Parley
from benchmarks.apps.server import ROOT
from benchmarks.person import Person
from benchmarks.processes import resident_mb
from benchmarks.provider_process import ProviderProcess

LOOK_EVERY = 2.0  # seconds
FLAT = 1.05
OVER = {"complete", "stopped", "interrupted", "failed"}


@dataclass
class Soak:
    sessions: int
    seconds: float
    memory_mb: list[float] = field(default_factory=list)
    did: Counter[str] = field(default_factory=Counter)
    sent: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    async def run(self, app: Parley, seed: int) -> None:
        until = asyncio.get_running_loop().time() + self.seconds
        people = [Person(app.url, seed + number) for number in range(self.sessions)]
        watching = asyncio.create_task(self._watch(app.pid))
        await asyncio.gather(*(person.live(until) for person in people))
        watching.cancel()
        for person in people:
            self.did += person.did
            self.sent += person.sent
            self.problems += person.problems

    async def _watch(self, pid: int) -> None:
        while True:
            self.memory_mb.append(resident_mb(pid))
            await asyncio.sleep(LOOK_EVERY)

    def thirds(self) -> tuple[float, float]:
        """Median memory of the second and the last third, in MB."""
        third = max(1, len(self.memory_mb) // 3)
        return median(self.memory_mb[third : 2 * third]), median(self.memory_mb[2 * third :])


def lost(database: Path, sent: Sequence[str]) -> list[str]:
    """Questions that were shown and are not there, or whose answer is neither whole nor marked."""
    with closing(sqlite3.connect(database)) as connection:
        answered = "SELECT q.text, a.status, a.text FROM messages q LEFT JOIN messages a "
        answered += "ON a.parent_id = q.id WHERE q.role = 'user'"
        rows = connection.execute(answered).fetchall()
    held: dict[str, bool] = {}
    for text, status, answer in rows:
        name = text.rpartition(" ")[2].rstrip("]")
        is_sound = status in OVER and (status != "complete" or bool(answer))
        held[name] = held.get(name, True) and is_sound
    return [name for name in sent if not held.get(name)]


def endings(database: Path) -> dict[str, int]:
    """How the answers ended."""
    with closing(sqlite3.connect(database)) as connection:
        counted = "SELECT status, count(*) FROM messages WHERE role = 'assistant' GROUP BY status"
        return dict(connection.execute(counted).fetchall())


def doctor(database: Path) -> str:
    """What `python -m chat doctor` says, if there is one: empty when all is well."""
    if importlib.util.find_spec("chat.__main__") is None:
        return "not there"
    done = subprocess.run(
        [sys.executable, "-m", "chat", "doctor"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": f"sqlite:///{database}"},
        capture_output=True,
        text=True,
    )
    return "" if done.returncode == 0 else (done.stdout + done.stderr).strip()[-500:]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=20)
    options.add_argument("--sessions", type=int, default=20)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    soak = Soak(chosen.sessions, chosen.minutes * 60)
    with ProviderProcess() as provider, Parley(provider.url) as app:
        assert isinstance(app, Parley)
        asyncio.run(soak.run(app, chosen.seed))
        assert app.process is not None
        app.process.send_signal(signal.SIGTERM)
        app.process.wait(20)
        database = app.folder / "parley.db"
        missing, said = lost(database, soak.sent), doctor(database)
        ended = endings(database)
        failed = app.log().count("Traceback")
    middle, last = soak.thirds()
    is_flat = last <= middle * FLAT
    grows = "flat" if is_flat else "GROWS"
    print(f"{chosen.sessions} sessions, {chosen.minutes:g} minutes: {dict(soak.did)}")
    print(f"memory: middle third {middle:.0f} MB, last {last:.0f} MB: {grows}")
    print(f"messages shown: {len(soak.sent)}, lost: {len(missing)} {missing[:5]}")
    print(f"answers: {ended}")
    print(f"doctor: {said or 'clean'}; tracebacks in the log: {failed}")
    common = Counter(soak.problems).most_common(5)
    print(f"things that did not go as meant: {len(soak.problems)} {common}")
    is_well = is_flat and not missing and said in {"", "not there"} and not failed
    print("well" if is_well else "NOT WELL")
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
