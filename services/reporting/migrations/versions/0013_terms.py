"""Terms that are closed: where in the log, and the states that have changed since, as they were."""

import re

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import BYTEA

from shared.row_security import SERVICE_ROLE

revision = "0013"
down_revision = "0012"
_TEXT = sa.Text(collation="C")
_TABLES = "select tablename from pg_tables where tablename ~ '^(mastery|advancement)_v[0-9]+$' order by tablename"


def upgrade() -> None:
    """Add the tables to every version of the read models that is there."""
    for name in op.get_bind().scalars(sa.text(_TABLES)).all():
        model, version = re.split("_v", name)
        if model == "mastery":
            _add_terms(int(version))
        else:
            _add_told(int(version))


def _add_terms(version: int) -> None:
    op.create_table(
        f"term_v{version}",
        sa.Column("tenant", _TEXT, primary_key=True),
        sa.Column("term", _TEXT, primary_key=True),
        sa.Column("shard", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("of_shards", sa.Integer, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("closed_at", _TEXT, nullable=False),
        sa.Column("closed_by", sa.Text, nullable=False),
    )
    op.create_table(
        f"term_record_v{version}",
        sa.Column("tenant", _TEXT, primary_key=True),
        sa.Column("learner", _TEXT, primary_key=True),
        sa.Column("competency", _TEXT, primary_key=True),
        sa.Column("term", _TEXT, primary_key=True),
        sa.Column("status", sa.Text),
        sa.Column("score", sa.Double),
        sa.Column("evidence_count", sa.Integer),
        sa.Column("last_evidence_at", sa.Text),
        sa.Column("mastered_at", sa.Text),
        sa.Column("seq", sa.BigInteger),
        sa.Column("data", BYTEA),
    )
    for table in ("term", "term_record"):
        op.execute(f"alter table {table}_v{version} owner to {SERVICE_ROLE}")


def _add_told(version: int) -> None:
    op.create_table(
        f"term_told_v{version}",
        sa.Column("tenant", _TEXT, primary_key=True),
        sa.Column("term", _TEXT, primary_key=True),
        sa.Column("shard", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger, nullable=False),
    )
    op.execute(f"alter table term_told_v{version} owner to {SERVICE_ROLE}")


def downgrade() -> None:
    """Forget the terms; they can be rebuilt."""
    for name in (
        op.get_bind().scalars(sa.text(_TABLES.replace("mastery|advancement", "term|term_record|term_told"))).all()
    ):
        op.drop_table(name)
