"""Export the newest request of a conversation as code: a notebook, a script or a curl command.

The code reads the API key from the environment and never contains it. All texts are quoted for the
target language. Pure.
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
from chat.formats.markdown import escape_line
from chat.providers.base import Request
from chat.providers.cloud_providers import CLOUD
from chat.providers.endpoints import LOCAL, endpoints, length_parameter, unconfigured_local_servers
from chat.providers.openai_compatible.request_body import messages

_MAX_ARGUMENT = 100_000  # bytes; Linux refuses arguments of more than 128 kB
_HEREDOC_END = "END_OF_REQUEST"


@dataclass(frozen=True, slots=True)
class ApiEndpoint:
    """The API of a provider. `key_variable` is None if it needs no key."""

    label: str
    base_url: str
    key_variable: str | None
    limit_field: str = "max_tokens"  # the request field that limits the length of the reply


@dataclass(frozen=True, slots=True)
class ApiCall:
    """A request to a model. `title` is the title of the conversation."""

    title: str
    endpoint: ApiEndpoint
    request: Request

    @property
    def body(self) -> dict[str, Any]:
        fields = {
            "model": self.request.model,
            "messages": messages(self.request),
            "temperature": self.request.temperature,
            self.endpoint.limit_field: self.request.max_tokens,
        }
        return {name: value for name, value in fields.items() if value is not None}


def find_endpoint(values: Mapping[str, Any], provider: str) -> ApiEndpoint | None:
    """Return the API of a configured provider, or None if it has none, such as Guide."""
    if (name := provider.removeprefix(OWN_KEY_PREFIX)) != provider and name in CLOUD:
        # A user-supplied key belongs to the standard endpoint of the provider.
        values, provider = {f"{name.upper()}_API_KEY": "-"}, name
    for endpoint in (*endpoints(values), *unconfigured_local_servers(values)):
        if endpoint.name == provider:
            has_key = bool(endpoint.api_key) and endpoint.name not in LOCAL
            variable = re.sub(r"[^A-Z0-9]", "_", endpoint.name.upper()) + "_API_KEY"
            variable = variable if variable[0].isalpha() else f"_{variable}"
            return ApiEndpoint(
                endpoint.label,
                _without_credentials(endpoint.base_url),
                variable if has_key else None,
                length_parameter(endpoint),
            )
    return None


def _without_credentials(url: str) -> str:
    """Return the URL without user, password and query, any of which may hold a key."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def to_script(call: ApiCall) -> str:
    """Return a Python script that sends the request and prints the reply."""
    comment = [
        "# Sends the newest question of a Parley conversation again.",
        "#",
        "#     pip install openai",
    ]
    if call.endpoint.key_variable:
        comment.append(f"#     export {call.endpoint.key_variable}=…")
    # A title in the first two lines could be read as an encoding declaration (PEP 263).
    comment += ["#     python <this file>", "#", f"# The conversation: {call.title!a}"]
    return "\n".join([*comment, "", *_imports(call), "", *_messages(call), "", *_request(call), ""])


def to_notebook(call: ApiCall) -> str:
    """Return a Jupyter notebook (nbformat 4.5) that sends the request."""
    key = call.endpoint.key_variable
    key_note = f" and the key in the environment variable `{key}`" if key else ""
    cells = [
        (
            "markdown",
            [
                f"# {escape_line(call.title)}",
                "",
                "Sends the newest question again. It needs the "
                f"package `openai` (`pip install openai`){key_note}.",
            ],
        ),
        ("code", [*_imports(call), "", *_messages(call)]),
        ("code", _request(call)),
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
    """Return a curl command for a POSIX shell."""
    url = shlex.quote(f"{call.endpoint.base_url}/chat/completions")
    parts = [
        f"curl --silent --show-error --globoff {url}",
        "--header 'Content-Type: application/json'",
    ]
    if call.endpoint.key_variable:
        parts.append(f'--header "Authorization: Bearer ${call.endpoint.key_variable}"')
    body = json.dumps(call.body)  # one line of ASCII
    if len(body) <= _MAX_ARGUMENT:
        return " \\\n  ".join([*parts, f"--data-raw {shlex.quote(body)}"]) + "\n"
    parts.append(f"--data-binary @- <<'{_HEREDOC_END}'")
    return " \\\n  ".join(parts) + f"\n{body}\n{_HEREDOC_END}\n"


def _imports(call: ApiCall) -> list[str]:
    return [*(["import os", ""] if call.endpoint.key_variable else []), "from openai import OpenAI"]


def _messages(call: ApiCall) -> list[str]:
    rows = (f"    {message!r}," for message in call.body["messages"])
    return ["messages = [", *rows, "]"]


def _request(call: ApiCall) -> list[str]:
    variable = call.endpoint.key_variable
    key = f'os.environ["{variable}"]' if variable else '"no-key-needed"'
    rest = {name: value for name, value in call.body.items() if name != "messages"}
    return [
        f"client = OpenAI(base_url={call.endpoint.base_url!r}, api_key={key})",
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
