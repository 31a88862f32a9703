"""Counts of the events that were folded; where counting began later than folding, a row without a tenant says behind what."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TEXT = sa.Text(collation="C")


def upgrade() -> None:
    """Create the table, and note up to where each shard has been folded without being counted."""
    op.create_table(
        "folded_count",
        sa.Column("consumer", TEXT, primary_key=True),
        sa.Column("shard", sa.Integer, primary_key=True),
        sa.Column("tenant", TEXT, primary_key=True),
        sa.Column("events", sa.BigInteger, nullable=False),
    )
    op.execute(
        "insert into folded_count (consumer, shard, tenant, events)"
        " select consumer, shard, '', -pos from consumer_shard where consumer like 'reporting-mastery-%' and pos > 0"
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("folded_count")
