"""A policy on a card: six plain sentences for families and boards, and what it asks of a learner in a year."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from services.progression.policy.effort import AT_THE_CUT, PIECES_MAX, STANDARDS, Effort, Pieces, effort_of
from services.progression.policy.language import Policy
from services.progression.policy.members import Sufficiency
from services.progression.policy.requirements import Group, Require
from services.progression.policy.support import Support
from shared.contracts import Kind

KINDS: dict[Kind, str] = {
    "summative": "tests", "formative": "class work and quizzes", "performance": "performance tasks",
    "observation": "observations", "practice": "practice", "self": "self-assessments",
}  # fmt: skip
ONE: dict[Kind, str] = {
    "summative": "a test", "formative": "class work or a quiz", "performance": "a performance task",
    "observation": "an observation", "practice": "practice", "self": "a self-assessment",
}  # fmt: skip
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


class Card(NamedTuple):
    """The sentences, in the order of a learner's way; what the policy asks; and that in words."""

    sentences: tuple[str, ...]
    effort: Effort
    asks: tuple[str, ...]


def card_of(policy: Policy) -> Card:
    """Return the card of a policy."""
    effort = effort_of(policy.rule)
    return Card(
        (_counts(policy), _joins(policy), _opens(policy), _records(policy), _keeps(policy), _advances(policy)),
        effort,
        _asks(effort, policy.support),
    )


def _counts(policy: Policy) -> str:
    scale, evidence = policy.scale, policy.evidence
    if scale is None:
        aim = "Work is right or wrong, or a share of full marks, and full marks are the goal"
    else:
        label = next((f' ("{name}")' for point, name in scale.labels.items() if float(point) == scale.mastery), "")
        aim = f"Work is marked from {scale.min:g} to {scale.max:g}, and {scale.mastery:g}{label} is the goal"
    never = [KINDS[kind] for kind in KINDS if evidence.kinds.get(kind) == 0]
    counted = [KINDS[kind] for kind in KINDS if evidence.kinds.get(kind) != 0]
    kinds = f"{_and(counted)} count, {_and(never)} do not" if never else "every kind of graded work counts"
    help_ = {"exclude": "does not count", "half": "counts half", "incorrect": "counts as not yet right"}
    return (
        f"{aim}; {kinds}; work done with an accommodation always counts in full, and work done with help on the skill"
        f" itself {help_[evidence.assisted]}."
    )


def _joins(policy: Policy) -> str:
    evidence = policy.evidence
    collapse = {
        "none": "Every mark is a piece of work of its own",
        "activity_occasion": "All marks for one activity on one day are one piece of work",
        "canvas_compat": "All marks for one activity on one day have one value together",
    }[evidence.collapse]
    again = {
        "append": "a later try at the same activity is one more piece",
        "replace_latest": "a later try at the same activity replaces the earlier one",
        "replace_best": "of several tries at the same activity the best one counts",
    }[evidence.reassess]
    more = []
    if evidence.min_items:
        more.append(f"a quiz of fewer than {evidence.min_items} questions is half a piece")
    if evidence.missing == "min":
        more.append("work that is missing counts as the lowest mark")
    window = evidence.window
    if window is not None and window.last is not None:
        more.append(f"only the last {window.last} pieces are looked at")
    if window is not None and window.since is not None:
        more.append(f"only work since {window.since} is looked at")
    return f"{'; '.join([collapse, again, *more])}."


def _opens(policy: Policy) -> str:
    if policy.provisional is None:
        return "There is no earlier step before mastery, and nothing is closed to a learner who is not there yet."
    shows = _shows(
        policy.rule.tracks[0].words, policy.provisional.sufficiency, policy.provisional.sufficiency.kinds_all
    )
    return f"A learner may go on to what comes next once {shows}."


def _records(policy: Policy) -> str:
    rule = policy.rule
    ways: dict[tuple[str, Sufficiency, str], list[Kind]] = {}
    early: list[str] = []
    for route in rule.routes:
        track = rule.tracks[route.track]
        if rule.provisional and route.track == 0:
            role = route.role.replace("_", " ")
            early.append(f"a {role} confirms it" if role else "a learner may go on")
            continue
        # Paths that differ in the one kind of work they ask for are one way, with a choice of kinds.
        one = track.need.kinds_all if len(track.need.kinds_all) == 1 else ()
        rest = track.need.model_copy(update={"kinds_all": ()}) if one else track.need
        ways.setdefault((track.words, rest, route.role), []).extend(one)
    said = [*early, *(_way(*way, kinds) for way, kinds in ways.items())]
    confirmed = (
        f", and {_count(rule.confirm_on, 'further piece')} of work agree{'s' if rule.confirm_on == 1 else ''}"
        if rule.confirm_on
        else ""
    )
    return f"Mastery goes on the record once {', or once '.join(said)}{confirmed}."


def _way(words: str, need: Sufficiency, role: str, kinds: list[Kind]) -> str:
    signed = f", and a {role.replace('_', ' ')} confirms it" if role else ""
    return f"{_shows(words, need, kinds)}{signed}"


def _keeps(policy: Policy) -> str:
    rule, asks = policy.rule, []
    if rule.follows:
        asks.append("newer work that brings the result below the bar")
    if rule.below is not None:
        many = f"{_count(rule.below_last, 'newer piece')} below {rule.below:g}"
        asks.append(f"{many}{' in a row' if rule.below_last > 1 else ''}")
    if rule.reverify_days:
        asks.append(f"{rule.reverify_days} school days without newer work at the goal")
    stays = "What is on the record stays there unless the work it rests on turns out to be wrong"
    if not asks:
        return f"{stays}, and newer work asks for no re-check."
    cleared = ", and success on what builds on it is one" if policy.upkeep.by_use else ""
    most = policy.upkeep.max_per_week
    limit = (
        f"; no more than {_count(most, '')} a week {'is' if most == 1 else 'are'} asked of a learner" if most else ""
    )
    return f"{stays}; a re-check is due after {_and(asks, 'or')}{cleared}{limit}."


def _advances(policy: Policy) -> str:
    advancement = policy.advancement
    if advancement is None:
        return "A level is complete when every standard of it is mastered, and nothing is closed to a learner before."
    role = advancement.sign_off.by.replace("_", " ") if advancement.sign_off is not None else ""
    signed = f", and a {role} signs it off" if role else ""
    return (
        f"A level is complete when {_and(_required(advancement.require))}{signed}; nobody is moved back, and nothing is"
        " closed to a learner before."
    )


def _required(require: Require) -> Iterable[str]:
    shown = {"mastered": "mastered", "provisional": "far enough to go on"}
    if require.power is not None:
        yield f"every power standard is {shown[require.power]}"
    if require.supporting is not None:
        share, tier = require.supporting.share, shown[require.supporting.at]
        yield f"{share * 100:g} % of the other standards are {tier}"
    if require.all:
        one = len(require.all) == 1
        yield f"the {_count(len(require.all), 'standard')} that the policy names {'is' if one else 'are'} mastered"
    if require.any:
        yield f"one of the {_count(len(require.any), 'standard')} that the policy names is mastered"
    for group in (*require.k_of, *require.electives):
        yield _choice(group, shown[group.at])


def _choice(group: Group, tier: str) -> str:
    among = f" of the choice {group.group}" if group.group else " that the policy names"
    of = f"{_count(group.k, '')} of the {_count(len(set(group.of)), 'standard')}{among}"
    return f"{of} {'is' if group.k == 1 else 'are'} {tier}"


def _shows(words: str, need: Sufficiency, kinds: Sequence[Kind]) -> str:
    """Say what a method asks for and on how much work; `kinds` must each be in it, or any one where `need` has none."""
    base = []
    if need.min_evidence > 1:
        base.append(f"at least {_count(need.min_evidence, 'piece')}")
    if need.min_activities > 1:
        base.append(f"{_count(need.min_activities, 'activity')}")
    if need.min_occasions > 1:
        base.append(f"{_count(need.min_occasions, 'occasion' if need.occasion_gap_h else 'school day')}")
    if need.min_assessors > 1:
        base.append(f"{_count(need.min_assessors, 'assessor')}")
    if need.min_items:
        base.append(f"at least {_count(need.min_items, 'question')}")
    if kinds:
        base.append(_and([ONE[kind] for kind in kinds], "and" if need.kinds_all else "or"))
    base += [f"deep enough work{' wherever depth is marked' if depth.when_tagged else ''}" for depth in need.depths]
    if need.max_age_days:
        base.append(f"nothing older than {need.max_age_days} days")
    return f"the work shows {words}{f' (with {_and(base)})' if base else ''}"


def _asks(effort: Effort, support: Support | None) -> tuple[str, ...]:
    said = []
    if effort.provisional is not None:
        said.append(f"To go on: {_pieces(effort.provisional)}.")
    signed = "".join(f", and the confirmation of a {role.replace('_', ' ')}" for role in effort.signed)
    said.append(f"For the record: {_pieces(effort.mastered)}{signed}.")
    if support is not None:
        said.append(_helps(support))
    year = effort.rechecks_a_year
    if year:
        all_year = f"about {round(year * STANDARDS)} for a learner with {STANDARDS} standards on the record"
        said.append(f"Re-checks a year, with a piece of work a month: {year:.1f} a standard, {all_year}.")
    else:
        said.append("Re-checks a year: none.")
    said.append(f"A typical learner is one who has it: {AT_THE_CUT:.0%} of the pieces are at the goal.")
    return tuple(said)


def _helps(support: Support) -> str:
    """Say when an adult is asked for support."""
    when = []
    if support.class_work is not None:
        pieces, below = support.class_work.pieces, support.class_work.below
        when.append(f"{_count(pieces, 'piece')} of work of which none of the last {_count(below, '')} is at the goal")
    if support.practice is not None:
        when.append(
            f"{support.practice.items} items of practice on {_count(support.practice.days, 'day')} without the goal"
        )
    if support.waits.sign_off is not None:
        when.append(f"{_count(support.waits.sign_off, 'school day')} without a confirmation that alone is missing")
    if support.waits.placement is not None:
        when.append(f"{_count(support.waits.placement, 'school day')} without a place on a level that is ready")
    return f"An adult is asked to help after {_and(when, 'or')}." if when else "No adult is asked to help."


def _pieces(pieces: Pieces) -> str:
    more = f"more than {PIECES_MAX}"
    fewest = _count(pieces.fewest, "piece") if pieces.fewest else f"{more} pieces"
    most = f"at most {pieces.nine_in_ten}" if pieces.nine_in_ten else more
    return f"at least {fewest} of work, typically {pieces.typical or more}, for nine in ten learners {most}"


def _count(number: int, word: str) -> str:
    said = NUMBERS[number] if number < len(NUMBERS) else str(number)
    if number != 1 and word:
        word = f"{word[:-1]}ies" if word.endswith("ty") else f"{word}s"
    return f"{said} {word}".strip()


def _and(parts: Iterable[str], word: str = "and") -> str:
    every = list(parts)
    return every[0] if len(every) == 1 else f"{', '.join(every[:-1])} {word} {every[-1]}"
