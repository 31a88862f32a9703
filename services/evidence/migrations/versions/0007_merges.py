"""Learners that are one person: merges that can be undone, and where identities and evidence were before."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
_TEXT = sa.Text(collation="C")


def upgrade() -> None:
    op.create_table(
        "learner_merge",
        sa.Column("merge_id", sa.UUID(), nullable=False),
        sa.Column("tenant", _TEXT, nullable=False),
        sa.Column("merged", sa.UUID(), nullable=False),
        sa.Column("kept", sa.UUID(), nullable=False),
        sa.Column("reason", _TEXT, nullable=False),
        sa.Column("merged_by", _TEXT, nullable=False),
        sa.Column("merged_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undone_by", _TEXT, nullable=True),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("merge_id"),
    )
    in_force = sa.text("undone_at IS NULL")
    op.create_index(
        "learner_merge_merged", "learner_merge", ["tenant", "merged"], unique=True, postgresql_where=in_force
    )
    op.create_index("learner_merge_kept", "learner_merge", ["tenant", "kept"], unique=False, postgresql_where=in_force)
    op.create_table(
        "identity_move",
        sa.Column("tenant", _TEXT, nullable=False),
        sa.Column("moves", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant"),
    )
    op.add_column("learner_identity", sa.Column("home", sa.UUID(), nullable=True))
    op.add_column("evidence", sa.Column("home", sa.UUID(), nullable=True))


def downgrade() -> None:
    op.drop_column("evidence", "home")
    op.drop_column("learner_identity", "home")
    op.drop_table("identity_move")
    op.drop_table("learner_merge")
