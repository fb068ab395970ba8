"""Commands of `python -m chat`: the database they name, and problems they report."""

from __future__ import annotations

from pathlib import Path

import pytest

from chat.__main__ import main


def test_commands_print_the_name_of_the_database(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "sqlite:///data/parley.db")
    for command in ("doctor", "backup copy.db", "restore copy.db", "check"):
        main(command.split())
        output = capsys.readouterr()
        assert output.err.splitlines()[0] == f"Database: {tmp_path / 'data' / 'parley.db'}", command
        assert "Database" not in output.out


@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("parley:5ecret@[::1]:1/chat", "postgresql://[::1]:1/chat"),
        ("parley:5ecret@127.0.0.1:1/chat?sslmode=require", "postgresql://127.0.0.1:1/chat"),
        ("parley@/chat?password=5ecret&host=/nowhere", "postgresql:///chat?host=%2Fnowhere"),
        ("parley:5e@cret@127.0.0.1:1/chat", "postgresql"),  # an unquoted @
        ("parley:5e@cr/et@127.0.0.1:1/chat", "postgresql"),
    ],
)
def test_commands_never_print_the_database_password(
    address: str, named: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", f"postgresql+psycopg://{address}")
    for command in ("doctor", "backup copy.db", "check"):
        assert main(command.split()) > 0
        output = capsys.readouterr()
        assert output.err.splitlines()[0] == f"Database: {named}", command
        assert "5ecret" not in output.err + output.out


def test_commands_report_an_invalid_database_url_without_printing_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "parley:5ecret")
    assert [main(["doctor"]), main(["check"])] == [2, 1]
    output = capsys.readouterr()
    assert "DATABASE_URL" in output.err and "DATABASE_URL" in output.out
    assert "5ecret" not in output.err + output.out


def test_check_command_reports_all_configuration_problems_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'new.db'}")
    assert main(["check"]) == 0
    assert not (tmp_path / "new.db").exists(), "the check must not create it"
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
    output = capsys.readouterr().out
    assert [name for name in wrong if name not in output] == []
