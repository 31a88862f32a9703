"""Counts of what was received and of the log's blocks; what is there already is counted once, from its rows."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

TEXT = sa.Text(collation="C")
COUNTED = ("received", "accepted", "duplicate", "corrected", "parked", "rejected", "events")


def upgrade() -> None:
    op.create_table(
        "counted_block",
        sa.Column("log", TEXT, nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("block", sa.BigInteger(), nullable=False),
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("log", "shard", "block", "tenant"),
    )
    op.create_table(
        "intake_count",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in COUNTED),
        sa.PrimaryKeyConstraint("tenant", "slot"),
    )
    op.execute(
        "insert into intake_count (tenant, slot, received, accepted, duplicate, corrected, parked, rejected, events)"
        " select tenant, 0, plain + related + parked, plain, 0, related, parked, 0, coalesce(events, 0) from ("
        "   select tenant, count(*) filter (where state in (2, 3) and relation is null) plain,"
        "     count(*) filter (where state in (2, 3) and relation is not null) related,"
        "     count(*) filter (where state = 1) parked from evidence group by tenant) e"
        " left join (select tenant, count(*) events from event_log where log = 'evidence' group by tenant) l"
        "   using (tenant)"
    )


def downgrade() -> None:
    op.drop_table("intake_count")
    op.drop_table("counted_block")
