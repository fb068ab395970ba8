"""The ledger of provider calls, models that are switched off, and the banner."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "ledger",
        sa.Column("id", sa.String(30), primary_key=True),
        sa.Column("owner", sa.String(100), nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("kind", sa.String(15), nullable=False),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("worker", sa.String(100), nullable=False),
        sa.Column("answer_id", sa.String(30)),
        sa.Column("prompt_tokens", sa.BigInteger),
        sa.Column("completion_tokens", sa.BigInteger),
        sa.Column("is_reported", sa.Boolean, nullable=False),
        sa.Column("is_limited", sa.Boolean, nullable=False),
        sa.Column("cost_nanos", sa.BigInteger),
        sa.Column("limit_tokens", sa.BigInteger, nullable=False),
        sa.Column("limit_nanos", sa.BigInteger, nullable=False),
        sa.Column("first_token_ms", sa.Integer),
        sa.Column("total_ms", sa.Integer),
        sa.Column("error_code", sa.String(40)),
    )
    op.create_index("ledger_of_owner", "ledger", ["owner", "created_at"])
    op.create_index("ledger_by_time", "ledger", ["created_at"])
    op.create_index("ledger_by_status", "ledger", ["status", "owner"])
    op.create_index("ledger_of_answer", "ledger", ["answer_id"])
    op.create_table(
        "switched_off",
        sa.Column("ref", sa.String(300), primary_key=True),
        sa.Column("created_at", MOMENT, nullable=False),
    )
    op.create_table(
        "banner",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("text", sa.Text, nullable=False),
    )
