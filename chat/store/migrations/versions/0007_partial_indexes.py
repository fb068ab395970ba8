"""Finds what few rows have, without going through a whole conversation or list.

The try that failed and gave a leaf back, and the pinned conversations, the latest first.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    _index("messages_replaced", "messages", ["replaces_id"], "replaces_id IS NOT NULL")
    pinned = ["owner", "deleted_at", "updated_at"]
    _index("conversations_on_top", "conversations", pinned, "pinned_at IS NOT NULL")


def _index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(
        name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
    )
