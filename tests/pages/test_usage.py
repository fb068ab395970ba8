"""Tests for the Usage screen: figures equal the ledger's, and output is safe to render."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from chat import Person, ReplySettings, Submission, UsageLine, UsageReport, open_chat
from pages.session import process
from pages.usage import report
from pages.usage.csv_export import to_csv

ROOT = Path(__file__).parents[2]
ADMIN = Person("visitor:boss", is_admin=True)


@pytest.fixture(autouse=True)
def app_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, any_database_url: str
) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", any_database_url)
    monkeypatch.setenv("FIND_LOCAL_SERVERS", "false")
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    process.reset()
    yield
    process.chat_service().close()
    process.reset()


def ask_guide(owner: str) -> None:
    answer = (
        process.chat_service()
        .as_owner(owner)
        .messages.send(None, Submission("Thanks!"), ReplySettings("guide/guide"))
    )
    list(process.chat_service().as_owner(owner).messages.follow(answer.id))


def usage_page(visitor: str = "ada") -> AppTest:
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=20)
    page.session_state["visitor"] = visitor
    page.run()
    return page.switch_page("pages/screens/usage.py").run()


def admin_page() -> AppTest:
    def script() -> None:
        from chat import Person
        from pages.session import notices
        from pages.usage import admin

        notices.draw()
        admin.draw(Person("visitor:boss", is_admin=True), 30)

    return AppTest.from_function(script, default_timeout=20).run()


def cells(table: Any) -> list[list[str]]:
    return [[str(cell) for cell in row] for row in table.value.to_numpy().tolist()]


def test_usage_lists_only_messages_of_the_current_user() -> None:
    page = usage_page()
    assert "No messages in this period" in page.caption[-1].value
    page.run()
    owner = next(iter(_owner(page)))
    ask_guide(owner)
    ask_guide(owner)
    ask_guide("visitor:other")
    page.run()
    (row,) = cells(page.table[0])
    assert row[1:3] == ["Guide", "2"] and row[5] == "\\$0"
    assert page.metric[0].value == "2"
    assert not [each for each in page.toggle if each.key == "switch_off_all"], "not for everyone"


def _owner(page: AppTest) -> set[str]:
    import hashlib

    return {
        "visitor:" + hashlib.sha256(page.session_state["visitor"].encode()).hexdigest()[:40],
    }


def test_banner_is_shown_on_every_screen_as_plain_text() -> None:
    process.chat_service().admin.set_banner(ADMIN, "**Closed** ![x](http://evil.test/a.png)")
    page = usage_page()
    assert page.info[0].value.startswith(r"\*\*Closed\*\* \!\[x\]")
    page.switch_page("pages/screens/conversation.py").run()
    assert page.info[0].value.startswith(r"\*\*Closed")


def test_admin_sees_all_users_sets_the_banner_and_pauses_models() -> None:
    ask_guide("visitor:ada")
    ask_guide("visitor:ben")
    page = admin_page()
    rows = cells(page.table[0])
    assert [row[1] for row in rows] == ["1", "1", "2"]
    assert not any("ada" in row[0] or "ben" in row[0] for row in rows), "users are pseudonyms"
    page.text_input(key="banner_text").set_value("Back at noon")
    page.button(key="set_banner").click().run()
    assert process.chat_service().admin.banner() == "Back at noon"
    page.toggle(key="switch_off_all").set_value(True).run()
    assert process.chat_service().admin.switched_off() == {"*"}
    page.toggle(key="switch_off_all").set_value(False).run()
    assert not process.chat_service().admin.switched_off()
    ref = page.multiselect(key="switch_off").options[0]
    page.multiselect(key="switch_off").select(ref).run()
    (off,) = process.chat_service().admin.switched_off()
    assert off.startswith("openai/") and off not in {
        m.ref for m in process.chat_service().models.available()
    }
    page.multiselect(key="switch_off").set_value([]).run()
    assert not process.chat_service().admin.switched_off()


def test_admin_creates_and_downloads_a_backup(tmp_path: Path) -> None:
    ask_guide("visitor:ada")
    page = admin_page()
    page.button(key="backup").click().run()
    made = process.chat_service().admin.backup(ADMIN)
    assert made is not None and made.wait(10) and made.problem is None
    page.run()
    (link,) = page.get("link_button")
    assert link.proto.url.startswith("/downloads/") and link.proto.label.startswith("Download")
    assert made.path is not None
    copy = open_chat({"DATABASE_URL": f"sqlite:///{made.path}"})
    assert len(copy.as_owner("visitor:ada").conversations.latest()) == 1
    copy.close()


def test_model_paused_by_another_admin_stays_paused() -> None:
    page = admin_page()
    mine, theirs = page.multiselect(key="switch_off").options[:2]
    refs = {
        process.chat_service().models.label(m.ref): m.ref
        for m in process.chat_service().models.available()
    }
    process.chat_service().admin.switch_off(ADMIN, refs[theirs])
    page.multiselect(key="switch_off").select(mine).run()
    assert process.chat_service().admin.switched_off() == {refs[mine], refs[theirs]}
    page.run()
    process.chat_service().admin.switch_off(ADMIN, refs[mine], False)
    page.multiselect(key="switch_off").unselect(refs[theirs]).run()
    assert not process.chat_service().admin.switched_off()


def test_csv_cells_never_start_a_formula() -> None:
    words = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", " =1", "openai/gpt-5", "a=b"]
    read = csv.reader(
        io.StringIO(to_csv(["model", "n"], [[w, -1] for w in words]).decode("utf-8-sig"))
    )
    _, *rows = read
    assert [row[0] for row in rows] == [
        *("'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\tx", "' =1", "openai/gpt-5", "a=b")
    ]
    assert {row[1] for row in rows} == {"-1"}, "numbers stay numbers"


def test_csv_distinguishes_unknown_from_zero_cost() -> None:
    day = date(2026, 3, 1)
    lines = (
        UsageLine(day, "x/free", calls=1, prompt_tokens=5),
        UsageLine(day, "x/unknown", calls=1, unpriced=1),
        UsageLine(day, "x/both", calls=2, unpriced=1, cost_usd=Decimal("0.25")),
    )
    written = report.csv_file(UsageReport(30, lines, UsageLine())).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(written)))
    assert [row["cost in dollars"] for row in rows] == ["0", "", "0.25"]
    assert [report.cost(line) for line in lines] == ["$0", "unknown", "$0.25 + unknown"]
