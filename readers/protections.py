"""Reader that reads nothing: report the protections of its own process."""

from __future__ import annotations

from typing import Any

from readers import confinement


def read(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Return an empty content. Header: `active`, the names of the protections."""
    return {"active": confinement.active}, b""
