"""Conversations, their message trees and clear marks."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "conversations",
        sa.Column("id", sa.String(30), primary_key=True),
        sa.Column("owner", sa.String(100), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("model", sa.Text),
        sa.Column("temperature", sa.Float),
        sa.Column("system_prompt", sa.Text, nullable=False),
        sa.Column("max_reply_tokens", sa.Integer),
        sa.Column("leaf_id", sa.String(30)),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("deleted_at", MOMENT),
    )
    op.create_index(
        "conversations_of_owner", "conversations", ["owner", "deleted_at", "updated_at"]
    )
    op.create_table(
        "messages",
        sa.Column("id", sa.String(30), primary_key=True),
        sa.Column(
            "conversation_id",
            sa.String(30),
            sa.ForeignKey("conversations.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("parent_id", sa.String(30), sa.ForeignKey("messages.id", ondelete="CASCADE")),
        sa.Column("depth", sa.Integer, nullable=False),
        sa.Column("role", sa.String(10), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("deleted_at", MOMENT),
        sa.Column("tokens", sa.Integer, nullable=False),
        sa.Column("is_exact", sa.Boolean, nullable=False),
        sa.Column("reasoning", sa.Text, nullable=False),
        sa.Column("reasoning_ms", sa.Integer),
        sa.Column("finish_reason", sa.String(40)),
        sa.Column("model", sa.Text),
        sa.Column("prompt_tokens", sa.Integer),
        sa.Column("completion_tokens", sa.Integer),
        sa.Column("usage_is_reported", sa.Boolean),
        sa.Column("first_token_ms", sa.Integer),
        sa.Column("total_ms", sa.Integer),
        sa.Column("error_code", sa.String(40)),
        sa.Column("error_sentence", sa.Text),
        sa.Column("error_details", sa.Text),
        sa.Column("retry_at", MOMENT),
        sa.Column("replaces_id", sa.String(30)),
        sa.Column("resume_leaf_id", sa.String(30)),
        sa.Column("worker", sa.String(100)),
        sa.Column("heartbeat_at", MOMENT),
    )
    op.create_index("messages_by_parent", "messages", ["conversation_id", "parent_id", "id"])
    op.create_index("messages_of_parent", "messages", ["parent_id"])
    op.create_index(
        "messages_streaming",
        "messages",
        ["conversation_id"],
        sqlite_where=sa.text("status = 'streaming'"),
        postgresql_where=sa.text("status = 'streaming'"),
    )
    op.create_table(
        "clear_marks",
        sa.Column(
            "conversation_id",
            sa.String(30),
            sa.ForeignKey("conversations.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("message_id", sa.String(30), primary_key=True),
        sa.Column("created_at", MOMENT, nullable=False),
    )
