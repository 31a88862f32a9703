"""Of which school a class was since when, so that a closed term knows whose it was; a rebuild fills it from the log."""

import re

import sqlalchemy as sa
from alembic import op

from shared.row_security import SERVICE_ROLE

revision = "0022"
down_revision = "0021"
_TEXT = sa.Text(collation="C")
_VERSIONS = "select tablename from pg_tables where tablename ~ '^{}_v[0-9]+$' order by tablename"


def _versions(table: str) -> list[int]:
    names = op.get_bind().scalars(sa.text(_VERSIONS.format(table))).all()
    return [int(re.split("_v", name)[-1]) for name in names]


def upgrade() -> None:
    """Add the table to every version of the read model; a roster without classes lacks nothing, and is of the third edition."""
    for version in _versions("class"):
        name = f"class_change_v{version}"
        op.create_table(
            name,
            *(sa.Column(column, _TEXT, primary_key=True) for column in ("tenant", "class", "at")),
            sa.Column("school", _TEXT),
        )
        op.execute(f"alter table {name} owner to {SERVICE_ROLE}")
    live = op.get_bind().scalar(sa.text("select live from read_model where name = 'roster'"))
    op.execute(
        "update read_model set edition = 3 where name = 'roster' and edition = 2"
        f" and not exists (select from class_v{live})"
    )


def downgrade() -> None:
    """Forget since when; of which school a class is today stays."""
    op.execute("update read_model set edition = 2 where name = 'roster' and edition = 3")
    for version in _versions("class_change"):
        op.drop_table(f"class_change_v{version}")
