"""Tables that are copied into become parents of one partition, so that row-level security can hold for them."""

from alembic import op

from shared.guarding import partition

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    partition(op.get_bind(), "event_log", "shard")
    partition(op.get_bind(), "evidence", "evidence_id")


def downgrade() -> None:
    """Nothing: an older version runs on this schema."""
