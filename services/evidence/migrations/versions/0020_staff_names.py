"""What people of the staff are called, for those who see whom to ask and who decided."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
_TEXT = sa.Text(collation="C")


def upgrade() -> None:
    op.create_table(
        "staff_name",
        sa.Column("tenant", _TEXT, primary_key=True),
        sa.Column("person", _TEXT, primary_key=True),
        sa.Column("name", _TEXT, nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
    )


def downgrade() -> None:
    op.drop_table("staff_name")
