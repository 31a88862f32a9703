"""
The fold of one shard, pure: inputs in journal order become states, journal rows and what is to be told.

No I/O, clock or random ids here. The caller loads what the inputs touch (the inputs' keys, `needs_evidence`, learners), gives the
inputs in order, and writes the outcome in one transaction. A learner whose input raises is set apart: nothing of this
batch is kept for that learner but the journal, and the others go on. New rules are taken up in `refolding`.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby

from services.progression.domain.advancement import LevelStep
from services.progression.domain.changes import Changes
from services.progression.domain.decisions import ClockTicked, CompetencyDecided, LevelDecided, SupportDecided
from services.progression.domain.describing import describe
from services.progression.domain.entry import Entry
from services.progression.domain.evidence_rules import mark
from services.progression.domain.following import is_to_be_folded
from services.progression.domain.inputs import Input, Key, Learner, counts_for_nothing, valid_pieces
from services.progression.domain.learner import LearnerState
from services.progression.domain.learner_fold import fold_changes
from services.progression.domain.mastery import Order, Piece, add, replay, stands_alone
from services.progression.domain.policy import Policy, Rule
from services.progression.domain.rules import Rules
from services.progression.domain.standing import (
    Standing,
    awaited_role,
    deadline_of,
    is_due,
    needs_of,
    standing_of,
    status_was,
    unshown_part,
)
from services.progression.domain.states import extended_by, in_force, low_start
from services.progression.domain.telling import Told
from shared.contracts.handed_in import WorkUngraded
from shared.contracts.internal_events import MasteryUpdated, Status


def reason_of(error: Exception) -> str:
    """Return why a learner is set apart."""
    return f"{type(error).__name__}: {error}"[:500]


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
        self.blocked: dict[Learner, str] = {}
        self.decided: list[tuple[str, str, CompetencyDecided]] = []
        """(tenant, id, decision): what follows for other competencies, to be folded next; that of the last `tell`."""
        self.changes = Changes(entries, rules, policies)
        # An attribute, because every input asks for it.
        self._rule = self.changes.rule

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
        state = entry.state if entry is not None else self.rules[key[0]].new_state(key[2])
        rule = self._rule(state)
        if rule is None or rule.plain:
            return True
        own = (key, mark(piece))
        again = own in marks
        marks.add(own)
        return not again and stands_alone(rule, state, piece)

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
            self.entries[key].absorb(key[2], item)

    def _fold(self, item: Input) -> bool:
        """Fold an input; False, and nothing is done, where it lacks a history."""
        if self.blocked and item.learner in self.blocked:
            return True
        keys = item.keys
        try:
            if len(keys) == 1 and item.cause != "clock":
                folded = self._fold_key(keys[0], item)
                if self.changes.before:
                    self.changes.note(item)
                return folded
            if self.needs_evidence((item,)):
                return False
            for key in keys:
                self._fold_key(key, item)
            self.changes.note(item)
            if isinstance(item.event, LevelDecided | SupportDecided | ClockTicked | WorkUngraded):
                self.changes.noted.append(
                    LevelStep(*item.learner, item.trigger, self.rules[item.learner[0]].no, item.event)
                )
        except Exception as error:  # noqa: BLE001 - one learner's fault must not stop the others
            self.block(item.learner, error)
        return True

    def _fold_key(self, key: Key, item: Input) -> bool:
        """Fold an input into one key; False, and nothing is done, where it lacks the key's history."""
        entry = self.entries.get(key)
        if entry is None:
            rules = self.rules[key[0]]
            entry = Entry(rules.new_state(key[2]), rules.no)
        state, piece = entry.state, item.piece
        rule = self._rule(state)
        last = state.last
        one_step = (
            piece is not None
            and (last is None or piece.order > last)
            and (rule is None or rule.plain or entry.alone(rule, piece))
        )
        if entry.evidence is not None:
            entry.absorb(key[2], item)
        elif not one_step:
            return False
        elif last is None:
            self.entries[key] = entry
        self.touched[key] = None
        if not one_step or state.decided:
            self._fold_with_standing(key, entry, rule, item, one_step)
            return True
        crossed = state.crossed_at
        # The status before is needed only where the standing changes: keep what it follows from.
        before, was_due = None, False
        supports = rule is not None and rule.support is not None
        needed = needs_of(state, rule) if supports else ""
        start = low_start(state.began)
        if crossed is None:
            before = unshown_part(state)
        elif rule is not None and rule.watches:
            was_due = is_due(state, rule)
        assert piece is not None
        add(state, piece, rule)
        began_low = low_start(state.began) != start
        if before is not None:
            if (
                state.crossed_at is not None
                or began_low
                or (state.met and state.met != before[-1])
                or (supports and needs_of(state, rule) != needed)
            ):
                was = status_was(before, rule)
                awaited = awaited_role(before[-1], rule) if was == "provisional" else ""
                standing = Standing(was, None, None, awaits=awaited, needs=needed, low_start=start)
                self.changes.before.append((key, standing, None))
        elif state.crossed_at != crossed or began_low or (rule is not None and rule.watches):
            was_status: Status = "reverify_due" if was_due else "mastered"
            self.changes.before.append((key, Standing(was_status, crossed, crossed, low_start=start), None))
        return True

    def _fold_with_standing(self, key: Key, entry: Entry, rule: Rule | None, item: Input, one_step: bool) -> None:
        """Fold what is more than a step, or where a person has decided: the whole standing before against that after."""
        state, event = entry.state, item.event
        before, crossed = standing_of(state, rule), state.crossed_at
        if one_step and item.piece is not None:
            add(state, item.piece, rule)
        else:
            assert entry.evidence is not None
            if isinstance(event, CompetencyDecided):
                state.decided = in_force((*state.decided, event.decided(item.id, item.time)))
                if event.kind == "plan":
                    state.extended = extended_by(event.plan, state)
                    rule = self._rule(state)
            elif isinstance(event, ClockTicked):
                state.clock = max(state.clock, event.at)
            # What is merged into a learner comes piece by piece before it counts: replaying for each would be quadratic.
            if not counts_for_nothing(event):
                entry.state = replay(state, valid_pieces(entry.evidence), rule, state.policy)
        self.changes.before.append((key, before, crossed))

    def tell(self, learners: dict[Learner, LearnerState], *, at_once: bool = False) -> list[Told]:
        """
        Fold the changes into the learners' standings; return every public event, competencies before levels.

        With `at_once` it is also what would be told of levels if nothing were undone, which waits otherwise.
        Of a learner whose changes raise nothing is told; its standing in `learners` is then to be dropped.
        """
        told: list[Told] = []
        following: list[tuple[str, str, CompetencyDecided]] = []
        credited: dict[Learner, frozenset[str]] = {}
        for (learner, _), group in groupby(self.changes.noted, lambda c: ((c.tenant, c.learner), c.trigger)):
            if learner in self.blocked:
                continue
            try:
                if learner not in credited:
                    credited[learner] = frozenset(learners[learner].crosswalked)
                events, decided = fold_changes(list(group), self.rules[learner[0]], learners[learner], at_once=at_once)
            except Exception as error:  # noqa: BLE001 - one learner's fault must not stop the others
                self.block(learner, error)
                continue
            told += events
            following += [(learner[0], *each) for each in decided]
        self.decided = [
            (tenant, id, decision)
            for tenant, id, decision in following
            if (learner := (tenant, decision.learner)) not in self.blocked
            and is_to_be_folded(id, decision, credited[learner], learners[learner])
        ]
        if self.blocked:
            told = [event for event in told if (event.tenant, event.learner) not in self.blocked]
        return told

    def block(self, learner: Learner, error: Exception) -> None:
        """Keep nothing of a learner whose input raises."""
        self.blocked[learner] = reason_of(error)
        self.changes.before.clear()

    def describe_touched(self) -> dict[Key, MasteryUpdated]:
        """Return the state events of the touched keys, to be asked for before `tell`; a learner whose key raises is blocked."""
        described = {}
        for key in self.touched:
            try:
                described[key] = describe(key, self.entries[key].state, self.policies, self.rules[key[0]].zone)
            except Exception as error:  # noqa: BLE001 - one learner's fault must not stop the others
                self.block(key[:2], error)
        return described

    def deadline_of(self, key: Key) -> str | None:
        """Return the next instant at which time alone changes a key's status."""
        state = self.entries[key].state
        rule = self._rule(state)
        ages = rule is not None and rule.reverify_days
        return deadline_of(state, rule) if ages or state.decided else None
