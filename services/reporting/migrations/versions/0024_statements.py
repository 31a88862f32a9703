"""A statement of learner or family beside what the school refused to change."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0024"
down_revision = "0023"
TEXTS = ("statement", "stated_at", "stated_by", "stated_as")


def upgrade() -> None:
    """Add the columns; what was answered so far was refused by nobody."""
    op.add_column("review_request", sa.Column("refused", sa.Boolean, nullable=False, server_default=sa.text("false")))
    for name in TEXTS:
        op.add_column("review_request", sa.Column(name, sa.Text))
    op.add_column(
        "review_request",
        sa.Column("stated_under", postgresql.ARRAY(sa.Text), nullable=False, server_default=sa.text("'{}'")),
    )


def downgrade() -> None:
    """Drop the columns: what was stated is forgotten."""
    for name in ("refused", *TEXTS, "stated_under"):
        op.drop_column("review_request", name)
