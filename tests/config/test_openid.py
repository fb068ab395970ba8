"""Validation of the [auth] table: every problem is reported at once, without secret values."""

from __future__ import annotations

from typing import Any

import pytest

from chat.config.openid import sign_in_problems, sign_in_providers
from chat.config.settings import parse_settings
from tests.support.openid_settings import GOOGLE, SHARED

CALLBACK = "redirect_uri in [auth] should be the address of Parley with /oauth2callback at its end"
COOKIE = "cookie_secret in [auth] should be random, with at least 32 characters"
NO_PROVIDER = "[auth] names no provider: it lacks client_id, client_secret and server_metadata_url"


@pytest.mark.parametrize(
    "auth",
    [
        {**SHARED, **GOOGLE},
        {**SHARED, **GOOGLE, "client_kwargs": {"prompt": "login"}, "expose_tokens": "id"},
        {**SHARED, "google": GOOGLE},
        {**SHARED, **GOOGLE, "okta": GOOGLE},
        {**SHARED, **GOOGLE, "redirect_uri": "http://localhost:{port}/oauth2callback"},
    ],
)
def test_valid_auth_tables_have_no_problems(auth: dict[str, Any]) -> None:
    assert sign_in_problems(auth) == []
    assert parse_settings({"auth": auth})[1] == []


@pytest.mark.parametrize(
    ("auth", "problems"),
    [
        ({}, [CALLBACK, COOKIE, NO_PROVIDER]),
        ({"cookie_secret": "x" * 32}, [CALLBACK, NO_PROVIDER]),
        (
            {"cookie_secret": "x" * 32, "client_id": "parley"},
            [CALLBACK, "[auth] lacks client_secret and server_metadata_url"],
        ),
        ({**SHARED, "client_kwargs": {"prompt": "login"}}, [NO_PROVIDER]),
        ({**SHARED, **GOOGLE, "client_secret": " "}, ["[auth] lacks client_secret"]),
        ({**SHARED, **GOOGLE, "redirect_uri": "your.host/oauth2callback"}, [CALLBACK]),
        ({**SHARED, **GOOGLE, "redirect_uri": "https://your.host/"}, [CALLBACK]),
        (
            {**SHARED, **GOOGLE, "okta": {}, "my_own": {**GOOGLE, "server_metadata_url": "id.org"}},
            [
                "[auth.okta] lacks client_id, client_secret and server_metadata_url",
                "server_metadata_url in [auth.my_own] should begin with https://",
                "[auth.my_own] should have a name without _: sign-in takes none with it",
            ],
        ),
        ("from the environment", ["auth should be a table, [auth], in the secrets file and "
                                  "nowhere else"]),
    ],
)  # fmt: skip
def test_auth_problems_are_reported_together_and_repeat_no_value(
    auth: object, problems: list[str]
) -> None:
    assert sign_in_problems(auth) == problems
    reported = parse_settings({"auth": auth, "MAX_FILES": "none"})[1]
    assert reported[1:] == problems
    assert not any(secret in " ".join(reported) for secret in ("hush-hush", "parley,"))


def test_client_kwargs_is_not_a_provider() -> None:
    assert list(sign_in_providers({**SHARED, "client_kwargs": {}, "google": GOOGLE})) == ["google"]
    assert list(sign_in_providers({**SHARED, **GOOGLE})) == [""]
