"""One journal row a key and batch: fewer rows and index entries, and a key's history in few reads."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    text = sa.Text(collation="C")
    op.rename_table("journal", "journal_by_input")
    op.execute("alter index journal_key rename to journal_by_input_key")
    op.execute("alter index journal_pkey rename to journal_by_input_pkey")
    op.create_table(
        "journal",
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("batch", sa.BigInteger(), nullable=False),
        sa.Column("no", sa.Integer(), nullable=False),
        sa.Column("tenant", text, nullable=False),
        sa.Column("learner", text, nullable=False),
        sa.Column("competency", text, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("shard", "batch", "no"),
    )
    op.execute(
        "insert into journal select j.shard, j.pos, j.part, j.tenant, j.learner, j.competency,"
        " convert_to('[[' || j.pos || ',' || to_json(j.type) || ',' || to_json(j.input_id) || ',' || j.input_pos || ','"
        "   || to_json(j.time) || ',' || convert_from(coalesce(j.body, f.body), 'UTF8') || ']]', 'UTF8')"
        " from journal_by_input j"
        " left join journal_by_input f on j.body is null and f.shard = j.shard and f.pos = j.pos and f.part = 0"
    )
    op.create_index("journal_key", "journal", ["learner", "competency"], unique=False)
    op.drop_table("journal_by_input")
