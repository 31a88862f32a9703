"""xAPI statements: which are known, by a digest; and the bodies of those that are kept."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
_TEXT = sa.Text(collation="C")


def upgrade() -> None:
    op.create_table(
        "xapi_statement",
        sa.Column("statement_key", sa.UUID(), nullable=False),
        sa.Column("tenant", _TEXT, nullable=False),
        sa.Column("source", _TEXT, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("outcome", _TEXT, nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("voids", sa.UUID(), nullable=True),
        sa.Column("learner_source_id", _TEXT, nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("statement_key"),
    )
    op.create_index(
        "xapi_statement_voids", "xapi_statement", ["voids"], unique=False, postgresql_where=sa.text("voids IS NOT NULL")
    )
    op.create_index(
        "xapi_statement_learner",
        "xapi_statement",
        ["tenant", "source", "learner_source_id"],
        unique=False,
        postgresql_where=sa.text("learner_source_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_table("xapi_statement")
