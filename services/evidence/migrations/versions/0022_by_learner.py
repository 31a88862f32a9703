"""What there is of a learner, pieces and events, is found without reading what there is of all others."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.create_index("evidence_learner", "evidence", ["learner"], postgresql_using="hash")
    op.create_index(
        "event_log_subject",
        "event_log",
        ["subject"],
        postgresql_using="hash",
        postgresql_where=sa.text("subject <> '' AND subject <> 'checkpoint'"),
    )


def downgrade() -> None:
    op.drop_index("event_log_subject", table_name="event_log")
    op.drop_index("evidence_learner", table_name="evidence")
