"""Other formats than the native: messages are read by an adapter, and what they come to goes the way of all evidence."""

import asyncio
import datetime
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from zoneinfo import ZoneInfo

import msgspec

from services.evidence.domain.evidence import RecordEvidence
from services.evidence.domain.handed_in import HandIn
from services.evidence.domain.quarantine import Refusal
from services.evidence.domain.revisions import groups_of, revise_all
from services.evidence.formats import ags, caliper, canvas, edfi, oneroster
from services.evidence.formats.batches import too_many
from services.evidence.formats.reading import Kept, Origin, Reader, Reading
from services.evidence.handlers.alignment import Alignments
from services.evidence.handlers.handed_in import HandIns
from services.evidence.handlers.intake import Intake, Item, breathe, check_size, count
from services.evidence.handlers.kept_events import KeptEvents
from services.evidence.handlers.quarantine import Quarantine
from services.evidence.tables import own_activities, revisions
from shared.crash_points import reach
from shared.database import Database
from shared.errors import InvalidEvent
from shared.events import utc
from shared.settings import Settings

Splitter = Callable[[bytes], Sequence[bytes]]
RANK = {"acknowledged": 0, "duplicate": 1, "accepted": 2, "corrected": 3, "parked": 4, "rejected": 5}
"""What a message with several pieces is said to be: the highest of them."""


OWN = "attain:"
"""How the resource ids begin that Attain gives to what it writes to."""


class Form(msgspec.Struct, frozen=True):
    """A format: how a payload is split into messages, how one is read, and whose refused ones are."""

    split: Splitter
    read: Reader
    whose: Callable[[bytes], str | None] | None = None
    """The learner whom a refused message names, if any: where such are kept, since nobody reads the answer."""
    kept: Callable[[bytes, str], Kept | None] | None = None
    """How a message that is no evidence is kept, given why it is none; None where only evidence is kept."""


def _whole(raw: bytes) -> Sequence[bytes]:
    return [raw]


FORMS: dict[str, Form] = {
    "caliper": Form(caliper.split, caliper.read, kept=caliper.kept),
    "canvas": Form(_whole, canvas.read, whose=canvas.whose),
    "ags": Form(_whole, ags.read),
    "oneroster": Form(oneroster.split, oneroster.read),
    "edfi": Form(edfi.split, edfi.read),
}


class Formats:
    """Takes in messages of a format, as one source of one tenant; `aligned` is called where they state alignments."""

    def __init__(
        self, database: Database, intake: Intake, alignments: Alignments, quarantine: Quarantine,
        kept: KeptEvents, hand_ins: HandIns, aligned: Callable[[], None], settings: Settings,
    ) -> None:  # fmt: skip
        self._database = database
        self._intake = intake
        self._alignments = alignments
        self._quarantine = quarantine
        self._kept = kept
        self._hand_ins = hand_ins
        self._aligned = aligned
        self._settings = settings

    async def take(
        self,
        payloads: Sequence[bytes],
        form: str,
        tenant: str,
        source: str,
        *,
        read: Reader | None = None,
        keep: bool = True,
    ) -> list[Item]:
        """
        Return one result a message, in order; a bad one harms no other.

        Raises:
            TooLarge: there are more messages than a request may have.
            Unavailable: send it again; what was stored already has no second effect.
        """
        kind = FORMS[form]
        given = payloads, kind.split, self._settings.batch_items_max
        # What is large takes seconds: others are answered meanwhile.
        is_large = sum(map(len, payloads)) > self._settings.item_bytes_max
        messages, results = await asyncio.to_thread(_split, *given) if is_large else _split(*given)
        readings: dict[int, Reading] = {}
        origin = self._origin(tenant, source)
        for index, raw in messages.items():
            await breathe(index)
            try:
                check_size(raw, self._settings.item_bytes_max)
                readings[index] = (read or kind.read)(raw, origin)
            except InvalidEvent as error:
                results[index] = Item.refused(index, None, error)
        refused, way = len(results), form if keep else "redrive"
        await self._set_own_apart(readings, tenant)
        await self._align(readings, tenant, form, source)
        await self._keep_events(readings, messages, form, tenant, source)
        commands = await self._revise(readings, tenant, source)
        results |= await self._store(readings, commands, tenant, way)
        with_them = [command.evidence_id for said, _ in commands.values() for command in said]
        await self._hand_ins.note(_hand_ins(readings.values(), utc(origin.latest)), tenant, source, with_them)
        self._intake.refused(tenant, source, refused, way)
        answered = [results[index] for index in sorted(results)]
        if kind.whose is not None and keep:
            await self._keep_refused(answered, messages, kind.whose, form, tenant, source)
        count(answered, form)
        return answered

    async def again(self, form: str, original: bytes, tenant: str, source: str) -> Sequence[Item]:
        """Take a quarantined message in again, without keeping it once more."""
        return await self.take([original], form, tenant, source, keep=False)

    def _origin(self, tenant: str, source: str) -> Origin:
        now = datetime.datetime.now(datetime.UTC)
        zone = ZoneInfo(self._settings.time_zone)
        return Origin(tenant, source, now, self._intake.latest(now), zone, self._settings.caliper_strict)

    async def _set_own_apart(self, readings: dict[int, Reading], tenant: str) -> None:
        """Acknowledge what tells of activities that Attain itself writes to: its own word is no evidence for it."""
        activities = {index: activities_of(reading) for index, reading in readings.items()}
        named = sorted(set().union(*activities.values()))
        if not named:
            return
        async with self._database.connection() as connection:
            own = await own_activities.among(connection, tenant, named)
        for index, of_message in activities.items():
            if of_message and all(activity in own or activity.startswith(OWN) for activity in of_message):
                readings[index] = Reading(readings[index].id, acknowledged="own_passback")

    async def _align(self, readings: Mapping[int, Reading], tenant: str, form: str, source: str) -> None:
        entries = [entry for reading in readings.values() for entry in reading.entries]
        if entries:
            await self._alignments.publish(tenant, entries, origin=form, by=source)
            self._aligned()

    async def _revise(
        self, readings: Mapping[int, Reading], tenant: str, source: str
    ) -> dict[int, tuple[Sequence[RecordEvidence], str | None]]:
        """Return the commands of each message, and why there are none."""
        found: dict[int, tuple[Sequence[RecordEvidence], str | None]] = {
            index: (reading.commands, reading.acknowledged) for index, reading in readings.items()
        }
        said = {index: reading.revision for index, reading in readings.items() if reading.revision is not None}
        if not said:
            return found
        async with self._database.transaction() as connection:
            groups = await revisions.lock(connection, tenant, source, groups_of(list(said.values())))
            changed, revised = revise_all(groups, list(said.values()), tenant, source)
            await revisions.store(connection, tenant, source, changed)
            reach("formats.revised")
        for index, result in zip(said, revised, strict=True):
            found[index] = result.commands, found[index][1] or result.reason
        return found

    async def _store(
        self, readings: Mapping[int, Reading], found: Mapping[int, tuple[Sequence[RecordEvidence], str | None]],
        tenant: str, way: str,
    ) -> dict[int, Item]:  # fmt: skip
        flat = [
            (index, _as_told(readings[index], command))
            for index, (commands, _) in found.items()
            for command in commands
        ]
        stored = await self._intake.store({place: command for place, (_, command) in enumerate(flat)}, tenant, way=way)
        results: dict[int, Item] = {}
        for place, (index, _) in enumerate(flat):
            item, before = stored[place], results.get(index)
            if before is None or RANK[item.status] > RANK[before.status]:
                results[index] = msgspec.structs.replace(item, index=index)
        for index, (commands, reason) in found.items():
            if not commands:
                results[index] = Item(index, readings[index].id, "acknowledged", reason=reason)
        return results

    async def _keep_events(
        self, readings: Mapping[int, Reading], messages: Mapping[int, bytes], form: str, tenant: str, source: str
    ) -> None:
        """Keep what is no evidence, where the form has a way to and the tenant wants it."""
        kept = FORMS[form].kept
        if kept is None or not self._kept.are_wanted(tenant):
            return
        events: list[Kept] = []
        for index, reading in readings.items():
            await breathe(index)
            event = None if reading.acknowledged is None else kept(messages[index], reading.acknowledged)
            if event is not None:
                events.append(event)
        await self._kept.keep(events, tenant, source, form)

    async def _keep_refused(
        self, answered: Sequence[Item], messages: Mapping[int, bytes], whose: Callable[[bytes], str | None], form: str,
        tenant: str, source: str,
    ) -> None:  # fmt: skip
        refusals = []
        for item in answered:
            if item.status == "rejected":
                original = messages.get(item.index, b"")
                refusals.append(Refusal(
                    str(uuid.uuid4()), tenant, source, item.id, whose(original), item.reason or "", item.pointer or "",
                    item.detail or "", original, form,
                ))  # fmt: skip
        await self._quarantine.keep(refusals, form)


def activities_of(reading: Reading) -> set[str]:
    """Return the activities that a message has pieces of, or says were handed in."""
    pieces = [*reading.commands, *(reading.revision.members.values() if reading.revision is not None else ())]
    named = {piece.content.activity for piece in pieces if piece.content.activity is not None}
    return named if reading.handed_in is None else named | {reading.handed_in.activity}


def _as_told(reading: Reading, command: RecordEvidence) -> RecordEvidence:
    """Return a command of a message, which does not tell when work was graded where the message says so itself."""
    return command if reading.handed_in is None else msgspec.structs.replace(command, dates_grade=False)


def _hand_ins(readings: Iterable[Reading], latest: str) -> list[HandIn]:
    """Return what messages say of handed-in work; not what is dated ahead, which nothing could follow for as long."""
    said = (reading.handed_in for reading in readings)
    return [one for one in said if one is not None and one.stamp <= latest]


def _split(payloads: Sequence[bytes], split: Splitter, messages_max: int) -> tuple[dict[int, bytes], dict[int, Item]]:
    """
    Return the messages of payloads by their index, and the results of payloads that are not of their form.

    Raises:
        TooLarge: there are more than `messages_max`.
    """
    messages: dict[int, bytes] = {}
    results: dict[int, Item] = {}
    for payload in payloads:
        index = len(messages) + len(results)
        try:
            messages |= enumerate(split(payload), index)
        except InvalidEvent as error:
            results[index] = Item.refused(index, None, error)
        if len(messages) > messages_max:
            raise too_many(messages_max)
    return messages, results
