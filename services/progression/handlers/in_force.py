"""The policies that decide now, each on its card, with what it was foreseen to do when it was proposed."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from services.progression.domain.curriculum import framework_of
from services.progression.domain.policy import Policy
from services.progression.domain.policy.card import card_of
from services.progression.domain.policy.effort import Effort, effort_of
from services.progression.domain.policy.phrases import Language
from services.progression.handlers.adopting import told_proposal
from services.progression.handlers.rules import rules_of
from services.progression.tables import rulebook
from shared.database import Database

EFFORTS_KEPT = 256
_efforts: dict[str, Effort] = {}
"""By the hash of the policy, which fixes them."""


async def policies_in_force(
    database: Database, tenant: str, competency: str, language: Language
) -> list[dict[str, Any]]:
    """Return the policies in force for one competency, or for any of the tenant's where none is named; cards in a language."""
    async with database.connection() as connection:
        rules = await rules_of(connection, tenant, None)
        proposals = await rulebook.proposals_of(connection, tenant)
    asked = [competency] if competency else [each for graph in rules.frameworks[-1].values() for each in graph.by_id]
    found: dict[str, Policy] = {}
    frameworks: dict[str, set[str]] = {}
    for each in asked:
        policy = rules.policy_at(each, rules.no)
        if policy is not None:
            found[policy.hash] = policy
            frameworks.setdefault(policy.hash, set()).add(framework_of(each))
    return [
        _told(policy, await _effort(policy), [row for row in proposals if row["policy"] == policy.hash], language)
        | {"frameworks": sorted(frameworks[policy.hash])}
        for policy in found.values()
    ]


async def _effort(policy: Policy) -> Effort:
    """Return what a policy asks, computed once a version: it takes up to a second, in which the fold goes on."""
    known = _efforts.get(policy.hash)
    if known is None:
        known = await asyncio.to_thread(effort_of, policy.rule)
        if len(_efforts) >= EFFORTS_KEPT:
            _efforts.pop(next(iter(_efforts)))
        _efforts[policy.hash] = known
    return known


def _told(policy: Policy, effort: Effort, proposals: Sequence[Mapping[str, Any]], language: Language) -> dict[str, Any]:
    card, scale = card_of(policy, language, effort), policy.scale
    approved = next((row for row in proposals if row["approved_by"]), None)
    return {
        **policy.named, "sentences": card.sentences, "asks": card.asks,
        "scale": scale and {"min": scale.min, "max": scale.max, "step": scale.step, "labels": scale.labels},
        "adoption": approved and told_proposal(approved),
    }  # fmt: skip
