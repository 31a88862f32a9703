"""What learners and families ask to have looked at again, and what was done about it."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
_TEXT = sa.Text(collation="C")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "review_request",
        sa.Column("tenant", _TEXT, primary_key=True),
        sa.Column("learner", _TEXT, primary_key=True),
        sa.Column("id", _TEXT, primary_key=True),
        sa.Column("competency", _TEXT, nullable=False),
        sa.Column("asked_at", _TEXT, nullable=False),
        sa.Column("asked_by", _TEXT, nullable=False),
        sa.Column("asked_as", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("done_at", sa.Text),
        sa.Column("done_by", sa.Text),
        sa.Column("done_as", sa.Text),
        sa.Column("done", sa.Text),
    )
    op.create_index(
        "ix_review_request_open",
        "review_request",
        ["tenant", "learner", "competency"],
        unique=True,
        postgresql_where=sa.text("done_at is null"),
    )


def downgrade() -> None:
    """Drop the table: what is asked and was answered is forgotten."""
    op.drop_table("review_request")
