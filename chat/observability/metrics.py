"""Prometheus metrics of this process. They contain no owner, no text and no id.

Each process counts on its own; aggregate over processes in the monitoring system. Labels have few
values: models that are not listed, and those beyond `MAX_MODELS`, share the label "other".
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.openmetrics.exposition import generate_latest

MAX_MODELS = 50  # with a label of their own
_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)


class Metrics:
    """Registry of all metrics, safe to use from any thread."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)  # memory, CPU, open files; on Linux
        self._running: list[Callable[[], int]] = []
        running = Gauge("parley_replies_running", "Running replies.", registry=registry)
        running.set_function(lambda: sum(count() for count in self._running))
        self._imports = Gauge("parley_imports_running", "Running imports.", registry=registry)
        self._sessions = Gauge("parley_sessions", "Open tabs.", registry=registry)
        self._ended = Counter(
            "parley_replies_ended",
            "Finished replies by status; error is empty for a reply without an error.",
            ["status", "error"],
            registry=registry,
        )
        self._first_token = Histogram(
            "parley_first_token_seconds",
            "Time from the start of a reply to its first token.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._duration = Histogram(
            "parley_reply_seconds",
            "Time from the start of a reply to its end.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._tokens = Counter(
            "parley_tokens",
            "Tokens sent and received by model.",
            ["model", "direction"],
            registry=registry,
        )
        self._failures = Counter("parley_database_errors", "Database errors.", registry=registry)
        self._models: set[str] = set()

    def observe_replies(self, count: Callable[[], int]) -> None:
        """Add a source for the number of running replies."""
        self._running.append(count)

    def observe_imports(self, count: Callable[[], int]) -> None:
        """Set the source for the number of running imports."""
        self._imports.set_function(count)

    def record_reply(
        self, status: str, error: str, first_token_ms: int | None, total_ms: int | None
    ) -> None:
        self._ended.labels(status, error).inc()
        if first_token_ms is not None:
            self._first_token.observe(first_token_ms / 1000)
        if total_ms is not None:
            self._duration.observe(total_ms / 1000)

    def record_tokens(self, model: str, prompt: int, completion: int, *, is_listed: bool) -> None:
        """Count the tokens of one call; a model that is not listed counts as "other"."""
        if is_listed and len(self._models) < MAX_MODELS:
            self._models.add(model)
        label = model if model in self._models else "other"
        self._tokens.labels(label, "sent").inc(max(0, prompt))
        self._tokens.labels(label, "received").inc(max(0, completion))

    def count_database_error(self) -> None:
        self._failures.inc()

    def render(self, sessions: int | None) -> bytes:
        """Return the metrics as OpenMetrics text; `sessions` is the number of open tabs."""
        if sessions is not None:
            self._sessions.set(sessions)
        return bytes(generate_latest(self._registry))  # type: ignore[no-untyped-call]
