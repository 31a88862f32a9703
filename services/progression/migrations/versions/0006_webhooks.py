"""Webhooks: who is sent public events, up to where, who waits, and the delivery log."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    text = sa.Text(collation="C")
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "webhook",
        sa.Column("id", text, primary_key=True),
        sa.Column("tenant", text, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("types", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("frameworks", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("key", text, nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("state", text, nullable=False, server_default="active"),
        sa.Column("reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("failures", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("retry_at", moment),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", moment, nullable=False, server_default=sa.func.now()),
    )
    op.create_index("webhook_tenant", "webhook", ["tenant"])
    op.create_table(
        "webhook_cursor",
        sa.Column("webhook", text, sa.ForeignKey("webhook.id", ondelete="cascade"), primary_key=True),
        sa.Column("shard", sa.Integer(), primary_key=True),
        sa.Column("pos", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "webhook_held",
        sa.Column("webhook", text, sa.ForeignKey("webhook.id", ondelete="cascade"), primary_key=True),
        sa.Column("learner", text, primary_key=True),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("pos", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("retry_at", moment, nullable=False),
        sa.Column("parked", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("reason", sa.Text(), nullable=False),
    )
    op.create_table(
        "webhook_delivery",
        sa.Column("no", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("webhook", text, sa.ForeignKey("webhook.id", ondelete="cascade"), nullable=False),
        sa.Column("at", moment, nullable=False, server_default=sa.func.now()),
        sa.Column("event", text, nullable=False),
        sa.Column("type", text, nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("pos", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("ms", sa.Integer(), nullable=False),
    )
    op.create_index("webhook_delivery_of", "webhook_delivery", ["webhook", "no"])
