"""
The public events on the log `advancement`, by type: the contract with everyone who subscribes. Here are also those on learners,
rules and terms; `competency_events` and `level_events` have the others.

These names are the wire format. Members are added, never renamed or taken away; a reader ignores those it does not know, and a
member that an older event lacks has its default. Instants are text in the form of `shared.events.utc`. Learners are opaque;
`refs` are filled on delivery with the one receiver's own ids, and `placement` by the roster; both are empty on every topic.
"""

from typing import Literal

import msgspec

from shared.contracts.competency_events import (
    Credited,
    Mastered,
    OverrideContested,
    Provisional,
    Ready,
    Reinstated,
    Reverified,
    ReverifyDue,
    Withdrawn,
)
from shared.contracts.level_events import (
    Advanced,
    GapsCleared,
    GoalChosen,
    LevelDecision,
    LevelReady,
    PlacedWithGaps,
    ReviewRequired,
    SignOffLapsed,
    SignOffRequested,
    Withheld,
)
from shared.contracts.public_members import Basis, Cause, Learner, Placement, Policy, PublicEvent, Reason

MERGED = "attain.learner.merged.v1"
UNMERGED = "attain.learner.unmerged.v1"
ERASED = "attain.learner.erased.v1"
SNAPSHOT_CLOSED = "attain.snapshot.closed.v1"
SNAPSHOT_AMENDED = "attain.snapshot.amended.v1"


class Part(msgspec.Struct, frozen=True):
    """Which part of the log: one of `of` shards, each with a beginning and an end of its own."""

    shard: int
    of: int


class Recalculation(msgspec.Struct, frozen=True, kw_only=True):
    """
    A policy or a framework version takes the place of another and is applied to what is recorded: bulk mode, mute notices. It
    concerns no learner. What `from` and `to` name is what the `cause` is of; the version of a framework is its hash.

    In each part, everything that carries the `batch` comes between the part's start and its end. `expected` counts the events
    that the comparison before the approval foresaw; where one person decided there is none, and `approved_by` is empty.
    """

    batch: str
    framework: str
    from_: Policy | None = msgspec.field(name="from", default=None)
    to: Policy
    mode: Literal["grandfathered", "forward_only", "retroactive"]
    expected: dict[str, int] = {}
    approved_by: str
    part: Part
    decided_at: str
    cause: Cause
    reason: Reason


class SnapshotClosed(msgspec.Struct, frozen=True, kw_only=True):
    """
    A term (`session`) is over: the learner's standings as they were told by now are the term's snapshot, and stay.

    It concerns all of the learner's scopes at once: so many `standings`, whose `digest` is that of
    `shared.contracts.snapshots.digest_of`.
    """

    learner: Learner
    session: str
    digest: str
    standings: int
    closed_by: str
    seq: int
    effective_at: str
    decided_at: str
    cause: Cause
    reason: Reason
    mode: Literal["live", "shadow"] = "live"
    placement: Placement | None = None


class SnapshotAmended(PublicEvent, frozen=True, kw_only=True):
    """
    What a term (`session`) ended with turned out to be another: a standing that was on the record by its end is so no more,
    or one that was not should have been. The snapshot stays; this is listed beside it, once for each change.

    `before` and `after` are the statuses as of the term's end; `digest` is that of `shared.contracts.snapshots.digest_after`,
    over the line of `scope`, `after` and `mark`.
    """

    session: str
    digest: str
    before: str
    after: str
    mark: str = ""
    basis: Basis | None = None
    policy: Policy | None = None


class Identified(msgspec.Struct, frozen=True, kw_only=True):
    """
    The learner `from` turned out to be the learner `into`, or not to be: key anew. It concerns no scope.

    It comes before what is withdrawn from `from` because its evidence went away, and what is shown by `into` has its own events.
    """

    learner: Learner
    from_: str = msgspec.field(name="from")
    into: str
    decided_at: str
    cause: Cause
    reason: Reason
    placement: Placement | None = None


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    """A learner is forgotten: delete what is held of the learner, and confirm by the certificate. The learner's last event."""

    learner: Learner
    certificate: str
    decided_at: str
    cause: Cause
    reason: Reason


ADVANCEMENT_EVENTS: dict[str, type[msgspec.Struct]] = {
    "attain.competency.provisional.v1": Provisional,
    "attain.competency.mastered.v1": Mastered,
    "attain.competency.credited.v1": Credited,
    "attain.competency.ready.v1": Ready,
    "attain.competency.reverify_due.v1": ReverifyDue,
    "attain.competency.reverified.v1": Reverified,
    "attain.competency.withdrawn.v1": Withdrawn,
    "attain.competency.reinstated.v1": Reinstated,
    "attain.competency.override_contested.v1": OverrideContested,
    "attain.level.ready.v1": LevelReady,
    "attain.level.sign_off_requested.v1": SignOffRequested,
    "attain.level.sign_off_lapsed.v1": SignOffLapsed,
    "attain.level.advanced.v1": Advanced,
    "attain.level.withheld.v1": Withheld,
    "attain.level.review_required.v1": ReviewRequired,
    "attain.level.withdrawn.v1": LevelDecision,
    "attain.level.reinstated.v1": LevelDecision,
    "attain.level.placed_with_gaps.v1": PlacedWithGaps,
    "attain.level.gaps_cleared.v1": GapsCleared,
    "attain.goal.chosen.v1": GoalChosen,
    MERGED: Identified,
    UNMERGED: Identified,
    ERASED: Erased,
    "attain.recalculation.started.v1": Recalculation,
    "attain.recalculation.finished.v1": Recalculation,
    SNAPSHOT_CLOSED: SnapshotClosed,
    SNAPSHOT_AMENDED: SnapshotAmended,
}
"""The data of every public event type that is told."""
