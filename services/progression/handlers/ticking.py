"""The ticks of the clock as inputs of the journal."""

from collections.abc import Iterable

import msgspec

from services.progression.domain.decisions import CLOCK_TICKED, ClockTicked
from services.progression.domain.inputs import Learner
from shared.events import Envelope, encode_json
from shared.shards import stable_id


def ticks_of(shard: int, at: str, due: Iterable[tuple[str, str, str | None]]) -> list[Envelope]:
    """Return a tick a learner for what is due, as (tenant, learner, competency); None is something of the learner's levels."""
    by_learner: dict[Learner, list[str]] = {}
    for tenant, learner, competency in due:
        by_learner.setdefault((tenant, learner), []).extend([competency] if competency is not None else [])
    return [
        Envelope(
            id=stable_id(tenant, learner, "tick", at), type=CLOCK_TICKED, tenant=tenant, subject=learner, time=at,
            data=msgspec.Raw(encode_json(ClockTicked(learner, at, tuple(competencies)))),
            generation=0, shard=shard, position=0,
        )
        for (tenant, learner), competencies in by_learner.items()
    ]  # fmt: skip
