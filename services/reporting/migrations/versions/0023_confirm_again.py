"""
The second edition of advancement's fold: what a withdrawal leaves provisional waits to be confirmed again.

Where nothing was withdrawn it makes the same rows as the first.
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Take what has a withdrawal for of the first edition, which is rebuilt by itself."""
    live = int(op.get_bind().scalar(sa.text("select live from read_model where name = 'advancement'")))
    op.execute(
        "update read_model set edition = 2 where name = 'advancement' and not exists ("
        f"   select from advancement_v{live} where kind = 'competency.withdrawn')"
    )


def downgrade() -> None:
    """Nothing: an earlier version goes on with what this one has made."""
