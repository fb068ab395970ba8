"""Several processes on one database: stop requests, and heartbeats in the ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("messages", sa.Column("stop_asked_at", MOMENT))
    op.add_column("ledger", sa.Column("heartbeat_at", MOMENT))
