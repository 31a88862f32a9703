"""What answers on webhooks and other readers look like of which no type of the domain is made."""

import datetime
from typing import Literal

import msgspec

from services.progression.domain.disclosing import Disclosure, Via


class Webhook(msgspec.Struct):
    """
    A webhook with its state: positions not looked at yet (`behind`), and learners who wait, or are parked.

    `former_key` names the secret that signs beside the one of `key` until `former_until`.
    """

    id: str
    tenant: str
    name: str
    url: str
    purpose: str
    types: list[str]
    frameworks: list[str]
    source: str
    key: str
    state: Literal["active", "paused", "parked"]
    reason: str
    failures: int
    retry_at: datetime.datetime | None
    created_by: str
    created_at: datetime.datetime
    version: int
    former_key: str | None
    former_until: datetime.datetime | None
    behind: int
    held: int
    parked_learners: int


class Secret(msgspec.Struct):
    """A secret (base64) and the id by which signatures name it; it is shown this once."""

    key: str
    secret: str


class NewWebhook(Secret):
    """A webhook that has begun."""

    id: str


class State(msgspec.Struct):
    """What a webhook is after a change."""

    state: Literal["active", "paused"]


class Tested(msgspec.Struct):
    """What came of a test event; `status` is None where nobody answered."""

    taken: bool
    status: int | None
    outcome: str
    ms: int


class Delivery(msgspec.Struct):
    """A line of the delivery log."""

    no: int
    at: datetime.datetime
    event: str
    type: str
    shard: int
    pos: int
    attempt: int
    status: int | None
    outcome: str
    ms: int


class WaitingLearner(msgspec.Struct):
    """A learner whose events wait behind one that was not taken; `parked` waits for a person."""

    learner: str
    shard: int
    pos: int
    attempts: int
    retry_at: datetime.datetime
    parked: bool
    reason: str


class ReaderDeclared(msgspec.Struct):
    """A reader in the register."""

    id: str


class ReaderTold(msgspec.Struct):
    """A reader that was given anything on a day (UTC); `purpose` is empty where nobody has declared any."""

    day: datetime.date
    via: Via
    reader: str
    since: datetime.datetime
    until: datetime.datetime
    name: str
    purpose: str


class ToldOfLearner(msgspec.Struct):
    """A page of who was told what of a learner; `next` is the next `after`."""

    items: list[Disclosure]
    next: int | None


class ToldOfTenant(msgspec.Struct):
    """Whole days of who was given anything; `next` is the next `after`."""

    items: list[ReaderTold]
    next: datetime.date | None
