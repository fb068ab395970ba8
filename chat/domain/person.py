"""The current user, and the prefix of models that run on a user-supplied key."""

from __future__ import annotations

from dataclasses import dataclass

OWN_KEY_PREFIX = "own-"  # of the ref of a model that is called with a user's own key


def is_billed_to_operator(model: str) -> bool:
    """Return whether the operator pays for calls of `model`, not a user with their own key."""
    return not model.startswith(OWN_KEY_PREFIX)


@dataclass(frozen=True, slots=True)
class Person:
    """The current user. `owner` scopes every query; it is empty before sign-in."""

    owner: str
    email: str = ""
    is_admin: bool = False
