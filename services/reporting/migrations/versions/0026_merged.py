"""
Into whom a learner is merged, so that what was asked for of one is found with the other.

That is of the third edition of advancement's fold; where anything was told, a rebuild fills it from the log.
"""

import re

import sqlalchemy as sa
from alembic import op

from shared.row_security import SERVICE_ROLE

revision = "0026"
down_revision = "0025"
_TEXT = sa.Text(collation="C")
_VERSIONS = "select tablename from pg_tables where tablename ~ '^{}_v[0-9]+$' order by tablename"


def _versions(table: str) -> list[int]:
    names = op.get_bind().scalars(sa.text(_VERSIONS.format(table))).all()
    return [int(re.split("_v", name)[-1]) for name in names]


def upgrade() -> None:
    """Add the table to every version of the read model; one that has folded nothing lacks nothing."""
    for version in _versions("waiting"):
        name = f"merged_v{version}"
        op.create_table(
            name,
            *(sa.Column(column, _TEXT, primary_key=True) for column in ("tenant", "learner")),
            sa.Column("kept", _TEXT),
        )
        op.execute(f"alter table {name} owner to {SERVICE_ROLE}")
    live = op.get_bind().scalar(sa.text("select live from read_model where name = 'advancement'"))
    op.execute(
        "update read_model set edition = 3 where name = 'advancement' and edition = 2 and not exists"
        f" (select from consumer_shard where consumer = 'reporting-advancement-v{live}' and pos > 0)"
    )


def downgrade() -> None:
    """Forget it; who is merged, evidence knows."""
    op.execute("update read_model set edition = 2 where name = 'advancement' and edition = 3")
    for version in _versions("merged"):
        op.drop_table(f"merged_v{version}")
