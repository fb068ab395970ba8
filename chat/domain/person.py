"""The current user, and the prefix of models that run on a user-supplied key."""

from __future__ import annotations

from dataclasses import dataclass

OWN_KEY_PREFIX = "own-"  # begins the ref of a model that is asked with a person's own key


def is_billed_to_operator(model: str) -> bool:
    """Whether a call costs whoever runs Parley anything: a person's own key is theirs to pay."""
    return not model.startswith(OWN_KEY_PREFIX)


@dataclass(frozen=True, slots=True)
class Person:
    """Who looks: `owner` is what all they make is kept under; nobody else's is theirs to see."""

    owner: str
    email: str = ""
    is_admin: bool = False
