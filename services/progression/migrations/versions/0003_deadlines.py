"""When time alone changes a state or a standing, and the time zone in which a school day is one."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    zone = sa.Column("time_zone", sa.Text(collation="C"), nullable=False, server_default="")
    op.add_column("activation", zone)
    for table in ("mastery", "learner_standing"):
        op.add_column(table, sa.Column("deadline", sa.Text(collation="C"), nullable=True))
        op.create_index(
            f"{table}_deadline", table, ["shard", "deadline"], postgresql_where=sa.text("deadline is not null")
        )
