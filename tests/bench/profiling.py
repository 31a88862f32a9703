"""Where the process of progression spends its time while it folds a filled topic, as a figure."""

import json
from collections.abc import Mapping
from pathlib import Path

from deploy.local.stack import Stack
from tests.bench.figures import Figure
from tests.bench.progression_fold import Shape, prepared_topic

FUNCTIONS = 20
"""The functions that are named."""


async def profile(stack: Stack, folder: Path, events: int) -> Figure:
    """Fold a topic under the sampler; microseconds an event, by part and by function."""
    output = folder / "samples.json"
    async with prepared_topic(stack, Shape(events)) as topic:
        topic.program = ("tests.bench.sampled", str(output), *topic.program)
        folded = await topic.fold(events)
    samples = json.loads(output.read_text())
    total = sum(samples["parts"].values())
    spent = folded.cpu["progression_us"]

    def us(counts: Mapping[str, int]) -> dict[str, float]:
        ordered = sorted(counts.items(), key=lambda item: -item[1])
        return {name: round(count / total * spent, 2) for name, count in ordered}

    functions = dict(list(us(samples["functions"]).items())[:FUNCTIONS])
    detail = {
        "events": events, "samples": total, "parts": us(samples["parts"]), "functions": functions,
        "other_load": folded.other_load,
    }  # fmt: skip
    return Figure("progression-profile", spent, "us an event", {}, detail)
