"""Conversion of one configured value, from text or from TOML, to the type of its setting."""

from __future__ import annotations

import math
from typing import Any

Kind = type[bool] | type[int] | type[float] | type[str]

_EXPECTED = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
_MAX_SHOWN = 14  # characters of a wrong value that a problem repeats
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


def parse_value(name: str, raw: Any, kind: Kind, least: float | None, most: float | None) -> Any:
    """Return `raw` as a value of type `kind`.

    Raises `ValueError` with a sentence for the administrator if `raw` is not of that type or not
    between `least` and `most`.
    """
    try:
        value = _convert(raw, kind)
    except ValueError:
        raise ValueError(f"{name} should be {_EXPECTED[kind]}{_instead_of(raw)}") from None
    if (least is not None and not value >= least) or (most is not None and value > most):
        bounds = f"at least {least:g}" + (f" and at most {most:g}" if most is not None else "")
        raise ValueError(f"{name} should be {bounds}{_instead_of(value)}")
    return value


def _instead_of(raw: Any) -> str:
    """Return ", not …" for a value that is too short to be a key in the wrong setting."""
    shown = repr(raw)
    return f", not {shown}" if len(shown) <= _MAX_SHOWN else ""


def _convert(raw: Any, kind: Kind) -> Any:
    if kind is bool:
        word = str(raw).strip().lower()
        if word in _TRUE:
            return True
        if word in _FALSE:
            return False
        raise ValueError(raw)
    if kind is int:
        return int(str(raw).replace("_", "").replace(",", ""))
    if isinstance(raw, list | tuple):  # a TOML array
        return kind(",".join(str(each).strip() for each in raw))
    value = kind(str(raw).strip())
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(raw)
    return value
