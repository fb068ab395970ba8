"""Parsing of DATABASE_URL."""

from __future__ import annotations

from sqlalchemy import URL
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

POSTGRES_DRIVER = "postgresql+psycopg"
# Hosts and other programs write these; SQLAlchemy would not know them or choose another driver.
_POSTGRES_NAMES = {"postgres", "postgresql", "postgres+psycopg"}
_DRIVERS = {"sqlite", "sqlite+pysqlite", POSTGRES_DRIVER}


class UnsupportedUrl(ArgumentError):
    """DATABASE_URL names no database that Parley supports."""


def parse_url(database_url: str) -> URL:
    """Return the URL, with the driver that Parley uses. Raises `ArgumentError`."""
    try:
        url = make_url(database_url.strip())
    except ValueError:  # a port that is no number, which may be a part of the password
        raise ArgumentError from None
    if url.drivername in _POSTGRES_NAMES:
        url = url.set(drivername=POSTGRES_DRIVER)
    if url.drivername not in _DRIVERS:
        raise UnsupportedUrl
    return url
