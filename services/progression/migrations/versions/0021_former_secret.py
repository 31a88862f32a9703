"""A webhook's secret that was changed signs beside the new one for a while."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.add_column("webhook", sa.Column("former_key", sa.Text(collation="C")))
    op.add_column("webhook", sa.Column("former_secret", sa.LargeBinary()))
    op.add_column("webhook", sa.Column("former_until", sa.DateTime(timezone=True)))


def downgrade() -> None:
    for column in ("former_until", "former_secret", "former_key"):
        op.drop_column("webhook", column)
