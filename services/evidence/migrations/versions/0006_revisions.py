"""Results that their source overwrites: the newest message of each group."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
_TEXT = sa.Text(collation="C")


def upgrade() -> None:
    op.create_table(
        "revision_group",
        sa.Column("tenant", _TEXT, nullable=False),
        sa.Column("source", _TEXT, nullable=False),
        sa.Column("group_key", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "source", "group_key"),
    )


def downgrade() -> None:
    op.drop_table("revision_group")
