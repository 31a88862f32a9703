"""How a policy comes into force, the batch that recomputes under it, and what was proposed and by whom approved."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    text = sa.Text(collation="C")
    op.add_column("activation", sa.Column("mode", text, nullable=False, server_default="grandfathered"))
    op.add_column("activation", sa.Column("batch", text, nullable=False, server_default=""))
    op.create_table(
        "policy_proposal",
        sa.Column("tenant", text, primary_key=True),
        sa.Column("id", text, primary_key=True),
        sa.Column("policy", text, nullable=False),
        sa.Column("replaced", text, nullable=False),
        sa.Column("framework", text, nullable=False),
        sa.Column("mode", text, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("expected", sa.LargeBinary(), nullable=False),
        sa.Column("proposed_by", sa.Text(), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("approved_by", sa.Text()),
        sa.Column("approved_at", sa.DateTime(timezone=True)),
    )
