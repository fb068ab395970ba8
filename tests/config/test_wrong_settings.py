"""Wrong and misspelt settings: all are named at once, by the check and by the start."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from chat.__main__ import main
from chat.bootstrap import open_chat, problems_of
from chat.config.settings import parse_settings
from chat.config.sources import load_config
from chat.errors import SettingsError
from tests.support.openid_settings import SIGN_IN

WRONG = {
    "MAX_FILES": "1000",
    "ADMIN_EMAILS": "nobody",
    "DEFAULT_MODEL": "gpt-4o",
    "VISION_MODELS": "[",
    "TEXT_MODELS": '["gpt-4o"]',
    "TIKTOKEN_CACHE_DIR": "/nonexistent",
    "PORT": "80",
    "LIMIT_MESAGES_PER_DAY": "5",
    "DATABASE_URL": "sqlite:data/x.db",
    "OPENAI_BASE_URL": "not a url",
}


def test_check_and_start_name_every_wrong_setting_at_once() -> None:
    with pytest.raises(SettingsError) as start:
        open_chat(WRONG)
    assert list(start.value.problems) == problems_of(WRONG)
    for name in WRONG:
        assert sum(name in problem for problem in start.value.problems) == 1, name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ADMIN_EMAILS", "ann@x.org, bob"),
        ("ADMIN_EMAILS", "x.org"),
        ("ADMIN_EMAILS", "Ann <ann@x.org>"),
        ("ADMIN_EMAILS", '["ann@x.org"]'),
        ("ADMIN_EMAILS", "ann@x.org;bob@x.org"),
        ("ALLOWED_EMAILS", "ann@x@org"),
        ("ALLOWED_EMAILS", "https://x.org"),
        ("ALLOWED_EMAILS", "*@x.org"),
        ("VISION_MODELS", "gpt-4o* my-llava"),
        ("VISION_MODELS", "gpt-[4o"),
        ("VISION_MODELS", "'gpt-4o'"),
        ("TEXT_MODELS", "llama-{2,3}"),
        ("TEXT_MODELS", "]gpt"),
    ],
)
def test_entry_of_a_wrong_form_is_named(name: str, value: str) -> None:
    (problem,) = parse_settings({name: value, "auth": SIGN_IN})[1]
    assert problem.startswith(f"{name} should be ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ADMIN_EMAILS", "ann@x.org, o'neil+1@intranet,"),
        ("ALLOWED_EMAILS", "ann@x.org, y.org, @z.org, müller.de, intranet"),
        ("VISION_MODELS", "gpt-4o*, openai/gpt-[45]?, lab/llava:7b, claude-3.5@v2, [!g]*"),
        ("TEXT_MODELS", "*"),
    ],
)
def test_entries_of_every_valid_form_are_accepted(name: str, value: str) -> None:
    settings, problems = parse_settings({name: value, "auth": SIGN_IN})
    assert problems == []
    assert getattr(settings, name.lower()) == value


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-4o", "a provider and a model"),
        ("openai/", "a provider and a model"),
        ("/gpt-4o", "a provider and a model"),
        ("opnai/gpt-4o", "Did you mean openai?"),
        ("OpenAI/gpt-4o", "Did you mean openai?"),
        ("olama/llama3.2", "Did you mean ollama?"),
        ("my-serer/x", "Did you mean my-server?"),
    ],
)
def test_wrong_default_model_is_named(model: str, expected: str) -> None:
    providers = {"my-server": {"base_url": "http://localhost:9/v1"}}
    (problem,) = problems_of(
        {"DEFAULT_MODEL": model, "DATABASE_URL": "sqlite://", "providers": providers}
    )
    assert problem.startswith("DEFAULT_MODEL") and expected in problem


@pytest.mark.parametrize(
    "model",
    ["openai/gpt-4o", "ollama/llama3.2", "guide/guide", "meta-llama/llama-4", "own-openai/gpt-4o"],
)
def test_default_model_of_any_provider_or_maker_is_accepted(model: str) -> None:
    assert problems_of({"DEFAULT_MODEL": model, "DATABASE_URL": "sqlite://"}) == []


MISSPELT = {
    "LIMIT_MESAGES_PER_DAY": "LIMIT_MESSAGES_PER_DAY",
    "OPENAI_APIKEY": "OPENAI_API_KEY",
    "OLLAMA_BASEURL": "OLLAMA_BASE_URL",
    "DATABASE_URI": "DATABASE_URL",
    "MAX_FILE": "MAX_FILES",
    "retention_days": "RETENTION_DAYS",
    "ACCES_CODE": "ACCESS_CODE",
}


@pytest.mark.parametrize("name", MISSPELT)
def test_misspelt_setting_in_a_file_prevents_the_start(name: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"{name}=5\nDATABASE_URL=sqlite://\n")
    config = load_config(folder=tmp_path)
    with pytest.raises(SettingsError) as caught:
        open_chat(config)
    sentence = f"{name} is not a setting of Parley. Did you mean {MISSPELT[name]}?"
    assert sentence in caught.value.problems


def test_misspelt_setting_in_the_environment_is_logged_and_reported_by_check(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "sqlite://")
    monkeypatch.setenv("LIMIT_MESAGES_PER_DAY", "5")
    with caplog.at_level(logging.WARNING, "chat"):
        open_chat(load_config(), providers=[]).close()
    assert "Did you mean LIMIT_MESSAGES_PER_DAY?" in caplog.text
    assert main(["check"]) == 1
    assert "Did you mean LIMIT_MESSAGES_PER_DAY?" in capsys.readouterr().out


def test_names_of_other_programs_are_ignored() -> None:
    names = ["PATH", "HOME", "LANG", "TEST_DATABASE_URL", "ANTHROPIC_API_KEY", "OPENAI_ORG_ID"]
    names += ["AZURE_OPENAI_API_KEY", "LOGNAME", "PGPORT", "MAIL", "HF_TOKEN", "XDG_DATA_DIRS"]
    assert problems_of({"DATABASE_URL": "sqlite://"} | dict.fromkeys(names, "x")) == []


def test_port_is_reported_unless_streamlit_uses_it() -> None:
    config = {"DATABASE_URL": "sqlite://", "PORT": "80"}
    (problem,) = problems_of(config)
    assert problem.startswith("PORT is not read")
    assert problems_of(config | {"STREAMLIT_SERVER_PORT": "80"}) == []


INVALID_URLS = [
    "sqlite:data/x.db",
    "mysql://parley:hunter2@db/parley",
    "postgresql+asyncpg://parley:hunter2@db/parley",
    "postgresql+psycopg://parley:hunter2@db:port/parley",
    "postgresql+psycopg://parley:hun@ter2@[::1/parley",
    "parley.db",
    "sqlite:///x.db?timeout=hunter2",
    "sqlite:///x.db?check_same_thread=maybe",
    "sqlite:///x.db?plugin=hunter2",
    "postgresql+psycopg://parley:hunter2@127.0.0.1:1/parley?color=red",
    "postgresql+psycopg://parley:hunter2@127.0.0.1:1/parley?connect_timeout=soon",
]


@pytest.mark.parametrize("url", INVALID_URLS)
@pytest.mark.parametrize("command", ["check", "doctor"])
def test_invalid_database_url_is_explained_without_its_password(
    url: str,
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.db").touch()  # the doctor opens existing files only
    monkeypatch.setenv("DATABASE_URL", url)
    assert main([command]) == (1 if command == "check" else 2)
    output = capsys.readouterr()
    assert "DATABASE_URL should be an address" in output.out + output.err or (
        "DATABASE_URL has an option" in output.out + output.err
    )
    assert "hunter2" not in output.out + output.err
