"""The restricted read model of suggested support: who is asked for what, since when, and what came of it."""

import sqlalchemy as sa
from alembic import op

from shared.row_security import SERVICE_ROLE

revision = "0015"
down_revision = "0014"
_TEXT = sa.Text(collation="C")


def upgrade() -> None:
    """Create version 1 of the read model, and name it the live one; it is filled from the log."""
    op.create_table(
        "suggestion_v1",
        sa.Column("tenant", _TEXT, primary_key=True),
        sa.Column("learner", _TEXT, primary_key=True),
        sa.Column("id", _TEXT, primary_key=True),
        sa.Column("opened_at", _TEXT, nullable=False),
        sa.Column("due_by", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("closed_at", _TEXT),
        sa.Column("outcome", sa.Text),
        sa.Column("days", sa.Integer),
        sa.Column("scope", _TEXT),
        sa.Column("side", sa.Text),
        sa.Column("cause", sa.Text),
        sa.Column("waiting_since", sa.Text),
        sa.Column("weakest", sa.Text),
        sa.Column("detail", sa.Text),
    )
    op.create_index(
        "ix_suggestion_v1_open", "suggestion_v1", ["tenant", "opened_at"], postgresql_where=sa.text("closed_at is null")
    )
    op.create_index("ix_suggestion_v1_closed", "suggestion_v1", ["tenant", "closed_at"])
    op.execute(f"alter table suggestion_v1 owner to {SERVICE_ROLE}")
    op.execute("insert into read_model (name, live) values ('support', 1)")
    # After a restore logs go on in a higher generation, which a consumer that begins has not to wait for.
    op.execute(
        "insert into consumer_shard (consumer, shard, log, generation)"
        " select 'reporting-support-v1', shard, 'support', generation from consumer_shard where consumer ="
        " (select 'reporting-advancement-v' || live from read_model where name = 'advancement')"
    )


def downgrade() -> None:
    """Forget the read model; it can be rebuilt."""
    op.execute("delete from read_model where name = 'support'")
    op.execute("delete from consumer_shard where consumer like 'reporting-support-v%'")
    op.drop_table("suggestion_v1")
