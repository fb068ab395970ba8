"""Few free PostgreSQL connections, and poolers that share them between clients."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import OperationalError

from chat import Submission, open_chat
from chat.store import Store, postgres
from chat.store.engine import make_engine, read_transaction, write_transaction
from tests.support.app_server import free_port
from tests.support.databases import postgres_database
from tests.support.scripted_provider import ScriptedProvider

LIMIT = 3  # connections of the role


@pytest.fixture
def server_url(postgres: URL) -> Iterator[URL]:
    """Return the URL of a new database, as a superuser."""
    with postgres_database(postgres) as url:
        yield make_url(url)


@pytest.fixture
def limited(server_url: URL) -> Iterator[Engine]:
    """Return an engine of a role that may open a few connections only."""
    role = f"limited_{server_url.database}"
    admin = make_engine(server_url.render_as_string(hide_password=False))
    with admin.begin() as connection:
        connection.execute(text(f'CREATE ROLE "{role}" LOGIN CONNECTION LIMIT {LIMIT}'))
        connection.execute(text(f'GRANT ALL ON SCHEMA public TO "{role}"'))
        connection.execute(text(f'CREATE TABLE visits (n int); GRANT ALL ON visits TO "{role}"'))
    engine = make_engine(
        server_url.set(username=role, password=None).render_as_string(hide_password=False)
    )
    yield engine
    engine.dispose()
    with admin.begin() as connection:
        connection.execute(text(f'DROP OWNED BY "{role}"; DROP ROLE "{role}"'))
    admin.dispose()


def test_transactions_wait_when_the_server_has_few_connections(limited: Engine) -> None:
    def visit(number: int) -> int:
        with write_transaction(limited) as session:
            session.execute(text("INSERT INTO visits VALUES (:n)"), {"n": number})
            session.execute(text("SELECT pg_sleep(0.05)"))
        return number

    with ThreadPoolExecutor(12) as threads:
        assert sorted(threads.map(visit, range(60))) == list(range(60))
    with read_transaction(limited) as session:
        assert session.execute(text("SELECT count(*) FROM visits")).scalar() == 60


def test_first_transaction_waits_for_connections_of_other_programs(limited: Engine) -> None:
    refused = threading.Event()
    with ExitStack() as others:
        taken = make_engine(limited.url.render_as_string(hide_password=False))
        others.callback(taken.dispose)
        for _ in range(LIMIT):
            others.enter_context(taken.connect())
        with pytest.raises(OperationalError) as caught:
            limited.connect()
        assert postgres._is_full(caught.value)

        def wait() -> int:
            refused.set()
            with read_transaction(limited) as session:
                return int(session.execute(text("SELECT 1")).scalar() or 0)

        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(wait)
            assert refused.wait(10)
            others.close()
            assert waiting.result(20) == 1


def test_waiting_for_a_connection_ends(limited: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "WAIT_FOR_CONNECTION", 0.2)
    with ExitStack() as others:
        taken = make_engine(limited.url.render_as_string(hide_password=False))
        others.callback(taken.dispose)
        for _ in range(LIMIT):
            others.enter_context(taken.connect())
        with pytest.raises(OperationalError):
            postgres.wait_for_connection(limited.connect)


@pytest.mark.parametrize(
    ("message", "is_full"),
    [
        ("FATAL:  sorry, too many clients already", True),
        ('FATAL:  too many connections for role "parley"', True),
        ('FATAL:  too many connections for database "parley"', True),
        ("FATAL:  remaining connection slots are reserved for roles with SUPERUSER", True),
        ("FATAL:  no more connections allowed (max_client_conn)", True),
        ("FATAL:  Max client connections reached", True),
        ("FATAL:  the database system is starting up", False),
        ("connection refused", False),
        ('FATAL:  password authentication failed for user "parley"', False),
        ("consuming input failed: server closed the connection unexpectedly", False),
    ],
)
def test_refusals_of_servers_and_poolers_are_told_from_other_errors(
    message: str, is_full: bool
) -> None:
    assert postgres._is_full(OperationalError("", {}, psycopg.OperationalError(message))) is is_full
    code: Any = SimpleNamespace(orig=SimpleNamespace(sqlstate="53300"))
    assert postgres._is_full(code)


@pytest.mark.parametrize("connections", [2, 5, 7])
def test_engine_opens_at_most_the_configured_connections(server_url: URL, connections: int) -> None:
    engine = make_engine(server_url.render_as_string(hide_password=False), connections)
    barrier = threading.Semaphore(connections)

    def use(_: int) -> bool:
        with read_transaction(engine) as session:
            is_within = barrier.acquire(blocking=False)
            session.execute(text("SELECT pg_sleep(0.02)"))
            if is_within:
                barrier.release()
            return is_within

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(use, range(64)))
    engine.dispose()


def test_no_statement_is_prepared_on_the_server(server_url: URL) -> None:
    url = server_url.update_query_dict({"prepare_threshold": "0"})
    store = Store(url.render_as_string(hide_password=False))
    for _ in range(20):
        store.conversations.latest("ada", 10)
    with store.engine.connect() as connection:
        query = text("SELECT count(*) FROM pg_prepared_statements")
        assert connection.execute(query).scalar() == 0
    store.close()


@pytest.fixture
def pooler_url(server_url: URL, tmp_path: Path) -> Iterator[str]:
    """Return the URL of a PgBouncer in transaction mode with two server connections."""
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    if not Path(program).exists():
        pytest.skip("PgBouncer is not installed")
    port, host = free_port(), server_url.host or str(server_url.query.get("host", ""))
    target = f"host={host} dbname={server_url.database} user={server_url.username}"
    if server_url.port:
        target += f" port={server_url.port}"
    if server_url.password:
        target += f" password={server_url.password}"
    config = tmp_path / "pgbouncer.ini"
    config.write_text(
        f"[databases]\nparley = {target}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nauth_type = any\npool_mode = transaction\n"
        "default_pool_size = 2\nunix_socket_dir =\nignore_startup_parameters = extra_float_digits\n"
    )
    command = [program, str(config)]
    if os.geteuid() == 0:  # it refuses to run as root
        socket = Path(host)  # its folder is open to the user of the server only
        command = [program, "-u", socket.owner() if socket.is_dir() else "nobody", str(config)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as pooler:
        yield f"postgresql+psycopg://parley@127.0.0.1:{port}/parley"
        pooler.terminate()


def test_replies_work_through_a_pooler_in_transaction_mode(
    pooler_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "WAIT_FOR_CONNECTION", 60.0)
    wait_until_reachable(pooler_url)
    service = open_chat({"DATABASE_URL": pooler_url}, providers=[ScriptedProvider()])

    def converse(person: int) -> int:
        mine = service.as_owner(f"visitor:{person}")
        conversation = None
        for turn in range(5):
            answer = mine.messages.send(conversation, Submission(f"Question {turn}"))
            assert "".join(piece.text for piece in mine.messages.follow(answer.id))
            conversation = answer.conversation_id
        (found,) = mine.conversations.latest()
        return len(mine.conversations.open(found.id).messages)

    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(converse, range(6))) == [10] * 6
    service.close()


def wait_until_reachable(url: str) -> None:
    engine, pause = make_engine(url), threading.Event()
    for _ in range(100):
        try:
            engine.connect().close()
            break
        except OperationalError:
            pause.wait(0.1)
    engine.dispose()
