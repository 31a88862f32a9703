"""
The data of the public events on the log `advancement`: the contract with everyone who subscribes.

These names are the wire format. Members are added, never renamed or taken away; a reader ignores those it does not know, and a
member that an older event lacks has its default. Instants are text in the form of `shared.events.utc`. Learners are opaque;
`refs` are filled on delivery with the one receiver's own ids, and `placement` by the roster; both are empty on every topic.
"""

from typing import Literal

import msgspec

from shared.contracts import Status
from shared.public_members import Basis, By, Cause, Learner, Placement, Policy, Reason, Scope

SNAPSHOT_CLOSED = "attain.snapshot.closed.v1"
SNAPSHOT_AMENDED = "attain.snapshot.amended.v1"


class PublicEvent(msgspec.Struct, frozen=True, kw_only=True):
    """
    What every event has. `seq` rises per learner and scope, so that a late delivery can be dropped; `effective_at` is when it was
    shown, `decided_at` when it was decided. `batch` names the recalculation that it is part of; `replaces` is the id of the
    event that it takes the place of. `episode` counts, from 1, the times that a scope comes onto the record: one ends when it is
    withdrawn, and goes on when that is reinstated. `placement` is filled on delivery, where a roster knows it.
    """

    learner: Learner
    scope: Scope
    seq: int
    effective_at: str
    decided_at: str
    cause: Cause
    reason: Reason
    mode: Literal["live", "shadow"] = "live"
    batch: str | None = None
    replaces: str | None = None
    episode: int = 1
    placement: Placement | None = None


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


class LevelEvent(PublicEvent, frozen=True, kw_only=True):
    """
    What every event on a level has. It is told once the time is over that the policy lets levels settle, unless it was undone
    by then, with the `cause` and dates that it had at once. `before` and `after` are statuses as `/v1/standings` has them, the
    same where it changes none. `basis` says who decided, or that the evidence did: the pieces are in the events of the level's
    competencies. `policy` has the rule of the level. What was told before there were these members lacks them.
    """

    before: str | None = None
    after: str | None = None
    basis: Basis | None = None
    policy: Policy | None = None


class LevelReady(LevelEvent, frozen=True, kw_only=True):
    """All that is needed to begin a level is met."""

    options: tuple[str, ...] = ()
    waiting_since: str | None = None


class SignOffRequested(LevelEvent, frozen=True, kw_only=True):
    """The computed part of a level is complete: a task for one of the roles."""

    approver_roles: tuple[str, ...] = ()
    escalate_at: str | None = None
    weakest: tuple[str, ...] = ()


class SignOffLapsed(LevelEvent, frozen=True, kw_only=True):
    """
    A sign-off that was requested (`replaces`) is asked of nobody any more: another policy or framework version asks something
    else of the level. The task is over. Where a correction did it, `competency.withdrawn` says so in `levels_affected`.
    """


class Advanced(LevelEvent, frozen=True, kw_only=True):
    """
    A level is complete, and signed off where the policy asks for it: credit or placement. `basis` and `reason` are the
    signature's then, and else those of the rule. `credit` is the `code` and `value` of the level, where its framework gives any.
    """

    gaps: tuple[str, ...] = ()
    credit: dict[str, str | float] | None = None
    next: tuple[str, ...] = ()


class Withheld(LevelEvent, frozen=True, kw_only=True):
    """
    Somebody asked for a level and was refused; the placement stays.

    `missing` are the competencies that would count for what the level still asks for; `asks_for` says that as the rule does,
    a choice as so many more of some. Before there was `asks_for`, `missing` had both.
    """

    missing: tuple[str, ...] = ()
    asks_for: tuple[str, ...] = ()
    smallest_change: str | None = None
    decided_by: By
    appeal_to: str | None = None
    review_at: str | None = None


class ReviewRequired(LevelEvent, frozen=True, kw_only=True):
    """
    A correction removed what an advancement (`replaces`) stood on: open a case, change nothing. `missing` and `asks_for` are as
    in `Withheld`.
    """

    missing: tuple[str, ...] = ()
    asks_for: tuple[str, ...] = ()
    owner: str
    decide_by: str


class LevelDecision(LevelEvent, frozen=True, kw_only=True):
    """
    A named person took an advancement (`original`) back, or undid that; `replaces` is the review or the withdrawal that it ends.

    A level is also reinstated where the cause of its review is undone, whether or not a person has taken it back meanwhile: then
    nobody decided, and the members of `by` are empty. Its date is the original one.
    """

    by: By
    original: str | None = None


class PlacedWithGaps(LevelEvent, frozen=True, kw_only=True):
    """Placed beyond what is shown: attach support, never undo the placement. `checks` are at most three."""

    not_yet: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()


class GapsCleared(LevelEvent, frozen=True, kw_only=True):
    """
    The last gap of a placement (`replaces`) is closed; also told of a placement without any, where the level was told to be
    ready: so the wait for it is over.
    """


class GoalChosen(LevelEvent, frozen=True, kw_only=True):
    """A learner commits to a level, among the options seen. It rests on that alone: there is no `basis`."""

    by: By
    options_seen: tuple[str, ...] = ()


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

    It concerns all of the learner's scopes at once: so many `standings`, whose `digest` is `shared.snapshots.digest_of`.
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


class SnapshotAmended(PublicEvent, frozen=True, kw_only=True):
    """
    What a term (`session`) ended with turned out to be another: a standing that was on the record by its end is so no more,
    or one that was not should have been. The snapshot stays; this is listed beside it, once for each change.

    `before` and `after` are the statuses as of the term's end; `digest` is that of `shared.snapshots.digest_after`, over the
    line of `scope`, `after` and `mark`.
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
    "attain.learner.merged.v1": Identified,
    "attain.learner.unmerged.v1": Identified,
    "attain.learner.erased.v1": Erased,
    "attain.recalculation.started.v1": Recalculation,
    "attain.recalculation.finished.v1": Recalculation,
    SNAPSHOT_CLOSED: SnapshotClosed,
    SNAPSHOT_AMENDED: SnapshotAmended,
}
"""The data of every public event type that is told."""
