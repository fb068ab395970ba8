"""The key that signs visitor cookies, and sign-ins that were ended before they expired."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "signing_keys",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
    )
    op.create_table(
        "sign_outs",
        sa.Column("sign_in", sa.String(64), primary_key=True),
        sa.Column("expires_at", MOMENT, nullable=False),
    )
