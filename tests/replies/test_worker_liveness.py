"""Local workers are checked by their process, remote ones by their heartbeats."""

from __future__ import annotations

from chat.replies.worker_liveness import Worker


def test_local_worker_is_dead_without_its_process() -> None:
    worker = Worker()
    host = worker.name.rsplit(":", 2)[0]
    assert not worker.is_alive(None, "m", 1)
    assert not worker.is_alive(worker.name, "m", 1), "its own work is lost if it does not run"
    assert not worker.is_alive(f"{host}:4194399:abc", "m", 1), "there is no such process"
    assert worker.is_alive("elsewhere:4194399:abc", "m", 1)
    other = Worker()
    assert worker.is_alive(other.name, "m", 1)
    other.retire()
    assert not worker.is_alive(other.name, "m", 1)


def test_remote_worker_is_dead_after_missing_heartbeats_over_several_checks() -> None:
    seconds = [0.0]
    worker = Worker(clock=lambda: seconds[0])

    def check(count: int, heartbeat: int, work_id: str = "m") -> bool:
        """Check every two seconds and return the last result."""
        for _ in range(count):
            seconds[0] += 2
            is_alive = worker.is_alive("elsewhere:1:abc", work_id, heartbeat)
        return is_alive

    assert all(check(1, heartbeat) for heartbeat in range(40)), "each heartbeat is new"
    assert check(7, 39)
    assert not check(1, 39)
    assert check(1, 39, "other work"), "heartbeats are observed separately for each work"
    assert check(1, 40), "a late heartbeat shows that it is alive"
    seconds[0] += 3600
    assert check(1, 40), "an hour without checks does not count as silence"
    assert not check(8, 40)
