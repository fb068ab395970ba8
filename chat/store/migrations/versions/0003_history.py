"""Pinned conversations, origins of imported rows, and shared snapshots."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("conversations", sa.Column("pinned_at", MOMENT))
    op.add_column("conversations", sa.Column("origin", sa.String(200)))
    op.add_column("messages", sa.Column("origin", sa.String(200)))
    op.create_index("conversations_by_origin", "conversations", ["owner", "origin"])
    op.create_index(
        "conversations_pinned", "conversations", ["owner", "deleted_at", "pinned_at", "updated_at"]
    )
    op.create_table(
        "shares",
        sa.Column("id", sa.String(30), primary_key=True),
        sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("owner", sa.String(100), nullable=False),
        sa.Column(
            "conversation_id",
            sa.String(30),
            sa.ForeignKey("conversations.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("snapshot", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT),
    )
    op.create_index("shares_of_conversation", "shares", ["conversation_id"])
