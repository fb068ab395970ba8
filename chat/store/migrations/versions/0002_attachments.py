"""Attachments of messages, and their contents by SHA-256."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

MOMENT = sa.DateTime(timezone=True)


def _content(name: str, *, is_needed: bool) -> sa.Column[str]:
    return sa.Column(name, sa.String(64), sa.ForeignKey("contents.sha256"), nullable=not is_needed)


def upgrade() -> None:
    op.create_table(
        "contents",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
    )
    op.create_table(
        "attachments",
        sa.Column("id", sa.String(30), primary_key=True),
        sa.Column(
            "message_id",
            sa.String(30),
            sa.ForeignKey("messages.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("media_type", sa.String(100), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("tokens", sa.Integer, nullable=False),
        sa.Column("is_exact", sa.Boolean, nullable=False),
        sa.Column("is_partial", sa.Boolean, nullable=False),
        _content("sha256", is_needed=True),
        _content("text_sha256", is_needed=False),
        _content("preview_sha256", is_needed=False),
    )
    op.create_index("attachments_of_message", "attachments", ["message_id", "place"])
    for name in ("sha256", "text_sha256", "preview_sha256"):
        op.create_index(f"attachments_by_{name}", "attachments", [name])
