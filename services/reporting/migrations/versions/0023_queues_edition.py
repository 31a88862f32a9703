"""
The second edition of advancement's fold: what a withdrawal leaves provisional waits to be confirmed again, and what is complete
no more, or was placed, waits no longer.

Where nothing was withdrawn and nothing ever waited it makes the same rows as the first; anything else is rebuilt by itself.
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Take what has a withdrawal or ever had a queue for of the first edition."""
    live = int(op.get_bind().scalar(sa.text("select live from read_model where name = 'advancement'")))
    op.execute(
        "update read_model set edition = 2 where name = 'advancement'"
        f" and not exists (select from advancement_v{live} where kind = 'competency.withdrawn')"
        f" and not exists (select from waiting_v{live})"
    )


def downgrade() -> None:
    """Take it for of the first edition, which an earlier version goes on with."""
    op.execute("update read_model set edition = 1 where name = 'advancement'")
