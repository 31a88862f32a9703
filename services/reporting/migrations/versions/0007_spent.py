"""What is used up: states of sign-ins, and sessions that were ended."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; its rows are random ids of no person or tenant, kept for hours."""
    op.create_table(
        "spent",
        sa.Column("id", sa.Text(collation="C"), primary_key=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_spent_until", "spent", ["until"])


def downgrade() -> None:
    """Take it away; sessions that were ended are valid again until they expire."""
    op.drop_table("spent")
