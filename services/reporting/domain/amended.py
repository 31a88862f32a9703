"""What a term ended with, and what has been found out since of what was shown before its end."""

from collections.abc import Collection, Iterable

import msgspec

from services.reporting.domain.continuum import Item
from services.reporting.domain.counting import ClassMastery
from services.reporting.domain.timeline import Happened

_COMES = ("competency.mastered", "competency.credited", "competency.reinstated")
_GOES = "competency.withdrawn"


class TermRecord(msgspec.Struct, frozen=True):
    """A learner's competencies as they were when a term was closed; `amendments` as `amendments` finds them."""

    term: str
    closed_at: str
    learner: str
    items: list[Item]
    amendments: list[Happened]


class TermClass(msgspec.Struct, frozen=True):
    """The grid of a class, as it was when a term was closed, of the learners who are in the class today; and amendments."""

    term: str
    closed_at: str
    mastery: ClassMastery
    amendments: list[Happened]


def amendments(on_record: Collection[str], happened: Iterable[Happened], closed_at: str) -> list[Happened]:
    """
    Return which of the events on a learner's competencies behind a closing, in order, amend the term.

    What comes onto the record amends it where it was shown by the closing, as by evidence that came late; what is withdrawn,
    where the term or an amendment has it on the record. What was shown later is of the next term.
    """
    held, found = set(on_record), []
    for event in happened:
        comes = event.kind in _COMES and event.effective_at <= closed_at and event.scope not in held
        goes = event.kind == _GOES and event.scope in held
        if comes or goes:
            held ^= {event.scope}
            found.append(event)
    return found
