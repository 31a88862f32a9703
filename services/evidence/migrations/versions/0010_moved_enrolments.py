"""Which enrolments a merge moved, so that undoing it moves them back."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
_TEXTS = sa.ARRAY(sa.Text(collation="C"))


def upgrade() -> None:
    op.add_column("learner_merge", sa.Column("left_classes", _TEXTS, nullable=False, server_default="{}"))
    op.add_column("learner_merge", sa.Column("joined_classes", _TEXTS, nullable=False, server_default="{}"))


def downgrade() -> None:
    op.drop_column("learner_merge", "joined_classes")
    op.drop_column("learner_merge", "left_classes")
