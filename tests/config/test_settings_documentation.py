"""Every setting is documented in `.env.example` and in the manual, with its true default."""

from __future__ import annotations

import re
from pathlib import Path

from chat.config.settings import Settings, read_settings, setting_names
from chat.providers.cloud_providers import CLOUD_PROVIDERS
from chat.providers.endpoints import LOCAL
from chat.providers.guide.manual import MANUAL_FOLDER

SETTINGS = setting_names()
_CLOUD = [each.name.upper() for each in CLOUD_PROVIDERS]
PROVIDER_SETTINGS = {f"{name}_API_KEY" for name in _CLOUD} | {
    f"{name}_BASE_URL" for name in [*_CLOUD, *map(str.upper, LOCAL)]
}
# Variables of the process that are not Parley's own; `openai_compatible/environment.py` reads them.
ENVIRONMENT = {"SSL_CERT_FILE", "SSL_CERT_DIR"} | {
    f"{name}_PROXY" for name in ("HTTP", "HTTPS", "ALL", "NO")
}
ENV_EXAMPLE = (Path(__file__).parents[2] / ".env.example").read_text("utf-8")
SETTINGS_PAGE = re.sub(
    r"<!--.*?-->", "", (MANUAL_FOLDER / "settings.md").read_text("utf-8"), flags=re.DOTALL
)


def names_in(text: str) -> set[str]:
    return set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", text))


def test_env_example_lists_every_setting_and_no_other() -> None:
    listed = set(re.findall(r"^#([A-Z_]+)=", ENV_EXAMPLE, re.MULTILINE))
    assert set(SETTINGS) <= listed
    assert listed - set(SETTINGS) <= PROVIDER_SETTINGS | {"OPENAI_MODELS"}


def test_env_example_has_valid_values() -> None:
    values = dict(re.findall(r"^#([A-Z_]+)=(.*)$", ENV_EXAMPLE, re.MULTILINE))
    values["auth"] = None
    values.pop("ALLOWED_EMAILS")  # valid only together with [auth]
    read_settings(values)


def test_settings_page_lists_every_setting_and_no_other() -> None:
    assert names_in(SETTINGS_PAGE) == set(SETTINGS) | PROVIDER_SETTINGS


def test_manual_names_no_unknown_setting() -> None:
    for page in MANUAL_FOLDER.glob("*.md"):
        unknown = names_in(page.read_text("utf-8")) - set(SETTINGS)
        assert unknown <= PROVIDER_SETTINGS | ENVIRONMENT, page.name


def test_settings_page_states_the_defaults() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (?:`([^`]+)`|none) \|", SETTINGS_PAGE, re.MULTILINE)
    documented = {name: default for name, default in rows if name in SETTINGS}
    assert set(documented) == set(SETTINGS)
    for name, default in documented.items():
        expected = getattr(Settings(), SETTINGS[name])
        assert getattr(read_settings({name: default}), SETTINGS[name]) == expected, name
        assert bool(default) == (expected not in (None, "")), name
