"""Soak test: many users over a long time, with constant memory and no lost message.

    python -m benchmarks.soak --minutes 20 --sessions 20

Tabs without a browser send, stop, edit, retry and reload at random, against the local provider. The
first third is a warm-up; memory in the last third may exceed the second third by at most 5 %. The
doctor checks the database half-way and at the end. The exit status is 1 if a check fails or if
there was too little activity for a verdict.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.apps.parley import Parley
from benchmarks.apps.server import ROOT
from benchmarks.person import ACTIONS, Person
from benchmarks.processes import resident_mb
from benchmarks.provider_process import ProviderProcess

LOOK_EVERY = 2.0  # seconds
FLAT = 1.05
PROBLEMS = 0.01  # share of all actions
A_MINUTE = 2  # minimum number of actions per user, on a slow machine
SHARE = 0.25  # minimum share of the expected number of actions of each kind
OVER = {"complete", "stopped", "interrupted", "failed"}
ORDERLY = (0, -signal.SIGTERM)  # the web server raises the signal again after shutdown
LOOKS = ("while it ran", "in the end")


@dataclass(frozen=True)
class Seen:
    """Input of the verdict. `doctor` contains the findings of each check, empty if healthy."""

    session_minutes: float
    did: Mapping[str, int]
    problems: int
    memory_mb: Sequence[float]
    was_watched: bool
    lost: Sequence[str]
    doctor: Mapping[str, str]
    ended_early: bool
    exit_code: int | None
    tracebacks: int


def verdict(seen: Seen) -> list[str]:
    """Return the reasons for failure, empty if the run passed. Pure."""
    wrong = []
    done, chances = sum(seen.did.values()), sum(ACTIONS.values())
    if done < A_MINUTE * seen.session_minutes:
        wrong.append(f"{done} things were done, which is too little to tell anything")
    for kind, weight in ACTIONS.items():
        least = max(1, int(SHARE * done * weight / chances))
        if seen.did.get(kind, 0) < least:
            wrong.append(f"{kind}: {seen.did.get(kind, 0)} times, which should be {least} at least")
    if seen.problems > PROBLEMS * (done + seen.problems):
        wrong.append(f"{seen.problems} things did not go as meant, of {done + seen.problems}")
    if not (seen.was_watched and seen.memory_mb and all(seen.memory_mb)):
        wrong.append("memory was not watched to the end")
    else:
        middle, last = thirds(seen.memory_mb)
        if last > middle * FLAT:
            wrong.append(f"memory grows: from {middle:.0f} to {last:.0f} MB")
    if seen.lost:
        wrong.append(f"{len(seen.lost)} messages were lost: {list(seen.lost[:5])}")
    for look in LOOKS:
        if look not in seen.doctor:
            wrong.append(f"doctor did not look {look}")
        elif seen.doctor[look]:
            wrong.append(f"doctor, {look}: {seen.doctor[look]}")
    if seen.ended_early:
        wrong.append("Parley ended before it was told to")
    if seen.exit_code is None:
        wrong.append("Parley did not end when it was told to")
    elif seen.exit_code not in ORDERLY:
        wrong.append(f"Parley ended with {seen.exit_code}")
    if seen.tracebacks:
        wrong.append(f"{seen.tracebacks} tracebacks in the log")
    return wrong


def thirds(memory_mb: Sequence[float]) -> tuple[float, float]:
    """Return the median memory of the second and the last third, in MB."""
    third = max(1, len(memory_mb) // 3)
    return median(memory_mb[third : 2 * third] or memory_mb), median(memory_mb[-third:])


@dataclass
class Soak:
    sessions: int
    seconds: float
    memory_mb: list[float] = field(default_factory=list)
    was_watched: bool = False
    did: Counter[str] = field(default_factory=Counter)
    sent: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    doctor: dict[str, str] = field(default_factory=dict)

    async def run(self, app: Parley, seed: int) -> None:
        until = asyncio.get_running_loop().time() + self.seconds
        people = [Person(app.url, seed + number) for number in range(self.sessions)]
        watching = asyncio.create_task(self._watch(app.pid))
        looking = asyncio.create_task(self._look(app.folder / "parley.db"))
        await asyncio.gather(*(person.live(until) for person in people))
        self.was_watched = not watching.done()
        watching.cancel()
        await looking
        for person in people:
            self.did += person.did
            self.sent += person.sent
            self.problems += person.problems

    async def _watch(self, pid: int) -> None:
        while True:
            self.memory_mb.append(resident_mb(pid))
            await asyncio.sleep(LOOK_EVERY)

    async def _look(self, database: Path) -> None:
        await asyncio.sleep(self.seconds / 2)
        self.doctor[LOOKS[0]] = await asyncio.to_thread(doctor, database)


def lost(database: Path, sent: Sequence[str]) -> list[str]:
    """Return questions that were shown but are missing or have no complete or marked answer."""
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


def fates(database: Path, names: Sequence[str]) -> list[str]:
    """Return the stored rows of these questions, for debugging."""
    query = "SELECT q.id, a.id, a.status, length(a.text) FROM messages q LEFT JOIN messages a "
    query += "ON a.parent_id = q.id WHERE q.role = 'user' AND q.text LIKE ?"
    with closing(sqlite3.connect(database)) as connection:
        held = {name: connection.execute(query, [f"% {name}]%"]).fetchall() for name in names}
    return [f"{name}: {rows or 'not there'}" for name, rows in held.items()]


def endings(database: Path) -> dict[str, int]:
    """Return the number of answers by status."""
    with closing(sqlite3.connect(database)) as connection:
        counted = "SELECT status, count(*) FROM messages WHERE role = 'assistant' GROUP BY status"
        return dict(connection.execute(counted).fetchall())


def doctor(database: Path) -> str:
    """Return the output of `python -m chat doctor`, empty if the database is healthy."""
    done = subprocess.run(
        [sys.executable, "-m", "chat", "doctor"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": f"sqlite:///{database}"},
        capture_output=True,
        text=True,
    )
    return "" if done.returncode == 0 else (done.stdout + done.stderr).strip()[-500:] or "failed"


def end(process: subprocess.Popen[bytes]) -> int | None:
    """Send SIGTERM and return the exit code, or None if the process does not exit in time."""
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(20)
    except subprocess.TimeoutExpired:
        return None


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
        ended_early = app.process.poll() is not None
        exit_code = end(app.process)
        database = app.folder / "parley.db"
        soak.doctor[LOOKS[1]] = doctor(database)
        missing, ended = lost(database, soak.sent), endings(database)
        details = fates(database, missing)
        tracebacks = app.log().count("Traceback")
    seen = Seen(
        session_minutes=chosen.sessions * chosen.minutes,
        did=soak.did,
        problems=len(soak.problems),
        memory_mb=soak.memory_mb,
        was_watched=soak.was_watched,
        lost=missing,
        doctor=soak.doctor,
        ended_early=ended_early,
        exit_code=exit_code,
        tracebacks=tracebacks,
    )
    print(f"{chosen.sessions} sessions, {chosen.minutes:g} minutes: {dict(soak.did)}")
    if soak.memory_mb:
        middle, last = thirds(soak.memory_mb)
        print(f"memory: middle third {middle:.0f} MB, last {last:.0f} MB")
    print(f"messages shown: {len(soak.sent)}, lost: {len(missing)}; answers: {ended}")
    print(*details, sep="\n", end="\n" if details else "")
    print(f"doctor: { {look: found or 'clean' for look, found in soak.doctor.items()} }")
    print(f"exit code: {exit_code}; tracebacks in the log: {tracebacks}")
    common = Counter(soak.problems).most_common(5)
    print(f"things that did not go as meant: {len(soak.problems)} {common}")
    wrong = verdict(seen)
    print("well" if not wrong else "NOT WELL\n" + "\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
