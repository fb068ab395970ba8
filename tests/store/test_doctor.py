"""Each kind of fault is found, told by ids, and put right; what cannot be is said so."""

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
GONE = "'0123456789'"
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
# kind, sometimes with a variant: what breaks it
FAULTS = {
    "role": [f"UPDATE messages SET role = 'tool' WHERE id = {FIRST}"],
    "status": [f"UPDATE messages SET status = 'failed' WHERE id = {FIRST}"],
    "parent": [f"UPDATE messages SET parent_id = {GONE} WHERE id = {LAST}"],
    "circle": [f"UPDATE messages SET parent_id = {LAST} WHERE id = {FIRST}"],
    "depth": [f"UPDATE messages SET depth = 7 WHERE id = {LAST}"],
    "pointer": [f"UPDATE messages SET resume_leaf_id = {GONE}, replaces_id = {GONE}"],
    "leaf": [f"UPDATE conversations SET leaf_id = {GONE}"],
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
    "stray file": [ATTACHMENT.format(message=GONE, content="sha256")],
    "unused content": [f"INSERT INTO contents VALUES ('{'0' * 64}', CAST('x' AS BLOB), {OLD})"],
    "stray link": [
        f"INSERT INTO shares VALUES ('s', 'hash', '{ANN}', {GONE}, 't', '{{}}', {OLD}, NULL)"
    ],
    "stray mark": [f"INSERT INTO clear_marks SELECT id, {GONE}, {OLD} FROM conversations"],
    "search row": ["DELETE FROM search_rows WHERE message_id IS NOT NULL"],
    "search row: of a title": ["DELETE FROM search_rows WHERE message_id IS NULL"],
    "search row: of nothing": [f"UPDATE search_rows SET message_id = {GONE} WHERE id = {ROW}"],
    "search row: of another": ["UPDATE search_rows SET owner = 'visitor:bob'"],
}
BEYOND_REPAIR = {
    "changed content": ["UPDATE contents SET data = CAST('other' AS BLOB)"],
    "missing content": [f"UPDATE attachments SET text_sha256 = '{'1' * 64}'"],
    "stray message": [
        "INSERT INTO messages (id, conversation_id, depth, role, text, status, created_at,"
        f" tokens, is_exact, reasoning) VALUES ('0', {GONE}, 0, 'user', '', 'complete', {OLD},"
        " 0, true, '')"
    ],
}
TABLE = b"animal,legs\nokapi,4\n"


class Patient:
    """A database with one engine for all tests, made well again before each."""

    def __init__(self, url: str, well: Path) -> None:
        self.url, self.engine, self._well = url, make_engine(url), well
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        if not self.is_sqlite:
            source = make_engine(f"sqlite:///{well}")
            with source.connect() as read, self.engine.begin() as write:
                replace_rows(read, write)
            source.dispose()
            self.change(["CREATE SCHEMA well", *self._each("CREATE TABLE well.{0} AS TABLE {0}")])

    def heal(self) -> None:
        if self.is_sqlite:
            self.engine.dispose()
            shutil.copy(self._well, str(self.engine.url.database))
        else:
            self.change(self._each("DELETE FROM {0}"))
            self.change(self._each("INSERT INTO {0} SELECT * FROM well.{0}"))

    def _each(self, statement: str) -> list[str]:
        names = [*Base.metadata.tables, "search_rows", "search_models"]
        return [statement.format(name) for name in names]

    def change(self, statements: list[str]) -> None:
        """As no part of Parley would."""
        with self.engine.connect() as connection:
            if self.is_sqlite:
                connection.connection.driver_connection.execute("PRAGMA foreign_keys=OFF")  # type: ignore[union-attr]
            else:
                connection.execute(text("SET LOCAL session_replication_role = replica"))
                statements = [each.replace("AS BLOB", "AS bytea") for each in statements]
            for statement in statements:
                connection.exec_driver_sql(statement)
            connection.commit()
            connection.invalidate()  # it is not like the others any more

    def found(self, *, repairs: bool = False) -> dict[str, Finding]:
        looks = count()  # each counts for a second
        worker = Worker(clock=lambda: float(next(looks)))
        signs = observe_liveness(worker, lambda *_: None, lambda _: None)
        found = {each.name: each for each in examine(self.engine, signs, repairs=repairs)}
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
def well(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Parley has written, as a backup."""
    folder = tmp_path_factory.mktemp("doctor")
    service = open_chat(
        {"DATABASE_URL": f"sqlite:///{folder / 'parley.db'}"}, providers=[ScriptedProvider()]
    )
    talk(service)
    service.close()
    settings = read_settings({"DATABASE_URL": f"sqlite:///{folder / 'parley.db'}"})
    back_up(settings, folder / "well.db")
    return folder / "well.db"


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def sick(
    request: pytest.FixtureRequest, well: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Patient]:
    if request.param == "sqlite":
        patient = Patient(f"sqlite:///{tmp_path_factory.mktemp('sick') / 'parley.db'}", well)
        yield patient
        patient.engine.dispose()
        return
    template = request.getfixturevalue("migrated_template")
    with postgres_database(request.getfixturevalue("postgres"), template) as url:
        patient = Patient(url, well)
        yield patient
        patient.engine.dispose()


@pytest.fixture
def patient(sick: Patient) -> Patient:
    sick.heal()
    return sick


def test_what_parley_writes_is_healthy(patient: Patient) -> None:
    assert patient.found() == {}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_and_repaired(patient: Patient, fault: str) -> None:
    kind = fault.partition(":")[0]
    patient.change(FAULTS[fault])
    assert patient.found(repairs=True)[kind].is_repaired
    assert patient.found() == {}


@pytest.mark.parametrize("kind", BEYOND_REPAIR)
def test_what_cannot_be_repaired_is_said(patient: Patient, kind: str) -> None:
    statements = BEYOND_REPAIR[kind]
    patient.change(statements)
    finding = patient.found(repairs=True)[kind]
    assert finding.advice and not finding.is_clean


def test_a_leaf_is_repaired_although_what_follows_has_smaller_ids(patient: Patient) -> None:
    """The clock was set back before the last question."""
    with patient.engine.connect() as connection:
        last = connection.execute(text(LAST[1:-1])).scalar_one()
    patient.change(
        [
            f"UPDATE messages SET id = '000' WHERE id = '{last}'",
            f"UPDATE search_rows SET message_id = '000' WHERE message_id = '{last}'",
            "UPDATE conversations SET leaf_id = (SELECT parent_id FROM messages WHERE id = '000')",
        ]
    )
    assert patient.found(repairs=True)["leaf"].is_repaired
    with patient.engine.connect() as connection:
        assert connection.execute(text("SELECT leaf_id FROM conversations")).scalar() == "000"


def test_words_that_nobody_wrote_leave_the_search(patient: Patient) -> None:
    if patient.is_sqlite:
        patient.change(
            ["INSERT INTO search_words (rowid, words) VALUES (99, char(57344) || 'mx y')"]
        )
    else:
        patient.change(["UPDATE search_rows SET words = to_tsvector('simple', 'zebra')"])
    assert patient.found(repairs=True)["search words"].is_repaired
    assert patient.found() == {}


def test_after_a_repair_the_search_finds_what_was_written(patient: Patient) -> None:
    patient.change(["DELETE FROM search_rows"])
    patient.found(repairs=True)
    service = open_chat({"DATABASE_URL": patient.url}, providers=[ScriptedProvider()])
    assert len(service.as_owner(ANN).conversations.search("wings")) == 1
    assert len(service.as_owner(ANN).conversations.search("legs has:file")) == 1
    service.close()


def test_a_damaged_index_is_made_anew(well: Path, tmp_path: Path) -> None:
    patient = Patient(f"sqlite:///{tmp_path / 'parley.db'}", well)
    patient.heal()
    patient.change(["UPDATE search_words_data SET block = x'00' WHERE id > 10"])
    assert "search words" in patient.found(repairs=True)
    assert patient.found() == {}
    patient.engine.dispose()


def test_a_writer_in_the_way_is_no_fault_of_the_index(well: Path, tmp_path: Path) -> None:
    """A repair would make it anew."""
    patient = Patient(f"sqlite:///{tmp_path / 'parley.db'}?timeout=0.01", well)
    patient.heal()
    assert patient.found() == {}
    writer = make_engine(patient.url)
    with writer.execution_options(writes=True).begin(), pytest.raises(StoreFailed):
        patient.found()
    assert patient.found() == {}
    writer.dispose()
    patient.engine.dispose()


def test_the_command_tells_ids_and_no_words(
    patient: Patient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", patient.url)
    assert main(["doctor"]) == 0
    patient.change(FAULTS["depth"])
    assert main(["doctor"]) == 1
    told = capsys.readouterr().out
    assert "depth: 1 messages at a wrong depth: 0" in told
    assert "legs" not in told and "animals" not in told and ANN not in told
    assert main(["doctor", "--repair"]) == 0
    assert "repaired" in capsys.readouterr().out
    assert main(["backup", "copy.db"]) == 0
    assert main(["restore", "copy.db"]) == 2
    assert "--replace" in capsys.readouterr().err
    monkeypatch.setenv("DATABASE_URL", "sqlite:///new.db")
    assert main(["doctor"]) == 2
    assert main(["restore", "copy.db"]) == 0
    assert main(["doctor"]) == 0


def test_every_command_says_which_database_it_means(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "sqlite:///data/parley.db")
    for command in ("doctor", "backup copy.db", "restore copy.db", "check"):
        main(command.split())
        told = capsys.readouterr()
        assert told.err.splitlines()[0] == f"Database: {tmp_path / 'data' / 'parley.db'}", command
        assert "Database" not in told.out


@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("parley:5ecret@[::1]:1/chat", "postgresql://[::1]:1/chat"),
        ("parley:5ecret@127.0.0.1:1/chat?sslmode=require", "postgresql://127.0.0.1:1/chat"),
        ("parley@/chat?password=5ecret&host=/nowhere", "postgresql:///chat?host=%2Fnowhere"),
        ("parley:5e@cret@127.0.0.1:1/chat", "postgresql"),  # an @ that should have been %40
        ("parley:5e@cr/et@127.0.0.1:1/chat", "postgresql"),
    ],
)
def test_the_password_of_a_database_is_never_said(
    address: str, named: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", f"postgresql+psycopg://{address}")
    for command in ("doctor", "backup copy.db", "check"):
        assert main(command.split()) > 0
        told = capsys.readouterr()
        assert told.err.splitlines()[0] == f"Database: {named}", command
        assert "5ecret" not in told.err + told.out


def test_an_address_that_is_none_is_said_to_be_wrong_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "parley:5ecret")
    assert [main(["doctor"]), main(["check"])] == [2, 1]
    told = capsys.readouterr()
    assert "DATABASE_URL" in told.err and "DATABASE_URL" in told.out
    assert "5ecret" not in told.err + told.out


def test_every_problem_of_the_configuration_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'new.db'}")
    assert main(["check"]) == 0
    assert not (tmp_path / "new.db").exists(), "it only looks"
    wrong = {
        "MAX_RETRIES": "many",
        "MODEL_PRICES": "gpt=cheap",
        "LOCAL_MODEL": "nowhere.gguf",
        "OPENAI_BASE_URL": "not an address",
        "DATABASE_URL": "nosql://x",
    }
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    capsys.readouterr()
    assert main(["check"]) == 1
    told = capsys.readouterr().out
    assert [name for name in wrong if name not in told] == []
