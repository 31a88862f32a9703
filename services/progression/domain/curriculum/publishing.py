"""The events that publish a framework version, in parts that fit a record."""

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from services.progression.domain.curriculum.framework import Framework
from shared.contracts.internal_events import FrameworkPublished

PART_SIZE = 500
"""Competencies or associations an event at most."""
PART_BYTES = 200_000
"""What they take at most, well below Kafka's record limit of 1 MiB."""
Item = TypeVar("Item")


def parts(framework: Framework) -> list[FrameworkPublished]:
    """Return the events that publish a framework version; together they hold everything once, in order."""
    competencies = _pages(framework.competencies)
    associations = _pages(framework.associations)
    retired = _pages([competency.code for competency in framework.retired])
    count = max(1, len(competencies), len(associations), len(retired))
    return [
        FrameworkPublished(
            framework=framework.id,
            version=framework.version,
            title=framework.title,
            part=number + 1,
            parts=count,
            competencies=competencies[number] if number < len(competencies) else (),
            associations=associations[number] if number < len(associations) else (),
            retired=retired[number] if number < len(retired) else (),
        )
        for number in range(count)
    ]


def _pages(items: Sequence[Item]) -> list[tuple[Item, ...]]:
    """Cut a sequence into pages within both limits."""
    pages: list[tuple[Item, ...]] = []
    page: list[Item] = []
    size = 0
    for item in items:
        length = len(msgspec.json.encode(item))
        if page and (len(page) == PART_SIZE or size + length > PART_BYTES):
            pages.append(tuple(page))
            page, size = [], 0
        page.append(item)
        size += length
    return [*pages, tuple(page)] if page else pages
