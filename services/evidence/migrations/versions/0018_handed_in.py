"""Work that was handed in, and whether it waits for a grade."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
_TEXT = sa.Text(collation="C")


def upgrade() -> None:
    op.create_table(
        "handed_in",
        sa.Column("tenant", _TEXT, nullable=False),
        sa.Column("source", _TEXT, nullable=False),
        sa.Column("source_id", _TEXT, nullable=False),
        sa.Column("activity", _TEXT, nullable=False),
        sa.Column("stamp", _TEXT, nullable=False),
        sa.Column("waits", sa.Boolean(), nullable=False),
        sa.Column("told", sa.LargeBinary(), nullable=True),
        sa.Column("tellings", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("tenant", "source", "source_id", "activity"),
    )
    op.create_index(
        "handed_in_waits", "handed_in", ["tenant", "activity"], unique=False, postgresql_where=sa.text("waits")
    )


def downgrade() -> None:
    op.drop_table("handed_in")
