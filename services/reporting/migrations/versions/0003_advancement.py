"""The read model of public events: what happened, and what waits; and which version of a read model is being built."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import BYTEA

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TEXT = sa.Text(collation="C")


def upgrade() -> None:
    """Create version 1 of the read model, and name it the live one."""
    op.create_table(
        "advancement_v1",
        sa.Column("tenant", TEXT, primary_key=True),
        sa.Column("learner", TEXT, primary_key=True),
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("scope_kind", sa.Text, nullable=False),
        sa.Column("scope", TEXT, nullable=False),
        sa.Column("framework", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("effective_at", sa.Text, nullable=False),
        sa.Column("decided_at", TEXT, nullable=False),
        sa.Column("data", BYTEA, nullable=False),
    )
    op.create_table(
        "waiting_v1",
        sa.Column("tenant", TEXT, primary_key=True),
        sa.Column("learner", TEXT, primary_key=True),
        sa.Column("scope", TEXT, primary_key=True),
        sa.Column("queue", TEXT, primary_key=True),
        sa.Column("opened_at", TEXT, nullable=False),
        sa.Column("closed_at", sa.Text),
        sa.Column("due_by", sa.Text),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_index(
        "ix_waiting_v1_open",
        "waiting_v1",
        ["tenant", "queue", "opened_at"],
        postgresql_where=sa.text("closed_at is null"),
    )
    op.create_index("ix_advancement_v1_at", "advancement_v1", ["tenant", "decided_at", "learner", "position"])
    op.add_column("read_model", sa.Column("building", sa.Integer, nullable=False, server_default="0"))
    op.execute("insert into read_model (name, live) values ('advancement', 1)")


def downgrade() -> None:
    """Forget the read model; it can be rebuilt."""
    op.execute("delete from read_model where name = 'advancement'")
    op.drop_column("read_model", "building")
    op.drop_table("waiting_v1")
    op.drop_table("advancement_v1")
