"""A shard's journal in memory, folded by the pure domain in batches of any size, with caches that may be dropped."""

import dataclasses
from collections.abc import Sequence
from typing import Literal

import msgspec

from services.progression.domain.correction import LearnerRecord
from services.progression.domain.curriculum import Framework
from services.progression.domain.decisions import ClockTicked, CompetencyDecided
from services.progression.domain.describing import describe
from services.progression.domain.entry import Entry
from services.progression.domain.inputs import Event, EvidenceSet, Input, Key, Learner, absorb, input_of
from services.progression.domain.learner import LearnerState
from services.progression.domain.mastery import KeyState
from services.progression.domain.policy import Policy, policy_from
from services.progression.domain.refolding import refold_learner
from services.progression.domain.rules import Activation, Closed, Mode, Rules
from services.progression.domain.shard_fold import ShardFold
from services.progression.domain.telling import Told, Trigger
from services.progression.domain.terms import TermDecided, ended_with, snapshot
from services.progression.handlers.histories import Held, History
from shared.contracts.internal_events import EvidenceRecorded, EvidenceRetracted, MasteryUpdated, Score, Touched
from tests.support.public_events import check_contract

TENANT = "school"
STREAK_3 = policy_from(
    {"id": "streak-3", "method": {"type": "streak", "n": 3}, "decision": {"latch": "first_crossing"}}
)


@dataclasses.dataclass(frozen=True)
class Decided:
    """A decision in the journal: a policy (for one framework, or all), a framework version, settings, or the end of a term."""

    policy: Policy | None = None
    framework: Framework | None = None
    of: str = ""
    breaks: str | None = None
    time_zone: str = "UTC"
    mode: Mode = "grandfathered"
    batch: str = ""
    closes: TermDecided | None = None


Record = Event | Decided


def piece(
    n: int, correct: float = 1.0, *, learner: str = "ada", competency: str = "math:add", day: int = 1, **more: object
) -> EvidenceRecorded:
    """Build the n-th piece of evidence of a learner: `n` gives its id and its second within `day`."""
    content: dict[str, object] = {
        "evidence_id": f"e{learner}{n}", "source": "urn:lms", "id": str(n), "learner": learner,
        "competencies": (competency,), "occurred_at": f"2026-03-{day:02}T10:{n // 60:02}:{n % 60:02}.000000Z",
        "score": Score(raw=correct, max=1.0),
    }  # fmt: skip
    return EvidenceRecorded(**(content | more))  # type: ignore[arg-type]


def retract(*pieces: EvidenceRecorded, by: str = "r1") -> EvidenceRetracted:
    """Build what takes pieces of one learner back."""
    touched = tuple(Touched(piece.evidence_id, piece.competencies) for piece in pieces)
    return EvidenceRetracted(learner=pieces[0].learner, by=by, relation="retracts", invalidates=touched)


def restore(*pieces: EvidenceRecorded, by: str = "r2") -> EvidenceRetracted:
    """Build what makes pieces of one learner valid again."""
    touched = tuple(Touched(piece.evidence_id, piece.competencies) for piece in pieces)
    return EvidenceRetracted(learner=pieces[0].learner, by=by, relation="retracts", revalidates=touched)


def hand_over(
    pieces: Sequence[EvidenceRecorded], to: str, by: str, identity: Literal["decided", "undone"]
) -> tuple[list[EvidenceRecorded], list[Event]]:
    """Build what gives valid pieces of one learner to another, as merging does: the pieces there, and all that tells of it."""
    there = [
        msgspec.structs.replace(piece, evidence_id=f"{by}-{piece.evidence_id}", learner=to, valid=False)
        for piece in pieces
    ]
    gone = tuple(Touched(piece.evidence_id, piece.competencies) for piece in pieces)
    come = tuple(Touched(piece.evidence_id, piece.competencies) for piece in there)
    left = EvidenceRetracted(pieces[0].learner, by, "retracts", gone, identity=identity)
    return there, [*there, left, EvidenceRetracted(to, by, "retracts", revalidates=come, identity=identity)]


class Journal:
    """Folds records as a shard's owner does: batches, caches, lazy refolds after a decision, a sweep."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.policies: dict[str, Policy] = {}
        self.rules: dict[str, Rules] = {TENANT: Rules()}
        self.states: dict[Key, tuple[int, bytes]] = {}
        self.learners: dict[Learner, LearnerState] = {}
        self.told: list[Told] = []
        self.described: dict[Key, MasteryUpdated] = {}
        """What was told of each state last."""
        self.followed: list[tuple[str, CompetencyDecided]] = []
        """What follows for other competencies, with its id, and is not folded yet."""
        self.ids: dict[int, str] = {}
        """The ids of what follows and is folded, by position."""
        self._of: dict[str, list[tuple[int, Event]]] = {}
        """Records of each learner, with their positions."""
        self._cache: dict[Key, Entry] = {}
        self._ticked = ""
        self._times: dict[int, str] = {}
        """When records of learners were folded, by position."""

    def fold(self, records: Sequence[Record], *, drop_cache: bool = False) -> "Journal":
        """Fold one batch; decisions come at once, evidence together."""
        if drop_cache:
            self._cache.clear()
        run: list[Input] = []
        for record in records:
            self.records.append(record)
            pos = len(self.records)
            if not isinstance(record, Decided):
                self._of.setdefault(record.learner, []).append((pos, record))
            if isinstance(record, Decided):
                self._fold_run(run)
                run = []
                self._decide(record, Trigger(f"decision-{pos}", pos, max(_time(pos), self._ticked), "policy"))
            else:
                id = record.evidence_id if isinstance(record, EvidenceRecorded) else f"input-{pos}"
                if isinstance(record, ClockTicked):
                    self._ticked = max(self._ticked, record.at)
                time = record.at if isinstance(record, ClockTicked) else max(_time(pos), self._ticked)
                self._times[pos] = time
                run.append(input_of(TENANT, id, pos, time, record))
        self._fold_run(run)
        return self

    def settle(self) -> "Journal":
        """Fold what follows for other competencies until nothing more follows, as the inbox would bring it."""
        while self.followed:
            follows, self.followed = self.followed, []
            for id, decision in follows:
                self.records.append(decision)
                pos = len(self.records)
                self.ids[pos] = id
                self._of.setdefault(decision.learner, []).append((pos, decision))
                self._times[pos] = max(_time(pos), self._ticked)
                self._fold_run([input_of(TENANT, id, pos, self._times[pos], decision)])
        return self

    def sweep(self) -> "Journal":
        """Bring every learner up to the rules in force."""
        fold = self._new_fold()
        self._refold(fold, {(key[0], key[1]) for key in self.states})
        self._finish(fold)
        return self

    def record(self, learner: str = "ada") -> LearnerRecord:
        """Return all that is kept of a learner, as it is before the next record."""
        held: dict[Key, tuple[KeyState, EvidenceSet]] = {}
        for _, event in self._of.get(learner, ()):
            for key in input_of(TENANT, "", 0, "", event).keys:
                if key not in held:
                    held[key] = (self.held(key[2], learner), {})
                absorb(held[key][1], key[2], event)
        at = max(_time(len(self.records) + 1), self._ticked)
        standing = self.learners.get((TENANT, learner), LearnerState())
        rules = self.rules[TENANT]
        older = {key: self.states[key][0] for key in held if self.states[key][0] < rules.no}
        return LearnerRecord((TENANT, learner), held, standing, rules, self.policies, at, older)

    def histories(self) -> dict[str, Held]:
        """Return every learner's keys with their states and what the records hold of them, as a page of stored ones."""
        found: dict[str, Held] = {}
        for learner in sorted({key[1] for key in self.states}):
            for pos, event in self._of[learner]:
                id = self.ids.get(pos, f"input-{pos}")
                for key in input_of(TENANT, id, pos, "", event).keys:
                    held = found.setdefault(learner, {})
                    history = held.setdefault(key, (self.held(key[2], learner), History()))[1]
                    if isinstance(event, CompetencyDecided):
                        history.decisions.append(event.decided(id, self._times[pos]))
                    else:
                        absorb(history.evidence, key[2], event)
        return found

    def state(self, competency: str = "math:add", learner: str = "ada") -> MasteryUpdated:
        """Return a state as others see it."""
        key = (TENANT, learner, competency)
        return describe(key, msgspec.msgpack.decode(self.states[key][1], type=KeyState), self.policies)

    def held(self, competency: str = "math:add", learner: str = "ada") -> KeyState:
        """Return a state as it is kept."""
        return msgspec.msgpack.decode(self.states[TENANT, learner, competency][1], type=KeyState)

    def values(self) -> dict[Key, tuple[object, ...]]:
        """Return what must not depend on the order of arrival, of every key."""
        found: dict[Key, tuple[object, ...]] = {}
        for key in self.states:
            shown = self.state(key[2], key[1])
            found[key] = (shown.status, shown.score, shown.evidence_count, shown.last_evidence_at, shown.mastered_at)
        return found

    def kinds(self) -> list[str]:
        """Return the short names of what was told, in order."""
        return [event.type.removeprefix("attain.").removesuffix(".v1") for event in self.told]

    def _new_fold(self) -> ShardFold:
        return ShardFold(self._cache, self.rules, self.policies)

    def _decide(self, decided: Decided, trigger: Trigger) -> None:
        rules = self.rules[TENANT]
        if decided.policy is not None:
            self.policies[decided.policy.hash] = decided.policy
            rules.activate(
                Activation(
                    rules.no + 1, trigger._replace(batch=decided.batch), decided.of, decided.policy, mode=decided.mode
                )
            )
        if decided.framework is not None:
            cause = trigger._replace(cause="framework")
            rules.activate(Activation(rules.no + 1, cause, decided.framework.id, None, decided.framework))
        if decided.breaks is not None:
            cause = trigger._replace(cause="setting")
            rules.activate(Activation(rules.no + 1, cause, "", None, None, decided.time_zone, decided.breaks))
        if decided.closes is not None:
            self.told += self._close(decided.closes, trigger)

    def _close(self, term: TermDecided, trigger: Trigger) -> list[Told]:
        told = []
        for learner in sorted({key[:2] for key in self.states} | self.learners.keys()):
            standing = self.learners.setdefault(learner, LearnerState())
            states = [(key[2], self.held(key[2], key[1])) for key in self.states if key[:2] == learner]
            standings = ended_with(states, standing, self.policies)
            told.append(snapshot(*learner, term, trigger.id, trigger.pos, standings))
            check_contract(told[-1].type, told[-1].data)
            standing.ended[term.term] = told[-1].data["digest"]
        self.rules[TENANT].closed.append(Closed(term.term, term.closed_at, trigger.pos))
        return told

    def _fold_run(self, inputs: list[Input]) -> None:
        if not inputs:
            return
        fold = self._new_fold()
        for item in inputs:
            for key in item.keys:
                self._load(key)
        self._refold(fold, {item.learner for item in inputs})
        done = 0
        while (done := fold.fold_run(inputs, done, len(inputs))) < len(inputs):
            for key in fold.needs_evidence(inputs[done:]):
                self._load_history(key, inputs[done].trigger.pos - 1)
        self._finish(fold)

    def _load(self, key: Key) -> None:
        if key not in self._cache and key in self.states:
            rules_no, state = self.states[key]
            self._cache[key] = Entry(msgspec.msgpack.decode(state, type=KeyState), rules_no)

    def _load_history(self, key: Key, until: int) -> None:
        if key not in self._cache:
            rules = self.rules[key[0]]
            self._cache[key] = Entry(rules.new_state(key[2]), rules.no)
        history = self._cache[key].evidence = {}
        for pos, record in self._of.get(key[1], ()):
            if pos <= until:
                absorb(history, key[2], record)

    def _refold(self, fold: ShardFold, learners: set[Learner]) -> None:
        keys_of: dict[Learner, list[Key]] = {}
        for key in self.states:
            keys_of.setdefault((key[0], key[1]), []).append(key)
        for learner in sorted(learners):
            keys = keys_of.get(learner, [])
            # As a shard's owner does: only learners older than the rules in force are loaded whole.
            if all(self.states[key][0] == self.rules[key[0]].no for key in keys):
                continue
            for key in keys:
                self._load(key)
            old = [key for key in keys if self._cache[key].rules_no < self.rules[key[0]].no]
            for key in old:
                if self._cache[key].evidence is None:
                    first = self.rules[key[0]].activations[self._cache[key].rules_no].trigger.pos
                    self._load_history(key, first)
            refold_learner(fold, learner, keys)

    def _finish(self, fold: ShardFold) -> None:
        for change in fold.changes.noted:
            self.learners.setdefault((change.tenant, change.learner), LearnerState())
        self.described |= fold.describe_touched()
        for key in fold.changes.unread:
            if key in self.states:
                fold.changes.read(key, msgspec.msgpack.decode(self.states[key][1], type=KeyState))
        told = fold.tell(self.learners)
        for event in told:
            check_contract(event.type, event.data)
        self.told += told
        self.followed += [(id, decision) for _, id, decision in fold.decided]
        assert not fold.blocked, fold.blocked
        for key in fold.touched:
            entry = self._cache[key]
            self.states[key] = (entry.rules_no, msgspec.msgpack.encode(entry.state))


def _time(pos: int) -> str:
    return f"2026-04-01T00:{pos // 60 % 60:02}:{pos % 60:02}.000000Z"
