"""The fold of the log `curriculum`: frameworks with their competencies and associations."""

from collections.abc import Sequence
from typing import Any

import msgspec

from services.reporting.handlers.folds.base import Fold, decoded
from services.reporting.tables.writes import Unfolded, publish_frameworks, upsert
from shared.contracts.internal_events import FRAMEWORK_PUBLISHED, FrameworkPublished
from shared.database import Connection
from shared.handling import Settle, ShardBatch, Write

_decode_framework = msgspec.json.Decoder(FrameworkPublished).decode


class CurriculumFold(Fold):
    """Folds the log `curriculum`: a framework version is current once its last part is folded; earlier ones stay."""

    model = "curriculum"
    edition = 2

    async def fold(self, batches: Sequence[ShardBatch], settle: Settle) -> Write:
        """Fold a batch in memory."""
        competencies: dict[tuple[str, ...], tuple[Any, ...]] = {}
        associations: set[tuple[str, ...]] = set()
        current: dict[tuple[str, str], tuple[str, str]] = {}
        unfolded: list[Unfolded] = []
        for event, part in decoded(batches, {FRAMEWORK_PUBLISHED: _decode_framework}, unfolded):
            place = (event.tenant, part.framework, part.version)
            for c in part.competencies:
                competencies[*place, c.code] = (
                    *place, c.code, c.title, c.ordinal, c.level, c.subject, c.parent, c.dok, c.power, event.position,
                    c.identifier,
                )  # fmt: skip
            associations.update((*place, edge.origin, edge.destination, edge.type) for edge in part.associations)
            if part.part == part.parts:
                current[event.tenant, part.framework] = (part.title, part.version)

        async def write(connection: Connection) -> None:
            rows = [competencies[key] for key in sorted(competencies)]
            await upsert(connection, "competency", self.version, rows)
            await upsert(connection, "association", self.version, sorted(associations))
            await publish_frameworks(connection, self.version, current)
            await self._keep_aside(connection, unfolded)

        return write
