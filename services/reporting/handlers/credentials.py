"""Issuing signed records, and saying which of them are revoked; see `domain.credentials` for what is in one."""

import asyncio
import contextlib
import datetime
import hashlib
from collections.abc import AsyncIterator, Collection, Sequence
from typing import NamedTuple

import msgspec

from services.reporting.domain.achieved import Achieved, Event, achieved, fallen, standing
from services.reporting.domain.credentials import (
    Document,
    Holder,
    Issuer,
    Place,
    Target,
    badge,
    did_document,
    learner_record,
    record_id,
    status_credential,
)
from services.reporting.domain.record import Statement
from services.reporting.domain.status_list import encoded
from services.reporting.handlers.access import AccessLog, check_learner
from services.reporting.handlers.cached import Cached
from services.reporting.handlers.people import People
from services.reporting.handlers.review_requests import stated
from services.reporting.handlers.signing import Key, did_key, keys_of, method_of, signed
from services.reporting.tables import credentials as tables
from services.reporting.tables.credentials import Issued
from services.reporting.tables.reads import Snapshot, snapshot
from shared.auth import Identity
from shared.crash_points import reach
from shared.database import Database
from shared.errors import InvalidEvent, NotFound, Refused, Unavailable
from shared.events import utc
from shared.settings import Settings

SIGNING_AT_ONCE = 1
"""Records signed at the same time in a process: some 20 ms of computing an achievement."""
WAITING_MAX = 20
"""Who comes when so many wait for a signature is told to come again."""
SCOPES_MAX = 10_000


class Signer(NamedTuple):
    """Who signs for a tenant: the issuer, the key, and the id by which a verifier finds its public half."""

    issuer: Issuer
    key: Key
    method: str

    def sign(self, document: Document, at: str) -> Document:
        """Return a document with its proof."""
        return signed(document, self.key, self.method, at)


class Transcript(NamedTuple):
    """
    What a transcript tells: the achievements in the order in which they were shown, the day it was made, and what learner or
    family state beside the record.
    """

    school: str
    holder: Holder
    found: list[Achieved]
    made_at: str
    statements: Sequence[Statement] = ()


class Affected(msgspec.Struct, frozen=True):
    """A credential that tells of something: the record as a whole, or a badge in it."""

    id: str
    learner: str
    issued_at: str
    scopes: list[str]
    whole_record: bool


class CredentialReader:
    """Issues signed records and status lists."""

    def __init__(self, database: Database, settings: Settings, people: People, log: AccessLog) -> None:
        self._database = database
        self._settings = settings
        self._people = people
        self._log = log
        # What is revoked is not to be told late, so nobody is given an older list meanwhile.
        self._lists = Cached(settings.status_list_s, stale=1)
        self._signing = asyncio.Semaphore(SIGNING_AT_ONCE)
        self._waiting = 0

    async def record(self, caller: Identity, learner: str, framework: str | None) -> Document:
        """
        Return the signed record of a learner, of one framework or of all.

        Raises:
            NotFound, Forbidden: of the learner.
            Refused: nothing is achieved yet, nobody signs here, or no address is known at which others find what is revoked.
            Unavailable: too many wait for a signature.
        """
        tenant = caller.tenant
        async with snapshot(self._database) as view:
            role = await check_learner(view, caller, learner, "credential")
            found = await _achieved(view, tenant, learner, framework)
            scopes = [one.scope for one in found]
            targets = {row["id"]: Target(*row[1:]) for row in await tables.framework_items(view, tenant, scopes)}
            signer = (await self._signers(tenant, await _school(view, tenant)))[0]
        self._public_url()
        if not found:
            raise Refused("nothing has been shown, credited or signed off yet that a record could tell")
        id = record_id(learner, found)
        wanted = [Issued(one.id, [one.id]) for one in found] + [Issued(id, [one.id for one in found])]
        async with self._database.transaction() as connection:
            places = await tables.take_places(connection, tenant, signer.issuer.id, learner, wanted)
            reach("credential.placed")
        reach("credential.committed")
        at = {each: Place(self._list_url(tenant, signer.issuer.id, number), i) for each, (number, i) in places.items()}
        holder = await self._holder(tenant, learner)
        await self._log.note(caller, role, "credential", learner, [learner])
        async with self._turn():
            return await asyncio.to_thread(
                _signed_record, signer, holder, id, found, targets, at, self._settings.credential_days, caller.time_zone,
                whole=framework is None,
            )  # fmt: skip

    async def transcript(self, caller: Identity, learner: str) -> Transcript:
        """Return what a transcript of a learner tells; raises `NotFound` or `Forbidden`."""
        async with snapshot(self._database) as view:
            role = await check_learner(view, caller, learner, "credential")
            found = await _achieved(view, caller.tenant, learner, None)
            school = await _school(view, caller.tenant)
            statements = await stated(view, caller.tenant, learner)
        await self._log.note(caller, role, "transcript", learner, [learner])
        return Transcript(school, await self._holder(caller.tenant, learner), found, _now(), statements)

    async def status_list(self, tenant: str, issuer: str, number: int) -> Document:
        """Return a signed status list, public to all; `issuer` as in its URL. Raises `NotFound` or `Refused`."""
        signers = await self._signers(tenant, "")
        signer = next((one for one in signers if _short(one.issuer.id) == issuer), None)
        if signer is None:
            raise NotFound(f"no issuer {issuer[:40]!r}")

        async def make() -> Document:
            async with self._database.connection() as connection:
                rows = await tables.issued_in(connection, tenant, signer.issuer.id, number)
            if not rows:
                raise NotFound(f"no list {number} of this issuer")
            async with snapshot(self._database) as view:
                gone = await _revoked(view, tenant, {row["learner"] for row in rows})
            indexes = [row["index"] for row in rows if gone & set(row["events"])]
            url, at = self._list_url(tenant, signer.issuer.id, number), _now()
            document = status_credential(signer.issuer, url, encoded(indexes), at, self._settings.status_list_s)
            async with self._turn():
                return await asyncio.to_thread(signer.sign, document, at)

        return await self._lists.get((tenant, issuer, number), make)

    async def did(self, tenant: str) -> Document:
        """Return the document of a tenant's did:web; raises `NotFound` where it has none."""
        if not self._settings.credential_did:
            raise NotFound("this installation has no did:web")
        keys = await self._keys(tenant)
        return did_document(self._did_web(tenant), {key.public: key.public for key in keys})

    async def affected(self, caller: Identity, scopes: Sequence[tuple[str, str]]) -> list[Affected]:
        """
        Return the credentials that would be revoked if these (learner, scope) pairs were withdrawn, by learner.

        Raises:
            Forbidden: without scope `admin`.
            InvalidEvent: too many pairs at once.
        """
        caller.require("admin")
        if len(scopes) > SCOPES_MAX:
            raise InvalidEvent(f"more than {SCOPES_MAX} pairs at once", pointer="/items")
        async with snapshot(self._database) as view:
            rows = await tables.standing_events(view, caller.tenant, scopes)
        held = standing(Event(*row) for row in rows)
        scope_of = {event.id: event.scope for events in held.values() for event in events}
        async with self._database.connection() as connection:
            issued = await tables.issued_of(connection, caller.tenant, {learner for learner, _ in scopes})
        found = []
        for id, learner, events, issued_at in issued:
            named = sorted(scope_of[event] for event in events if event in scope_of)
            if named:
                found.append(Affected(id, learner, utc(issued_at), named, [id] != events))
        return found

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Lend the right to sign; raises `Unavailable` where too many wait for it."""
        if self._waiting >= WAITING_MAX:
            raise Unavailable("many records are being signed; come again in a moment")
        self._waiting += 1
        try:
            async with self._signing:
                yield
        finally:
            self._waiting -= 1

    async def _holder(self, tenant: str, learner: str) -> Holder:
        return Holder(learner, (await self._people.names(tenant, [learner])).get(learner))

    async def _keys(self, tenant: str) -> list[Key]:
        return await asyncio.to_thread(keys_of, self._settings.credential_keys, tenant)

    async def _signers(self, tenant: str, name: str) -> list[Signer]:
        """Return who signs, or signed before: a did:web keeps its name through all keys, a did:key is a key's own."""
        keys, has_did = await self._keys(tenant), bool(self._settings.credential_did)
        issuers = {self._did_web(tenant): keys[0]} if has_did else {did_key(key): key for key in keys}
        return [Signer(Issuer(id, name), key, method_of(id, key)) for id, key in issuers.items()]

    def _did_web(self, tenant: str) -> str:
        return f"{self._settings.credential_did}:{tenant}"

    def _list_url(self, tenant: str, issuer: str, number: int) -> str:
        return f"{self._public_url()}/v1/credentials/status/{tenant}/{_short(issuer)}/{number}"

    def _public_url(self) -> str:
        """Return the address that others reach; the one that the services call each other by says nothing to a verifier."""
        if not self._settings.public_url:
            raise Refused(
                "records are not signed here: the setting public_url does not say where others find what is revoked"
            )
        return self._settings.public_url


async def _achieved(view: Snapshot, tenant: str, learner: str, framework: str | None) -> list[Achieved]:
    events = [Event(*row) for row in await tables.achievement_events(view, tenant, learner)]
    shown_at = {row["competency"]: row["mastered_at"] for row in await view.statuses(tenant, [learner])}
    return [one for one in achieved(events, shown_at) if framework in (None, one.framework)]


async def _school(view: Snapshot, tenant: str) -> str:
    """Return in whose name a tenant speaks: that of its district where it has one, else its own."""
    districts = await view.districts(tenant)
    return str(districts[0]["title"]) if len(districts) == 1 else tenant


async def _revoked(view: Snapshot, tenant: str, learners: Collection[str]) -> set[str]:
    """Return the events of these learners that no longer stand, and what is noted of learners who are erased."""
    events = [Event(*row) for row in await tables.withdrawn_events(view, tenant, learners)]
    return fallen(events) | {tables.REVOKED}


def _signed_record(
    signer: Signer, holder: Holder, id: str, found: Sequence[Achieved], targets: dict[str, Target],
    places: dict[str, Place], days: int, time_zone: str, *, whole: bool,
) -> Document:  # fmt: skip
    """Sign every badge, then the record around them."""
    now = _now()
    until = _later(now, days) if days else None
    badges = []
    for one in found:
        target = targets.get(one.scope, Target(one.framework, None))
        badges.append(
            signer.sign(badge(signer.issuer, holder, one, target, places[one.id], now, until, time_zone), now)
        )
    record = learner_record(signer.issuer, holder, id, badges, places[id], now, until, whole=whole)
    return signer.sign(record, now)


def _short(issuer: str) -> str:
    """Return an issuer as it stands in URLs."""
    return hashlib.sha256(issuer.encode()).hexdigest()[:16]


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _later(instant: str, days: int) -> str:
    then = datetime.datetime.fromisoformat(instant) + datetime.timedelta(days=days)
    return then.strftime("%Y-%m-%dT%H:%M:%SZ")
