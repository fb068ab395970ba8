"""Load the configuration from the environment, `.env` and the secrets file, without validation.

An unreadable file does not raise. The values of the other files are loaded and the problem is
kept in `LoadedConfig.unread`, so that it can be reported together with all other problems.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

_SECRETS, _DOTENV = ".streamlit/secrets.toml", ".env"
_BYTE_ORDER_MARK = "\ufeff"  # some editors write it at the start of a file


class LoadedConfig(dict[str, Any]):
    """Configured values. `unread` holds one sentence per file that could not be read.

    `in_files` are the names that Parley's own files set; the environment also holds names of
    other programs.
    """

    def __init__(
        self, values: Mapping[str, Any], unread: Sequence[str], in_files: Iterable[str] = ()
    ) -> None:
        super().__init__(values)
        self.unread = tuple(unread)
        self.in_files = frozenset(in_files)


def unreadable_files(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return why these values may be incomplete: one sentence per unreadable file."""
    return values.unread if isinstance(values, LoadedConfig) else ()


def names_in_files(values: Mapping[str, Any]) -> frozenset[str]:
    """Return the names that are set in files that only Parley reads."""
    return values.in_files if isinstance(values, LoadedConfig) else frozenset()


def load_config(
    secrets: Mapping[str, Any] | None = None,
    folder: Path | None = None,
    files: Sequence[str] | None = None,
) -> LoadedConfig:
    """Return all configured values. The environment overrides `.env`, which overrides secrets.

    `secrets` is the content of a secrets file that was already read, for hosts that keep it
    elsewhere. Otherwise `files` are read, by default `.streamlit/secrets.toml`, relative to
    `folder`, by default the current directory.
    """
    folder, problems = folder or Path.cwd(), list[str]()
    values: dict[str, Any] = dict(secrets or {})
    if secrets is None:
        for name in (_SECRETS,) if files is None else files:
            values |= _read(folder, name, _toml, problems)
    values |= _read(folder, _DOTENV, _dotenv, problems)
    in_files = tuple(values)
    values |= {name: value for name, value in os.environ.items() if value.strip()}
    return LoadedConfig(values, problems, in_files)


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
    if text.startswith(_BYTE_ORDER_MARK):  # Streamlit's sign-in fails on it
        raise ValueError("it begins with a byte order mark: save it as UTF-8 without one")
    return tomllib.loads(text)


def _dotenv(text: str) -> Mapping[str, Any]:
    from dotenv import dotenv_values

    found = dotenv_values(stream=StringIO(text.removeprefix(_BYTE_ORDER_MARK)))
    return {name: value for name, value in found.items() if value}
