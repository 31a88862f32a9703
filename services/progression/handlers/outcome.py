"""What one batch writes: the journal, states and standings as they are at its end, and what is told."""

import logging
import uuid
from collections.abc import Sequence, Set
from typing import Any

import msgspec

from services.progression.domain.decisions import COMPETENCY_DECIDED, CompetencyDecided
from services.progression.domain.identities import told_of
from services.progression.domain.inputs import Key, Learner
from services.progression.domain.journal import JournalEntry, JournalRow, pack_entries
from services.progression.domain.telling import SUPPORT, Told
from services.progression.handlers.logs import Logs
from services.progression.tables import erasing, journals, key_states, rulebook, set_apart
from services.progression.tables.published import CONSUMER
from shared.contracts.internal_events import (
    CHECKPOINT,
    IDENTITY_ERASED,
    MASTERY_UPDATED,
    Checkpoint,
    IdentityErased,
    MasteryUpdated,
)
from shared.contracts.public_events import ERASED
from shared.contracts.snapshots import TERM_CLOSED, TermClosed
from shared.crash_points import reach
from shared.database import Connection
from shared.event_log import LogRow, append_all
from shared.events import Draft, encode_json, envelope, now
from shared.handling import ShardBatch, is_fault_of_code
from shared.shards import stable_id
from shared.tracing import newest_traced

log = logging.getLogger(__name__)


class Refolded(msgspec.Struct, array_like=True, frozen=True):
    """What bringing learners up to new rules gives: that part of an outcome, from wherever it was made."""

    states: list[tuple[Key, tuple[int, int, bytes, str | None]]]
    standings: list[tuple[Learner, tuple[int, bytes, str | None]]]
    progression: list[Draft]
    advancement: list[Draft]
    support: list[Draft]
    decisions: list[Draft]
    blocked: list[tuple[Learner, str]]

    def without(self, learners: Set[Learner]) -> "Refolded":
        """Return it without what concerns learners."""
        if not learners:
            return self
        return Refolded(
            [row for row in self.states if row[0][:2] not in learners],
            [row for row in self.standings if row[0] not in learners],
            _without(self.progression, learners),
            _without(self.advancement, learners),
            _without(self.support, learners),
            _without(self.decisions, learners),
            [row for row in self.blocked if row[0] not in learners],
        )


class Outcome:
    """Filled while a batch is folded; a key or learner folded twice in it is written once."""

    def __init__(self) -> None:
        self.journal: dict[int, dict[Key, list[JournalEntry]]] = {}
        """By shard and key; the competency is empty for what concerns no key, the learner too for decisions."""
        self.events: dict[int, set[int]] = {}
        """By shard: the positions in the journal of what came from the evidence log."""
        self.states: dict[Key, tuple[int, int, bytes, str | None]] = {}
        self.standings: dict[Learner, tuple[int, bytes, str | None]] = {}
        self.erased: list[tuple[int, str, str]] = []
        """(shard, tenant, learner); filled by `write`."""
        self.decided_late: list[tuple[int, str, str]] = []
        """(shard, tenant, learner) of those on whom something was decided while they were being erased."""
        self.progression: list[Draft] = []
        self.advancement: list[Draft] = []
        self.support: list[Draft] = []
        self.decisions: list[Draft] = []
        self.activations: list[tuple[Any, ...]] = []
        self.swept: list[tuple[int, str, int]] = []
        self.blocked: list[tuple[str, str, int, int, str]] = []
        self.unblocked: list[Learner] = []
        self.appended: list[LogRow] = []
        """The rows of the logs, once written."""
        self.concluded: dict[int, int] = {}
        """By shard: up to which position of the journal all is in `states` already."""
        self._time = now()
        self._id = uuid.uuid4().hex

    def refolded(self) -> Refolded:
        """Return what is noted here as what refolding has given."""
        return Refolded(
            list(self.states.items()), list(self.standings.items()), self.progression, self.advancement, self.support,
            self.decisions, [((tenant, learner), reason) for tenant, learner, _, _, reason in self.blocked],
        )  # fmt: skip

    def note_refolded(self, refolded: Refolded) -> None:
        """Add what refolding has given; whom it has blocked the caller notes, who knows from which position on."""
        self.states.update(refolded.states)
        self.standings.update(refolded.standings)
        self.progression += refolded.progression
        self.advancement += refolded.advancement
        self.support += refolded.support
        self.decisions += refolded.decisions

    def first_position_of(self, shard: int, learner: Learner) -> int | None:
        """Return where a learner's inputs of this batch that are not concluded begin in the journal; None without any."""
        groups, behind = self.journal.get(shard, {}).items(), self.concluded.get(shard, 0)
        positions = (entry.pos for key, entries in groups if key[:2] == learner for entry in entries)
        return min((pos for pos in positions if pos > behind), default=None)

    def note_told(self, shard: int, told: Sequence[Told]) -> None:
        """Add public events; those on support go to a restricted topic."""
        for event in told:
            body = envelope(
                id=event.id, source="progression", type=event.type, tenant=event.tenant, subject=event.learner,
                time=event.time, data=encode_json(event.data), cause=event.data["cause"]["id"],
            )  # fmt: skip
            log = self.support if event.type.startswith(SUPPORT) else self.advancement
            log.append(Draft(shard, event.tenant, event.learner, body))

    def note_closing(self, shard: int, tenant: str, id: str, closed: TermClosed, snapshots: Sequence[Told]) -> None:
        """Tell that a term is closed, on both logs behind all that is told so far."""
        self.note_told(shard, snapshots)
        body = envelope(
            id=stable_id(id, str(shard)), source="progression", type=TERM_CLOSED, tenant=tenant, subject=closed.term,
            time=closed.closed_at, data=encode_json(closed), cause=id,
        )  # fmt: skip
        self.progression.append(Draft(shard, tenant, closed.term, body))

    def note_decided(self, shard: int, decided: Sequence[tuple[str, str, CompetencyDecided]]) -> None:
        """Put what follows for other competencies into the inbox, where a person's decision would come."""
        for tenant, id, decision in decided:
            body = envelope(
                id=id, source="progression", type=COMPETENCY_DECIDED, tenant=tenant, subject=decision.learner,
                time=self._time, data=encode_json(decision),
            )  # fmt: skip
            self.decisions.append(Draft(shard, tenant, decision.learner, body))

    def note_state(
        self, shard: int, key: Key, rules_no: int, state: bytes, deadline: str | None, updated: MasteryUpdated
    ) -> None:
        """Add a key's state, and the event that tells it."""
        self.states[key] = (shard, rules_no, state, deadline)
        tenant, learner, _ = key
        body = envelope(
            id=f"{self._id}.{len(self.progression)}", source="progression", type=MASTERY_UPDATED, tenant=tenant,
            subject=learner, time=self._time, data=encode_json(updated),
            cause=newest_traced(self.journal.get(shard, {}).get(key, ())),
        )  # fmt: skip
        self.progression.append(Draft(shard, tenant, learner, body))

    def note_checkpoint(self, batch: ShardBatch) -> None:
        """End a shard's batch by telling up to which input positions it is true."""
        decisions = batch.decisions[-1].pos if batch.decisions else 0
        told = Checkpoint(evidence=batch.last, evidence_generation=batch.generation, decisions=decisions)
        body = envelope(
            id=f"{self._id}.{len(self.progression)}", source="progression", type=CHECKPOINT, tenant="attain",
            subject="checkpoint", time=self._time, data=encode_json(told),
        )  # fmt: skip
        self.progression.append(Draft(batch.shard, "attain", "checkpoint", body))

    def note_blocked(self, learner: Learner, shard: int, pos: int, reason: str) -> None:
        """Note, also in the log, that a learner is set apart from a position on."""
        log.error("learner %s is set apart: %s", learner[1], reason,
                  extra={"tenant": learner[0], "consumer": CONSUMER, "shard": shard, "position": pos})  # fmt: skip
        self.blocked.append((*learner, shard, pos, reason))

    async def write(self, connection: Connection, logs: Logs, blocked_learners_max: int) -> None:
        """
        Write it all, the logs last, since their heads stay locked until the commit.

        Raises:
            RuntimeError: more learners were blocked in an hour than data could explain, or one tenant of several.
        """
        self.erased = self._note_identities()
        await journals.append_journal(connection, self._journal_rows())
        reach("fold.journalled")
        await key_states.save_states(connection, sorted([(*key, *row) for key, row in self.states.items()]))
        await key_states.save_standings(connection, [(*key, *row) for key, row in self.standings.items()])
        await rulebook.save_activations(connection, self.activations)
        if self.swept:
            await rulebook.mark_swept(connection, self.swept)
        if self.unblocked:
            await set_apart.delete_blocked(connection, self.unblocked)
            reach("apart.folded")
        if self.blocked:
            await self._save_blocked(connection, blocked_learners_max)
        for shard, tenant, learner in self.erased:
            await erasing.erase(connection, shard, tenant, learner, [*logs.relayed(), logs.decisions])
        for shard, tenant, learner in self.decided_late:
            # The other logs hold but that the learner is erased, which their readers are to be told.
            await erasing.erase(connection, shard, tenant, learner, [logs.decisions])
        reach("fold.saved")
        self.appended = await append_all(
            connection,
            [
                (logs.advancement, self.advancement),
                (logs.support, self.support),
                (logs.decisions, self.decisions),
                (logs.progression, self.progression),
            ],
        )

    def _note_identities(self) -> list[tuple[int, str, str]]:
        """
        Tell what the batch decides on who learners are; return (shard, tenant, learner) of those to be erased.

        Of an erased learner nothing is told any more but that: what the batch had to say before is left out.
        """
        told: list[tuple[int, Told]] = []
        for shard, groups in self.journal.items():
            for (tenant, learner, competency), entries in groups.items():
                for entry in entries if learner and not competency else ():
                    event = told_of(entry.type, tenant, learner, entry.id, entry.time, entry.data)
                    if event is not None:
                        told.append((shard, event))
        if not told:
            return []
        gone = {(event.tenant, event.learner): shard for shard, event in told if event.type == ERASED}
        self._leave_out(gone.keys())
        others, self.advancement = self.advancement, []
        for shard, event in told:
            self.note_told(shard, [event])
            if event.type == ERASED:
                for drafts in (self.progression, self.support):
                    drafts.append(self._forgotten(shard, event))
        # First: who a learner is explains why evidence comes and goes.
        self.advancement += others
        return [(shard, *learner) for learner, shard in gone.items()]

    def _leave_out(self, learners: Set[Learner]) -> None:
        """Drop what the batch was to write of learners, but for the journal."""
        if learners:
            for drafts in (self.progression, self.advancement, self.support, self.decisions):
                drafts[:] = _without(drafts, learners)
            self.states = {key: row for key, row in self.states.items() if key[:2] not in learners}
            self.standings = {learner: row for learner, row in self.standings.items() if learner not in learners}
            self.blocked = [row for row in self.blocked if row[:2] not in learners]

    def _forgotten(self, shard: int, event: Told) -> Draft:
        """Return what tells the readers of states, and of support, that a learner is erased."""
        body = envelope(
            id=f"{self._id}.{event.id}", source="progression", type=IDENTITY_ERASED, tenant=event.tenant,
            subject=event.learner, time=event.time,
            data=encode_json(IdentityErased(event.learner, event.data["certificate"])), cause=event.data["cause"]["id"],
        )  # fmt: skip
        return Draft(shard, event.tenant, event.learner, body)

    def _journal_rows(self) -> list[JournalRow]:
        rows = []
        for shard, groups in self.journal.items():
            batch = max([entries[-1].pos for entries in groups.values()])
            uncounted = self.events.get(shard, set())
            for no, (key, entries) in enumerate(groups.items()):
                before = len(uncounted)
                for entry in entries:
                    uncounted.discard(entry.pos)
                rows.append(JournalRow(shard, batch, no, *key, pack_entries(entries), before - len(uncounted)))
        return rows

    async def _save_blocked(self, connection: Connection, blocked_learners_max: int) -> None:
        await set_apart.save_blocked(connection, self.blocked)
        apart = await set_apart.count_newly_blocked(connection)
        if is_fault_of_code(apart, await set_apart.some_tenants(connection), blocked_learners_max):
            raise RuntimeError(
                f"{sum(apart.values())} learners blocked within an hour: the code is wrong, not the data"
            )


def _without(drafts: Sequence[Draft], learners: Set[Learner]) -> list[Draft]:
    """Return the drafts that are of nobody of these."""
    return [draft for draft in drafts if (draft.tenant, draft.subject) not in learners]
