"""The newest turn of a conversation, to be run elsewhere: a notebook, a script, a curl line.

No key is ever part of it: it is read from the environment where it runs. Pure; every text is quoted
for the language it ends up in.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from chat.domain.person import OWN_KEY_PREFIX
from chat.formats.markdown import line
from chat.providers.base import Request
from chat.providers.cloud_providers import CLOUD
from chat.providers.endpoints import LOCAL, endpoints, length_parameter, unconfigured_local_servers
from chat.providers.openai_compatible.request_body import messages

_LONGEST_ARGUMENT = 100_000  # bytes; systems refuse arguments of more than 128 kB
_MARK = "END_OF_REQUEST"


@dataclass(frozen=True, slots=True)
class ApiEndpoint:
    """Where a provider is reached. `key_variable` is None where no key is asked for."""

    label: str
    base_url: str
    key_variable: str | None
    cap: str = "max_tokens"  # what the limit of the reply's length is called there


@dataclass(frozen=True, slots=True)
class ApiCall:
    title: str
    address: ApiEndpoint
    request: Request

    @property
    def body(self) -> dict[str, Any]:
        wanted = {
            "model": self.request.model,
            "messages": messages(self.request),
            "temperature": self.request.temperature,
            self.address.cap: self.request.max_tokens,
        }
        return {name: value for name, value in wanted.items() if value is not None}


def find_endpoint(values: Mapping[str, Any], provider: str) -> ApiEndpoint | None:
    """The address of a provider of this configuration; None for one that has none."""
    if (name := provider.removeprefix(OWN_KEY_PREFIX)) != provider and name in CLOUD:
        values, provider = {f"{name.upper()}_API_KEY": "-"}, name  # the person's own, at its home
    for each in (*endpoints(values), *unconfigured_local_servers(values)):
        if each.name == provider:
            has_key = bool(each.api_key) and each.name not in LOCAL
            variable = re.sub(r"[^A-Z0-9]", "_", each.name.upper()) + "_API_KEY"
            variable = variable if variable[0].isalpha() else f"_{variable}"
            return ApiEndpoint(
                each.label,
                _without_secrets(each.base_url),
                variable if has_key else None,
                length_parameter(each),
            )
    return None


def _without_secrets(url: str) -> str:
    """The address without a name, a password or a query, which may hold a key."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def to_script(call: ApiCall) -> str:
    """A Python program that asks again and prints the answer."""
    how = [
        "# Asks the newest question of a Parley conversation again.",
        "#",
        "#     pip install openai",
    ]
    if call.address.key_variable:
        how.append(f"#     export {call.address.key_variable}=…")
    # The title stands below the second line, where no declaration of an encoding is looked for.
    how += ["#     python <this file>", "#", f"# The conversation: {call.title!a}"]
    return "\n".join([*how, "", *_imports(call), "", *_question(call), "", *_asking(call), ""])


def to_notebook(call: ApiCall) -> str:
    """The same as a Jupyter notebook (nbformat 4.5)."""
    key = call.address.key_variable
    told = f" and has the key in the environment variable `{key}`" if key else ""
    cells = [
        (
            "markdown",
            [
                f"# {line(call.title)}",
                "",
                "The newest question, asked again. It needs the "
                f"package `openai` (`pip install openai`){told}.",
            ],
        ),
        ("code", [*_imports(call), "", *_question(call)]),
        ("code", _asking(call)),
    ]
    notebook = {
        "cells": [_cell(number, *cell) for number, cell in enumerate(cells, start=1)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(notebook, indent=1) + "\n"


def to_curl(call: ApiCall) -> str:
    """A command for a POSIX shell."""
    url = shlex.quote(f"{call.address.base_url}/chat/completions")
    parts = [
        f"curl --silent --show-error --globoff {url}",
        "--header 'Content-Type: application/json'",
    ]
    if call.address.key_variable:
        parts.append(f'--header "Authorization: Bearer ${call.address.key_variable}"')
    body = json.dumps(call.body)  # one line of ASCII
    if len(body) <= _LONGEST_ARGUMENT:
        return " \\\n  ".join([*parts, f"--data-raw {shlex.quote(body)}"]) + "\n"
    parts.append(f"--data-binary @- <<'{_MARK}'")
    return " \\\n  ".join(parts) + f"\n{body}\n{_MARK}\n"


def _imports(call: ApiCall) -> list[str]:
    return [*(["import os", ""] if call.address.key_variable else []), "from openai import OpenAI"]


def _question(call: ApiCall) -> list[str]:
    said = (f"    {message!r}," for message in call.body["messages"])
    return ["messages = [", *said, "]"]


def _asking(call: ApiCall) -> list[str]:
    variable = call.address.key_variable
    key = f'os.environ["{variable}"]' if variable else '"no-key-needed"'
    rest = {name: value for name, value in call.body.items() if name != "messages"}
    return [
        f"client = OpenAI(base_url={call.address.base_url!r}, api_key={key})",
        "reply = client.chat.completions.create(",
        "    messages=messages,",
        *(f"    {name}={value!r}," for name, value in rest.items()),
        ")",
        "print(reply.choices[0].message.content)",
    ]


def _cell(number: int, kind: str, rows: list[str]) -> dict[str, Any]:
    source = [f"{row}\n" for row in rows[:-1]] + rows[-1:]
    cell = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": source}
    return {**cell, "execution_count": None, "outputs": []} if kind == "code" else cell
