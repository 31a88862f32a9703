"""
When a state became another: of a change that neither a piece nor an event dates, nothing else tells it.

That is of the second edition of the fold; where there are states, a rebuild takes it from the log.
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def _versions() -> list[str]:
    names = "select tablename from pg_tables where tablename ~ '^mastery_v[0-9]+$' order by tablename"
    return list(op.get_bind().scalars(sa.text(names)))


def upgrade() -> None:
    """Add the column to every version of the read model."""
    for name in _versions():
        op.add_column(name, sa.Column("changed_at", sa.Text(collation="C")))
    live = op.get_bind().scalar(sa.text("select live from read_model where name = 'mastery'"))
    op.execute(f"update read_model set edition = 2 where name = 'mastery' and not exists (select from mastery_v{live})")


def downgrade() -> None:
    """Forget when."""
    op.execute("update read_model set edition = 1 where name = 'mastery'")
    for name in _versions():
        op.drop_column(name, "changed_at")
