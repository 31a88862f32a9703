"""Activities at learning systems that Attain itself writes to: what comes back of them is no evidence."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
_TEXT = sa.Text(collation="C")


def upgrade() -> None:
    op.create_table(
        "own_activity",
        sa.Column("tenant", _TEXT, nullable=False),
        sa.Column("activity", _TEXT, nullable=False),
        sa.Column("noted_by", _TEXT, nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "activity"),
    )


def downgrade() -> None:
    op.drop_table("own_activity")
