"""Configuration: where it comes from, what wins, and every problem told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from chat.__main__ import main
from chat.config.settings import Settings, parse_settings, read_settings
from chat.config.sources import load_config
from chat.errors import SettingsError
from tests.support.openid_settings import SIGN_IN


def test_nothing_needs_to_be_configured() -> None:
    settings = read_settings({})
    assert settings == Settings(values={})
    assert settings.max_history_turns is None


def test_values_are_read_by_their_kind() -> None:
    settings = read_settings(
        {
            "MAX_HISTORY_TOKENS": "32_000",
            "MAX_REPLY_TOKENS": 1024,
            "DEFAULT_TEMPERATURE": "0.5",
            "IDLE_TIMEOUT": 5,
            "FIND_LOCAL_SERVERS": "no",
            "DEFAULT_MODEL": " openai/gpt-4o ",
            "LOG_LEVEL": "debug",
        }
    )
    assert settings.max_history_tokens == 32_000
    assert settings.max_reply_tokens == 1024
    assert settings.default_temperature == 0.5
    assert settings.idle_timeout == 5.0
    assert settings.find_local_servers is False
    assert settings.default_model == "openai/gpt-4o"
    assert settings.log_level == "DEBUG"


@pytest.mark.parametrize("word", ["1", "true", "Yes", " on ", True])
def test_many_words_mean_true(word: object) -> None:
    assert read_settings({"FIND_LOCAL_SERVERS": word}).find_local_servers is True


def test_an_empty_value_counts_as_not_given() -> None:
    names = ["DATABASE_URL", "MAX_REPLY_TOKENS", "DEFAULT_TEMPERATURE", "LOG_LEVEL"]
    empty = read_settings(dict(zip(names, ["", "  ", "\t", ""], strict=True)))
    given = read_settings({})
    assert empty.database_url == given.database_url
    assert empty.max_reply_tokens == given.max_reply_tokens
    assert empty.default_temperature is None
    assert empty.log_level == "INFO"


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(
            {
                "MAX_HISTORY_TOKENS": "lots",
                "MAX_REPLY_TOKENS": 0,
                "DEFAULT_TEMPERATURE": "3",
                "FIND_LOCAL_SERVERS": "maybe",
                "LOG_LEVEL": "loud",
                "MAX_RETRIES": "2",
            }
        )
    names = [problem.split()[0] for problem in caught.value.problems]
    assert names == [
        "MAX_HISTORY_TOKENS",
        "MAX_REPLY_TOKENS",
        "DEFAULT_TEMPERATURE",
        "FIND_LOCAL_SERVERS",
        "LOG_LEVEL",
    ]
    for problem in caught.value.problems:
        assert problem in str(caught.value)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e400", "1e300"])
@pytest.mark.parametrize(
    "name", ["LIMIT_DOLLARS_PER_DAY", "LIMIT_INSTANCE_DOLLARS_PER_DAY", "CONNECT_TIMEOUT"]
)
def test_numbers_without_an_end_are_refused(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        read_settings({name: value})


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "2.01"])
def test_a_temperature_beyond_all_models_is_a_problem(value: str) -> None:
    with pytest.raises(SettingsError, match="DEFAULT_TEMPERATURE"):
        read_settings({"DEFAULT_TEMPERATURE": value})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "secrets.toml").write_text(
        'PARLEY_TEST_A = "secrets"\nPARLEY_TEST_B = "secrets"\nPARLEY_TEST_C = "secrets"\n'
        '[providers.example]\nbase_url = "http://localhost:9/v1"\n'
    )
    (tmp_path / ".env").write_text("PARLEY_TEST_A=dotenv\nPARLEY_TEST_B=dotenv\nPARLEY_TEST_D=\n")
    return tmp_path


def test_the_environment_wins_over_dotenv_and_dotenv_over_secrets(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARLEY_TEST_A", "environment")
    values = load_config(folder=folder)
    assert [values[f"PARLEY_TEST_{name}"] for name in "ABC"] == ["environment", "dotenv", "secrets"]
    assert values["providers"]["example"]["base_url"] == "http://localhost:9/v1"


def test_an_empty_value_hides_none_below_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_TEST_B", "")
    assert load_config(folder=folder)["PARLEY_TEST_B"] == "dotenv"


def test_reading_leaves_the_environment_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    before = dict(os.environ)
    load_config(folder=folder)
    assert dict(os.environ) == before


def test_secrets_that_were_read_elsewhere_are_used_instead_of_the_file(folder: Path) -> None:
    values = load_config({"PARLEY_TEST_C": "host"}, folder)
    assert values["PARLEY_TEST_C"] == "host"
    assert "providers" not in values


def test_a_folder_without_any_file_is_fine(tmp_path: Path) -> None:
    assert "PATH" in load_config(folder=tmp_path)


UMLAUT = "# gr\u00fc\u00dfe\n"
UNREADABLE = {
    "no TOML": (b"this is not toml", "cannot be read: Expected"),
    "Latin-1": (f'A = "x"\n{UMLAUT}'.encode("latin-1"), "is not UTF-8 (line 2)"),
    "UTF-16": ('A = "x"\n'.encode("utf-16"), "is not UTF-8 (line 1)"),
    "a mark": (b'\xef\xbb\xbfA = "x"\n', "begins with a byte order mark"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_broken_secrets_file_is_one_problem_of_all(folder: Path, kind: str) -> None:
    content, told = UNREADABLE[kind]
    (folder / ".streamlit" / "secrets.toml").write_bytes(content)
    (folder / ".env").write_text("MAX_FILES=many\nALLOWED_EMAILS=x.org\n")
    problems = parse_settings(load_config(folder=folder))[1]
    assert problems[0].startswith(".streamlit/secrets.toml") and told in problems[0]
    assert problems[1:] == ["MAX_FILES should be a whole number, not 'many'"]
    with pytest.raises(SettingsError, match=r"secrets\.toml.*MAX_FILES"):
        read_settings(load_config(folder=folder))


def test_a_broken_dotenv_is_one_problem_of_all(folder: Path) -> None:
    (folder / ".env").write_bytes(f"{UMLAUT}MAX_FILES=3\n".encode("latin-1"))
    values = load_config({"MAX_RETRIES": "many"}, folder)
    assert parse_settings(values)[1] == [
        ".env is not UTF-8 (line 1): save it as UTF-8",
        "MAX_RETRIES should be a whole number, not 'many'",
    ]


def test_a_dotenv_may_begin_with_a_mark(folder: Path) -> None:
    (folder / ".env").write_bytes("PARLEY_TEST_A=gr\u00fc\u00dfe\n".encode("utf-8-sig"))
    assert load_config(folder=folder)["PARLEY_TEST_A"] == "gr\u00fc\u00dfe"


def test_the_commands_name_no_database_that_may_be_another(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    (folder / ".env").write_bytes(f"{UMLAUT}DATABASE_URL=sqlite:///mine.db\n".encode("latin-1"))
    assert [main(["check"]), main(["doctor"]), main(["backup", "copy.db"])] == [1, 2, 2]
    told = capsys.readouterr()
    assert ".env is not UTF-8" in told.out and "Database:" not in told.err
    assert not (folder / "data").exists()


def test_a_list_of_people_needs_a_sign_in_and_may_be_a_list() -> None:
    with pytest.raises(SettingsError, match="ALLOWED_EMAILS needs"):
        read_settings({"ALLOWED_EMAILS": "ann@x.org"})
    listed = read_settings({"ALLOWED_EMAILS": ["ann@x.org", " y.org "], "auth": SIGN_IN})
    assert listed.allowed_emails == "ann@x.org,y.org"
