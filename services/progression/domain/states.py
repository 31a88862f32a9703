"""What is kept of one competency of one learner: pieces of evidence as the fold sees them, decisions, and the state."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from services.progression.domain.plans import Plan
from shared.contracts.internal_events import WAIVED, Aligned, EvidenceRecorded, Score, Status

Order = tuple[str, int, str, str]
MethodState = tuple[Any, ...]


class Piece(msgspec.Struct, frozen=True, gc=False):
    """
    A piece of evidence as the fold of one competency sees it; `order[0]` is when it occurred.

    `weight` and `partial` are what the alignment map says of the piece and the competency. Accommodations are not part of it.
    """

    order: Order
    evidence_id: str
    activity: str
    score: Score
    assisted: bool
    kind: str | None = None
    items: int | None = None
    dok: int | None = None
    assessor: str | None = None
    judged: bool = False
    weight: float = 1.0
    partial: bool = False
    """Whether it speaks to a part of the competency only: half a piece."""


DecidedKind = Literal["sign_off", "override", "credit", "presume", "check", "ask", "lift", "plan"]


class Decided(msgspec.Struct, array_like=True, frozen=True):
    """
    What a person decided on one competency of one learner, in the order of the journal.

    `sign_off` confirms what the evidence shows; `override` sets `status` by hand (mastered or not_yet) until `until`;
    `credit` is mastery shown elsewhere; `presume` is a placement above it; `check` is a re-check passed, by use too; `ask`
    asks for one because the first pieces on what builds on it were low; `plan` is an individual `plan`, to be looked at again
    from `until` on; `lift` undoes the decision `undoes`. `at` is when it was decided, `by` the role of who did, `basis` what it
    rests on. Of a credit by a crosswalk, `origin` is what was shown. Of an `ask`, `by` is the competency that was begun, and
    `since` and `at` are when the first of those pieces and the last occurred; of an override or credit that another took the
    place of, which said the same, `since` is when that was.
    """

    id: str
    kind: DecidedKind
    at: str
    by: str = ""
    status: Status | None = None
    until: str | None = None
    undoes: str = ""
    basis: str = ""
    author: str = ""
    since: str = ""
    plan: Plan | None = None
    origin: str = ""


WAIVER = "waiver"
"""The author of a decision that a piece of evidence stands for."""


class Tally(msgspec.Struct, array_like=True, frozen=True):
    """What policies with further demands count; `deep` are pieces at or below each level that the policy names."""

    assessors: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    items: int = 0
    tagged: int = 0
    deep: tuple[int, ...] = ()


class Work(msgspec.Struct, array_like=True, frozen=True):
    """
    What a support rule counts within the school year that ends on `year`: pieces of class work and how many of the latest in
    a row are `below` the cut; items of practice, and the days with any; and the activities `tried` last.
    """

    year: str
    pieces: int = 0
    below: int = 0
    items: int = 0
    days: int = 0
    last_day: str = ""
    tried: tuple[str, ...] = ()


class KeyState(msgspec.Struct, array_like=True):
    """
    The state of one (learner, competency); mutable, because its shard has one writer, which drops it on any failure.

    `run_below` counts the latest pieces since the crossing that lie below the policy's contradiction value; `pieces` counts
    all valid pieces, `count` those that the policy counts.
    """

    policy: str = ""
    """Hash of the pinned policy; empty where none applies."""
    pieces: int = 0
    count: int = 0
    halves: int = 0
    """How many of `count` are half a piece."""
    methods: tuple[MethodState, ...] = ()
    """The state of each track's method: flat tuples, because that is what MessagePack gives back."""
    activities: tuple[str, ...] = ()
    occasions: int = 0
    last_day: str = ""
    first_at: str = ""
    last: Order | None = None
    recent: tuple[str, ...] = ()
    crossed_at: str | None = None
    basis: tuple[str, ...] = ()
    run_below: int = 0
    seq: int = 0
    told: str = ""
    """Id of the event that put the present mastery on the record; empty when it is not."""
    lost: str = ""
    """Id of the withdrawal that took it off, until it is reinstated or shown anew."""
    lost_crossing: str = ""
    """The crossing that was withdrawn: the same one again is a reinstatement."""
    opened: str = ""
    """Id of the event that told the provisional path; told once."""
    met: tuple[str, ...] = ()
    """When each track was first met, empty where it is not; kept only for policies with several tracks or a sign-off."""
    confirming: tuple[int, ...] = ()
    """For the latch `confirm`: how many pieces in a row met each track."""
    tally: Tally | None = None
    seen: bytes = b""
    """Marks of the activities counted, for policies in which an activity may come again."""
    fresh_at: str = ""
    """When it was last shown: the crossing, or a piece at the cut since; for policies that age or ask by use."""
    decided: tuple[Decided, ...] = ()
    """The decisions in force, at most one a kind and role, or of an `ask` a competency begun."""
    doubts: int = 0
    """Activities in a row whose pieces speak against the override in force: the rows of one quiz are not independent."""
    low: bool = False
    """Whether any counted piece is below the cut; kept where something is presumed."""
    time_zone: str = ""
    """The tenant's, pinned with the policy where its days matter; empty for UTC."""
    dok: int = 0
    """The competency's own depth, pinned with the policy where that asks for it; 0 for none."""
    breaks: str = ""
    """The tenant's, pinned where the policy ages; unlike the rest they follow the tenant's also on the record."""
    clock: str = ""
    """The last tick that reached the key: the instant up to which it has aged."""
    work: Work | None = None
    """Kept for policies with a support rule."""
    deepest: int = 0
    """The greatest depth of knowledge that a counted piece is tagged with; 0 without a tag."""
    checks_in: bool = False
    """Whether it matters how it begins: pinned once a policy of the tenant asks for re-checks by use."""
    began: tuple[str, ...] = ()
    """When its first counted pieces occurred, as long as each is below the cut (`begun`); kept where `checks_in`."""
    former: tuple[str, ...] = ()
    """Dates under which it has stood since it was put on the record, before others decided (`with_date`)."""
    lost_credit: tuple[str, ...] = ()
    """Since when it was credited, and the id of the event that told it, where that credit is gone and may come back."""
    doubted: bytes = b""
    """Marks of the activities that `doubts` counts."""
    extended: tuple[int, ...] = ()
    """The pieces and days that a plan gives; what is on the record keeps those it was shown with, as it does its policy."""


FORMER_DATES = 8
FIRST_PIECES = 2
"""Pieces of which each is below the cut for a competency to have begun low."""


def begun(before: tuple[str, ...], at: str, is_low: bool) -> tuple[str, ...]:
    """Return `began` after one more of the first counted pieces: empty instants once one was not low."""
    return (*before, at) if is_low else ("",) * FIRST_PIECES


def with_date(former: tuple[str, ...], date: str) -> tuple[str, ...]:
    """Return former dates with one more; the first ones are kept, since what was told is among them."""
    return former if date in former or len(former) == FORMER_DATES else (*former, date)


def low_start(began: tuple[str, ...]) -> tuple[str, ...]:
    """Return when the first pieces occurred where each of them was low; empty where that is not so, or not yet."""
    return began if len(began) == FIRST_PIECES and began[0] else ()


def piece_of(recorded: EvidenceRecorded, competency: str = "") -> Piece:
    """
    Return the piece that a recorded event makes for a competency; evidence without an activity is an activity of its own.

    Without a competency the alignment map is taken to say nothing but which: full strength, weight 1.
    """
    aligned = _UNWEIGHED
    if recorded.alignment:
        aligned = next((one for one in recorded.alignment if one.competency == competency), _UNWEIGHED)
    return Piece(
        (recorded.occurred_at, recorded.attempt, recorded.source, recorded.id),
        recorded.evidence_id,
        recorded.activity or recorded.evidence_id,
        recorded.score,
        recorded.assisted,
        recorded.kind,
        recorded.items,
        recorded.dok,
        recorded.assessor,
        recorded.assessor_type == "human",
        aligned.weight,
        aligned.strength == "partial",
    )


_UNWEIGHED = Aligned("")


def waivers(decisions: tuple[Decided, ...], ordered: Sequence[Piece]) -> tuple[Decided, ...]:
    """
    Return decisions with the credit that the evidence gives, which holds as long as its piece is valid and nobody credits.

    A piece that is waived has no score; the first of several counts. Source: cmi5 (Quartz), 9.3.6 and 9.5.5.2.
    """
    own = tuple(decision for decision in decisions if decision.author != WAIVER)
    waived = next((piece for piece in ordered if piece.score.level == WAIVED), None)
    if waived is None or any(decision.kind == "credit" for decision in own):
        return own
    basis = "test_out" if (waived.score.scale or "").casefold().endswith("tested out") else "substitution"
    return (*own, Decided(waived.evidence_id, "credit", waived.order[0], basis=basis, author=WAIVER))


def in_force(decisions: tuple[Decided, ...]) -> tuple[Decided, ...]:
    """
    Return the decisions that hold after all of a journal's: the latest of a kind and role (or begun), unless lifted.

    Credit by a crosswalk and a person's stand beside each other, so that either goes alone.
    """
    held: dict[tuple[str, str], Decided] = {}
    for decision in decisions:
        if decision.kind == "lift":
            lifted = [place for place, other in held.items() if other.id == decision.undoes and other.kind != "plan"]
            held = {place: other for place, other in held.items() if place not in lifted}
        elif decision.kind == "plan" and decision.plan is None:
            held.pop(("plan", ""), None)
        else:
            place = (decision.kind, _whose(decision))
            held[place] = _renewed(held.get(place), decision)
    return tuple(held.values())


def _whose(decision: Decided) -> str:
    """Return whose decisions of its kind one takes the place of; empty where it does of all."""
    match decision.kind:
        case "sign_off" | "ask":
            return decision.by
        case "credit" if not decision.author:
            return "nobody"
    return ""


def _renewed(former: Decided | None, decision: Decided) -> Decided:
    """Return a decision with since when the same is decided: what is set or credited again was on the record before."""
    if former is None or decision.kind not in ("override", "credit") or former.status != decision.status:
        return decision
    return msgspec.structs.replace(decision, since=min(former.since or former.at, decision.at))


def extended_by(plan: Plan | None, state: KeyState) -> tuple[int, ...]:
    """Return the pieces and days that a state is given once a plan is in force, or none is; on the record they only rise."""
    given = plan.extension if plan is not None else (0, 0)
    if state.crossed_at is not None and state.extended:
        given = max(given[0], state.extended[0]), max(given[1], state.extended[1])
    return given if any(given) else ()


def plan_of(decisions: tuple[Decided, ...]) -> Plan | None:
    """Return the plan that is among decisions in force."""
    decision = latest(decisions, "plan")
    return decision.plan if decision is not None else None


def latest(decisions: tuple[Decided, ...], kind: str) -> Decided | None:
    """Return the decision of a kind that is in force, None where there is none."""
    return next((decision for decision in decisions if decision.kind == kind), None)
