"""The data of the public events on competencies; part of the contract in `shared.contracts.public_events`."""

from typing import Literal

import msgspec

from shared.contracts.internal_events import Status
from shared.contracts.public_members import Basis, By, Policy, PublicEvent


class CompetencyEvent(PublicEvent, frozen=True, kw_only=True):
    """What every transition of a competency has."""

    before: Status
    after: Status
    basis: Basis
    policy: Policy | None = None


class Provisional(CompetencyEvent, frozen=True, kw_only=True):
    """The provisional path is met: open what follows, record nothing."""

    confirms_by: tuple[str, ...] = ()


class Mastered(CompetencyEvent, frozen=True, kw_only=True):
    """
    Confirmed by a path of the policy: record it with `effective_at`.

    `dok_shown` is the greatest depth of knowledge that a counted piece is tagged with, where any is.
    """

    dok_shown: int | None = None


class Credited(CompetencyEvent, frozen=True, kw_only=True):
    """Shown elsewhere: credit, not shown here; satisfies gates."""

    strength: float = 1.0
    provenance: str = ""


class ReverifyDue(CompetencyEvent, frozen=True, kw_only=True):
    """
    Asks for a re-check; what is on the record stays.

    `by_use`: the newer work that contradicts it is the first on what builds on it; the reason names that.
    """

    why: Literal["contradiction", "age", "expiry"]
    by_use: bool = False
    due_by: str | None = None
    smallest_check: str = ""


class Reverified(CompetencyEvent, frozen=True, kw_only=True):
    """The re-check is passed, `by_use` where success on what builds on it was the check."""

    by_use: bool = False


class Withdrawn(CompetencyEvent, frozen=True, kw_only=True):
    """
    Evidence under it became invalid, or a person holds it: take the entry off, move nobody.

    `levels_affected` lack something by it: those that have advanced stay so, those of which a sign-off was asked
    are complete no more, and it is asked for anew once they are. `review_at` is when a hold ends by itself, unless a second
    person renews it.
    """

    removed: tuple[str, ...] = ()
    levels_affected: tuple[str, ...] = ()
    review_at: str | None = None


class Reinstated(CompetencyEvent, frozen=True, kw_only=True):
    """What withdrew it was undone: restore it with its original date, as shown or as credit, which `after` says."""

    original: str | None = None


class ByHand(msgspec.Struct, frozen=True):
    """What was set by hand, and by whom."""

    status: Status | None
    by: By


class OverrideContested(CompetencyEvent, frozen=True, kw_only=True):
    """Newer evidence disagrees with what was set by hand: queue it to its author."""

    override: ByHand | None = None
    computed: Literal["mastered", "not_yet"]


class Ready(PublicEvent, frozen=True, kw_only=True):
    """All direct prerequisites are met: offer it, hide nothing. That changes no status, so none is told."""

    basis: Basis | None = None
    policy: Policy | None = None
    because: tuple[str, ...] = ()
    unlocks_count: int = 0
