"""When a question about a district was asked last, so that it is answered ahead while somebody asks it most days."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Take what is told for asked today; so is what an earlier version, which may still run, tells."""
    op.add_column("told_daily", sa.Column("asked_on", sa.Date, nullable=False, server_default=sa.text("current_date")))


def downgrade() -> None:
    """Forget when."""
    op.drop_column("told_daily", "asked_on")
