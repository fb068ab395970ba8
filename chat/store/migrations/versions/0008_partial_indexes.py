"""Finds what is asked for all the time without going through a whole conversation or list.

The try that failed and gave a leaf back; the conversations of the list, the latest first, for
which PostgreSQL sorted all there are, and the pinned ones, for which SQLite read them all.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    _index("messages_replaced", "messages", ["replaces_id"], "replaces_id IS NOT NULL")
    # With the column that is always empty in the key SQLite takes it, PostgreSQL without.
    pinned = ["owner", "deleted_at", "updated_at"]
    _index("conversations_on_top", "conversations", pinned, "pinned_at IS NOT NULL")
    latest = "deleted_at IS NULL AND pinned_at IS NULL"
    _index("conversations_latest", "conversations", ["owner", "updated_at"], latest)


def _index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(
        name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
    )
