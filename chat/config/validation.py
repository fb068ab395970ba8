"""Rules for the values of single settings beyond their type and bounds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_ANCESTOR = re.compile(
    r"'self'|(?:https?://)?(?:\*\.)?[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*(?::(?:\d+|\*))?"
)


def rule_problems(found: Mapping[str, Any]) -> list[str]:
    """Return the problems of parsed settings, by field name. Secrets are not repeated."""
    problems = []
    level, form = found["log_level"], found["log_format"]
    if level not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        problems.append(f"LOG_LEVEL should be DEBUG, INFO, WARNING or ERROR, not {level!r}")
    if form not in {"text", "json"}:
        problems.append(f"LOG_FORMAT should be text or json, not {form!r}")
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
    return problems
