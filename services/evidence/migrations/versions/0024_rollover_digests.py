"""What a school year ended is kept by digests of keys, because the key of a place names its learner, who may be forgotten."""

from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    op.execute(
        "update rollover set ended = convert_to((select coalesce(jsonb_agg(jsonb_build_array(e ->> 0,"
        "   encode(sha256(convert_to(e ->> 1, 'UTF8')), 'hex'))), '[]')"
        "   from jsonb_array_elements(convert_from(ended, 'UTF8')::jsonb) e)::text, 'UTF8')"
    )


def downgrade() -> None:
    """Leave what is kept: no key follows from its digest, so these school years cannot be undone any more."""
