"""Validation of the [auth] table of the secrets file, which Streamlit's sign-in reads. Pure.

Problems never repeat a value, because the table holds secrets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NEEDED = ("client_id", "client_secret", "server_metadata_url")
_CALLBACK = "/oauth2callback"


def sign_in_providers(auth: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the OpenID providers by name. The provider in [auth] itself has an empty name."""
    unnamed = {"": auth} if any(name in auth for name in _NEEDED) else {}
    tables = {name: table for name, table in auth.items() if isinstance(table, Mapping)}
    tables.pop("client_kwargs", None)  # options of the unnamed provider
    return {**unnamed, **tables}


def sign_in_problems(auth: object) -> list[str]:
    """Return what keeps sign-in from working or makes its cookie forgeable."""
    if not isinstance(auth, Mapping):
        return ["auth should be a table, [auth], in the secrets file and nowhere else"]
    problems, callback = [], str(auth.get("redirect_uri", ""))
    if not (_is_address(callback) and callback.endswith(_CALLBACK)):
        problems.append(
            f"redirect_uri in [auth] should be the address of Parley with {_CALLBACK} at its end"
        )
    if len(str(auth.get("cookie_secret", ""))) < 32:
        problems.append("cookie_secret in [auth] should be random, with at least 32 characters")
    found = sign_in_providers(auth)
    if not found:
        problems.append(f"[auth] names no provider: it lacks {_listed(_NEEDED)}")
    for name, provider in found.items():
        problems += _problems_of_provider(provider, name)
    return problems


def _problems_of_provider(provider: Mapping[str, Any], name: str) -> list[str]:
    problems, place = [], f"[auth.{name}]" if name else "[auth]"
    if missing := [each for each in _NEEDED if not str(provider.get(each, "")).strip()]:
        problems.append(f"{place} lacks {_listed(missing)}")
    if "server_metadata_url" not in missing and not _is_address(provider["server_metadata_url"]):
        problems.append(f"server_metadata_url in {place} should begin with https://")
    if "_" in name:
        problems.append(f"{place} should have a name without _: sign-in takes none with it")
    return problems


def _is_address(value: object) -> bool:
    return str(value).startswith(("https://", "http://"))


def _listed(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1] if names[1:] else names[0]
