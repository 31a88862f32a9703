"""What answers look like of which no type of the domain is made: rows as they are read, and what other services answer."""

import datetime
from typing import Any, Literal

import msgspec

from services.reporting.domain.digest import ShownLately
from services.reporting.domain.waiting import Queue
from shared.contracts.foreseen import EventForeseen, StatusChange


class Class(msgspec.Struct):
    """A class, and how many learners are in it now."""

    class_: str = msgspec.field(name="class")
    title: str
    school: str | None
    subject: str | None
    school_title: str | None
    learners: int


class District(msgspec.Struct):
    """A district, or a school that belongs to none; `schools` are those that name it."""

    district: str
    title: str
    schools: int


class ClosedTerm(msgspec.Struct):
    """A closed term; `complete` once every part of the log has told the closing."""

    term: str
    closed_at: str
    closed_by: str
    complete: bool


class Response(msgspec.Struct):
    """How many suggestions adults have answered in so many days, and the median of the school days that it took."""

    in_days: int
    answered: int
    median_school_days: float | None


class Summary(msgspec.Struct):
    """
    How much waits in a queue, of how many learners, for how long and for whom; the last two of support alone.

    What is new has waited for less than 7 or 30 days.
    """

    queue: Queue
    meaning: str
    waiting: int
    learners: int
    new_in_week: int
    new_in_month: int
    overdue: int
    oldest_days: int | None
    owners: dict[str, int]
    causes: dict[str, int] | msgspec.UnsetType = msgspec.UNSET
    response: Response | msgspec.UnsetType = msgspec.UNSET


class DigestPlace(msgspec.Struct):
    """
    What waits in a class, school or district, of the `learners` for whom the roster lists the caller (`id`) by name, or in the
    tenant; queues in which nothing does are left out.
    """

    kind: Literal["class", "school", "district", "learners", "tenant"]
    id: str
    title: str
    queues: list[Summary]


class DigestChild(msgspec.Struct):
    """What was told in the last 30 days that a learner has shown, the latest first."""

    learner: str
    shown: list[ShownLately]


class Digest(msgspec.Struct):
    """The digest of whoever asks, on a local day of the tenant."""

    day: str
    places: list[DigestPlace]
    children: list[DigestChild]


class Look(msgspec.Struct):
    """Who looked at what; `id` rises."""

    id: int
    at: str
    person: str
    role: str
    view: str
    target: str


class ReaderTold(msgspec.Struct):
    """A reader that was told anything on a day (UTC); `purpose` is empty where nobody has declared any."""

    day: str | None
    via: str
    reader: str
    name: str
    purpose: str
    since: str | None
    until: str | None


class Told(ReaderTold):
    """What a reader was told of a learner; without a day of a reader of Kafka, who could read it from `since` on."""

    source: str
    events: int
    kinds: dict[str, int]
    scopes: list[str]


class ToldOfLearner(msgspec.Struct):
    """A page of who was told what of a learner; `next` is the next `after`."""

    items: list[Told]
    next: int | None


class ToldOfTenant(msgspec.Struct):
    """Whole days of who was told anything; `next` is the next `after`."""

    items: list[ReaderTold]
    next: str | None


class Person(msgspec.Struct):
    """A learner as one source knows the learner."""

    learner: str
    name: str | None
    source: str
    source_id: str


class Identity(msgspec.Struct):
    """What a source calls a learner."""

    source: str
    source_id: str


class Named(msgspec.Struct):
    """A learner's name and source ids."""

    learner: str
    name: str | None
    identities: list[Identity]


class MergedInto(msgspec.Struct):
    """Whom a learner became who was merged."""

    learner: str
    merged_into: str


class Decided(msgspec.Struct):
    """A decision that is durable: its id, and the position to wait for."""

    id: str
    learner: str
    position: str


class By(msgspec.Struct):
    """Who decided: the role, and the subject of the token."""

    role: str
    ref: str


class Plan(msgspec.Struct):
    """
    An individual plan in force: of the kind accommodate, extend, substitute (`instead`, with its title) or exempt.

    `overdue` once the day has passed on which it is to be looked at again, which ends nothing.
    """

    id: str
    competency: str
    title: str | None
    kind: str
    code: str
    review_at: str
    overdue: bool
    decided_at: str
    by: By
    instead: str | None
    instead_title: str | None
    pieces: int
    days: int
    accommodations: list[str]


class Plans(msgspec.Struct):
    """The plans of a learner that are in force."""

    learner: str
    items: list[Plan]


class Foreseen(msgspec.Struct):
    """What a correction would change of a learner; events are as `/asyncapi` of progression describes their data."""

    learner: str
    statuses: list[StatusChange]
    events: list[EventForeseen]


class ForeseenMove(msgspec.Struct):
    """What moving a piece would change, of either learner."""

    from_: Foreseen = msgspec.field(name="from")
    to: Foreseen


class MovedTo(msgspec.Struct):
    """The piece as the learner has it whose it is."""

    evidence_id: str
    learner: str


class Rebuild(msgspec.Struct):
    """
    The live version of a read model, and the one that is built beside it, or was last.

    `target` are the events that the live one has folded, `folded` those that the other has.
    """

    name: str
    live: int
    building: int
    attempt: int
    started_at: datetime.datetime | None
    finished_at: datetime.datetime | None
    state: Literal["live", "building", "failed"]
    detail: str
    target: int
    folded: int


class Tables(msgspec.Struct):
    """What can be exported."""

    tables: list[str]


class TablePage(msgspec.Struct):
    """A page of a table; rows have the columns of the table."""

    items: list[dict[str, Any]]
    next: str | None


class Results(msgspec.Struct, rename="camel"):
    """Line items and results as OneRoster 1.2 has them."""

    assessment_line_items: list[dict[str, Any]]
    assessment_results: list[dict[str, Any]]
