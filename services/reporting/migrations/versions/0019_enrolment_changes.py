"""When a learner came into a class and left it, so that a closed term knows who was where; a rebuild fills it from the log."""

import re

import sqlalchemy as sa
from alembic import op

from shared.row_security import SERVICE_ROLE

revision = "0019"
down_revision = "0018"
_TEXT = sa.Text(collation="C")
_VERSIONS = "select tablename from pg_tables where tablename ~ '^{}_v[0-9]+$' order by tablename"


def _versions(table: str) -> list[int]:
    names = op.get_bind().scalars(sa.text(_VERSIONS.format(table))).all()
    return [int(re.split("_v", name)[-1]) for name in names]


def upgrade() -> None:
    """Add the table to every version of the read model that is there."""
    for version in _versions("enrolment"):
        name = f"enrolment_change_v{version}"
        op.create_table(
            name,
            *(sa.Column(column, _TEXT, primary_key=True) for column in ("tenant", "class", "learner", "at")),
            sa.Column("active", sa.Boolean, nullable=False),
        )
        op.execute(f"alter table {name} owner to {SERVICE_ROLE}")


def downgrade() -> None:
    """Forget when; who is in a class today stays."""
    for version in _versions("enrolment_change"):
        op.drop_table(f"enrolment_change_v{version}")
