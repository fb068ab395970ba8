"""Owners who entered the access code, and failed attempts."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "entries",
        sa.Column("owner", sa.String(100), primary_key=True),
        sa.Column("code_hash", sa.String(64), nullable=False),
        sa.Column("entered_at", MOMENT, nullable=False),
    )
    op.create_table(
        "wrong_codes",
        sa.Column("who", sa.String(80), primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("locked_until", MOMENT),
    )
