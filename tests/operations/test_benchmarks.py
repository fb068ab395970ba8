"""Benchmarks: the provider's timestamps, the tables, and the verdict of the soak test."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from benchmarks import report, soak, tables, words
from benchmarks.clock import now_ms
from benchmarks.provider import question, script_in
from benchmarks.provider_process import ProviderProcess
from benchmarks.simulated_user import ACTIONS


@pytest.fixture(scope="module")
def provider() -> Iterator[ProviderProcess]:
    with ProviderProcess() as process:
        yield process


def ask(provider: ProviderProcess, content: str, **options: object) -> str:
    body = {"model": "bench", "messages": [{"role": "user", "content": content}], **options}
    headers = {"content-type": "application/json"}
    asked = Request(f"{provider.url}/chat/completions", json.dumps(body).encode(), headers)
    with urlopen(asked, timeout=10) as answer:
        return str(answer.read().decode())


def content_of(stream: str) -> str:
    events = [line[6:] for line in stream.splitlines() if line.startswith("data: ")]
    assert events.pop() == "[DONE]"
    chunks = [json.loads(event) for event in events]
    return "".join(c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"])


def test_provider_replies_as_the_question_specifies(provider: ProviderProcess) -> None:
    assert content_of(ask(provider, question("k1", 300), stream=True)) == "".join(
        words.reply("k1", 300)
    )


def test_last_marker_of_a_conversation_selects_the_script() -> None:
    script = script_in(f"{question('old', 10)} … {question('new', 20, 50, 300)}".encode())
    assert (script.name, script.tokens, script.pace, script.delay) == ("new", 20, 50, 300)


def test_provider_paces_tokens_and_records_their_times(
    provider: ProviderProcess,
) -> None:
    began = now_ms()
    ask(provider, question("k2", 60, pace=200, delay=100), stream=True)
    written = provider.written("k2")
    assert len(written.tokens) == 60
    assert began <= written.arrived <= written.first - 100 + 1
    # A busy machine may be slower than the pace, but never faster.
    assert written.arrived + 100 + 59 * 5 - 1 <= written.last <= now_ms()


def test_provider_sends_usage_only_on_request(provider: ProviderProcess) -> None:
    stream = ask(provider, question("k3", 7), stream=True, stream_options={"include_usage": True})
    assert '"completion_tokens":7' in stream
    assert "usage" not in ask(provider, question("k4", 7), stream=True)


def test_marks_occur_at_their_reported_positions_only() -> None:
    made = words.reply("k5", 1000)
    for place, word in words.marks("k5", 1000):
        assert [number for number, piece in enumerate(made) if word in piece.split()] == [place]
    assert made[-1].endswith(words.end("k5"))
    assert not any(word in question("k5", 1000) for _, word in words.marks("k5", 1000))


def test_marks_are_outside_tables_and_fences() -> None:
    lines = "".join(words.reply("k6", 3000)).splitlines()
    assert not [line for line in lines if "mark" in line and ("|" in line or "```" in line)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [([3.0, 1.0, 2.0], 2.0), ([1.0, None, 2.0], 2.0), ([None, None, 2.0], None), ([], None)],
)
def test_median_treats_missing_values_as_slowest(
    values: list[float | None], expected: float | None
) -> None:
    assert tables.median([{"ms": value} for value in values], "ms") == expected


def test_table_shows_ratios_to_parley() -> None:
    results: dict[str, list[tables.Measures]] = {
        "tutorial": [{"request_ms": 90.0, "at_once_ms": None}],
        "Parley": [{"request_ms": 30.0, "at_once_ms": 2000.0}],
    }
    table = tables.replies(results, {"paced": 4000, "pace": 200, "at_once": 8000}).splitlines()
    assert table[0] == "|  | Parley | tutorial |"
    assert table[2] == "| submit → request at the provider, ms | 30.0 | 90.0 (3×) |"
    assert table[-1] == "| 8,000 tokens at once: submit → end visible, s | 2.00 | not finished |"


def test_reply_curve_is_sorted_by_size() -> None:
    once = [{"wire_kb": 1.0, "server_cpu_s": 2.0}]
    table = tables.reply_curve({"Parley": {"16000": once, "500": once}}).splitlines()
    assert [row.split(" | ")[0] for row in table[2:]] == ["| 500", "| 16,000"]


def test_report_replaces_only_text_between_markers() -> None:
    page = "before\n<!-- start -->\nold\n<!-- end of start -->\nafter"
    names = ("at", "commit", "machine", "system", "load", "python", "sizes")
    taken = dict.fromkeys(names, "x")
    measured = {"taken": {**taken, "versions": {}}, "results": {"Parley": [{"idle_mb": 200.0}]}}
    filled = report.filled(page, {"start": measured})
    assert filled.startswith("before\n<!-- start -->\n")
    assert filled.endswith("<!-- end of start -->\nafter")
    assert "old" not in filled
    assert "| memory after the first reply, MB | 200 |" in filled
    assert report.filled(filled, {"start": measured}) == filled


def test_report_page_has_markers_for_every_part() -> None:
    page = report.PAGE.read_text("utf-8")
    for part in report.PARTS:
        assert page.count(f"<!-- {part} -->\n") == page.count(f"<!-- end of {part} -->") == 1


def test_soak_detects_lost_and_unfinished_messages(tmp_path: Path) -> None:
    database = tmp_path / "parley.db"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE messages (id, parent_id, role, status, text)")
        for number, (name, status, text) in enumerate(
            [("a", "complete", "yes"), ("b", "streaming", "ye"), ("c", "complete", "")]
        ):
            asked, answered = (number, None, "user", "complete"), (number + 10, number, "assistant")
            insert = "INSERT INTO messages VALUES (?, ?, ?, ?, ?)"
            connection.execute(insert, (*asked, f"Say something [bench 3 {name}]"))
            connection.execute(insert, (*answered, status, text))
    connection.close()
    assert soak.lost_questions(database, ["a", "b", "c", "d"]) == ["b", "c", "d"]
    assert soak.stored_rows(database, ["d"]) == ["d: not stored"]
    assert soak.thirds([1, 1, 1, 100, 100, 100, 104, 104, 106]) == (100, 104)


def soak_result(**changes: object) -> soak.SoakResult:
    """Return the record of a passing soak (two users, ten minutes) with `changes` applied."""
    passing: dict[str, object] = {
        "session_minutes": 20.0,
        "actions": {kind: 10 * weight for kind, weight in ACTIONS.items()},
        "problems": 2,
        "memory_mb": [100.0] * 300,
        "memory_was_recorded": True,
        "lost_questions": [],
        "doctor": {"during the run": "", "after the run": ""},
        "ended_early": False,
        "exit_code": -15,
        "tracebacks": 0,
    }
    return soak.SoakResult(**{**passing, **changes})  # type: ignore[arg-type]


def test_soak_without_problems_passes() -> None:
    assert soak.verdict(soak_result()) == soak.verdict(soak_result(exit_code=0)) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"actions": {}}, "0 actions are too few"),
        ({"actions": dict.fromkeys(ACTIONS, 1)}, "7 actions are too few"),
        ({"actions": {kind: 100 for kind in ACTIONS if kind != "stop"}}, "stop: 0 times"),
        ({"actions": {**dict.fromkeys(ACTIONS, 200), "edit": 3}}, "edit: 3 times"),
        ({"problems": 3}, "3 of 263 actions failed"),
        ({"memory_was_recorded": False}, "memory was not recorded"),
        ({"memory_mb": []}, "memory was not recorded"),
        ({"memory_mb": [100.0] * 299 + [0.0]}, "memory was not recorded"),
        ({"memory_mb": [100.0] * 200 + [106.0] * 100}, "memory grew"),
        ({"lost_questions": ["k1"]}, "1 questions were lost"),
        ({"doctor": {"during the run": "tree: 1 …", "after the run": ""}}, "doctor during the run"),
        ({"doctor": {"during the run": "", "after the run": "tree: 1 …"}}, "doctor after the run"),
        ({"doctor": {"after the run": ""}}, "the doctor did not run during the run"),
        ({"ended_early": True, "exit_code": 0}, "Parley exited during"),
        ({"exit_code": 1}, "Parley exited with status 1"),
        ({"exit_code": -9}, "Parley exited with status -9"),
        ({"exit_code": None}, "Parley did not exit"),
        ({"tracebacks": 1}, "1 tracebacks"),
    ],
)
def test_soak_fails_on_each_kind_of_problem(changes: dict[str, object], reason: str) -> None:
    reasons = soak.verdict(soak_result(**changes))
    assert len(reasons) >= 1 and any(each.startswith(reason) for each in reasons), reasons


def test_short_soak_requires_every_action_once() -> None:
    actions = dict.fromkeys(ACTIONS, 1)
    assert soak.verdict(soak_result(session_minutes=1, actions=actions, problems=0)) == []
    assert (
        soak.verdict(soak_result(session_minutes=1, actions={**actions, "leave": 0}, problems=0))
        != []
    )
