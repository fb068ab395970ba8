"""A private Streamlit method together with the function that replaces it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Replacement:
    """Replace the method `owner.name`, which must have exactly these parameters after `self`."""

    owner: type
    name: str
    parameters: tuple[str, ...]
    function: Callable[..., Any]

    @property
    def has_expected_signature(self) -> bool:
        """Return whether the installed Streamlit defines the method as it was when patched."""
        method = getattr(self.owner, self.name, None)
        if method is None:
            return False
        return tuple(inspect.signature(method).parameters)[1:] == self.parameters

    def apply(self) -> None:
        setattr(self.owner, self.name, self.function)

    def __str__(self) -> str:
        return f"{self.owner.__name__}.{self.name}"
