"""Policies that run in shadow, up to where, and where they differ from the live ones."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    text = sa.Text(collation="C")
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "shadow_policy",
        sa.Column("tenant", text, primary_key=True),
        sa.Column("policy", text, primary_key=True),
        sa.Column("framework", text, nullable=False),
        sa.Column("started_by", sa.Text(), nullable=False),
        sa.Column("started_at", moment, nullable=False, server_default=sa.func.now()),
    )
    of_shadow = ["shadow_policy.tenant", "shadow_policy.policy"]
    op.create_table(
        "shadow_cursor",
        sa.Column("tenant", text, primary_key=True),
        sa.Column("policy", text, primary_key=True),
        sa.Column("shard", sa.Integer(), primary_key=True),
        sa.Column("pos", sa.BigInteger(), nullable=False, server_default="0"),
        sa.ForeignKeyConstraint(["tenant", "policy"], of_shadow, ondelete="cascade"),
    )
    op.create_table(
        "shadow_difference",
        sa.Column("tenant", text, primary_key=True),
        sa.Column("policy", text, primary_key=True),
        sa.Column("learner", text, primary_key=True),
        sa.Column("competency", text, primary_key=True),
        sa.Column("live", text, nullable=False),
        sa.Column("shadow", text, nullable=False),
        sa.Column("live_shown_at", text),
        sa.Column("shadow_shown_at", text),
        sa.Column("since", moment, nullable=False, server_default=sa.func.now()),
        sa.ForeignKeyConstraint(["tenant", "policy"], of_shadow, ondelete="cascade"),
    )
