"""Memory of a large export: 1 GB of attachments is written to disk in a stream."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from chat import Submission, open_chat
from chat.domain.ids import new_id
from chat.store.schema import AttachmentRow, ContentRow
from tests.support.scripted_provider import ScriptedProvider

ME = "visitor:me"
CONVERSATIONS, TOTAL = 5, 1_000_000_000
MAX_GROWTH = 50_000_000  # bytes


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def attach(engine: Engine, message_id: str, file_size: int) -> None:
    """Store files directly: reading them through the sandbox would take minutes."""
    for place in range(TOTAL // CONVERSATIONS // file_size):
        data = os.urandom(file_size)
        digest = sha256(data).hexdigest()
        with Session(engine) as session, session.begin():
            session.add(ContentRow(sha256=digest, data=data, created_at=datetime.now(UTC)))
            session.flush()
            session.add(
                AttachmentRow(
                    id=new_id(),
                    message_id=message_id,
                    place=place,
                    name=f"{place}.bin",
                    kind="document",
                    media_type="application/octet-stream",
                    size=file_size,
                    details="",
                    tokens=0,
                    is_exact=False,
                    is_partial=False,
                    sha256=digest,
                )
            )


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
@pytest.mark.parametrize("file_size", [10_000_000, 20_000_000, 200_000_000])
def test_export_of_one_gigabyte_uses_little_memory(tmp_path: Path, file_size: int) -> None:
    service = open_chat(
        {"DATABASE_URL": f"sqlite:///{tmp_path / 'parley.db'}"}, providers=[ScriptedProvider()]
    )
    me = service.as_owner(ME)
    answers = [me.messages.send(None, Submission(f"{number}")) for number in range(CONVERSATIONS)]
    for answer in answers:
        list(me.messages.follow(answer.id))
        attach(service.space.store.engine, answer.parent_id or "", file_size)
    before, peak, done = resident_bytes(), [0], threading.Event()

    def measure() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], resident_bytes())

    watcher = threading.Thread(target=measure)
    watcher.start()
    job = me.transfer.begin_export()
    assert job.wait(300) and job.problem is None
    done.set()
    watcher.join()
    assert job.size >= TOTAL
    assert peak[0] - before < MAX_GROWTH
    service.close()
