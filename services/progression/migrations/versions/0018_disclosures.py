"""Who was given public events, and who reads them."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
_TEXT = sa.Text(collation="C")
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "subscriber",
        sa.Column("id", _TEXT, primary_key=True),
        sa.Column("tenant", _TEXT, nullable=False),
        sa.Column("via", _TEXT, nullable=False),
        sa.Column("reader", _TEXT, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("types", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("frameworks", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("declared_by", sa.Text(), nullable=False),
        sa.Column("since", _INSTANT, server_default=sa.func.now(), nullable=False),
        sa.Column("until", _INSTANT),
    )
    op.create_index("subscriber_tenant", "subscriber", ["tenant"])
    op.execute(
        "insert into subscriber (id, tenant, via, reader, name, purpose, types, frameworks, declared_by, since)"
        " select id, tenant, 'webhook', id, name, purpose, types, frameworks, created_by, created_at from webhook"
    )
    op.create_table(
        "disclosure",
        sa.Column("tenant", _TEXT, primary_key=True),
        sa.Column("shard", sa.Integer(), primary_key=True),
        sa.Column("via", _TEXT, primary_key=True),
        sa.Column("reader", _TEXT, primary_key=True),
        sa.Column("source", _TEXT, primary_key=True),
        sa.Column("learner", _TEXT, primary_key=True),
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("first", sa.BigInteger(), primary_key=True),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("sent", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("since", _INSTANT, server_default=sa.func.now(), nullable=False),
        sa.Column("until", _INSTANT, server_default=sa.func.now(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("disclosure")
    op.drop_table("subscriber")
