"""What answers about people look like: learners, staff, classes, keys of systems, and who did what."""

import datetime

import msgspec


class Identity(msgspec.Struct):
    """What a source calls a learner."""

    source: str
    source_id: str


class LearnerId(msgspec.Struct):
    """A learner's opaque id."""

    learner: str


class Found(LearnerId):
    """A learner as one source knows the learner."""

    name: str | None
    source: str
    source_id: str


class Named(LearnerId):
    """A learner's name and source ids."""

    name: str | None
    identities: list[Identity]


class MergedInto(LearnerId):
    """Whom a learner became who was merged."""

    merged_into: str


class Key(msgspec.Struct):
    """An API key, without what is secret of it."""

    key_id: str
    name: str
    source: str
    scopes: list[str]
    created_at: datetime.datetime
    expires_at: datetime.datetime | None
    revoked_at: datetime.datetime | None


class GivenKey(Key):
    """An API key, shown this once."""

    key: str


class ClassOfRoster(msgspec.Struct):
    """A class as its source tells of it."""

    class_: str = msgspec.field(name="class")
    title: str
    school: str | None
    subject: str | None
    source: str


class Classes(msgspec.Struct):
    """A page of classes; `next` is the next `after`."""

    items: list[ClassOfRoster]
    next: str


class Noticed(msgspec.Struct):
    """Who did what of which a tenant is told, and to whom or what; `no` rises."""

    no: int
    at: datetime.datetime
    person: str
    act: str
    target: str


class AccessLog(msgspec.Struct):
    """A page of the access log; `next` is the next `after`."""

    items: list[Noticed]
    next: int


class StaffName(msgspec.Struct):
    """What a person of the staff is called."""

    person: str
    name: str


class StaffPage(msgspec.Struct):
    """A page of names of staff; `next` is the next `after`."""

    items: list[StaffName]
    next: str


class IdentityLine(Identity):
    """Which learner it is that a source of a tenant calls so."""

    tenant: str
    learner: str


class MemberOf(msgspec.Struct):
    """The value that a learner has in a group."""

    learner: str
    group: str
    value: str


class Members(msgspec.Struct):
    """A page of group memberships; `next` is the next `after`."""

    items: list[MemberOf]
    next: str


class Placed(msgspec.Struct):
    """Where the roster places a learner."""

    school: str | None
    classes: list[str]
    session: str | None


class FormerReference(msgspec.Struct):
    """A source's own id that is another learner's since an instant; or this one's, where `returned`."""

    id: str
    since: str
    returned: bool = False


class Reference(msgspec.Struct):
    """A source's own ids of a learner, and where the roster places the learner."""

    ids: list[str]
    placement: Placed | None
