"""Auditing the policies in force on a tenant's evidence."""

import asyncio
from typing import Any

from services.progression.domain.analysis.audit import Audit
from services.progression.domain.inputs import valid_pieces
from services.progression.domain.standing import rule_of
from services.progression.handlers.histories import histories
from services.progression.handlers.rules import policies_of
from services.progression.handlers.schools import groups_of
from shared.database import Database
from shared.errors import NotFound
from shared.settings import Settings


async def audit_policies(
    database: Database, settings: Settings, tenant: str, framework: str, outside: str
) -> list[dict[str, Any]]:
    """
    Return the figures of every policy that decides a pair, by its pin; `outside` is the source of an outside test, or empty.

    Raises:
        NotFound: no valid piece of a pair that a policy decides is of the source `outside`.
        Unavailable: the roster does not answer.
    """
    groups = await groups_of(settings, tenant)
    async with database.connection() as connection:
        policies = await policies_of(connection, tenant)
    audits: dict[str, Audit] = {}
    sources: set[str] = set()
    async for page in histories(database, tenant, framework, folded=True):

        def count(page: Any = page) -> None:
            for (_, learner, competency), state, history in page:
                rule = rule_of(policies.get(state.policy), state)
                if rule is not None:
                    audit = audits.setdefault(state.policy, Audit(outside))
                    pieces = list(valid_pieces(history.evidence))
                    sources.update(piece.order[2] for piece in pieces)
                    audit.add(competency, rule, pieces, groups.get(learner, {}))

        await asyncio.to_thread(count)
    if outside and outside not in sources:
        raise NotFound(f"no policy decides a pair with evidence of source {outside!r}")
    return [
        {"policy": policies[digest].id, "version": policies[digest].version, **audit.report()}
        for digest, audit in sorted(audits.items())
    ]
