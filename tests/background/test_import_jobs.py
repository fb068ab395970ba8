"""Import jobs: queue, progress, cancellation and report."""

from __future__ import annotations

import threading
from io import BytesIO

import pytest

from chat import ChatService, open_chat
from chat.background.import_jobs import (
    KEPT,
    MAX_CONCURRENT,
    MAX_QUEUED,
    MAX_REPORTS,
    ImportJobs,
    Progress,
)
from chat.errors import EmptyMessage, ImportRunning, ImportsBusy
from chat.formats.import_report import ImportOutcome, ImportReport
from tests.support.chatgpt_samples import export, simple
from tests.support.scripted_provider import ScriptedProvider

ME, OTHER = "visitor:me", "visitor:other"


def test_import_report_is_kept_for_its_owner(service: ChatService) -> None:
    data = export(simple())
    job = service.as_owner(ME).transfer.begin_import(BytesIO(data), "conversations.json")
    assert job.wait(10)
    assert job.report is not None and job.report.count(ImportOutcome.ADDED) == 1
    assert job.done == job.total == len(data)
    assert service.as_owner(ME).transfer.import_job() is job
    assert service.as_owner(OTHER).transfer.import_job() is None
    assert len(service.as_owner(ME).conversations.latest()) == 1


def test_owner_has_at_most_one_running_import() -> None:
    jobs = ImportJobs()
    first = jobs.begin(ME)
    with pytest.raises(ImportRunning):
        jobs.begin(ME)
    assert jobs.begin(OTHER).is_running
    jobs.run(first, lambda progress, is_cancelled: ImportReport(()))
    assert not first.is_running
    assert jobs.begin(ME) is not first


def test_queued_imports_can_be_cancelled() -> None:
    jobs, go = ImportJobs(), threading.Event()
    started = threading.Semaphore(0)

    def work(progress: Progress, is_cancelled: object) -> ImportReport:
        started.release()
        progress(1, 2)
        go.wait(10)
        return ImportReport((), is_cancelled=bool(callable(is_cancelled) and is_cancelled()))

    made = [jobs.begin(f"visitor:{number}") for number in range(MAX_CONCURRENT + 1)]
    threads = [threading.Thread(target=jobs.run, args=(job, work)) for job in made]
    for thread in threads[:MAX_CONCURRENT]:
        thread.start()
        assert started.acquire(timeout=10)
    threads[-1].start()
    assert made[-1].is_running and made[-1].done == 0
    made[-1].cancel()
    assert made[-1].wait(10), "a queued job is not cancelled at once"
    assert made[0].is_running
    go.set()
    for thread in threads:
        thread.join(10)
    report = made[-1].report
    assert report is not None and report.is_cancelled


def nothing(*_: object) -> ImportReport:
    return ImportReport(())


def test_queue_length_is_limited() -> None:
    jobs = ImportJobs()
    made = [jobs.begin(f"visitor:{number}") for number in range(MAX_CONCURRENT + MAX_QUEUED)]
    with pytest.raises(ImportsBusy):
        jobs.begin(ME)
    assert jobs.of(ME) is None
    jobs.run(made[0], nothing)
    assert jobs.begin(ME).is_running


def test_only_the_newest_report_is_kept_for_an_hour() -> None:
    now = [0.0]
    jobs = ImportJobs(clock=lambda: now[0])
    for number in range(MAX_REPORTS + 1):
        now[0] += 1
        jobs.run(jobs.begin(f"visitor:{number}"), nothing)
    running = jobs.begin(ME)
    assert jobs.of("visitor:0") is None
    assert jobs.of("visitor:1") is not None
    now[0] += KEPT - 1
    assert jobs.of(f"visitor:{MAX_REPORTS}") is not None
    now[0] += 1
    assert jobs.of(f"visitor:{MAX_REPORTS}") is None
    assert jobs.of(ME) is running


def test_refused_and_failed_imports_end_with_a_sentence() -> None:
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


def test_close_cancels_running_imports(database_url: str, provider: ScriptedProvider) -> None:
    service = open_chat({"DATABASE_URL": database_url}, providers=[provider])
    go, is_waiting = threading.Event(), threading.Event()

    class Slow(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            is_waiting.set()
            go.wait(10)
            return super().read(size)

    job = service.as_owner(ME).transfer.begin_import(Slow(export(simple())), "conversations.json")
    assert is_waiting.wait(10)
    closing = threading.Thread(target=service.close)
    closing.start()
    while not job.is_cancelled:
        threading.Event().wait(0.01)
    go.set()
    closing.join(10)
    assert not job.is_running
