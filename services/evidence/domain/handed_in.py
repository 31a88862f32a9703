"""
Work that was handed in: whether it waits for a grade, and what is to be told of that.

Of all that is said of one work the newest stamp holds, and of the same stamp that it is graded: so the outcome does not depend
on the order of arrival, and saying it again changes nothing.
"""

import datetime
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from services.evidence.domain.evidence import RecordEvidence
from shared.contracts.handed_in import UNGRADED, WorkUngraded
from shared.events import Draft, encode_json, envelope, utc
from shared.shards import shard_of, stable_id

DATED_BEFORE = datetime.timedelta(days=1)
"""How long before its hand-in a score may be dated: many sources know the day alone, some that of a zone to the east."""


class HandIn(msgspec.Struct, frozen=True):
    """
    What a message says of a learner's work on an activity: at `stamp` it was handed in and `waits` for a grade, or it was
    graded or taken back. `learner` is the source's own id, `stamp` an instant in the form of `shared.events.utc`.
    """

    learner: str
    activity: str
    stamp: str
    waits: bool


class Work(NamedTuple):
    """Work as it is stored, with the learner that it is of now, what was told of it last, and how often something was."""

    tenant: str
    source: str
    source_id: str
    activity: str
    stamp: str
    waits: bool
    told: WorkUngraded | None
    tellings: int
    learner: str

    @property
    def id(self) -> str:
        """The opaque id of the work."""
        return stable_id(self.tenant, self.source, self.source_id, self.activity, "handed_in")


def newest(said: Iterable[HandIn]) -> list[HandIn]:
    """Return what holds of each work, in the order of learners and activities."""
    found: dict[tuple[str, str], HandIn] = {}
    for one in said:
        before = found.setdefault((one.learner, one.activity), one)
        if (one.stamp, not one.waits) > (before.stamp, not before.waits):
            found[one.learner, one.activity] = one
    return [found[key] for key in sorted(found)]


def tell(work: Work, competencies: Sequence[str], shards: int, time: str) -> tuple[list[Draft], Work]:
    """
    Return the events that say how a work stands, none where they are told already, and the work after them.

    Where the work went to another learner, it ends for the one and begins for the other.
    """
    told, steps = work.told, list[WorkUngraded]()
    if told is not None and told.waits and not (work.waits and told.learner == work.learner):
        steps.append(msgspec.structs.replace(told, waits=False))
    if work.waits:
        now = WorkUngraded(
            work.learner, work.id, work.source, work.activity, work.stamp, True, tuple(competencies)
        )  # fmt: skip
        steps += [now] if now != told else []
    drafts = [_draft(work, step, work.tellings + number, shards, time) for number, step in enumerate(steps)]
    return drafts, work._replace(told=steps[-1] if steps else told, tellings=work.tellings + len(steps))


def _draft(work: Work, data: WorkUngraded, number: int, shards: int, time: str) -> Draft:
    id = stable_id(data.work, data.learner, str(number))
    shard = shard_of(work.tenant, data.learner, shards)
    body = envelope(
        id=id, source="evidence", type=UNGRADED, tenant=work.tenant, subject=data.learner, time=time,
        data=encode_json(data),
    )  # fmt: skip
    return Draft(shard, work.tenant, data.learner, body)


def graded_by(command: RecordEvidence) -> HandIn | None:
    """Return what a piece says of work of its source: that it is graded, whenever it was handed in until a day later."""
    content = command.content
    if content.activity is None or content.learner is None or content.retracts is not None or not command.dates_grade:
        return None
    return graded_at(content.learner, content.activity, content.occurred_at)


def graded_at(learner: str, activity: str, occurred_at: str) -> HandIn:
    """Return what a piece of that instant says of work on its activity."""
    until = utc(datetime.datetime.fromisoformat(occurred_at) + DATED_BEFORE)
    return HandIn(learner, activity, until, waits=False)
