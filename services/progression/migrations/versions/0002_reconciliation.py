"""Counts of the blocks of progression's log and journal."""

import sqlalchemy as sa
from alembic import op

revision = "0002_reconciliation"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "counted_block",
        sa.Column("log", sa.Text(collation="C"), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("block", sa.BigInteger(), nullable=False),
        sa.Column("tenant", sa.Text(collation="C"), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("log", "shard", "block", "tenant"),
    )


def downgrade() -> None:
    op.drop_table("counted_block")
