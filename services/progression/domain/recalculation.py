"""The events that bracket what a policy or a framework version recomputes."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from services.progression.domain.curriculum import Framework
from services.progression.domain.policy import Policy
from services.progression.domain.rules import Activation
from services.progression.domain.telling import Told
from shared.shards import stable_id

Moment = Literal["started", "finished"]
TEXTS: dict[Moment, str] = {
    "started": "A policy is applied to what is recorded; what follows with this batch is its outcome.",
    "finished": "The policy is applied to everything that was recorded in this part.",
}
FRAMEWORK_TEXTS: dict[Moment, str] = {
    "started": "A framework version is applied to what is recorded; what follows with this batch is its outcome.",
    "finished": "The framework version is applied to everything that was recorded in this part.",
}


def recalculation(
    moment: Moment,
    tenant: str,
    activation: Activation,
    replaced: Policy | Framework | None,
    proposal: Mapping[str, Any] | None,
    shard: int,
    shards: int,
) -> Told:
    """
    Return the event of a shard's part of a batch; the same part and moment give the same id on every run.

    Without a proposal one person decided: nothing was foreseen, and nobody approved it.
    """
    trigger, applied = activation.trigger, activation.graph or activation.policy
    assert applied is not None
    type = f"attain.recalculation.{moment}.v1"
    texts = TEXTS if activation.graph is None else FRAMEWORK_TEXTS
    data = {
        "batch": trigger.batch,
        "framework": activation.framework,
        "from": _named(replaced) if replaced is not None else None,
        "to": _named(applied),
        "mode": activation.mode,
        "expected": msgspec.json.decode(proposal["expected"]) if proposal is not None else {},
        "approved_by": proposal["approved_by"] if proposal is not None else "",
        "part": {"shard": shard, "of": shards},
        "decided_at": trigger.time,
        "cause": {"kind": trigger.cause, "id": trigger.id},
        "reason": {"code": moment, "text": texts[moment]},
    }
    id = stable_id(tenant, type, trigger.batch, str(shard))
    return Told(id, type, tenant, trigger.batch, trigger.time, data)


def _named(version: Policy | Framework) -> dict[str, str]:
    """Return a version as events name it; that of a framework is its hash."""
    if isinstance(version, Framework):
        return {"id": version.id, "version": version.version, "hash": version.version}
    return version.named
