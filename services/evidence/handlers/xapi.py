"""xAPI statements: kept known by their digest, turned into evidence, answered as the specification says."""

import contextlib
import datetime
import uuid
from collections.abc import Iterable, Sequence
from zoneinfo import ZoneInfo

import msgspec

from services.evidence.domain.evidence import RecordEvidence, evidence_id
from services.evidence.domain.quarantine import Refusal
from services.evidence.formats import xapi
from services.evidence.formats.reading import Origin
from services.evidence.formats.xapi import Taken
from services.evidence.formats.xapi_statement import Version
from services.evidence.formats.xapi_types import Account, Actor, Statement
from services.evidence.handlers.intake import CHANGES_MET_MAX, Intake, Item, breathe, check_size, count
from services.evidence.handlers.quarantine import Quarantine
from services.evidence.handlers.writer import KnownStatements
from services.evidence.tables import statements
from services.evidence.tables.statements import Known, Row
from shared.database import Database
from shared.errors import InvalidEvent, NotFound, Refused, Unavailable
from shared.events import encode_json, utc
from shared.settings import Settings
from shared.shards import stable_id
from shared.tenant_limits import TenantLimits

Id = str
HOME = "https://attain.invalid/credentials"
"""The home page of the accounts that statements are attributed to: whoever sent them, as the token says."""


class Sender(msgspec.Struct, frozen=True):
    """Who sends statements, and in which version of the specification."""

    tenant: str
    source: str
    subject: str
    version: Version
    way: str = "xapi"


class Statements:
    """Takes in statements and gives back those that are kept."""

    def __init__(
        self, database: Database, intake: Intake, quarantine: Quarantine, limits: TenantLimits, settings: Settings
    ) -> None:
        self._database = database
        self._intake = intake
        self._quarantine = quarantine
        self._limits = limits
        self._settings = settings

    async def take(self, items: Sequence[bytes], sender: Sender) -> list[Taken]:
        """
        Take statements in, all or none.

        Raises:
            InvalidEvent: one is not valid; the pointer begins with its index where there are several.
            Refused: an id is known with another content; nothing was stored.
            Unavailable: send it again; what was stored already has no second effect.
        """
        with self._intake.expecting():
            taken = await self._read_all(items, sender)
        became = await self._record_new(taken, sender)
        if became is None:
            became = await self._record_known(taken, sender)
        lost = [item.id for item in became.values() if item.reason == "conflict"]
        if lost:
            raise Refused(f"statement {lost[0]} is known with other content", pointer="/id")
        return taken

    async def take_each(self, items: Sequence[bytes], sender: Sender) -> list[Item]:
        """Take statements in, each by itself and in its own version; return one result an item, in order."""
        results: dict[int, Item] = {}
        taken: dict[int, Taken] = {}
        for index, raw in enumerate(items):
            await breathe(index)
            try:
                taken[index] = self._read(raw, sender, sniffed(raw))
            except InvalidEvent as error:
                results[index] = Item.refused(index, None, error)
        right, known, recorded = await self._record_right(list(taken.values()), sender)
        for index, one in taken.items():
            if one.id not in right or right[one.id].fingerprint != one.fingerprint:
                conflict = InvalidEvent("the id is known with other content", reason="conflict", pointer="/id")
                results[index] = Item.refused(index, one.id, conflict)
                continue
            item = results[index] = msgspec.structs.replace(recorded[one.id], index=index)
            if one is not right[one.id] or (item.status == "acknowledged" and one.id in known):
                item.status = "duplicate"
        answered = [results[index] for index in range(len(items))]
        count(answered, "xapi")
        return answered

    async def _record_right(
        self, taken: Sequence[Taken], sender: Sender
    ) -> tuple[dict[Id, Taken], dict[Id, Known], dict[Id, Item]]:
        """Record those that are new or known with the same content, the first of an id; return them, and what was known."""
        for _ in range(CHANGES_MET_MAX):
            known = await self._known(taken, sender)
            right: dict[Id, Taken] = {}
            for one in taken:
                if one.id not in known or known[one.id].digest == one.fingerprint:
                    right.setdefault(one.id, one)
            with contextlib.suppress(KnownStatements):
                return right, known, await self._record(list(right.values()), known, sender)
        raise _sent_by_others()

    async def again(self, original: bytes, tenant: str, source: str) -> Sequence[Item]:
        """Take a quarantined statement in again."""
        return await self.take_each([original], Sender(tenant, source, "redrive", "2.0.0", "redrive"))

    async def show(
        self, tenant: str, source: str, statement_id: str, *, voided: bool
    ) -> tuple[bytes, datetime.datetime]:
        """
        Return a statement that is kept, and when it was stored.

        Raises:
            NotFound: there is none with that id, voided or not as asked; or it was acknowledged and not kept.
        """
        async with self._database.connection() as connection:
            row = await statements.find(connection, evidence_id(tenant, source, statement_id.lower()))
        if row is None or row["voided"] != voided:
            raise NotFound("no such statement")
        if row["body"] is None:
            raise NotFound(f"the statement was taken in ({row['outcome']}) and is not kept: see `statements_kept`")
        return row["body"], row["received_at"]

    async def outcomes(self, tenant: str) -> dict[str, int]:
        """Return how many distinct statements of a tenant came to what."""
        async with self._database.connection() as connection:
            return await statements.outcomes(connection, tenant)

    async def _record_new(self, taken: Sequence[Taken], sender: Sender) -> dict[Id, Item] | None:
        """Record statements as new ones, which spares asking for them; None, and nothing is stored, where one is not."""
        try:
            return await self._record(taken, {}, sender)
        except KnownStatements:
            return None

    async def _record_known(self, taken: Sequence[Taken], sender: Sender) -> dict[Id, Item]:
        """
        Record statements of which some are known.

        Raises:
            Refused: one is known with another content; nothing was stored.
            Unavailable: others keep sending the same.
        """
        for _ in range(CHANGES_MET_MAX):
            known = await self._known(taken, sender)
            in_conflict = [one.id for one in taken if one.id in known and known[one.id].digest != one.fingerprint]
            if in_conflict:
                raise Refused(f"statement {min(in_conflict)} is known with other content", pointer="/id")
            with contextlib.suppress(KnownStatements):
                return await self._record(taken, known, sender)
        raise _sent_by_others()

    async def _read_all(self, items: Sequence[bytes], sender: Sender) -> list[Taken]:
        """Read statements that are taken in together; raises `InvalidEvent` as `take` does."""
        taken: list[Taken] = []
        for index, raw in enumerate(items):
            await breathe(index)
            try:
                taken.append(self._read(raw, sender))
            except InvalidEvent as error:
                at = f"/{index}{error.pointer}" if len(items) > 1 else error.pointer
                raise InvalidEvent(error.detail, pointer=at, **error.members) from error
        if len({one.id for one in taken}) < len(taken):
            raise InvalidEvent("an id comes twice in the batch", reason="duplicate_in_batch", pointer="/id")
        return taken

    def _read(self, raw: bytes, sender: Sender, version: Version | None = None) -> Taken:
        check_size(raw, self._settings.item_bytes_max)
        return xapi.take(raw, version or sender.version, _fresh_id)

    async def _known(self, taken: Sequence[Taken], sender: Sender) -> dict[Id, Known]:
        """Return what is known of the ids of statements."""
        keys = {evidence_id(sender.tenant, sender.source, one.id): one.id for one in taken}
        async with self._database.connection() as connection:
            found = await statements.known(connection, list(keys))
        return {keys[key]: known for key, known in found.items()}

    def _rows(self, taken: Iterable[Taken], sender: Sender, now: datetime.datetime) -> list[Row]:
        kept = self._limits.of(sender.tenant, "statements_kept")
        stored = utc(now)
        authority = Actor("Agent", account=Account(HOME, f"{sender.tenant}/{sender.subject}"))
        rows = []
        for one in taken:
            keeps = kept == "all" or (kept == "scored" and (one.score is not None or one.voids is not None))
            voids = None if one.voids is None else evidence_id(sender.tenant, sender.source, one.voids)
            outcome = "voiding" if one.voids is not None else xapi.why_not(one) or "evidence"
            rows.append(Row(
                evidence_id(sender.tenant, sender.source, one.id), sender.tenant, sender.source, one.fingerprint,
                outcome, now, voids, one.learner if keeps else None,
                _body(one, stored, sender.version, authority) if keeps else None,
                "\n".join(xapi.people_in(one.statement)) if keeps else None,
            ))  # fmt: skip
        return rows

    async def _record(self, taken: Sequence[Taken], known: dict[Id, Known], sender: Sender) -> dict[Id, Item]:
        """
        Take the evidence in and note the statements; a valid one that cannot be evidence is quarantined.

        A known one goes the same way again, as of the time when it came first: it is a duplicate.
        """
        now = datetime.datetime.now(datetime.UTC)
        origin = self._origin(sender, now)
        items: dict[Id, Item] = {}
        commands: dict[int, RecordEvidence] = {}
        refusals: list[Refusal] = []
        for index, one in enumerate(taken):
            await breathe(index)
            try:
                came = known.get(one.id)
                as_of = origin if came is None else msgspec.structs.replace(origin, received_at=came.received_at)
                reading = xapi.evidence(one, as_of)
            except InvalidEvent as error:
                items[one.id] = Item.refused(index, one.id, error)
                refusals.append(_refusal(one, error.members["reason"], error.pointer, error.detail, sender))
                continue
            if reading.acknowledged is not None:
                items[one.id] = Item(index, one.id, "acknowledged", reason=reading.acknowledged)
            else:
                [commands[index]] = reading.commands
        rows = self._rows((one for one in taken if one.id not in known), sender, now)
        stored = await self._intake.store(commands, sender.tenant, way=sender.way, statements=rows)
        self._intake.refused(sender.tenant, sender.source, len(refusals), sender.way)
        for index, item in stored.items():
            one = taken[index]
            items[one.id] = item
            if item.status == "rejected" and item.reason != "conflict":
                refusals.append(_refusal(one, item.reason or "", item.pointer, item.detail or "", sender))
        await self._quarantine.keep(refusals, "xapi")
        return items

    def _origin(self, sender: Sender, now: datetime.datetime) -> Origin:
        return Origin(sender.tenant, sender.source, now, self._intake.latest(now), ZoneInfo(self._settings.time_zone))


def _body(one: Taken, stored: str, version: Version, authority: Actor) -> bytes:
    """Return the statement as it is given back: with what the LRS sets."""
    statement: Statement = msgspec.structs.replace(
        one.statement, id=one.id, stored=stored, timestamp=one.statement.timestamp or stored, version=version,
        authority=authority,
    )  # fmt: skip
    return encode_json(statement)


def _sent_by_others() -> Unavailable:
    return Unavailable("the same statements are being sent by others; send them again")


def _fresh_id() -> Id:
    return str(uuid.uuid4())


def sniffed(raw: bytes) -> Version:
    """Return the version of a statement that came without negotiation: what only 2.0 has makes it that."""
    return "2.0.0" if b'"contextAgents"' in raw or b'"contextGroups"' in raw else "1.0.3"


def _refusal(one: Taken, reason: str, pointer: str | None, detail: str, sender: Sender) -> Refusal:
    key = stable_id(sender.tenant, sender.source, one.id, "statement")
    original = encode_json(one.statement)
    return Refusal(
        key, sender.tenant, sender.source, one.id, one.learner, reason, pointer or "", detail, original, "xapi"
    )
