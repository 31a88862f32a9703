"""The events that bracket what a policy recomputes."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from services.progression.domain.policy import Policy
from services.progression.domain.rules import Activation
from services.progression.domain.telling import Told
from shared.shards import stable_id

Moment = Literal["started", "finished"]
TEXTS: dict[Moment, str] = {
    "started": "A policy is applied to what is recorded; what follows with this batch is its outcome.",
    "finished": "The policy is applied to everything that was recorded in this part.",
}


def recalculation(
    moment: Moment,
    tenant: str,
    activation: Activation,
    proposal: Mapping[str, Any],
    replaced: Policy | None,
    shard: int,
    shards: int,
) -> Told:
    """Return the event of a shard's part of a batch; the same part and moment give the same id on every run."""
    trigger, policy = activation.trigger, activation.policy
    assert policy is not None
    type = f"attain.recalculation.{moment}.v1"
    data = {
        "batch": trigger.batch,
        "framework": activation.framework,
        "from": replaced.named if replaced is not None else None,
        "to": policy.named,
        "mode": activation.mode,
        "expected": msgspec.json.decode(proposal["expected"]),
        "approved_by": proposal["approved_by"],
        "part": {"shard": shard, "of": shards},
        "decided_at": trigger.time,
        "cause": {"kind": trigger.cause, "id": trigger.id},
        "reason": {"code": moment, "text": TEXTS[moment]},
    }
    id = stable_id(tenant, type, trigger.batch, str(shard))
    return Told(id, type, tenant, trigger.batch, trigger.time, data)
