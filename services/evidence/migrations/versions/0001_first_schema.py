"""The first schema of evidence."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "competency",
        sa.Column("tenant", sa.Text(collation="C"), nullable=False),
        sa.Column("competency", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "competency"),
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
        "erased_learner",
        sa.Column("tenant", sa.Text(collation="C"), nullable=False),
        sa.Column("learner", sa.UUID(), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "learner"),
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
        "evidence",
        sa.Column("evidence_id", sa.UUID(), nullable=False),
        sa.Column("tenant", sa.Text(collation="C"), nullable=False),
        sa.Column("source", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=True),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("learner", sa.UUID(), nullable=True),
        sa.Column("shard", sa.Integer(), nullable=True),
        sa.Column("pos", sa.BigInteger(), nullable=True),
        sa.Column("valid", sa.Boolean(), nullable=False),
        sa.Column("relation", sa.Text(collation="C"), nullable=True),
        sa.Column("target", sa.UUID(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("private", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("evidence_id"),
    )
    op.create_index(
        "evidence_target", "evidence", ["target"], unique=False, postgresql_where=sa.text("target IS NOT NULL")
    )
    op.create_table(
        "learner_identity",
        sa.Column("tenant", sa.Text(collation="C"), nullable=False),
        sa.Column("source", sa.Text(collation="C"), nullable=False),
        sa.Column("source_id", sa.Text(collation="C"), nullable=False),
        sa.Column("learner", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "source", "source_id"),
    )
    op.create_index("learner_identity_learner", "learner_identity", ["tenant", "learner"], unique=False)
    op.create_index(
        "learner_identity_name",
        "learner_identity",
        ["tenant", sa.literal_column('lower(name) collate "C"')],
        unique=False,
        postgresql_where=sa.text("name IS NOT NULL"),
    )
    op.create_index("learner_identity_source_id", "learner_identity", ["tenant", "source_id"], unique=False)
    op.create_table(
        "log_head",
        sa.Column("log", sa.Text(collation="C"), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), server_default="1", nullable=False),
        sa.Column("pos", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("log", "shard"),
    )
    op.create_table(
        "quarantine",
        sa.Column("quarantine_id", sa.UUID(), nullable=False),
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant", sa.Text(collation="C"), nullable=False),
        sa.Column("status", sa.Text(collation="C"), nullable=False),
        sa.Column("source", sa.Text(collation="C"), nullable=True),
        sa.Column("item_id", sa.Text(collation="C"), nullable=True),
        sa.Column("learner_source_id", sa.Text(collation="C"), nullable=True),
        sa.Column("reason", sa.Text(collation="C"), nullable=False),
        sa.Column("pointer", sa.Text(collation="C"), nullable=False),
        sa.Column("detail", sa.Text(collation="C"), nullable=False),
        sa.Column("awaits", sa.Text(collation="C"), nullable=True),
        sa.Column("way", sa.Text(collation="C"), nullable=False),
        sa.Column("original", sa.LargeBinary(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("evidence_id", sa.UUID(), nullable=True),
        sa.PrimaryKeyConstraint("quarantine_id"),
        sa.UniqueConstraint("seq"),
    )
    op.create_index(
        "quarantine_awaits",
        "quarantine",
        ["tenant", "awaits", "seq"],
        unique=False,
        postgresql_where=sa.text("status = 'parked' AND awaits IS NOT NULL"),
    )
    op.create_index("quarantine_list", "quarantine", ["tenant", "status", "seq"], unique=False)
    op.create_table(
        "relay_cursor",
        sa.Column("log", sa.Text(collation="C"), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("pos", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("log", "shard"),
    )
    op.create_table(
        "roster_fact",
        sa.Column("tenant", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        sa.Column("subject", sa.Text(collation="C"), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "kind", "key"),
    )
    op.create_table(
        "roster_group",
        sa.Column("tenant", sa.Text(collation="C"), nullable=False),
        sa.Column("group_id", sa.Text(collation="C"), nullable=False),
        sa.Column("learner", sa.UUID(), nullable=False),
        sa.Column("value", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "group_id", "learner"),
    )


def downgrade() -> None:
    op.drop_table("roster_group")
    op.drop_table("roster_fact")
    op.drop_table("relay_cursor")
    op.drop_index("quarantine_list", table_name="quarantine")
    op.drop_index(
        "quarantine_awaits",
        table_name="quarantine",
        postgresql_where=sa.text("status = 'parked' AND awaits IS NOT NULL"),
    )
    op.drop_table("quarantine")
    op.drop_table("log_head")
    op.drop_index("learner_identity_source_id", table_name="learner_identity")
    op.drop_index("learner_identity_name", table_name="learner_identity", postgresql_where=sa.text("name IS NOT NULL"))
    op.drop_index("learner_identity_learner", table_name="learner_identity")
    op.drop_table("learner_identity")
    op.drop_index("evidence_target", table_name="evidence", postgresql_where=sa.text("target IS NOT NULL"))
    op.drop_table("evidence")
    op.drop_table("event_log")
    op.drop_table("erased_learner")
    op.drop_table("consumer_shard")
    op.drop_table("competency")
