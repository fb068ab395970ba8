"""What this process has done, in figures for whoever watches it. No owner, no text, no id.

Each process counts for itself; whoever reads them adds them up. Labels have few values: models
that are not on offer, and more of them than a page could show, are "other" together.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.openmetrics.exposition import generate_latest

MOST_MODELS = 50  # with figures of their own
_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)


class Metrics:
    """Safe to use from any thread. Reading them costs a callback for each gauge."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)  # memory, CPU, open files; on Linux
        self._running: list[Callable[[], int]] = []
        running = Gauge("parley_replies_running", "Replies being written.", registry=registry)
        running.set_function(lambda: sum(count() for count in self._running))
        self._imports = Gauge("parley_imports_running", "Imports under way.", registry=registry)
        self._sessions = Gauge("parley_sessions", "Open tabs.", registry=registry)
        self._ended = Counter(
            "parley_replies_ended",
            "Replies by how they ended; error is empty without one.",
            ["status", "error"],
            registry=registry,
        )
        self._first = Histogram(
            "parley_first_token_seconds",
            "From the start of a reply to its first word.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._took = Histogram(
            "parley_reply_seconds",
            "From the start of a reply to its end.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._tokens = Counter(
            "parley_tokens", "Tokens by model.", ["model", "direction"], registry=registry
        )
        self._failures = Counter(
            "parley_database_errors", "Failures of the database.", registry=registry
        )
        self._models: set[str] = set()

    def count_running(self, count: Callable[[], int]) -> None:
        """Whom to ask how many replies are being written."""
        self._running.append(count)

    def watch_imports(self, count: Callable[[], int]) -> None:
        self._imports.set_function(count)

    def reply_ended(
        self, status: str, error: str, first_token_ms: int | None, total_ms: int | None
    ) -> None:
        self._ended.labels(status, error).inc()
        if first_token_ms is not None:
            self._first.observe(first_token_ms / 1000)
        if total_ms is not None:
            self._took.observe(total_ms / 1000)

    def tokens_taken(self, model: str, prompt: int, completion: int, *, is_listed: bool) -> None:
        """`is_listed`: whether the model is on offer to all, and no person's own."""
        if is_listed and len(self._models) < MOST_MODELS:
            self._models.add(model)
        label = model if model in self._models else "other"
        self._tokens.labels(label, "sent").inc(max(0, prompt))
        self._tokens.labels(label, "received").inc(max(0, completion))

    def database_failed(self) -> None:
        self._failures.inc()

    def render(self, sessions: int | None) -> bytes:
        """As OpenMetrics text; `sessions` are counted by whoever draws the pages."""
        if sessions is not None:
            self._sessions.set(sessions)
        return bytes(generate_latest(self._registry))  # type: ignore[no-untyped-call]
