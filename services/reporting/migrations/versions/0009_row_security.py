"""Tables of read models belong to the service's role: it makes and drops them when they are rebuilt."""

import sqlalchemy as sa
from alembic import op

from shared.guarding import make_roles
from shared.row_security import SERVICE_ROLE

revision = "0009"
down_revision = "0007"


def upgrade() -> None:
    """Give away the tables of every version that is there."""
    connection = op.get_bind()
    make_roles(connection)
    op.execute(f"grant usage, create on schema public to {SERVICE_ROLE}")
    for name in connection.scalars(sa.text("select tablename from pg_tables where tablename ~ '_v[0-9]+$'")).all():
        op.execute(f"alter table {name} owner to {SERVICE_ROLE}")


def downgrade() -> None:
    """Nothing: an older version runs on this schema."""
