"""Handed-in work that waits for a grade, as evidence tells it: part of the wire format of `shared.contracts.internal_events`."""

import msgspec

UNGRADED = "attain.evidence.ungraded.v1"


class WorkUngraded(msgspec.Struct, frozen=True, gc=False):
    """
    How a learner's work on an activity stands; data of `UNGRADED`. It is no evidence: no value is made of it.

    `work` is the opaque id of what one learner of a source handed in on one activity; the last event of a work is the one
    that holds. Unless it `waits`, it was graded or taken back. `since` is when it was handed in last. `competencies` are
    those that the alignment map names for the activity, none where it names nothing.
    """

    learner: str
    work: str
    source: str
    activity: str
    since: str
    waits: bool
    competencies: tuple[str, ...] = ()
