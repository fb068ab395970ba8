"""An import in the background: it waits, tells how far it is, is cancelled, ends with a report."""

from __future__ import annotations

import threading
from io import BytesIO

import pytest

from chat import ChatService, open_chat
from chat.errors import EmptyMessage, ImportRunning
from chat.jobs import AT_ONCE, ImportJobs, Progress
from chat.portable.report import Fate, ImportReport
from tests.chatgpt_samples import export, simple
from tests.conftest import ScriptedProvider

ME, OTHER = "visitor:me", "visitor:other"


def test_an_import_leaves_its_report_with_its_owner(service: ChatService) -> None:
    data = export(simple())
    job = service.begin_import(ME, BytesIO(data), "conversations.json")
    assert job.wait(10)
    assert job.report is not None and job.report.count(Fate.ADDED) == 1
    assert job.done == job.total == len(data)
    assert service.import_job(ME) is job
    assert service.import_job(OTHER) is None
    assert len(service.conversations(ME)) == 1


def test_one_runs_for_each_owner() -> None:
    jobs = ImportJobs()
    first = jobs.begin(ME)
    with pytest.raises(ImportRunning):
        jobs.begin(ME)
    assert jobs.begin(OTHER).is_running
    jobs.run(first, lambda progress, is_cancelled: ImportReport(()))
    assert not first.is_running
    assert jobs.begin(ME) is not first


def test_the_others_wait_for_their_turn_and_can_be_cancelled_meanwhile() -> None:
    jobs, go = ImportJobs(), threading.Event()
    begun = threading.Semaphore(0)

    def work(progress: Progress, is_cancelled: object) -> ImportReport:
        begun.release()
        progress(1, 2)
        go.wait(10)
        return ImportReport((), is_cancelled=bool(callable(is_cancelled) and is_cancelled()))

    made = [jobs.begin(f"visitor:{number}") for number in range(AT_ONCE + 1)]
    threads = [threading.Thread(target=jobs.run, args=(job, work)) for job in made]
    for thread in threads[:AT_ONCE]:
        thread.start()
        assert begun.acquire(timeout=10)
    threads[-1].start()
    made[-1].cancel()
    assert made[-1].is_running and made[-1].done == 0
    go.set()
    for thread in threads:
        thread.join(10)
    report = made[-1].report
    assert report is not None and report.is_cancelled


def test_a_refusal_and_a_fault_end_it_with_a_sentence() -> None:
    def refuse(*_: object) -> ImportReport:
        raise EmptyMessage

    def fail(*_: object) -> ImportReport:
        raise RuntimeError("secret details")

    jobs = ImportJobs()
    for work, sentence in ((refuse, EmptyMessage.sentence), (fail, "Something went wrong")):
        job = jobs.begin(ME)
        jobs.run(job, work)
        assert not job.is_running and job.report is None
        assert job.problem is not None and sentence in job.problem.sentence
        assert "secret" not in job.problem.sentence


def test_closing_cancels_what_runs(database_url: str, provider: ScriptedProvider) -> None:
    service = open_chat({"DATABASE_URL": database_url}, providers=[provider])
    go, told = threading.Event(), threading.Event()

    class Slow(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            told.set()
            go.wait(10)
            return super().read(size)

    job = service.begin_import(ME, Slow(export(simple())), "conversations.json")
    assert told.wait(10)
    closing = threading.Thread(target=service.close)
    closing.start()
    while not job.is_cancelled:
        threading.Event().wait(0.01)
    go.set()
    closing.join(10)
    assert not job.is_running
