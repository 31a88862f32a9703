"""
Whom a kept xAPI statement names beside its actor, so that it can be forgotten with any of them.

Of what was kept before, the actor alone is known.
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.add_column("xapi_statement", sa.Column("people", sa.Text))
    op.create_index(
        "xapi_statement_people",
        "xapi_statement",
        [sa.text("string_to_array(people, e'\\n')")],
        postgresql_using="gin",
        postgresql_where=sa.text("people IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("xapi_statement_people", table_name="xapi_statement")
    op.drop_column("xapi_statement", "people")
