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
from benchmarks.processes import resident_mb
from benchmarks.provider_process import ProviderProcess
from benchmarks.simulated_user import ACTIONS, SimulatedUser

MEMORY_INTERVAL = 2.0  # seconds
MAX_MEMORY_GROWTH = 1.05
MAX_PROBLEM_SHARE = 0.01  # share of all actions
MIN_ACTIONS_PER_MINUTE = 2  # minimum number of actions per user, on a slow machine
MIN_ACTION_SHARE = 0.25  # minimum share of the expected number of actions of each kind
FINAL_STATUSES = {"complete", "stopped", "interrupted", "failed"}
CLEAN_EXIT_CODES = (0, -signal.SIGTERM)  # the web server raises the signal again after shutdown
CHECKS = ("during the run", "after the run")


@dataclass(frozen=True)
class SoakResult:
    """Input of the verdict. `doctor` contains the findings of each check, empty if healthy."""

    session_minutes: float
    actions: Mapping[str, int]
    problems: int
    memory_mb: Sequence[float]
    memory_was_recorded: bool
    lost_questions: Sequence[str]
    doctor: Mapping[str, str]
    ended_early: bool
    exit_code: int | None
    tracebacks: int


def verdict(seen: SoakResult) -> list[str]:
    """Return the reasons for failure, empty if the run passed. Pure."""
    reasons = []
    done, total_weight = sum(seen.actions.values()), sum(ACTIONS.values())
    if done < MIN_ACTIONS_PER_MINUTE * seen.session_minutes:
        reasons.append(f"{done} actions are too few for a verdict")
    for kind, weight in ACTIONS.items():
        minimum = max(1, int(MIN_ACTION_SHARE * done * weight / total_weight))
        if seen.actions.get(kind, 0) < minimum:
            reasons.append(
                f"{kind}: {seen.actions.get(kind, 0)} times, expected at least {minimum}"
            )
    if seen.problems > MAX_PROBLEM_SHARE * (done + seen.problems):
        reasons.append(f"{seen.problems} of {done + seen.problems} actions failed")
    if not (seen.memory_was_recorded and seen.memory_mb and all(seen.memory_mb)):
        reasons.append("memory was not recorded until the end")
    else:
        middle, last = thirds(seen.memory_mb)
        if last > middle * MAX_MEMORY_GROWTH:
            reasons.append(f"memory grew from {middle:.0f} to {last:.0f} MB")
    if seen.lost_questions:
        reasons.append(
            f"{len(seen.lost_questions)} questions were lost: {list(seen.lost_questions[:5])}"
        )
    for check in CHECKS:
        if check not in seen.doctor:
            reasons.append(f"the doctor did not run {check}")
        elif seen.doctor[check]:
            reasons.append(f"doctor {check}: {seen.doctor[check]}")
    if seen.ended_early:
        reasons.append("Parley exited during the run")
    if seen.exit_code is None:
        reasons.append("Parley did not exit on SIGTERM")
    elif seen.exit_code not in CLEAN_EXIT_CODES:
        reasons.append(f"Parley exited with status {seen.exit_code}")
    if seen.tracebacks:
        reasons.append(f"{seen.tracebacks} tracebacks in the log")
    return reasons


def thirds(memory_mb: Sequence[float]) -> tuple[float, float]:
    """Return the median memory of the second and the last third, in MB."""
    third = max(1, len(memory_mb) // 3)
    return median(memory_mb[third : 2 * third] or memory_mb), median(memory_mb[-third:])


@dataclass
class Soak:
    sessions: int
    seconds: float
    memory_mb: list[float] = field(default_factory=list)
    memory_was_recorded: bool = False
    actions: Counter[str] = field(default_factory=Counter)
    sent: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    doctor: dict[str, str] = field(default_factory=dict)

    async def run(self, app: Parley, seed: int) -> None:
        until = asyncio.get_running_loop().time() + self.seconds
        users = [SimulatedUser(app.url, seed + number) for number in range(self.sessions)]
        recording = asyncio.create_task(self._record_memory(app.pid))
        checking = asyncio.create_task(self._check_database(app.folder / "parley.db"))
        await asyncio.gather(*(user.run(until) for user in users))
        self.memory_was_recorded = not recording.done()
        recording.cancel()
        await checking
        for user in users:
            self.actions += user.actions
            self.sent += user.sent
            self.problems += user.problems

    async def _record_memory(self, pid: int) -> None:
        while True:
            self.memory_mb.append(resident_mb(pid))
            await asyncio.sleep(MEMORY_INTERVAL)

    async def _check_database(self, database: Path) -> None:
        await asyncio.sleep(self.seconds / 2)
        self.doctor[CHECKS[0]] = await asyncio.to_thread(doctor, database)


def lost_questions(database: Path, sent: Sequence[str]) -> list[str]:
    """Return questions that were shown but are missing or have no complete or marked answer."""
    with closing(sqlite3.connect(database)) as connection:
        answered = "SELECT q.text, a.status, a.text FROM messages q LEFT JOIN messages a "
        answered += "ON a.parent_id = q.id WHERE q.role = 'user'"
        rows = connection.execute(answered).fetchall()
    is_answered: dict[str, bool] = {}
    for text, status, answer in rows:
        name = text.rpartition(" ")[2].rstrip("]")
        is_final = status in FINAL_STATUSES and (status != "complete" or bool(answer))
        is_answered[name] = is_answered.get(name, True) and is_final
    return [name for name in sent if not is_answered.get(name)]


def stored_rows(database: Path, names: Sequence[str]) -> list[str]:
    """Return the stored rows of these questions, for debugging."""
    query = "SELECT q.id, a.id, a.status, length(a.text) FROM messages q LEFT JOIN messages a "
    query += "ON a.parent_id = q.id WHERE q.role = 'user' AND q.text LIKE ?"
    with closing(sqlite3.connect(database)) as connection:
        is_answered = {
            name: connection.execute(query, [f"% {name}]%"]).fetchall() for name in names
        }
    return [f"{name}: {rows or 'not stored'}" for name, rows in is_answered.items()]


def answer_statuses(database: Path) -> dict[str, int]:
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


def terminate(process: subprocess.Popen[bytes]) -> int | None:
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
        exit_code = terminate(app.process)
        database = app.folder / "parley.db"
        soak.doctor[CHECKS[1]] = doctor(database)
        missing, ended = lost_questions(database, soak.sent), answer_statuses(database)
        details = stored_rows(database, missing)
        tracebacks = app.log().count("Traceback")
    seen = SoakResult(
        session_minutes=chosen.sessions * chosen.minutes,
        actions=soak.actions,
        problems=len(soak.problems),
        memory_mb=soak.memory_mb,
        memory_was_recorded=soak.memory_was_recorded,
        lost_questions=missing,
        doctor=soak.doctor,
        ended_early=ended_early,
        exit_code=exit_code,
        tracebacks=tracebacks,
    )
    print(f"{chosen.sessions} sessions, {chosen.minutes:g} minutes: {dict(soak.actions)}")
    if soak.memory_mb:
        middle, last = thirds(soak.memory_mb)
        print(f"memory: middle third {middle:.0f} MB, last {last:.0f} MB")
    print(f"questions shown: {len(soak.sent)}, lost: {len(missing)}; answers: {ended}")
    print(*details, sep="\n", end="\n" if details else "")
    print(f"doctor: { {check: found or 'clean' for check, found in soak.doctor.items()} }")
    print(f"exit code: {exit_code}; tracebacks in the log: {tracebacks}")
    common = Counter(soak.problems).most_common(5)
    print(f"failed actions: {len(soak.problems)} {common}")
    reasons = verdict(seen)
    print("passed" if not reasons else "FAILED\n" + "\n".join(reasons))
    return 1 if reasons else 0


if __name__ == "__main__":
    sys.exit(main())
