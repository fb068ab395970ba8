"""Rules for the values of single settings beyond their type and bounds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from chat.observability.redaction import looks_like_key

_ANCESTOR = re.compile(
    r"'self'|(?:https?://)?(?:\*\.)?[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*(?::(?:\d+|\*))?"
)

# Names of models, languages and prices, which pages show.
_SHOWN = (
    "default_model",
    "vision_models",
    "text_models",
    "transcription_model",
    "transcription_language",
    "model_prices",
)


# A model id or a pattern of ids. An opening bracket without its end would only match itself.
_PATTERN = re.compile(r"""(?:[\w.:/@+*?~-]|\[[^\[\]\s"']+\])+""")
_ADDRESS = re.compile(r'[^\s@,;"*<>\[\]]+@[\w.-]+')
_DOMAIN = re.compile(r"@?[\w.-]+")


def rule_problems(found: Mapping[str, Any]) -> list[str]:
    """Return the problems of parsed settings, by field name. Secrets are not repeated."""
    problems = [
        f"{field.upper()} should not contain an API key: everyone can see it"
        for field in _SHOWN
        if looks_like_key(str(found.get(field) or ""))
    ]
    level, form = found["log_level"], found["log_format"]
    if level not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        problems.append("LOG_LEVEL should be DEBUG, INFO, WARNING or ERROR")
    if form not in {"text", "json"}:
        problems.append("LOG_FORMAT should be text or json")
    if len(found.get("metrics_token", "x" * 16)) < 16:
        problems.append("METRICS_TOKEN should be random, with at least 16 characters")
    if len(found.get("access_code", "x" * 6)) < 6:  # a shorter one could be guessed
        problems.append("ACCESS_CODE should have at least 6 characters")
    ancestors = str(found.get("frame_ancestors", "")).split()
    if ancestors != ["'none'"] and not all(_ANCESTOR.fullmatch(each) for each in ancestors):
        example = "'self' https://*.example.com"
        problems.append(
            f"FRAME_ANCESTORS should be addresses such as {example}, with spaces between"
        )
    return problems + _list_problems(found)


def _list_problems(found: Mapping[str, Any]) -> list[str]:
    """Return the problems of settings that are lists, separated by commas."""
    problems = []
    for name in ("vision_models", "text_models"):
        if wrong := _entries_unlike(found.get(name), _PATTERN):
            example = "patterns of model ids such as gpt-4o*, my-llava"
            problems.append(f"{name.upper()} should be {example}, not {wrong!r}")
    for name, forms, expected in (
        ("allowed_emails", (_ADDRESS, _DOMAIN), "addresses and domains such as ann@x.org, y.org"),
        ("admin_emails", (_ADDRESS,), "addresses such as ann@x.org, bob@x.org"),
    ):
        if wrong := _entries_unlike(found.get(name), *forms):
            problems.append(f"{name.upper()} should be {expected}, not {wrong!r}")
    return problems


def _entries_unlike(listed: str | None, *forms: re.Pattern[str]) -> str:
    """Return the first entry that has none of the forms; "" if all are valid."""
    entries = (each.strip() for each in (listed or "").split(","))
    wrong = (each for each in entries if each and not any(form.fullmatch(each) for form in forms))
    return next(wrong, "")
