"""
By which edition of its fold a read model was made, so that one of an earlier edition is rebuilt by itself.

The second edition of the roster's fold notes when learners come and go: what lacks that is of the first. That of the curriculum's
keeps the identifiers of competencies; whether one was left out cannot be seen, so whatever has competencies is of the first.
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.add_column("read_model", sa.Column("edition", sa.Integer, nullable=False, server_default="1"))
    live = _live("roster")
    op.execute(
        "update read_model set edition = 2 where name = 'roster' and not exists ("
        f"   select from enrolment_v{live} e where not exists (select from enrolment_change_v{live} c"
        "     where (c.tenant, c.class, c.learner) = (e.tenant, e.class, e.learner)))"
    )
    op.execute(
        "update read_model set edition = 2 where name = 'curriculum'"
        f" and not exists (select from competency_v{_live('curriculum')})"
    )


def _live(model: str) -> int:
    return int(op.get_bind().scalar(sa.text(f"select live from read_model where name = '{model}'")))


def downgrade() -> None:
    op.drop_column("read_model", "edition")
