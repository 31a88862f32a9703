"""
The fold of one shard, pure: inputs in journal order become states, journal rows and what is to be told.

No I/O, clock or random ids here. The caller loads what the inputs touch (the inputs' keys, `needs_evidence`, learners), gives the
inputs in order, and writes the outcome in one transaction. A learner whose input raises is set apart: nothing of this
batch is kept for that learner but the journal, and the others go on.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import msgspec

from services.progression.advancement import (
    Cause,
    Change,
    LearnerState,
    Told,
    Trigger,
    advance,
    event_id,
    numbered,
    review,
    seq_of,
    tell,
)
from services.progression.curriculum import Framework, framework_of
from services.progression.evidence_rules import mark
from services.progression.mastery import KeyState, Order, Piece, add, piece_of, replay, stands_alone
from services.progression.policy import Policy, Rule
from services.progression.standing import (
    explain,
    is_due,
    is_open,
    missing_of,
    score_of,
    status_of,
    status_was,
    transitions,
    unshown_part,
)
from shared.contracts import (
    EVIDENCE_RECORDED,
    EVIDENCE_RETRACTED,
    EvidenceRecorded,
    EvidenceRetracted,
    MasteryUpdated,
    Status,
)

Key = tuple[str, str, str]
"""(tenant, learner, competency)."""
Learner = tuple[str, str]
"""(tenant, learner)."""


class Activation(NamedTuple):
    """A policy or framework put into force at a journal position; `no` counts them within a tenant and shard."""

    no: int
    trigger: Trigger
    framework: str
    """The framework it is for; empty is every framework."""
    policy: str
    """Hash of the policy; empty where it is a framework version."""
    graph: Framework | None = None


class Review(NamedTuple):
    """A new framework version to hold against what a learner has on the record."""

    tenant: str
    learner: str
    trigger: Trigger
    rules_no: int
    framework: Framework


@dataclasses.dataclass(slots=True)
class Rules:
    """What is in force for a tenant in one shard, and how it came to be."""

    activations: list[Activation] = dataclasses.field(default_factory=list)
    frameworks: list[dict[str, Framework]] = dataclasses.field(default_factory=lambda: [{}])
    """The framework versions in force after each activation, by id; the last is now."""
    swept: int = 0
    """All keys of the tenant have been refolded up to this activation."""

    @property
    def no(self) -> int:
        """The number of the latest activation."""
        return len(self.activations)

    def pin_for(self, competency: str) -> str:
        """Return the hash of the policy in force for a competency; empty where there is none."""
        return self.pin_at(framework_of(competency), self.no)

    def pin_at(self, framework: str, no: int) -> str:
        """Return the hash of the policy that was in force for a framework after activation `no`."""
        general = ""
        for activation in reversed(self.activations[:no]):
            if activation.policy and activation.framework == framework:
                return activation.policy
            if activation.policy and not activation.framework and not general:
                general = activation.policy
        return general

    def activate(self, activation: Activation) -> None:
        """Put an activation into force."""
        self.activations.append(activation)
        graph = activation.graph
        self.frameworks.append(self.frameworks[-1] | ({graph.id: graph} if graph is not None else {}))


@dataclasses.dataclass(slots=True)
class Entry:
    """A key in memory: its state, and its evidence where it was needed (id → piece, valid)."""

    state: KeyState
    rules_no: int
    evidence: dict[str, tuple[Piece | None, bool]] | None = None


class Input(msgspec.Struct, frozen=True, gc=False):
    """An evidence event at its place in the journal; `piece` is there when it adds one and changes nothing else."""

    learner: Learner
    keys: tuple[Key, ...]
    id: str
    pos: int
    time: str
    cause: Cause
    event: EvidenceRecorded | EvidenceRetracted
    piece: Piece | None

    @property
    def trigger(self) -> Trigger:
        """The input as the cause of what is told."""
        return Trigger(self.id, self.pos, self.time, self.cause)


def input_of(tenant: str, id: str, pos: int, time: str, event: EvidenceRecorded | EvidenceRetracted) -> Input:
    """Return an event as an input of the fold."""
    learner = event.learner
    if isinstance(event, EvidenceRecorded) and not event.invalidates and not event.revalidates:
        named = event.competencies
        keys = ((tenant, learner, named[0]),) if len(named) == 1 else tuple([(tenant, learner, c) for c in named])
        return Input(
            (tenant, learner), keys, id, pos, time, "evidence", event, piece_of(event) if event.valid else None
        )
    touched: dict[str, None] = dict.fromkeys(event.competencies if isinstance(event, EvidenceRecorded) else ())
    for piece in (*event.invalidates, *event.revalidates):
        touched |= dict.fromkeys(piece.competencies)
    cause: Cause = "correction"
    if isinstance(event, EvidenceRetracted) and event.relation == "retracts":
        cause = "retraction"
    keys = tuple([(tenant, learner, competency) for competency in touched])
    return Input((tenant, learner), keys, id, pos, time, cause, event, None)


def decode(type: str, data: msgspec.Raw | bytes) -> EvidenceRecorded | EvidenceRetracted | None:
    """Return the event, or None for a type that this version does not fold (it is journalled all the same)."""
    if type == EVIDENCE_RECORDED:
        return _decode_recorded(data)
    if type == EVIDENCE_RETRACTED:
        return _decode_retracted(data)
    return None


_decode_recorded = msgspec.json.Decoder(EvidenceRecorded).decode
_decode_retracted = msgspec.json.Decoder(EvidenceRetracted).decode


def absorb(
    evidence: dict[str, tuple[Piece | None, bool]], competency: str, event: EvidenceRecorded | EvidenceRetracted
) -> None:
    """Change a key's set of evidence by one event of its journal; the set does not depend on the order of events."""
    if isinstance(event, EvidenceRecorded) and competency in event.competencies:
        evidence[event.evidence_id] = (piece_of(event), event.valid)
    for changed, valid in ((event.invalidates, False), (event.revalidates, True)):
        for piece in changed:
            if competency in piece.competencies:
                evidence[piece.evidence_id] = (evidence.get(piece.evidence_id, (None, False))[0], valid)


def valid_pieces(evidence: dict[str, tuple[Piece | None, bool]]) -> Iterator[Piece]:
    """Yield the pieces that count, in no particular order."""
    return (piece for piece, valid in evidence.values() if valid and piece is not None)


class ShardFold:
    """
    One batch of one shard being folded. `entries` and `learners` hold what was loaded and are changed in place.

    Outcome: `touched` keys, `changes` in order, `told` public events, `blocked` learners with the reason.
    """

    def __init__(
        self,
        entries: dict[Key, Entry],
        rules: dict[str, Rules],
        policies: dict[str, Policy],
    ) -> None:
        self.entries = entries
        self.rules = rules
        self.policies = policies
        self.touched: dict[Key, None] = {}
        self.changes: list[Change | Review] = []
        self.blocked: dict[Learner, str] = {}
        self._compiled: dict[str, Rule | None] = {}

    def needs_evidence(self, inputs: Iterable[Input]) -> set[Key]:
        """Return the keys whose history must be loaded: an input sorts before one folded, joins another, or changes validity."""
        needed: set[Key] = set()
        last: dict[Key, Order] = {}
        marks: set[tuple[Key, bytes]] = set()
        for item in inputs:
            piece = item.piece
            for key in item.keys:
                entry = self.entries.get(key)
                if entry is not None and entry.evidence is not None:
                    continue
                before = last.get(key) or (entry.state.last if entry is not None else None)
                is_newest = piece is not None and (before is None or piece.order > before)
                if piece is not None and is_newest and self._alone(key, entry, piece, marks):
                    last[key] = piece.order
                else:
                    needed.add(key)
        return needed

    def _alone(self, key: Key, entry: Entry | None, piece: Piece, marks: set[tuple[Key, bytes]]) -> bool:
        """Tell whether a piece stands alone after the state and what comes before it in the batch (`marks`)."""
        rule = self._rule(entry.state.policy if entry is not None else self.rules[key[0]].pin_for(key[2]))
        if rule is None or rule.plain:
            return True
        own = (key, mark(piece))
        again = own in marks
        marks.add(own)
        return not again and stands_alone(rule, entry.state if entry is not None else KeyState(), piece)

    def fold_run(self, inputs: Sequence[Input], start: int, end: int) -> int:
        """
        Fold `inputs[start:end]` in order, up to one that lacks a history; return the index of the next to be folded.

        Then `needs_evidence` of the rest names what the caller is to load.
        """
        for index in range(start, end):
            if not self._fold(inputs[index]):
                return index
        return end

    def fold(self, item: Input) -> None:
        """Fold one evidence event whose histories are loaded where they matter; a learner whose event raises is blocked."""
        if not self._fold(item):
            raise AssertionError("the caller loads what needs_evidence names")

    def absorb(self, item: Input) -> None:
        """Take an input into the loaded histories of its keys without folding it: what it did is in the states."""
        for key in item.keys:
            evidence = self.entries[key].evidence
            assert evidence is not None
            absorb(evidence, key[2], item.event)

    def _fold(self, item: Input) -> bool:
        """Fold an input; False, and nothing is done, where it lacks a history."""
        if self.blocked and item.learner in self.blocked:
            return True
        keys = item.keys
        try:
            if len(keys) == 1:
                return self._fold_key(keys[0], item)
            if self.needs_evidence((item,)):
                return False
            for key in keys:
                self._fold_key(key, item)
        except Exception as error:  # noqa: BLE001 - one learner's fault must not stop the others
            self.blocked[item.learner] = f"{type(error).__name__}: {error}"[:500]
        return True

    def _fold_key(self, key: Key, item: Input) -> bool:
        """Fold an input into one key; False, and nothing is done, where it lacks the key's history."""
        entry = self.entries.get(key)
        if entry is None:
            rules = self.rules[key[0]]
            entry = Entry(KeyState(policy=rules.pin_for(key[2])), rules.no)
        state, piece = entry.state, item.piece
        rule = self._rule(state.policy)
        last = state.last
        one_step = (
            piece is not None
            and (last is None or piece.order > last)
            and (rule is None or rule.plain or stands_alone(rule, state, piece))
        )
        if entry.evidence is not None:
            absorb(entry.evidence, key[2], item.event)
        elif not one_step:
            return False
        elif last is None:
            self.entries[key] = entry
        self.touched[key] = None
        crossed = state.crossed_at
        watched = rule is not None and rule.watches
        # The status before is needed only where the standing changes: keep what it follows from.
        was_due, before = False, None
        if crossed is None:
            before = unshown_part(state)
        elif watched and rule is not None:
            was_due = is_due(state, rule)
        if piece is not None and one_step:
            add(state, piece, rule)
        else:
            assert entry.evidence is not None
            state = entry.state = replay(state, valid_pieces(entry.evidence), rule, state.policy)
        if before is not None:
            if state.crossed_at is not None or (state.met and not state.opened and is_open(state)):
                self._change(key, status_was(before, rule), crossed, item.trigger)
        elif watched or crossed != state.crossed_at:
            self._change(key, "reverify_due" if was_due else "mastered", crossed, item.trigger)
        return True

    def _rule(self, pin: str) -> Rule | None:
        """Return a policy compiled, None where there is none in force."""
        try:
            return self._compiled[pin]
        except KeyError:
            policy = self.policies.get(pin)
            rule = self._compiled[pin] = policy.rule if policy is not None else None
            return rule

    def _change(self, key: Key, before: Status, crossed: str | None, trigger: Trigger, no: int = 0) -> None:
        """Note what happened to a key's standing, if anything did; `no` is the activation, 0 the latest."""
        tenant, learner, competency = key
        state = self.entries[key].state
        policy = self.policies.get(state.policy)
        if policy is None:
            return
        no = no or self.rules[tenant].no
        after = status_of(state, policy.rule)
        for transition in transitions(before, crossed, state, after):
            state.seq = seq_of(trigger)
            shown = msgspec.structs.replace(state)
            replaces = state.told or state.lost
            change = Change(
                tenant, learner, trigger, no, competency, transition, before, after, shown, policy, replaces
            )
            self._remember(state, change, crossed)
            self.changes.append(change)

    @staticmethod
    def _remember(state: KeyState, change: Change, crossed: str | None) -> None:
        if change.transition == "provisional":
            state.opened = _id_of(change)
        elif change.transition in ("mastered", "reinstated"):
            state.told = _id_of(change)
            state.lost = state.lost_crossing = ""
        elif change.transition == "withdrawn":
            state.lost, state.lost_crossing, state.told = state.told, crossed or "", ""

    def refold_learner(self, learner: Learner, keys: Iterable[Key]) -> None:
        """
        Bring all keys of a learner up to the rules in force, activation by activation.

        What is on the record stays under the policy it was shown by (grandfathered); everything else is computed anew
        under the new one. `keys` are all keys of the learner, with their evidence loaded.
        """
        tenant = learner[0]
        rules = self.rules[tenant]
        known = sorted(keys)
        try:
            oldest = min((self.entries[key].rules_no for key in known), default=rules.no)
            for activation in rules.activations[oldest:]:
                self._refold_for(activation, rules, [k for k in known if self.entries[k].rules_no < activation.no])
                if activation.graph is not None:
                    self.changes.append(Review(*learner, activation.trigger, activation.no, activation.graph))
        except Exception as error:  # noqa: BLE001 - one learner's fault must not stop the others
            self.blocked[learner] = f"{type(error).__name__}: {error}"[:500]

    def _refold_for(self, activation: Activation, rules: Rules, keys: list[Key]) -> None:
        for key in keys:
            entry = self.entries[key]
            entry.rules_no = activation.no
            self.touched[key] = None
            state = entry.state
            pin = rules.pin_at(framework_of(key[2]), activation.no)
            if pin == state.policy or state.crossed_at is not None:
                continue
            before = status_of(state, self._rule(state.policy))
            assert entry.evidence is not None, "the caller loads the evidence of a learner to be refolded"
            entry.state = replay(state, valid_pieces(entry.evidence), self._rule(pin), pin)
            self._change(key, before, None, activation.trigger, activation.no)

    def tell(self, learners: dict[Learner, LearnerState]) -> list[Told]:
        """Fold the changes into the learners' standings; return every public event, competencies before levels."""
        told: list[Told] = []
        for (learner, _), group in groupby(self.changes, lambda c: ((c.tenant, c.learner), c.trigger)):
            if learner not in self.blocked:
                told += self._tell_one_input(list(group), learners[learner])
        return told

    def _tell_one_input(self, changes: list[Change | Review], standing: LearnerState) -> list[Told]:
        first = changes[0]
        frameworks = self.rules[first.tenant].frameworks[first.rules_no]
        told: list[Told] = []
        for change in changes:
            if isinstance(change, Review):
                told += review(standing, change.framework, change.tenant, change.learner, change.trigger)
                continue
            if change.transition != "moved":
                told.append(tell(change, frameworks))
            told += advance(standing, change, frameworks)
        told.sort(key=lambda event: event.type.startswith("attain.level."))
        return numbered(told, first.trigger)

    def updated(self, key: Key) -> MasteryUpdated:
        """Return the state event of a touched key."""
        return describe(key, self.entries[key].state, self.policies)


def _id_of(change: Change) -> str:
    kind = f"attain.competency.{change.transition}.v1"
    return event_id(change.tenant, change.learner, kind, change.competency, change.policy.hash, change.trigger)


def describe(key: Key, state: KeyState, policies: dict[str, Policy]) -> MasteryUpdated:
    """Return a state as others see it."""
    policy = policies.get(state.policy)
    rule = policy.rule if policy is not None else None
    status = status_of(state, rule)
    missing = missing_of(state, rule) if state.crossed_at is None else ()
    return MasteryUpdated(
        key[1],
        key[2],
        framework_of(key[2]),
        status,
        score_of(state, rule),
        state.pieces,
        state.last[0] if state.last is not None else None,
        state.crossed_at,
        policy.reference if policy is not None else None,
        missing,
        state.seq,
        explain(state, rule, status, missing),
        state.basis,
    )
