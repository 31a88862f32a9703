"""Why a policy was adopted on a day on which the tenant adopts none."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.add_column("policy_proposal", sa.Column("now_because", sa.Text()))


def downgrade() -> None:
    op.drop_column("policy_proposal", "now_because")
