"""How many events of the evidence log each journal row adds, and counts of the blocks of progression's log and journal."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


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
    op.add_column("journal", sa.Column("events", sa.Integer(), nullable=False, server_default="0"))
    op.execute(
        "update journal j set events = c.events from ("
        "   select shard, batch, no, count(*) as events from ("
        "     select shard, batch, no, row_number() over (partition by shard, e ->> 0 order by batch, no) as time_seen"
        "     from journal, jsonb_array_elements(convert_from(body, 'UTF8')::jsonb) e"
        "     where e ->> 1 not like 'attain.decision.%' and e ->> 1 not like 'attain.clock.%') entry"
        "   where time_seen = 1 group by shard, batch, no) c"
        " where (j.shard, j.batch, j.no) = (c.shard, c.batch, c.no)"
    )
    op.alter_column("journal", "events", server_default=None)
