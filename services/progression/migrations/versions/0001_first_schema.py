"""The first schema of progression."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "activation",
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("tenant", sa.Text(collation="C"), nullable=False),
        sa.Column("no", sa.Integer(), nullable=False),
        sa.Column("input_id", sa.Text(collation="C"), nullable=False),
        sa.Column("pos", sa.BigInteger(), nullable=False),
        sa.Column("time", sa.Text(collation="C"), nullable=False),
        sa.Column("framework", sa.Text(collation="C"), nullable=False),
        sa.Column("policy", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.Text(collation="C"), nullable=False),
        sa.Column("swept", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("shard", "tenant", "no"),
    )
    op.create_table(
        "blocked_learner",
        sa.Column("tenant", sa.Text(collation="C"), nullable=False),
        sa.Column("learner", sa.Text(collation="C"), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("pos", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "learner"),
    )
    op.create_table(
        "consumer_shard",
        sa.Column("consumer", sa.Text(collation="C"), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("log", sa.Text(collation="C"), nullable=False),
        sa.Column("generation", sa.Integer(), server_default="1", nullable=False),
        sa.Column("pos", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("inbox_pos", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("next_offset", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("epoch", sa.Integer(), server_default="0", nullable=False),
        sa.Column("owner", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("consumer", "shard"),
    )
    op.create_table(
        "event_log",
        sa.Column("log", sa.Text(collation="C"), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("pos", sa.BigInteger(), nullable=False),
        sa.Column("tenant", sa.Text(collation="C"), nullable=False),
        sa.Column("subject", sa.Text(collation="C"), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log", "shard", "pos"),
    )
    op.create_table(
        "framework",
        sa.Column("tenant", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.Text(collation="C"), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", "version"),
    )
    op.create_table(
        "journal",
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("pos", sa.BigInteger(), nullable=False),
        sa.Column("part", sa.SmallInteger(), nullable=False),
        sa.Column("tenant", sa.Text(collation="C"), nullable=False),
        sa.Column("learner", sa.Text(collation="C"), nullable=False),
        sa.Column("competency", sa.Text(collation="C"), nullable=False),
        sa.Column("type", sa.Text(collation="C"), nullable=False),
        sa.Column("input_id", sa.Text(collation="C"), nullable=False),
        sa.Column("input_pos", sa.BigInteger(), nullable=False),
        sa.Column("time", sa.Text(collation="C"), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("shard", "pos", "part"),
    )
    op.create_index("journal_key", "journal", ["learner", "competency"], unique=False)
    op.create_table(
        "learner_standing",
        sa.Column("tenant", sa.Text(collation="C"), nullable=False),
        sa.Column("learner", sa.Text(collation="C"), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "learner"),
        postgresql_with={"fillfactor": 70},
    )
    op.create_table(
        "log_head",
        sa.Column("log", sa.Text(collation="C"), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), server_default="1", nullable=False),
        sa.Column("pos", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("log", "shard"),
    )
    op.create_table(
        "mastery",
        sa.Column("tenant", sa.Text(collation="C"), nullable=False),
        sa.Column("learner", sa.Text(collation="C"), nullable=False),
        sa.Column("competency", sa.Text(collation="C"), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("rules_no", sa.Integer(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "learner", "competency"),
        postgresql_with={"fillfactor": 70},
    )
    op.create_table(
        "policy",
        sa.Column("tenant", sa.Text(collation="C"), nullable=False),
        sa.Column("hash", sa.Text(collation="C"), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "hash"),
    )
    op.create_table(
        "relay_cursor",
        sa.Column("log", sa.Text(collation="C"), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("pos", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("log", "shard"),
    )


def downgrade() -> None:
    op.drop_table("relay_cursor")
    op.drop_table("policy")
    op.drop_table("mastery")
    op.drop_table("log_head")
    op.drop_table("learner_standing")
    op.drop_index("journal_key", table_name="journal")
    op.drop_table("journal")
    op.drop_table("framework")
    op.drop_table("event_log")
    op.drop_table("consumer_shard")
    op.drop_table("blocked_learner")
    op.drop_table("activation")
