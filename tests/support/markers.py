"""Marks for tests that need one kind of database only."""

from __future__ import annotations

import pytest

# For behaviour that cannot differ between databases: SQLite, or the kind that `--database` names.
on_one_database = pytest.mark.parametrize("database_url", ["any"], indirect=True)
