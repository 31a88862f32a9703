"""Credit by crosswalks under a policy: it follows from what the policy shows, so it is given and goes with that."""

from collections.abc import Iterable, Iterator, Mapping

from services.progression.domain.analysis.comparison import Verdict
from services.progression.domain.curriculum.crosswalks import Links
from services.progression.domain.standing import ON_RECORD
from services.progression.domain.states import Decided

NOTHING = Verdict("no_evidence", None, ())
_CREDITED = Verdict("credited", None, ())
_ABOVE_CREDIT = (*ON_RECORD, "credited", "overridden")


def by_people(decisions: Iterable[Decided]) -> list[Decided]:
    """Return the decisions without credit that nobody gave."""
    return [decision for decision in decisions if decision.kind != "credit" or decision.author]


def with_credit(
    before: Mapping[str, Verdict], after: Mapping[str, Verdict], links: Links, framework: str
) -> Iterator[tuple[str, Verdict, Verdict]]:
    """
    Yield each of a learner's competencies with its verdicts before and after, what crosswalks credit put into `after`.

    `after` is without credit that nobody gave. With `framework` all are of that one: what is shown elsewhere credits as before.
    What was shown already and credits something no more does not again: a person has lifted that.
    """

    shown_before, shown = _shown(before), _shown(after)

    def as_before(origin: str) -> bool:
        """Tell whether it is shown all along, or reinstated: what it credits is credited since when it was."""
        return origin in shown and (origin in shown_before or after[origin].shown_at in before[origin].lost_dates)

    given = [other for competency in shown for other in links.gives.get(competency, ())]
    concerned = [other for other in given if not framework or other.startswith(f"{framework}:")]
    for competency in dict.fromkeys((*before, *concerned)):
        was, now = before.get(competency, NOTHING), after.get(competency, NOTHING)
        origins = links.receives.get(competency, {})
        credits = shown if was.satisfied else shown - shown_before
        if now.status not in _ABOVE_CREDIT and _is_credited(was, origins, credits, framework):
            now = _CREDITED._replace(credited_at=was.former_credit if any(map(as_before, origins)) else "")
        yield competency, was, now


def _shown(verdicts: Mapping[str, Verdict]) -> set[str]:
    return {code for code, verdict in verdicts.items() if verdict.satisfied and verdict.status != "credited"}


def _is_credited(was: Verdict, origins: Mapping[str, object], shown: set[str], framework: str) -> bool:
    elsewhere = framework and any(not origin.startswith(f"{framework}:") for origin in origins)
    return not shown.isdisjoint(origins) or bool(elsewhere and was.status == "credited")
