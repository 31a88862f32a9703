"""What each learner ended a term with, by its digest, and what amends it: as the public events tell it."""

import re

import sqlalchemy as sa
from alembic import op

from shared.row_security import SERVICE_ROLE

revision = "0014"
down_revision = "0013"
_TEXT = sa.Text(collation="C")
_NAMES = "select tablename from pg_tables where tablename ~ '^{}_v[0-9]+$' order by tablename"


def _versions(table: str) -> list[int]:
    names = op.get_bind().scalars(sa.text(_NAMES.format(table))).all()
    return [int(re.split("_v", name)[-1]) for name in names]


def upgrade() -> None:
    """Add the tables to every version of the read model that is there."""
    for version in _versions("advancement"):
        op.create_table(
            f"term_snapshot_v{version}",
            sa.Column("tenant", _TEXT, primary_key=True),
            sa.Column("learner", _TEXT, primary_key=True),
            sa.Column("term", _TEXT, primary_key=True),
            sa.Column("position", sa.BigInteger, nullable=False),
            sa.Column("id", sa.Text, nullable=False),
            sa.Column("digest", sa.Text, nullable=False),
            sa.Column("standings", sa.Integer, nullable=False),
        )
        op.create_table(
            f"term_amendment_v{version}",
            sa.Column("tenant", _TEXT, primary_key=True),
            sa.Column("learner", _TEXT, primary_key=True),
            sa.Column("term", _TEXT, primary_key=True),
            sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("id", sa.Text, nullable=False),
            sa.Column("scope_kind", sa.Text, nullable=False),
            sa.Column("scope", _TEXT, nullable=False),
            sa.Column("title", sa.Text),
            sa.Column("before", sa.Text, nullable=False),
            sa.Column("after", sa.Text, nullable=False),
            sa.Column("effective_at", sa.Text, nullable=False),
            sa.Column("decided_at", sa.Text, nullable=False),
            sa.Column("cause_kind", sa.Text, nullable=False),
            sa.Column("cause", sa.Text, nullable=False),
            sa.Column("reason", sa.Text, nullable=False),
            sa.Column("digest", sa.Text, nullable=False),
        )
        for table in ("term_snapshot", "term_amendment"):
            op.execute(f"alter table {table}_v{version} owner to {SERVICE_ROLE}")
    for version in _versions("term_told"):
        op.drop_table(f"term_told_v{version}")


def downgrade() -> None:
    """Forget what the events told; a rebuild gives it back."""
    for version in _versions("term_snapshot"):
        op.drop_table(f"term_amendment_v{version}")
        op.drop_table(f"term_snapshot_v{version}")
        op.create_table(
            f"term_told_v{version}",
            sa.Column("tenant", _TEXT, primary_key=True),
            sa.Column("term", _TEXT, primary_key=True),
            sa.Column("shard", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("position", sa.BigInteger, nullable=False),
        )
        op.execute(f"alter table term_told_v{version} owner to {SERVICE_ROLE}")
