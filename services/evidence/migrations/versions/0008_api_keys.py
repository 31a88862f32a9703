"""API keys of learning systems."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
_TEXT = sa.Text(collation="C")


def upgrade() -> None:
    op.create_table(
        "api_key",
        sa.Column("key_id", _TEXT, nullable=False),
        sa.Column("tenant", _TEXT, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("source", _TEXT, nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("key_id"),
    )
    op.create_index("api_key_tenant", "api_key", ["tenant"])


def downgrade() -> None:
    op.drop_table("api_key")
