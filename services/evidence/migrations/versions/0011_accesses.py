"""Who sent evidence, took a learner's data out, or had a learner forgotten."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
_TEXT = sa.Text(collation="C")


def upgrade() -> None:
    op.create_table(
        "access_log",
        sa.Column("no", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant", _TEXT, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("person", _TEXT, nullable=False),
        sa.Column("act", _TEXT, nullable=False),
        sa.Column("target", _TEXT, nullable=False),
        sa.PrimaryKeyConstraint("no"),
    )
    op.create_index("access_log_tenant", "access_log", ["tenant", "no"], unique=False)


def downgrade() -> None:
    op.drop_table("access_log")
