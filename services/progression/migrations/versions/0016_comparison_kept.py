"""A proposal keeps the whole comparison that it was made from."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column("policy_proposal", sa.Column("comparison", sa.LargeBinary()))
