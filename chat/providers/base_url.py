"""Base URLs as people paste them. Pure."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, parse_qsl, urlsplit, urlunsplit

_ENDPOINT = re.compile(
    r"(?:/chat/completions|/completions|/responses|/models|/embeddings|/messages"
    r"|/audio/(?:transcriptions|translations|speech))/*$"
)
_SECRET_NAMES = re.compile(r"key|token|secret|sig|auth|code|password", re.IGNORECASE)


def normalized(text: str) -> str:
    """Return a base URL without fragment, trailing slash and the path of an endpoint behind it.

    A query, such as Azure's `api-version`, is kept. Raises `ValueError` for an invalid URL.
    """
    parts = urlsplit(text)
    path = _ENDPOINT.sub("", parts.path.rstrip("/")).rstrip("/")
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def without_endpoint(text: str) -> str:
    """Return typed text without the path of an endpoint at its end, otherwise unchanged."""
    return _ENDPOINT.sub("", text.strip())


def split_query(base_url: str) -> tuple[str, dict[str, str]]:
    """Return the base URL without its query, and the query."""
    parts = urlsplit(base_url)
    plain = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
    return plain, dict(parse_qsl(parts.query, keep_blank_values=True))


def secrets_of(base_url: str) -> tuple[str, ...]:
    """Return the password and the keys in a base URL."""
    parts = urlsplit(base_url)
    values = [value for name, value in parse_qsl(parts.query) if _SECRET_NAMES.search(name)]
    return tuple(each for each in (parts.password, *values) if each)


def has_path(base_url: str) -> bool:
    return bool(urlsplit(base_url).path.strip("/"))


def with_path(base_url: str, path: str) -> str:
    """Return the base URL with another path."""
    parts: SplitResult = urlsplit(base_url)
    return urlunsplit(parts._replace(path=path))
