"""By school whether evidence comes, what is set by hand and what falls due; never about single learners."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from services.reporting.domain.completeness import DistrictCompleteness
from services.reporting.domain.shares import Share, share
from services.reporting.domain.small_numbers import hidden_of_both, is_few, told_beside
from services.reporting.domain.suppression import hidden_totals


class SchoolCount(NamedTuple):
    """
    What was counted of a school: learners, those with any evidence and with some lately; pairs of learner and competency on
    the record, those of them by hand and due, and the learners that have such a pair and a pair that is not such; and of the
    masteries of competencies that ask for a depth of knowledge those whose evidence stays below it, those whose evidence
    reaches it, and those whose evidence is tagged with none, as pairs and as learners who have such a pair.
    """

    school: str
    learners: int
    with_evidence: int
    lately: int
    recorded: int
    by_hand: int
    due: int
    learners_by_hand: int
    learners_not_by_hand: int
    learners_due: int
    learners_not_due: int
    below: int
    reaching: int
    untagged: int
    learners_below: int
    learners_reaching: int
    learners_untagged: int


class DepthShown(msgspec.Struct, frozen=True):
    """
    Masteries, as pairs of learner and competency, of what asks for a depth of knowledge: by how deep the evidence was.

    `tagged` are those whose evidence says how deep it is, `below` those of them in which all of it is less deep than the
    competency asks for, `share` of `tagged` with its interval, None where none is tagged; `untagged` are the others, None
    where they are of too few learners.
    """

    share: float | None
    low: float | None
    high: float | None
    below: int
    tagged: int
    untagged: int | None


class SchoolWatch(msgspec.Struct, frozen=True):
    """
    A school: whether evidence comes, and what is set by hand or falls due after it was shown.

    Shares of learners are None where a number is too small to be told, or the difference to one beside it; lately is what it is
    in the district's completeness. Shares of what is on the record are of pairs of learner and competency, and None where the
    pairs within, or those without, are of too few learners, or would follow from the district and the other schools. What adds
    up statuses is None, too, where it would give away what the district's table by competency hides.
    `below_depth` looks at what is mastered alone, and at the evidence that it was mastered by.
    """

    school: str
    title: str
    learners: int | None
    with_evidence: Share | None
    with_evidence_lately: Share | None
    set_by_hand: Share | None
    due_for_re_check: Share | None
    below_depth: DepthShown | None


class DistrictWatch(msgspec.Struct, frozen=True):
    """Completeness and expectations by school; never by teacher, and no ground for judging one."""

    district: str
    as_of: str
    suppressed_below: int
    schools: list[SchoolWatch]


class DistrictSchools(msgspec.Struct, frozen=True):
    """What is told of a district by school, of one moment."""

    watch: DistrictWatch
    completeness: DistrictCompleteness


def school_watch(
    counts: Sequence[SchoolCount], learners: int, titles: Mapping[str, str], small: int, *, no_sums: bool = False
) -> list[SchoolWatch]:
    """
    Return the schools; what is too small to be told, or would tell it, is None.

    Args:
        learners: of the district, each once, as its other tables tell it: the sizes that they hide are hidden here too.
        no_sums: whether sums of statuses, or how many have any, would give away what the table by competency hides.
    """
    total: dict[str | None, int] = {count.school: count.learners for count in counts}
    total[None] = learners
    hidden = hidden_totals(total, small)
    by_hand = _hidden_beside([(c.school, c.learners_by_hand, c.learners_not_by_hand) for c in counts], hidden, small)
    due = _hidden_beside([(c.school, c.learners_due, c.learners_not_due) for c in counts], hidden, small)
    schools = [
        _watch(
            count, titles.get(count.school, count.school), small,
            is_hidden=count.school in hidden, no_hand=count.school in by_hand, no_due=count.school in due,
        )
        for count in counts
    ]  # fmt: skip
    if no_sums:
        return [_without_sums(each, count) for each, count in zip(schools, counts, strict=True)]
    return schools


def all_are_recent(counts: Iterable[SchoolCount]) -> set[str]:
    """Return the schools where all who have any evidence have some of lately: how many these are tells how many have none."""
    return {count.school for count in counts if count.lately == count.with_evidence}


def _without_sums(told: SchoolWatch, count: SchoolCount) -> SchoolWatch:
    lately = None if all_are_recent([count]) else told.with_evidence_lately
    return SchoolWatch(told.school, told.title, told.learners, None, lately, None, None, None)


def _hidden_beside(
    people: Sequence[tuple[str, int, int]], hidden: Collection[str | None], small: int
) -> Collection[str | None]:
    """Return the schools whose share is hidden, of (school, learners within, learners without)."""
    within: dict[str | None, int] = {school: count for school, count, _ in people}
    without: dict[str | None, int] = {school: count for school, _, count in people}
    return hidden_of_both(within, without, small, hidden)


def _watch(count: SchoolCount, title: str, small: int, *, is_hidden: bool, no_hand: bool, no_due: bool) -> SchoolWatch:
    if is_hidden:
        return SchoolWatch(count.school, title, None, None, None, None, None, None)

    # Completeness tells those with evidence lately, and goes first: else the two tables would give away who is between.
    _, lately, with_evidence = told_beside((count.learners, count.lately, count.with_evidence), small)
    return SchoolWatch(
        school=count.school, title=title, learners=count.learners,
        with_evidence=None if with_evidence is None else share(with_evidence, count.learners),
        with_evidence_lately=None if lately is None else share(lately, count.learners),
        set_by_hand=None if no_hand else share(count.by_hand, count.recorded),
        due_for_re_check=None if no_due else share(count.due, count.recorded),
        below_depth=_depth_shown(count, small),
    )  # fmt: skip


def _depth_shown(count: SchoolCount, small: int) -> DepthShown | None:
    if is_few(count.learners_below, small) or is_few(count.learners_reaching, small):
        return None
    tagged = count.below + count.reaching
    found = share(count.below, tagged)
    untagged = None if is_few(count.learners_untagged, small) else count.untagged
    if found is None:
        return DepthShown(None, None, None, count.below, tagged, untagged)
    return DepthShown(found.share, found.low, found.high, count.below, tagged, untagged)
