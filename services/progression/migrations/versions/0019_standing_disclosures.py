"""Who was given standings, by ranges of learners."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
_TEXT = sa.Text(collation="C")
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "standing_disclosure",
        sa.Column("no", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("tenant", _TEXT, nullable=False),
        sa.Column("reader", _TEXT, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("behind", _TEXT, nullable=False),
        sa.Column("last", _TEXT, nullable=False),
        sa.Column("since", _INSTANT, server_default=sa.func.now(), nullable=False),
        sa.Column("until", _INSTANT, server_default=sa.func.now(), nullable=False),
    )
    op.create_index("standing_disclosure_day", "standing_disclosure", ["tenant", "day", "reader"])


def downgrade() -> None:
    op.drop_table("standing_disclosure")
