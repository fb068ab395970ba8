"""Deployment files and pages: consistent with the code in names, ports, files and users."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml
from streamlit.testing.v1 import AppTest

from chat import is_history_persistent, read_settings
from chat.__main__ import _parser
from chat.config.settings import setting_names
from chat.providers.tokenizer import RANKS_FILE_NAME, RANKS_SHA256, RANKS_URL
from pages.session import process

ROOT = Path(__file__).parents[2]
APP = str(ROOT / "app.py")
SETTINGS = set(setting_names())
ALL_COMMANDS = {"backup", "restore", "doctor"}
PROCESS_VARIABLES = re.compile(r"PYTHON|HOME$|PATH$|PIP_")


def dockerfile() -> list[tuple[str, str]]:
    """Return the instructions and their arguments, with continuation lines joined."""
    lines = [
        each
        for each in (ROOT / "Dockerfile").read_text("utf-8").splitlines()
        if not each.startswith("#")
    ]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(name, rest) for name, _, rest in (each.partition(" ") for each in joined.splitlines())]


def final_stage() -> list[tuple[str, str]]:
    steps = dockerfile()
    last = max(place for place, (name, _) in enumerate(steps) if name == "FROM")
    return steps[last:]


def instruction(steps: list[tuple[str, str]], name: str) -> str:
    """Return the arguments of the last instruction `name`."""
    return [rest for each, rest in steps if each == name][-1]


def variables(text: str) -> Iterator[tuple[str, str]]:
    for pair in shlex.split(text):
        name, _, value = pair.partition("=")
        yield name, value


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))


def unit() -> list[tuple[str, str]]:
    lines = (ROOT / "deploy" / "parley.service").read_text("utf-8").splitlines()
    pairs = (each.partition("=") for each in lines if "=" in each and not each.startswith("#"))
    return [(name, value) for name, _, value in pairs]


def test_image_runs_as_numeric_user_without_build_tools() -> None:
    steps = final_stage()
    user = instruction(steps, "USER").split(":")[0]
    assert user.isdigit() and int(user) > 0
    assert not any(name == "RUN" for name, _ in steps), "the final stage must only copy"
    assert instruction(steps, "VOLUME") == "/data"
    installs = [rest for name, rest in dockerfile() if name == "RUN" and " install " in rest]
    assert len(installs) == 1 and "--only-binary :all: --require-hashes" in installs[0]


def test_image_health_check_uses_the_exposed_port() -> None:
    steps = final_stage()
    port = instruction(steps, "EXPOSE")
    assert f"http://127.0.0.1:{port}/healthz" in instruction(steps, "HEALTHCHECK")
    assert f"--server.port={port}" in instruction(steps, "CMD")


def test_image_contains_the_tokenizer_ranks() -> None:
    added = instruction(dockerfile(), "ADD")
    assert RANKS_SHA256 in added and RANKS_URL in added
    assert added.split()[-1] == f"/ranks/{RANKS_FILE_NAME}"
    settings = dict(variables(instruction(final_stage(), "ENV")))
    assert settings["TIKTOKEN_CACHE_DIR"] == "/ranks"
    assert settings["DATABASE_URL"].startswith("sqlite:////data/")


def test_docker_context_contains_runtime_files_only() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert lines[1] == "*"
    let_in = {each[1:] for each in lines if each.startswith("!")}
    assert all((ROOT / each).exists() for each in let_in)
    assert {"app.py", "chat", "pages", "readers", "server", "docs/manual"} <= let_in
    assert not let_in & {"tests", "benchmarks", "data", ".env", ".streamlit", ".git"}


def test_settings_in_deployment_files_exist(compose: Any) -> None:
    named = {name for name, _ in variables(instruction(final_stage(), "ENV"))}
    for service in ("parley-1", "parley-2"):
        named |= set(compose["services"][service]["environment"])
    for name, value in unit():
        if name == "Environment":
            named |= {each for each, _ in variables(value)}
    for page in (ROOT / "docs" / "deploy").glob("*.md"):
        text = page.read_text("utf-8")
        named |= set(re.findall(r"\b[A-Z]{2,}_[A-Z_]+\b", text))
    unknown = {name for name in named if not PROCESS_VARIABLES.search(name)} - SETTINGS
    assert unknown <= {"POSTGRES_PASSWORD", "OPENAI_API_KEY"}


def test_compose_runs_two_equal_processes_behind_one_proxy(compose: Any) -> None:
    services = compose["services"]
    assert services["parley-1"] == services["parley-2"]
    for name in ("parley-1", "parley-2", "proxy", "db"):
        assert services[name]["read_only"] is True, name
        assert services[name]["cap_drop"] == ["ALL"], name
    assert [name for name in services if "ports" in services[name]] == ["proxy"]
    assert services["db"]["networks"] == ["inside"] and compose["networks"]["inside"]["internal"]
    assert services["parley-1"]["depends_on"]["db"]["condition"] == "service_healthy"
    assert services["db"]["healthcheck"]["test"][0] == "CMD-SHELL"
    assert set(services["db"]["volumes"][0].split(":")[:1]) == set(compose["volumes"])
    assert services["parley-1"]["environment"]["TRUSTED_PROXIES"] == "1"


def test_proxy_balances_all_processes_with_sticky_sessions(compose: Any) -> None:
    proxy = (ROOT / "deploy" / "haproxy.cfg").read_text("utf-8")
    port = instruction(final_stage(), "EXPOSE")
    servers = re.findall(r"^\s+server \w+ \"\$\{\w+-([\w:-]+)\}\" cookie \w+", proxy, re.MULTILINE)
    apps = [name for name in compose["services"] if name.startswith("parley-")]
    assert servers == [f"{name}:{port}" for name in apps]
    assert re.search(r"^\s+cookie \w+ insert ", proxy, re.MULTILINE)
    outside, inside = compose["services"]["proxy"]["ports"][0].split(":")
    assert f'bind "${{BIND-:{inside}}}"' in proxy and outside
    mounted = compose["services"]["proxy"]["volumes"][0].split(":")[0]
    assert (ROOT / mounted).is_file()


def test_proxy_health_check_matches_the_manual() -> None:
    proxy = (ROOT / "deploy" / "haproxy.cfg").read_text("utf-8")
    (asked,) = re.findall(r"^\s+option httpchk GET (\S+)$", proxy, re.MULTILINE)
    assert asked == "/healthz", "/readyz would remove all processes during an outage"
    for page in ("operating.md", "scaling.md"):
        text = (ROOT / "docs" / "manual" / page).read_text("utf-8")
        assert f"proxy asks `{asked}`, not `/readyz`" in text, page


def test_stop_grace_periods_exceed_the_shutdown_time(compose: Any) -> None:
    from pages.shell.shutdown import EXIT_TIMEOUT, SAVE_TIMEOUT

    grace_periods = [
        compose["services"]["parley-1"]["stop_grace_period"],
        dict(unit())["TimeoutStopSec"],
    ]
    assert all(int(each.removesuffix("s")) > SAVE_TIMEOUT + EXIT_TIMEOUT for each in grace_periods)
    assert SAVE_TIMEOUT + EXIT_TIMEOUT < 10


def test_unit_can_write_to_its_state_directory_only() -> None:
    properties = dict(unit())
    assert (
        properties["DynamicUser"]
        == properties["NoNewPrivileges"]
        == properties["ProtectHome"]
        == "yes"
    )
    assert properties["ProtectSystem"] == "strict" and properties["CapabilityBoundingSet"] == ""
    databases = [value for name, value in unit() if "DATABASE_URL" in value and name]
    assert databases == [
        f"DATABASE_URL=sqlite:////var/lib/{properties['StateDirectory']}/parley.db"
    ]
    assert "--server.address=127.0.0.1" in properties["ExecStart"]


def test_proxy_upload_limit_matches_the_server() -> None:
    page = (ROOT / "docs" / "deploy" / "https.md").read_text("utf-8")
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text("utf-8"))
    largest = config["server"]["maxUploadSize"]
    assert re.findall(r"client_max_body_size (\d+)m;", page) == [str(largest)]
    assert f"`server.maxUploadSize`, {largest} MB" in page


def test_proxy_lines_quoted_in_the_pages_exist() -> None:
    page = (ROOT / "docs" / "deploy" / "https.md").read_text("utf-8")
    proxy = (ROOT / "deploy" / "haproxy.cfg").read_text("utf-8")
    for line in ("bind :8443 ssl crt", "http-request redirect scheme https", "del-header"):
        assert f"`{line}" in page and line in proxy, line
    (certificate,) = re.findall(r"ssl crt (\S+)$", proxy, re.MULTILINE)
    assert f":{certificate}:ro" in page and '"443:8443"' in page


def commands(page: str) -> list[list[str]]:
    """Return the commands shown on a page, split into words."""
    text = (ROOT / "docs" / "deploy" / page).read_text("utf-8").replace("\\\n", "")
    lines = re.findall(r"^    (.+)$", text, re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


@pytest.mark.parametrize(
    ("page", "named"),
    [("docker.md", ALL_COMMANDS), ("systemd.md", ALL_COMMANDS), ("community-cloud.md", {"doctor"})],
)
def test_documented_commands_exist(page: str, named: set[str]) -> None:
    lines = [" ".join(words) for words in commands(page)]
    called = [re.search(r"(?:-m chat|^parley) ([a-z].*)", line) for line in lines]
    understood = [_parser().parse_args(found[1].split()) for found in called if found]
    assert {each.command for each in understood} == named


def test_documented_container_commands_match_compose(compose: Any) -> None:
    user = instruction(final_stage(), "USER").split(":")[0]
    shown = commands("docker.md")
    assert any(
        words[0] == "install" and user in words and words[-1] == "backups" for words in shown
    )
    services = set(compose["services"])
    apps = {name for name in services if name.startswith("parley-")}
    composed = [words[2:] for words in shown if words[:2] == ["docker", "compose"]]
    for words in composed:
        if words[0] in {"stop", "start"}:
            assert set(words[1:]) == apps, "a running process would write to the old database"
        if words[0] in {"run", "exec"}:
            assert words[words.index("python") - 1] in apps
    volumes = [words[words.index("-v") + 1] for words in shown if words[:2] == ["docker", "run"]]
    assert set(volumes) == {f"parley:{instruction(final_stage(), 'VOLUME')}"}
    mounted = [words for words in shown if "backup" in words or "restore" in words]
    assert len(mounted) == 4 and all("$PWD/backups:/backups" in words for words in mounted)
    assert all(words[-1].startswith("/backups/") for words in mounted)


def test_documented_systemd_commands_match_the_unit() -> None:
    (run,) = [words for words in commands("systemd.md") if "systemd-run" in words]
    properties = [word.removeprefix("--property=") for word in run if word.startswith("--prop")]
    options = {(name, value) for name, _, value in (each.partition("=") for each in properties)}
    unit_properties = {
        (name, each)
        for name, value in unit()
        for each in (value.split() if name == "Environment" else [value])
    }
    # `DynamicUser` names the user after the unit.
    assert options - unit_properties == {("User", "parley")}
    assert (ROOT / "deploy" / "parley.service").is_file()
    needed = {"DynamicUser", "StateDirectory", "WorkingDirectory", "EnvironmentFile", "UMask"}
    assert needed <= {name for name, _ in options}
    assert [value for name, value in options if "DATABASE_URL" in value and name == "Environment"]
    python = dict(unit())["ExecStart"].split()[0].replace("streamlit", "python")
    assert run[run.index("-m") - 1] == python


def test_links_between_deployment_pages_exist() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs" / "deploy").glob("*.md")]
    for page in pages:
        for link in re.findall(r"\]\(([\w./-]+\.md)\)", page.read_text("utf-8")):
            assert (page.parent / link).is_file(), f"{page.name}: {link}"


@pytest.mark.parametrize(
    ("config", "folder", "is_kept"),
    [
        ({}, "/home/ann/parley/app.py", True),
        ({}, "/mount/src/parley/app.py", False),
        ({"DATABASE_URL": "postgresql+psycopg://db/x"}, "/mount/src/parley/app.py", True),
        ({"DISK_IS_KEPT": "true"}, "/mount/src/parley/app.py", True),
        ({"DISK_IS_KEPT": "false"}, "/srv/parley/app.py", False),
    ],
)
def test_ephemeral_disk_is_detected(config: dict[str, str], folder: str, is_kept: bool) -> None:
    assert is_history_persistent(read_settings(config), PurePosixPath(folder)) is is_kept


def test_ephemeral_disk_notice_is_shown_until_dismissed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'parley.db'}")
    monkeypatch.setenv("FIND_LOCAL_SERVERS", "false")
    monkeypatch.setenv("DISK_IS_KEPT", "false")
    process.reset()

    def is_notice_shown(page: AppTest) -> bool:
        return any("may be emptied" in each.value for each in page.markdown)

    page = AppTest.from_file(APP, default_timeout=20).run()
    assert is_notice_shown(page)
    page.button(key="disk_understood").click().run()
    assert not is_notice_shown(page) and not is_notice_shown(page.run())
    process.chat_service().close()
    process.reset()
