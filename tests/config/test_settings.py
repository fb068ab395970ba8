"""Configuration: sources and their precedence, parsing, and validation."""

from __future__ import annotations

from pathlib import Path

import pytest

from chat.__main__ import main
from chat.config.settings import Settings, parse_settings, read_settings
from chat.config.sources import load_config
from chat.errors import SettingsError
from tests.support.openid_settings import SIGN_IN


def test_every_setting_has_a_default() -> None:
    settings = read_settings({})
    assert settings == Settings(values={})
    assert settings.max_history_turns is None


def test_values_are_parsed_by_type() -> None:
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
def test_boolean_accepts_common_words(word: object) -> None:
    assert read_settings({"FIND_LOCAL_SERVERS": word}).find_local_servers is True


def test_empty_value_is_ignored() -> None:
    names = ["DATABASE_URL", "MAX_REPLY_TOKENS", "DEFAULT_TEMPERATURE", "LOG_LEVEL"]
    empty = read_settings(dict(zip(names, ["", "  ", "\t", ""], strict=True)))
    given = read_settings({})
    assert empty.database_url == given.database_url
    assert empty.max_reply_tokens == given.max_reply_tokens
    assert empty.default_temperature is None
    assert empty.log_level == "INFO"


def test_settings_error_reports_every_problem() -> None:
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
def test_numbers_must_be_finite_and_within_bounds(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        read_settings({name: value})


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "2.01"])
def test_default_temperature_must_be_between_zero_and_two(value: str) -> None:
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


def test_environment_overrides_dotenv_and_dotenv_overrides_secrets(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARLEY_TEST_A", "environment")
    values = load_config(folder=folder)
    assert [values[f"PARLEY_TEST_{name}"] for name in "ABC"] == ["environment", "dotenv", "secrets"]
    assert values["providers"]["example"]["base_url"] == "http://localhost:9/v1"


def test_empty_environment_variable_does_not_override(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARLEY_TEST_B", "")
    assert load_config(folder=folder)["PARLEY_TEST_B"] == "dotenv"


def test_load_config_does_not_change_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    before = dict(os.environ)
    load_config(folder=folder)
    assert dict(os.environ) == before


def test_given_secrets_replace_the_secrets_file(folder: Path) -> None:
    values = load_config({"PARLEY_TEST_C": "host"}, folder)
    assert values["PARLEY_TEST_C"] == "host"
    assert "providers" not in values


def test_load_config_needs_no_file(tmp_path: Path) -> None:
    assert "PATH" in load_config(folder=tmp_path)


UMLAUT = "# gr\u00fc\u00dfe\n"
UNREADABLE = {
    "not TOML": (b"this is not toml", "cannot be read: Expected"),
    "Latin-1": (f'A = "x"\n{UMLAUT}'.encode("latin-1"), "is not UTF-8 (line 2)"),
    "UTF-16": ('A = "x"\n'.encode("utf-16"), "is not UTF-8 (line 1)"),
    "byte order mark": (b'\xef\xbb\xbfA = "x"\n', "begins with a byte order mark"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_unreadable_secrets_file_is_reported_with_other_problems(folder: Path, kind: str) -> None:
    content, message = UNREADABLE[kind]
    (folder / ".streamlit" / "secrets.toml").write_bytes(content)
    (folder / ".env").write_text("MAX_FILES=many\nALLOWED_EMAILS=x.org\n")
    problems = parse_settings(load_config(folder=folder))[1]
    assert problems[0].startswith(".streamlit/secrets.toml") and message in problems[0]
    assert problems[1:] == ["MAX_FILES should be a whole number, not 'many'"]
    with pytest.raises(SettingsError, match=r"secrets\.toml.*MAX_FILES"):
        read_settings(load_config(folder=folder))


def test_unreadable_dotenv_is_reported_with_other_problems(folder: Path) -> None:
    (folder / ".env").write_bytes(f"{UMLAUT}MAX_FILES=3\n".encode("latin-1"))
    values = load_config({"MAX_RETRIES": "many"}, folder)
    assert parse_settings(values)[1] == [
        ".env is not UTF-8 (line 1): save it as UTF-8",
        "MAX_RETRIES should be a whole number, not 'many'",
    ]


def test_dotenv_may_start_with_a_byte_order_mark(folder: Path) -> None:
    (folder / ".env").write_bytes("PARLEY_TEST_A=gr\u00fc\u00dfe\n".encode("utf-8-sig"))
    assert load_config(folder=folder)["PARLEY_TEST_A"] == "gr\u00fc\u00dfe"


def test_commands_stop_if_an_unreadable_file_may_name_the_database(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    (folder / ".env").write_bytes(f"{UMLAUT}DATABASE_URL=sqlite:///mine.db\n".encode("latin-1"))
    assert [main(["check"]), main(["doctor"]), main(["backup", "copy.db"])] == [1, 2, 2]
    output = capsys.readouterr()
    assert ".env is not UTF-8" in output.out and "Database:" not in output.err
    assert not (folder / "data").exists()


def test_allowed_emails_requires_sign_in_and_accepts_a_list() -> None:
    with pytest.raises(SettingsError, match="ALLOWED_EMAILS needs"):
        read_settings({"ALLOWED_EMAILS": "ann@x.org"})
    listed = read_settings({"ALLOWED_EMAILS": ["ann@x.org", " y.org "], "auth": SIGN_IN})
    assert listed.allowed_emails == "ann@x.org,y.org"
