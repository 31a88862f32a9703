"""Limits of single tenants."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0009"
_TEXT = sa.Text(collation="C")


def upgrade() -> None:
    op.create_table(
        "tenant_limit",
        sa.Column("tenant", _TEXT, nullable=False),
        sa.Column("name", _TEXT, nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "name"),
    )


def downgrade() -> None:
    op.drop_table("tenant_limit")
