"""The latest instant at which the clock was believed."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_table(
        "clock_seen",
        sa.Column("one", sa.Boolean(), sa.CheckConstraint("one"), primary_key=True, server_default=sa.true()),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("clock_seen")
