"""Activities that Attain itself writes to, whose echo is no evidence; and what a new school year ended, to undo it."""

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
    op.create_table(
        "rollover",
        sa.Column("tenant", _TEXT, nullable=False),
        sa.Column("session", _TEXT, nullable=False),
        sa.Column("ended", sa.LargeBinary(), nullable=False),
        sa.Column("done_by", _TEXT, nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "session"),
    )


def downgrade() -> None:
    op.drop_table("rollover")
    op.drop_table("own_activity")
