"""Where the configuration comes from: the environment, `.env`, the secrets file. It judges nothing.

A file that cannot be read hides no other problem: what there is is gathered, and why there may be
more is told with the rest.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

_SECRETS, _DOTENV = ".streamlit/secrets.toml", ".env"
_MARK = "\ufeff"  # some editors put it before everything else


class LoadedConfig(dict[str, Any]):
    """What is configured, and which files could not be read."""

    def __init__(self, values: Mapping[str, Any], unreadable_files: Sequence[str]) -> None:
        super().__init__(values)
        self.unread = tuple(unreadable_files)


def unreadable_files(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Why there may be more configured than these values."""
    return values.unread if isinstance(values, LoadedConfig) else ()


def load_config(
    secrets: Mapping[str, Any] | None = None,
    folder: Path | None = None,
    files: Sequence[str] | None = None,
) -> LoadedConfig:
    """Everything configured: the environment wins over `.env`, `.env` over the secrets file.

    `secrets` stands for an already read secrets file (a host may keep it elsewhere); without it
    `files` are read, by default `.streamlit/secrets.toml` below `folder` (the current one).
    """
    folder, problems = folder or Path.cwd(), list[str]()
    values: dict[str, Any] = dict(secrets or {})
    if secrets is None:
        for name in (_SECRETS,) if files is None else files:
            values |= _read(folder, name, _toml, problems)
    values |= _read(folder, _DOTENV, _dotenv, problems)
    values |= {name: value for name, value in os.environ.items() if value.strip()}
    return LoadedConfig(values, problems)


def _read(
    folder: Path, name: str, parse: Callable[[str], Mapping[str, Any]], problems: list[str]
) -> Mapping[str, Any]:
    file = folder / name
    try:
        if file.exists() and not file.is_dir():
            return parse(file.read_bytes().decode("utf-8"))
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        problems.append(f"{name} is not UTF-8 (line {line}): save it as UTF-8")
    except (OSError, ValueError) as error:
        problems.append(f"{name} cannot be read: {error}")
    return {}


def _toml(text: str) -> Mapping[str, Any]:
    if text.startswith(_MARK):  # Streamlit's own sign-in could not read it
        raise ValueError("it begins with a byte order mark: save it as UTF-8 without one")
    return tomllib.loads(text)


def _dotenv(text: str) -> Mapping[str, Any]:
    from dotenv import dotenv_values

    found = dotenv_values(stream=StringIO(text.removeprefix(_MARK)))
    return {name: value for name, value in found.items() if value}
