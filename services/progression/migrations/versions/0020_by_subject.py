"""Events of a learner, and decisions of a tenant, are found without reading those of all others."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.create_index(
        "event_log_subject",
        "event_log",
        ["subject"],
        postgresql_using="hash",
        postgresql_where=sa.text("subject <> '' AND subject <> 'checkpoint'"),
    )


def downgrade() -> None:
    op.drop_index("event_log_subject", table_name="event_log")
