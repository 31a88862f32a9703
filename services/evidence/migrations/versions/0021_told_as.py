"""A piece is found by the id under which events tell of it, where it was aligned anew or moved by a merge."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.create_index("evidence_told", "evidence", ["told"], postgresql_where=sa.text("told IS NOT NULL"))


def downgrade() -> None:
    op.drop_index("evidence_told", table_name="evidence")
