"""The numbers of districts as they are told all of a day, by all replicas."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
_TEXT = sa.Text(collation="C")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "told_daily",
        sa.Column("tenant", _TEXT, primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("question", _TEXT, primary_key=True),
        sa.Column("answer", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    """Drop the table; numbers are computed again."""
    op.drop_table("told_daily")
