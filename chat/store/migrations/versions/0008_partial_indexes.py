"""Partial indexes for frequent queries that read a whole conversation or list.

They cover failed retries, the latest conversations, which PostgreSQL sorted on every read, and
pinned conversations, for which SQLite scanned all conversations of the owner.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    _index("messages_replaced", "messages", ["replaces_id"], "replaces_id IS NOT NULL")
    # SQLite uses the index only if the key contains `deleted_at`, which is always NULL in it;
    # PostgreSQL does not need the column.
    pinned = ["owner", "deleted_at", "updated_at"]
    _index("conversations_on_top", "conversations", pinned, "pinned_at IS NOT NULL")
    latest = "deleted_at IS NULL AND pinned_at IS NULL"
    _index("conversations_latest", "conversations", ["owner", "updated_at"], latest)


def _index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(
        name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
    )
