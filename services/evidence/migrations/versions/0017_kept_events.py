"""Events that are no evidence, for tenants that keep them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
_TEXT = sa.Text(collation="C")


def upgrade() -> None:
    op.create_table(
        "kept_event",
        sa.Column("event_key", postgresql.UUID(), nullable=False),
        sa.Column("tenant", _TEXT, nullable=False),
        sa.Column("source", _TEXT, nullable=False),
        sa.Column("form", _TEXT, nullable=False),
        sa.Column("reason", _TEXT, nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("people", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("event_key"),
    )
    op.create_index("kept_event_people", "kept_event", ["people"], unique=False, postgresql_using="gin")


def downgrade() -> None:
    op.drop_table("kept_event")
