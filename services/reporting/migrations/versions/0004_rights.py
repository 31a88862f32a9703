"""Dated staff, what else people are to learners, schools and districts, and the log of who looked at what."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TEXT = sa.Text(collation="C")


def upgrade() -> None:
    """Widen every version of the roster that is there; what earlier events did not say is null."""
    for version in _versions():
        op.add_column(f"staff_v{version}", sa.Column("starts", sa.Text))
        op.add_column(f"staff_v{version}", sa.Column("ends", sa.Text))
        op.create_table(
            f"assignment_v{version}",
            sa.Column("tenant", TEXT, primary_key=True),
            sa.Column("person", TEXT, primary_key=True),
            sa.Column("role", TEXT, primary_key=True),
            sa.Column("kind", TEXT, primary_key=True),
            sa.Column("target", TEXT, primary_key=True),
            sa.Column("active", sa.Boolean, nullable=False),
            sa.Column("starts", sa.Text),
            sa.Column("ends", sa.Text),
        )
    op.create_table(
        "access_log",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.Column("person", TEXT, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("view", sa.Text, nullable=False),
        sa.Column("target", TEXT, nullable=False),
        sa.Column("learners", ARRAY(sa.Text), nullable=False),
    )
    op.create_index("ix_access_log_tenant", "access_log", ["tenant", "id"])
    op.create_index("ix_access_log_learners", "access_log", ["learners"], postgresql_using="gin")


def downgrade() -> None:
    """Take it away; rights fall back to classes."""
    op.drop_table("access_log")
    for version in _versions():
        op.drop_table(f"assignment_v{version}")
        op.drop_column(f"staff_v{version}", "ends")
        op.drop_column(f"staff_v{version}", "starts")


def _versions() -> list[int]:
    rows = op.get_bind().execute(sa.text("select tablename from pg_tables where tablename ~ '^staff_v[0-9]+$'"))
    return sorted(int(name.removeprefix("staff_v")) for (name,) in rows)
