"""Detection of misspelt settings, which would be ignored without a word. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

_SIMILARITY = 0.9  # one or two wrong letters; the environment holds names of other programs too


def misspelt_names(values: Mapping[str, Any], known: Iterable[str]) -> dict[str, str]:
    """Return the configured names that no setting has but that resemble one, with that one."""
    names, found = list(known), {}
    for name in map(str, values):
        if name in names:
            continue
        nearest = get_close_matches(name.strip().upper(), names, 1, _SIMILARITY)
        if nearest:
            found[name] = nearest[0]
    return found


def misspelling_sentence(name: str, nearest: str) -> str:
    return f"{name} is not a setting of Parley. Did you mean {nearest}?"
