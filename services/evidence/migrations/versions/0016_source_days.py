"""What each source sent a day, and what became of it."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
_TEXT = sa.Text(collation="C")


def upgrade() -> None:
    op.create_table(
        "source_day",
        sa.Column("tenant", _TEXT, nullable=False),
        sa.Column("source", _TEXT, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("slot", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("accepted", sa.BigInteger(), nullable=False),
        sa.Column("duplicate", sa.BigInteger(), nullable=False),
        sa.Column("parked", sa.BigInteger(), nullable=False),
        sa.Column("rejected", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "source", "day", "slot"),
    )


def downgrade() -> None:
    op.drop_table("source_day")
