"""What answers about corrections look like: what they would do."""

import msgspec

from shared.contracts.foreseen import EventForeseen, StatusChange
from shared.contracts.internal_events import Score, Status


class StatusMove(msgspec.Struct):
    """How many pairs would have another status."""

    from_: Status = msgspec.field(name="from")
    to: Status
    pairs: int


class SchoolCorrected(msgspec.Struct):
    """What a correction would do in a school; null where that would tell of few."""

    school: str
    learners: int | None
    withdrawn: int | None
    reviews: int | None


class ToCorrect(msgspec.Struct):
    """A piece to be corrected; with new scores also whose it is at its source, and the id and score that it is to have."""

    source: str
    id: str
    evidence_id: str | msgspec.UnsetType = msgspec.UNSET
    learner: str | msgspec.UnsetType | None = msgspec.UNSET
    as_: str | msgspec.UnsetType = msgspec.field(name="as", default=msgspec.UNSET)
    score: Score | msgspec.UnsetType = msgspec.UNSET


class Withdrawal(msgspec.Struct):
    """A competency that a learner would lose."""

    learner: str
    scope: str


class Forecast(msgspec.Struct):
    """
    What a correction would do, and the pieces in the order in which to correct them. Of learners who are `uncertain` more may be
    told on the way, such as credit that the next piece takes back; they end in the same statuses.
    """

    pieces: int
    learners: int
    uncertain: int
    pairs: int
    events: dict[str, int]
    statuses: list[StatusMove]
    schools: list[SchoolCorrected]
    items: list[ToCorrect]
    withdrawn: list[Withdrawal]


class Foreseen(msgspec.Struct):
    """
    Every status and event that would change for one learner; where that is not certain more may be told on the way, which ends
    in the same statuses.
    """

    pieces: list[str]
    statuses: list[StatusChange]
    events: list[EventForeseen]
    is_certain: bool


class Correction(Foreseen):
    """The same for the learner who has the piece, and for the one `to` whom it is given, where it is."""

    to: Foreseen | msgspec.UnsetType = msgspec.UNSET
