"""The smallest thing that would change a status, found by trying it on the fold, and told as facts."""

from collections.abc import Iterator
from typing import Any

import msgspec

from services.progression.domain.known import Known
from services.progression.domain.policy.facts import Fact, as_data, beside, fact, said
from services.progression.domain.policy.phrases import Language
from services.progression.domain.policy.rule import Rule, local_date
from services.progression.domain.smallest_change import Asked, Probe, smallest_change
from services.progression.domain.standing import CONTESTED_BY, awaited_role
from services.progression.domain.states import KeyState
from services.progression.domain.wanting import signed_by
from shared.contracts.internal_events import Status


class MinimalChange(msgspec.Struct, frozen=True):
    """
    The smallest thing that would change the status, to be said and as data; `gives` is the status then.

    For the better `pieces` are at `at_least`, for the worse below `below`, or at `at_most` where only the lowest mark does.
    As many as there are `retakes` are retakes; these are the last attempts at what is taken again, by evidence id.
    `shows` says the same as what is yet to be shown: for whom no status is told, and only where it is for the better.
    """

    fact: Fact
    shows: Fact | None = None
    gives: Status | None = None
    pieces: int = 0
    at_least: float | None = None
    below: float | None = None
    at_most: float | None = None
    other_activity: bool = False
    other_day: bool = False
    sign_off: str | None = None
    retakes: tuple[str, ...] = ()


def minimal_change(known: Known, time_zone: str = "UTC") -> MinimalChange:
    """Return the smallest thing that would change the status; days are told in `time_zone`."""
    state, status, rule = known.state, known.status, known.rule
    if rule is None:
        return MinimalChange(fact("change.policy"))
    if status == "overridden":
        return MinimalChange(fact("change.contest", n=CONTESTED_BY), pieces=CONTESTED_BY)
    role = awaited_role(state.met, rule)
    if status == "provisional" and role:
        told = fact("change.sign_off", role=role, status="mastered")
        return MinimalChange(told, signed_by(role), "mastered", sign_off=role)
    probe = smallest_change(known)
    if probe is None:
        kept = status in ("mastered", "credited")
        return MinimalChange(fact("change.kept" if kept else "change.not_small"))
    if status in ("mastered", "presumed"):
        return _for_the_worse(probe, rule, time_zone)
    asked, wants = probe.asked, _wants(probe, rule, state, time_zone)
    return MinimalChange(
        fact("change.better", wants, n=asked.pieces, status=probe.gives),
        fact("next_evidence", wants, n=asked.pieces),
        probe.gives,
        asked.pieces,
        probe.value,
        other_activity=asked.other_activity,
        other_day=asked.other_day,
        retakes=_ids(asked),
    )


def change_in_words(change: MinimalChange, language: Language) -> dict[str, Any]:
    """Return the smallest change as plain data: `text` and `shows` in a language, with the facts beside."""
    data = msgspec.structs.asdict(change) | beside("shows", change.shows, language)
    return {"text": said(change.fact, language)} | data | {"fact": as_data(change.fact)}


def _for_the_worse(probe: Probe, rule: Rule, time_zone: str) -> MinimalChange:
    """Return what takes something off the record: pieces below a mark, or at the lowest where only they do."""
    asked, n, gives = probe.asked, probe.asked.pieces, probe.gives
    below, at_most = (probe.value, None) if probe.value > rule.bottom else (None, rule.bottom)
    mark = fact("below_value", below=below) if below is not None else fact("at_lowest", value=rule.bottom)
    told = fact("change.worse", fact("listed", mark, *_of_work(asked, time_zone)), n=n, status=gives)
    return MinimalChange(told, None, gives, n, below=below, at_most=at_most, retakes=_ids(asked))


def _wants(probe: Probe, rule: Rule, state: KeyState, time_zone: str) -> Fact:
    """Return what the pieces of a probe have to be."""
    asked = probe.asked
    wants = [fact("at_value", value=probe.value), *_of_work(asked, time_zone)]
    if asked.other_activity and len(state.activities) < rule.activities:
        wants.append(fact("from_other_activity", n=asked.pieces - len(asked.retaken)))
    if asked.other_day:
        wants.append(fact("on_other_day", n=asked.pieces))
    return fact("listed", *wants, *(lack.fact for lack in asked.besides))


def _of_work(asked: Asked, time_zone: str) -> Iterator[Fact]:
    """Yield of which kind pieces have to be, and what they have to be retakes of."""
    if asked.kind is not None:
        yield fact("of_kind", kind=asked.kind)
    if asked.retaken:
        works = (
            fact("work_of", activity=last.activity, day=local_date(last.order[0], time_zone)) for last in asked.retaken
        )
        code = "as_retake" if len(asked.retaken) == asked.pieces else "some_retakes"
        yield fact(code, fact("listed", *works), n=len(asked.retaken))


def _ids(asked: Asked) -> tuple[str, ...]:
    return tuple(last.evidence_id for last in asked.retaken)
