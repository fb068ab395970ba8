"""The doctor finds each kind of inconsistency, reports its ids and repairs it if possible."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import text

from chat import ChatService, File, Submission, open_chat
from chat.__main__ import main
from chat.config.settings import read_settings
from chat.errors import StoreFailed
from chat.replies.worker_liveness import Worker
from chat.services.database_admin import back_up, observe_liveness
from chat.store.backup.restore import replace_rows
from chat.store.doctor import Finding, examine
from chat.store.engine import make_engine
from chat.store.schema import Base
from tests.support.databases import postgres_database
from tests.support.scripted_provider import ScriptedProvider

ANN = "visitor:ann"
MISSING_ID = "'0123456789'"
OLD = "'2024-01-01 00:00:00.000000+00:00'"
CALL = (
    "INSERT INTO ledger (id, owner, model, kind, day, created_at, status, worker, is_reported,"
    f" is_limited, limit_tokens, limit_nanos) VALUES ('call', '{ANN}', 'scripted/one', 'reply',"
    f" '2024-01-01', {OLD}, 'streaming', 'elsewhere:1:x', false, true, 5, 5)"
)
ATTACHMENT = (
    "INSERT INTO attachments (id, message_id, place, name, kind, media_type, size, details, tokens,"
    " is_exact, is_partial, sha256) SELECT 'file', {message}, 0, 'a.csv', 'table', 'text/csv', 1,"
    " '', 1, true, false, {content} FROM contents LIMIT 1"
)
FIRST = "(SELECT min(id) FROM messages)"
ROW = "(SELECT min(id) FROM search_rows)"
LAST = "(SELECT max(id) FROM messages)"
# check, optionally with a variant -> statements that cause the problem
PROBLEMS = {
    "role": [f"UPDATE messages SET role = 'tool' WHERE id = {FIRST}"],
    "status": [f"UPDATE messages SET status = 'failed' WHERE id = {FIRST}"],
    "parent": [f"UPDATE messages SET parent_id = {MISSING_ID} WHERE id = {LAST}"],
    "circle": [f"UPDATE messages SET parent_id = {LAST} WHERE id = {FIRST}"],
    "depth": [f"UPDATE messages SET depth = 7 WHERE id = {LAST}"],
    "pointer": [f"UPDATE messages SET resume_leaf_id = {MISSING_ID}, replaces_id = {MISSING_ID}"],
    "leaf": [f"UPDATE conversations SET leaf_id = {MISSING_ID}"],
    "leaf: above others": [f"UPDATE conversations SET leaf_id = {FIRST}"],
    "two replies": [
        "UPDATE messages SET status = 'streaming', worker = 'elsewhere:1:x',"
        " heartbeat_at = '2999-01-01 00:00:00.000000+00:00' WHERE role = 'assistant'"
    ],
    "dead reply": [
        f"UPDATE messages SET status = 'streaming', worker = 'elsewhere:1:x',"
        f" heartbeat_at = {OLD} WHERE id = {LAST}"
    ],
    "open call": [CALL],
    "negative call": ["UPDATE ledger SET cost_nanos = -1, limit_tokens = -5"],
    "stray file": [ATTACHMENT.format(message=MISSING_ID, content="sha256")],
    "unused content": [f"INSERT INTO contents VALUES ('{'0' * 64}', CAST('x' AS BLOB), {OLD})"],
    "stray link": [
        f"INSERT INTO shares VALUES ('s', 'hash', '{ANN}', {MISSING_ID}, 't', '{{}}', {OLD}, NULL)"
    ],
    "stray mark": [f"INSERT INTO clear_marks SELECT id, {MISSING_ID}, {OLD} FROM conversations"],
    "search row": ["DELETE FROM search_rows WHERE message_id IS NOT NULL"],
    "search row: of a title": ["DELETE FROM search_rows WHERE message_id IS NULL"],
    "search row: of nothing": [
        f"UPDATE search_rows SET message_id = {MISSING_ID} WHERE id = {ROW}"
    ],
    "search row: of another": ["UPDATE search_rows SET owner = 'visitor:bob'"],
}
UNREPAIRABLE = {
    "changed content": ["UPDATE contents SET data = CAST('other' AS BLOB)"],
    "missing content": [f"UPDATE attachments SET text_sha256 = '{'1' * 64}'"],
    "stray message": [
        "INSERT INTO messages (id, conversation_id, depth, role, text, status, created_at, tokens,"
        f" is_exact, reasoning) VALUES ('0', {MISSING_ID}, 0, 'user', '', 'complete', {OLD}, 0,"
        " true, '')"
    ],
}
TABLE = b"animal,legs\nokapi,4\n"


class DamagedDatabase:
    """A database that tests damage; `reset` restores its valid state before each test."""

    def __init__(self, url: str, valid_file: Path) -> None:
        self.url, self.engine, self._valid_file = url, make_engine(url), valid_file
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        if not self.is_sqlite:
            source = make_engine(f"sqlite:///{valid_file}")
            with source.connect() as read, self.engine.begin() as write:
                replace_rows(read, write)
            source.dispose()
            self.change(["CREATE SCHEMA valid", *self._each("CREATE TABLE valid.{0} AS TABLE {0}")])

    def reset(self) -> None:
        if self.is_sqlite:
            self.engine.dispose()
            shutil.copy(self._valid_file, str(self.engine.url.database))
        else:
            self.change(self._each("DELETE FROM {0}"))
            self.change(self._each("INSERT INTO {0} SELECT * FROM valid.{0}"))

    def _each(self, statement: str) -> list[str]:
        names = [*Base.metadata.tables, "search_rows", "search_models"]
        return [statement.format(name) for name in names]

    def change(self, statements: list[str]) -> None:
        """Execute statements with constraints disabled."""
        with self.engine.connect() as connection:
            if self.is_sqlite:
                connection.connection.driver_connection.execute("PRAGMA foreign_keys=OFF")  # type: ignore[union-attr]
            else:
                connection.execute(text("SET LOCAL session_replication_role = replica"))
                statements = [each.replace("AS BLOB", "AS bytea") for each in statements]
            for statement in statements:
                connection.exec_driver_sql(statement)
            connection.commit()
            connection.invalidate()  # discards the changed settings

    def found(self, *, repairs: bool = False) -> dict[str, Finding]:
        seconds = count()
        worker = Worker(clock=lambda: float(next(seconds)))
        liveness = observe_liveness(worker, lambda *_: None, lambda _: None)
        found = {each.name: each for each in examine(self.engine, liveness, repairs=repairs)}
        worker.retire()
        return {name: each for name, each in found.items() if each.ids}


def talk(service: ChatService) -> None:
    file = File("animals.csv", TABLE)
    answer = service.as_owner(ANN).messages.send(None, Submission("How many legs?", (file,)))
    list(service.as_owner(ANN).messages.follow(answer.id))
    list(service.as_owner(ANN).messages.follow(service.as_owner(ANN).messages.retry(answer.id).id))
    more = service.as_owner(ANN).messages.send(answer.conversation_id, Submission("And wings?"))
    list(service.as_owner(ANN).messages.follow(more.id))


@pytest.fixture(scope="module")
def valid_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a backup of a database written by Parley."""
    folder = tmp_path_factory.mktemp("doctor")
    service = open_chat(
        {"DATABASE_URL": f"sqlite:///{folder / 'parley.db'}"}, providers=[ScriptedProvider()]
    )
    talk(service)
    service.close()
    settings = read_settings({"DATABASE_URL": f"sqlite:///{folder / 'parley.db'}"})
    back_up(settings, folder / "valid.db")
    return folder / "valid.db"


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def damaged_database(
    request: pytest.FixtureRequest, valid_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DamagedDatabase]:
    if request.param == "sqlite":
        database = DamagedDatabase(
            f"sqlite:///{tmp_path_factory.mktemp('damaged') / 'parley.db'}", valid_file
        )
        yield database
        database.engine.dispose()
        return
    template = request.getfixturevalue("migrated_template")
    with postgres_database(request.getfixturevalue("postgres"), template) as url:
        database = DamagedDatabase(url, valid_file)
        yield database
        database.engine.dispose()


@pytest.fixture
def database(damaged_database: DamagedDatabase) -> DamagedDatabase:
    damaged_database.reset()
    return damaged_database


def test_doctor_finds_no_problem_in_a_database_written_by_parley(database: DamagedDatabase) -> None:
    assert database.found() == {}


@pytest.mark.parametrize("problem", PROBLEMS)
def test_doctor_finds_and_repairs_each_problem(database: DamagedDatabase, problem: str) -> None:
    kind = problem.partition(":")[0]
    database.change(PROBLEMS[problem])
    assert database.found(repairs=True)[kind].is_repaired
    assert database.found() == {}


@pytest.mark.parametrize("kind", UNREPAIRABLE)
def test_doctor_gives_advice_for_problems_without_repair(
    database: DamagedDatabase, kind: str
) -> None:
    statements = UNREPAIRABLE[kind]
    database.change(statements)
    finding = database.found(repairs=True)[kind]
    assert finding.advice and not finding.is_clean


def test_doctor_repairs_a_leaf_with_children_of_smaller_ids(database: DamagedDatabase) -> None:
    """Ids are smaller after the clock was set back."""
    with database.engine.connect() as connection:
        last = connection.execute(text(LAST[1:-1])).scalar_one()
    database.change(
        [
            f"UPDATE messages SET id = '000' WHERE id = '{last}'",
            f"UPDATE search_rows SET message_id = '000' WHERE message_id = '{last}'",
            "UPDATE conversations SET leaf_id = (SELECT parent_id FROM messages WHERE id = '000')",
        ]
    )
    assert database.found(repairs=True)["leaf"].is_repaired
    with database.engine.connect() as connection:
        assert connection.execute(text("SELECT leaf_id FROM conversations")).scalar() == "000"


def test_doctor_removes_wrong_words_from_the_search_index(database: DamagedDatabase) -> None:
    if database.is_sqlite:
        database.change(
            ["INSERT INTO search_words (rowid, words) VALUES (99, char(57344) || 'mx y')"]
        )
    else:
        database.change(["UPDATE search_rows SET words = to_tsvector('simple', 'zebra')"])
    assert database.found(repairs=True)["search words"].is_repaired
    assert database.found() == {}


def test_search_works_after_the_doctor_has_repaired_its_index(database: DamagedDatabase) -> None:
    database.change(["DELETE FROM search_rows"])
    database.found(repairs=True)
    service = open_chat({"DATABASE_URL": database.url}, providers=[ScriptedProvider()])
    assert len(service.as_owner(ANN).conversations.search("wings")) == 1
    assert len(service.as_owner(ANN).conversations.search("legs has:file")) == 1
    service.close()


def test_doctor_rebuilds_a_corrupt_fts_index(valid_file: Path, tmp_path: Path) -> None:
    database = DamagedDatabase(f"sqlite:///{tmp_path / 'parley.db'}", valid_file)
    database.reset()
    database.change(["UPDATE search_words_data SET block = x'00' WHERE id > 10"])
    assert "search words" in database.found(repairs=True)
    assert database.found() == {}
    database.engine.dispose()


def test_doctor_does_not_report_a_locked_index_as_corrupt(valid_file: Path, tmp_path: Path) -> None:
    """A repair would rebuild the index needlessly."""
    database = DamagedDatabase(f"sqlite:///{tmp_path / 'parley.db'}?timeout=0.01", valid_file)
    database.reset()
    assert database.found() == {}
    writer = make_engine(database.url)
    with writer.execution_options(writes=True).begin(), pytest.raises(StoreFailed):
        database.found()
    assert database.found() == {}
    writer.dispose()
    database.engine.dispose()


def test_doctor_command_prints_ids_but_no_text(
    database: DamagedDatabase, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database.url)
    assert main(["doctor"]) == 0
    database.change(PROBLEMS["depth"])
    assert main(["doctor"]) == 1
    output = capsys.readouterr().out
    assert "depth: 1 messages at a wrong depth: 0" in output
    assert "legs" not in output and "animals" not in output and ANN not in output
    assert main(["doctor", "--repair"]) == 0
    assert "repaired" in capsys.readouterr().out
    assert main(["backup", "copy.db"]) == 0
    assert main(["restore", "copy.db"]) == 2
    assert "--replace" in capsys.readouterr().err
    monkeypatch.setenv("DATABASE_URL", "sqlite:///new.db")
    assert main(["doctor"]) == 2
    assert main(["restore", "copy.db"]) == 0
    assert main(["doctor"]) == 0
