"""Probes, metrics and log lines: complete for operators, without secrets and message text."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.testclient import TestClient

from chat import ChatService, SettingsError, Submission, log_formatter, open_chat, read_settings
from chat.errors import NameNotFound, StoreFailed
from chat.observability.metrics import MAX_MODELS, Metrics
from server.readiness import ReadinessEndpoint
from tests.support.middleware import middleware, routes
from tests.support.scripted_provider import ScriptedProvider

ANN = "visitor:ann"
TOKEN = "a token of many letters"


ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def client(service: Callable[[], ChatService]) -> TestClient:
    return TestClient(Starlette(routes=routes(service), middleware=middleware()))


def ask(service: ChatService, words: str = "Hello") -> str:
    answer = service.as_owner(ANN).messages.send(None, Submission(words))
    list(service.as_owner(ANN).messages.follow(answer.id))
    return answer.id


# --- probes ---------------------------------------------------------------------------


def test_readyz_answers_ready_when_the_database_answers(service: ChatService) -> None:
    asked = client(lambda: service)
    assert (asked.get("/healthz").status_code, asked.get("/healthz").text) == (200, "ok")
    assert (asked.get("/readyz").status_code, asked.get("/readyz").text) == (200, "ready")


def test_readyz_names_the_problem_in_one_word(service: ChatService) -> None:
    asked = client(lambda: service)
    with service.space.store.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    assert (asked.get("/readyz").status_code, asked.get("/readyz").text) == (503, "migrations")
    with service.space.store.engine.begin() as connection:
        connection.execute(text("ALTER TABLE alembic_version RENAME COLUMN version_num TO x"))
    assert (asked.get("/readyz").status_code, asked.get("/readyz").text) == (503, "database")

    def misconfigured() -> ChatService:
        raise SettingsError(["a secret is wrong"])

    asked = client(misconfigured)
    assert (asked.get("/readyz").status_code, asked.get("/readyz").text) == (503, "settings")
    assert asked.get("/healthz").status_code == 200


def test_readyz_says_database_until_a_late_database_is_available(tmp_path: Path) -> None:
    folder = tmp_path / "not mounted yet"
    folder.touch()
    opened: list[ChatService] = []

    def open_service() -> ChatService:
        if not opened:
            opened.append(open_chat({"DATABASE_URL": f"sqlite:///{folder}/parley.db"}))
        return opened[0]

    asked = client(open_service)
    assert (asked.get("/readyz").status_code, asked.get("/readyz").text) == (503, "database")
    folder.unlink()
    assert (asked.get("/readyz").status_code, asked.get("/readyz").text) == (200, "ready")
    opened[0].close()


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("sqlite:x.db", "settings"),
        ("sqlite:///x.db?timeout=soon", "settings"),
        ("mysql://db/parley", "settings"),
        ("postgres://parley:pw@127.0.0.1:1/parley", "database"),
        ("postgresql://127.0.0.1:1/parley", "database"),
    ],
)
def test_readyz_tells_a_wrong_address_from_a_database_that_is_down(
    url: str, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = client(lambda: open_chat({"DATABASE_URL": url}))
    assert asked.get("/readyz").text == word


def test_readyz_answers_in_time_and_uses_one_thread_while_the_database_hangs() -> None:
    checks, go = [], threading.Event()

    class Hanging:
        def readiness(self) -> str:
            checks.append(1)
            go.wait(20)
            return ""

    ready = ReadinessEndpoint(lambda: SimpleNamespace(admin=Hanging()), timeout=0.05)  # type: ignore[arg-type,return-value]

    async def probe_repeatedly() -> list[tuple[int, bytes]]:
        responses = [await ready.answer(None) for _ in range(3)]  # type: ignore[arg-type]
        go.set()
        while ready._check is not None and not ready._check.done():
            await anyio.lowlevel.checkpoint()
        responses.append(await ready.answer(None))  # type: ignore[arg-type]
        return [(each.status_code, bytes(each.body)) for each in responses]

    import anyio

    found = anyio.run(probe_repeatedly)
    assert found == [(503, b"database")] * 3 + [(200, b"ready")]
    assert len(checks) == 2, "concurrent probes share one check"


# --- metrics -----------------------------------------------------------------------------------


def samples(page: str) -> dict[str, float]:
    assert page.endswith("# EOF\n")
    found = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            labels = ",".join(value for _, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def read(service: ChatService) -> dict[str, float]:
    answer = client(lambda: service).get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    for secret in (ANN, "okapi", TOKEN):
        assert secret not in answer.text
    return samples(answer.text)


@ON_SQLITE
def test_metrics_require_the_token(make_service: Callable[..., ChatService]) -> None:
    without, with_it = make_service(), make_service(METRICS_TOKEN=TOKEN)
    asked = client(lambda: without)
    assert asked.get("/metrics").status_code == 404
    assert asked.get("/metrics", headers={"authorization": "Bearer "}).status_code == 404
    asked = client(lambda: with_it)
    for given in ("", "Bearer ", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN):
        assert asked.get("/metrics", headers={"authorization": given}).status_code == 401
    read(with_it)
    with pytest.raises(SettingsError, match="METRICS_TOKEN should be random") as caught:
        read_settings({"METRICS_TOKEN": "short"})
    assert "short" not in str(caught.value)


@ON_SQLITE
def test_metrics_count_events_without_names(
    make_service: Callable[..., ChatService], provider: ScriptedProvider
) -> None:
    service = make_service(METRICS_TOKEN=TOKEN)
    provider.say("The okapi has four legs.", [NameNotFound("Scripted")])
    ask(service, "okapi")
    ask(service, "okapi")
    found = read(service)
    assert found["parley_replies_ended_total{,complete}"] == 1
    assert found["parley_replies_ended_total{name_not_found,failed}"] == 1
    assert found["parley_first_token_seconds_count"] == 1
    assert found["parley_reply_seconds_count"] == 2
    assert found["parley_tokens_total{received,scripted/one}"] == 5
    assert found["parley_imports_running"] == 0
    provider.hold()
    running = service.as_owner(ANN, is_temporary=True).messages.send(None, Submission("Wait"))
    assert provider.held.wait(10)
    assert read(service)["parley_replies_running"] == 1, "temporary ones count too"
    provider.release()
    list(service.as_owner(ANN, is_temporary=True).messages.follow(running.id))
    assert read(service)["parley_replies_running"] == 0
    with service.space.store.engine.begin() as connection:
        connection.execute(text("ALTER TABLE shares RENAME TO nobody"))
    with pytest.raises(StoreFailed):
        service.as_owner("").sharing.open("x" * 43)
    assert read(service)["parley_database_errors_total"] == 1


def test_metrics_group_unlisted_and_excess_models_as_other() -> None:
    metrics = Metrics()
    metrics.record_tokens("own-openai/secret-model", 1, 1, is_listed=False)
    for number in range(MAX_MODELS + 5):
        metrics.record_tokens(f"x/{number}", 1, 2, is_listed=True)
    page = metrics.render(3).decode()
    found = samples(page)
    assert "secret-model" not in page
    assert found["parley_tokens_total{received,other}"] == 1 + 2 * 5
    assert sum(name.startswith("parley_tokens_total{sent") for name in found) == MAX_MODELS + 1
    assert found["parley_sessions"] == 3


# --- logs --------------------------------------------------------------------------------------


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[dict[str, Any]] = []
        self.setFormatter(log_formatter("json"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(json.loads(self.format(record)))


@pytest.fixture
def lines() -> Iterator[Lines]:
    lines = Lines()
    logging.getLogger("chat").addHandler(lines)
    yield lines
    logging.getLogger("chat").removeHandler(lines)


@pytest.mark.parametrize(
    ("given", "is_kept"),
    [("3f2a-From_the_proxy", True), ("x" * 65, False), ("short", False), ("a b\tc;d=e,f", False)],
)
def test_well_formed_request_id_is_kept(given: str, is_kept: bool) -> None:
    asked = client(lambda: pytest.fail("not needed"))
    id_ = asked.get("/healthz", headers={"x-request-id": given}).headers["x-request-id"]
    assert (id_ == given) is is_kept
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{7,63}", id_)
    assert asked.get("/healthz").headers["x-request-id"] != id_


@ON_SQLITE
def test_log_lines_of_a_reply_have_the_id_of_its_request(
    service: ChatService, lines: Lines
) -> None:
    from contextvars import copy_context

    from chat import begin_request

    def under(id_: str) -> str:
        begin_request(id_)
        return ask(service)

    first = copy_context().run(under, "request-1")
    second = copy_context().run(under, "request-2")
    ends = {each["answer_id"]: each for each in lines.lines if "answer_id" in each}
    assert ends[first]["request_id"] == "request-1"
    assert ends[second]["request_id"] == "request-2"
    assert ends[first]["level"] == "INFO" and ends[first]["time"].endswith("+00:00")


def test_json_log_holds_a_traceback_in_one_line() -> None:
    record = logging.makeLogRecord({"msg": "two\nlines", "name": "chat"})
    try:
        raise ValueError("no")
    except ValueError as error:
        record.exc_info = (ValueError, error, error.__traceback__)
    (line,) = log_formatter("json").format(record).splitlines()
    assert "ValueError: no" in json.loads(line)["error"]
    assert "request_id" not in json.loads(line)
    with pytest.raises(SettingsError, match="LOG_FORMAT"):
        read_settings({"LOG_FORMAT": "xml"})
