"""The alignment map, and what evidence and parked pieces know of it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
_TEXT = sa.Text(collation="C")


def upgrade() -> None:
    op.create_table(
        "alignment",
        sa.Column("tenant", _TEXT, nullable=False),
        sa.Column("id", _TEXT, nullable=False),
        sa.Column("source", _TEXT, nullable=False),
        sa.Column("effective_from", _TEXT, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("kind", _TEXT, nullable=False),
        sa.Column("targets", sa.LargeBinary(), nullable=False),
        sa.Column("origin", _TEXT, nullable=False),
        sa.Column("published_by", _TEXT, nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("applied", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", "source", "effective_from", "version"),
    )
    op.create_index(
        "alignment_unapplied", "alignment", ["tenant", "version"], unique=False, postgresql_where=sa.text("NOT applied")
    )
    op.create_table(
        "alignment_head",
        sa.Column("tenant", _TEXT, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant"),
    )
    op.add_column("competency", sa.Column("identifier", _TEXT, nullable=True))
    op.create_index(
        "competency_identifier",
        "competency",
        ["tenant", "identifier"],
        unique=False,
        postgresql_where=sa.text("identifier IS NOT NULL"),
    )
    op.add_column("evidence", sa.Column("align_by", _TEXT, nullable=True))
    op.add_column("evidence", sa.Column("told", sa.UUID(), nullable=True))
    op.create_index(
        "evidence_align_by",
        "evidence",
        ["tenant", "align_by", "evidence_id"],
        unique=False,
        postgresql_where=sa.text("align_by IS NOT NULL"),
    )
    op.add_column("quarantine", sa.Column("form", _TEXT, server_default="native", nullable=False))
    op.add_column("quarantine", sa.Column("awaits_entry", _TEXT, nullable=True))
    op.add_column("quarantine", sa.Column("seen", sa.BigInteger(), server_default="0", nullable=False))
    op.create_index(
        "quarantine_awaits_entry",
        "quarantine",
        ["tenant", "awaits_entry", "seq"],
        unique=False,
        postgresql_where=sa.text("status = 'parked' AND awaits_entry IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("quarantine_awaits_entry", table_name="quarantine")
    op.drop_column("quarantine", "seen")
    op.drop_column("quarantine", "awaits_entry")
    op.drop_column("quarantine", "form")
    op.drop_index("evidence_align_by", table_name="evidence")
    op.drop_column("evidence", "told")
    op.drop_column("evidence", "align_by")
    op.drop_index("competency_identifier", table_name="competency")
    op.drop_column("competency", "identifier")
    op.drop_table("alignment_head")
    op.drop_index("alignment_unapplied", table_name="alignment")
    op.drop_table("alignment")
