"""Competencies know the framework version that named them last, and whether they are retired."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("competency", sa.Column("version", sa.Text(collation="C"), server_default="", nullable=False))
    op.add_column("competency", sa.Column("retired", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    op.drop_column("competency", "retired")
    op.drop_column("competency", "version")
