"""The breaks in which upkeep stands still."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("activation", sa.Column("breaks", sa.Text(collation="C"), nullable=False, server_default=""))
