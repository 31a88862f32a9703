"""The log of what was removed because its days were over."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
_TEXT = sa.Text(collation="C")


def upgrade() -> None:
    op.create_table(
        "expiry_log",
        sa.Column("no", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("tenant", _TEXT, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", _TEXT, nullable=False),
        sa.Column("setting", _TEXT, nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.Date(), nullable=False),
        sa.UniqueConstraint("tenant", "day", "kind", "setting", "days"),
    )


def downgrade() -> None:
    op.drop_table("expiry_log")
