"""Background jobs that write a file: one at a time, removed after an hour or a crash."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chat import open_chat
from chat.background.file_jobs import FileJobs, Progress
from chat.errors import BackupRunning, ExportRunning, FileDiscarded, FileNotWritten


def test_backup_job_runs_once_at_a_time_and_its_file_is_removed_after_an_hour() -> None:
    now = [0.0]
    jobs = FileJobs("parley-backup-", BackupRunning, clock=lambda: now[0])
    job, run = jobs.begin("all", "copy.db", lambda path, _: path.write_bytes(b"backup"))
    with pytest.raises(BackupRunning):
        jobs.begin("all", "copy.db", lambda path, _: path.write_bytes(b"other"))
    run()
    path = job.path
    assert path is not None and path.read_bytes() == b"backup"
    assert (job.size, jobs.of("all")) == (6, job)
    assert not job.is_running
    now[0] += 2 * 3600
    assert jobs.of("all") is None
    assert not path.exists()


def test_failed_backup_job_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def fail(path: Path, _: object) -> None:
        path.write_bytes(b"part")
        raise OSError(28, "No space left on device")

    jobs = FileJobs("parley-backup-", BackupRunning)
    job, run = jobs.begin("all", "copy.db", fail)
    run()
    assert isinstance(job.problem, FileNotWritten) and job.path is None
    assert list(tmp_path.iterdir()) == []


def test_backup_files_of_killed_processes_are_removed_and_others_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, migrated_file: Path
) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    script = """if True:
        from chat.background.file_jobs import FileJobs, Progress
        from chat.errors import BackupRunning
        jobs = FileJobs("parley-backup-", BackupRunning)
        job, run = jobs.begin("all", "copy.db", lambda path, _: path.write_bytes(b"backup"))
        run()
        print(job.size, flush=True)
        input()
    """
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"6\n"
        (killed,) = folder.iterdir()
        jobs = FileJobs("parley-backup-", BackupRunning)
        mine, run = jobs.begin("all", "copy.db", lambda path, _: path.write_bytes(b"backup"))
        run()
        (tmp_path / "linked").mkdir()
        (tmp_path / "linked" / "lock").touch()
        (folder / "parley-backup-linked").symlink_to(tmp_path / "linked")
        (folder / "parley-backup-unlocked").mkdir()
        copy = shutil.copy(migrated_file, tmp_path / "parley.db")
        expected = set(folder.iterdir())
        open_chat({"DATABASE_URL": f"sqlite:///{copy}"}, providers=[]).close()
        assert set(folder.iterdir()) == expected
        other.kill()
    open_chat({"DATABASE_URL": f"sqlite:///{copy}"}, providers=[]).close()
    assert set(folder.iterdir()) == expected - {killed}
    assert (tmp_path / "linked" / "lock").exists()
    assert mine.path is not None and mine.path.read_bytes() == b"backup"
    jobs.close()


def test_discarded_job_stops_at_its_next_progress_report() -> None:
    jobs = FileJobs("parley-export-", ExportRunning)
    reached: list[int] = []

    def write(path: Path, on_progress: Progress) -> None:
        path.write_bytes(b"part")
        on_progress(1, 2)
        jobs.discard("ann")
        on_progress(2, 2)
        reached.append(2)

    job, run = jobs.begin("ann", "all.zip", write)
    run()
    assert isinstance(job.problem, FileDiscarded) and job.path is None and reached == []
