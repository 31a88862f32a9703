"""
The alignment map: what an activity, line item, rubric criterion or outcome of a source says about which competencies.

Entries are effective-dated: a piece follows the entry with the latest `effective_from` that is not after its
`occurred_at`; of several with the same date the newest version rules.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from services.evidence.domain import text_forms
from shared.contracts.internal_events import Aligned, Strength
from shared.errors import InvalidEvent

ANY_SOURCE = ""
ALWAYS = ""
"""The `effective_from` of an entry that holds from the beginning; sorts before every instant."""
TARGETS_MAX = 100
KEY_CHARS_MAX = 512
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

AlignmentKind = Literal["activity", "line_item", "criterion", "outcome"]
Name = Annotated[str, Meta(min_length=1, max_length=256, pattern=text_forms.NO_CONTROLS)]
Key = Annotated[str, Meta(min_length=1, max_length=KEY_CHARS_MAX, pattern=text_forms.NO_CONTROLS)]


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A competency, by its id or by the identifier that its framework's source gives it (CASE)."""

    competency: Name
    weight: Annotated[float, Meta(gt=0, le=1000)] = 1.0
    strength: Strength = "full"
    dok: Annotated[int, Meta(ge=1, le=4)] | None = None


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    One entry of the map, as it is published: `id` is what evidence names as its activity.

    No `source`: the id means the same at every source of the tenant. No competencies: its evidence speaks to none.
    `effective_from` is in the form of `shared.events.utc`, or `ALWAYS`.
    """

    id: Key
    competencies: Annotated[tuple[Target, ...], Meta(max_length=TARGETS_MAX)]
    source: Annotated[str, Meta(max_length=256)] = ANY_SOURCE
    kind: AlignmentKind = "activity"
    effective_from: str = ALWAYS


class Dated(NamedTuple):
    """An entry as it is looked up for one (tenant, source, id)."""

    effective_from: str
    version: int
    source: str
    targets: tuple[Target, ...]


class Alignment(msgspec.Struct, frozen=True, gc=False):
    """
    What the map says of one piece: `version` is the entry's, 0 where the id itself names a competency.

    `seen` is the version of the tenant's whole map that this was read from; `targets` name competencies by their ids.
    """

    key: str
    version: int
    seen: int
    targets: tuple[Aligned, ...]

    @property
    def competencies(self) -> tuple[str, ...]:
        """The competencies that the piece counts for."""
        return tuple(dict.fromkeys(target.competency for target in self.targets if target.strength != "hint"))

    def dok(self, own: int | None) -> int | None:
        """Return the depth of the piece: its own, else the least that the map says for all that it counts for."""
        if own is not None:
            return own
        depths = [target.dok for target in self.targets if target.strength != "hint"]
        known = [depth for depth in depths if depth is not None]
        return min(known) if known and len(known) == len(depths) else None


def in_force(entries: Iterable[Dated], source: str, occurred_at: str) -> Dated | None:
    """Return the entry that a piece follows; what a source's own entries say goes before those for any source."""
    candidates = [entry for entry in entries if entry.effective_from <= occurred_at]
    own = [entry for entry in candidates if entry.source == source]
    return max(
        own or [entry for entry in candidates if entry.source == ANY_SOURCE],
        key=lambda entry: (entry.effective_from, entry.version),
        default=None,
    )


def named(targets: Sequence[Target], ids: Mapping[str, str]) -> tuple[Aligned, ...]:
    """Return targets with the ids of their competencies, which are in `ids` by name."""
    return tuple(Aligned(ids[t.competency], t.weight, t.strength, t.dok) for t in targets)


def check_source(entry: Entry, place: int) -> None:
    """
    Refuse what the types allow: control characters, and targets named twice.

    Raises:
        InvalidEvent: with the pointer of the member.
    """
    if _CONTROL.search(entry.source):
        raise InvalidEvent("contains a control character", reason="invalid", pointer=f"/{place}/source")
    names = [target.competency for target in entry.competencies]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidEvent(f"names {twice} twice", reason="invalid", pointer=f"/{place}/competencies")
