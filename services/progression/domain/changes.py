"""What happens to the standings of keys while a batch is folded: noted in order, with all that is to be told of it."""

from collections.abc import Iterable

import msgspec

from services.progression.domain.advancement import LevelStep, Review
from services.progression.domain.curriculum import framework_of
from services.progression.domain.decisions import CompetencyDecided
from services.progression.domain.entry import Entry
from services.progression.domain.inputs import Input, Key, invalidated, undoes, valid_pieces
from services.progression.domain.mastery import KeyState, replay
from services.progression.domain.policy import Policy, Rule
from services.progression.domain.rules import Activation, Rules
from services.progression.domain.standing import Standing, rule_of, score_of, standing_of, transitions
from services.progression.domain.states import with_date
from services.progression.domain.telling import event_id, seq_of
from services.progression.domain.transitions import Change


class Changes:
    """The changes of one batch, in the order folded; `entries` are those being folded."""

    def __init__(self, entries: dict[Key, Entry], rules: dict[str, Rules], policies: dict[str, Policy]) -> None:
        self.noted: list[Change | LevelStep | Review] = []
        self.before: list[tuple[Key, Standing, str | None]] = []
        """The keys that an input has changed, to be noted: the standing before and, where it is known, the crossing."""
        self.unread: dict[Key, list[dict[str, float | None]]] = {}
        """Keys that are not in memory whose scores are wanted as they were before the batch; `read` fills them in."""
        self._entries = entries
        self._rules = rules
        self._policies = policies
        self._compiled: dict[tuple[str, str, int, str, tuple[int, ...]], Rule | None] = {}

    def rule(self, state: KeyState) -> Rule | None:
        """Return the compiled policy of a state, None where there is none in force."""
        pin = (state.policy, state.time_zone, state.dok, state.breaks, state.extended)
        try:
            return self._compiled[pin]
        except KeyError:
            rule = self._compiled[pin] = rule_of(self._policies.get(state.policy), state)
            return rule

    def note(self, by: Input | Activation) -> None:
        """Note what an input did to the standings of all keys in `before`, once all of them are folded."""
        before, self.before = self.before, []
        if len(before) > 1:
            self._end_credit(before)
        for key, standing, crossed in before:
            self._note(key, standing, by, crossed)

    def _end_credit(self, before: Iterable[tuple[Key, Standing, str | None]]) -> None:
        """
        End credit by a crosswalk where one input takes what was shown, and what it credits and was shown itself.

        It would be told as credited, and as withdrawn a moment later: the decision that ends it (`following`) comes behind.
        """
        lost = [key for key, standing, _ in before if standing.shown_at is not None and not self._is_shown(key)]
        competencies = {key[2] for key in lost}
        for key in lost:
            entry = self._entries[key]
            left = tuple(decision for decision in entry.state.decided if decision.origin not in competencies)
            if left != entry.state.decided:
                assert entry.evidence is not None, "what takes something off the record replays it"
                entry.state.decided = left
                entry.state = replay(
                    entry.state, valid_pieces(entry.evidence), self.rule(entry.state), entry.state.policy
                )

    def _is_shown(self, key: Key) -> bool:
        state = self._entries[key].state
        return standing_of(state, self.rule(state)).shown_at is not None

    def _note(self, key: Key, before: Standing, by: Input | Activation, crossed: str | None) -> None:
        """Note what happened to a key's standing, if anything did; `crossed` is the crossing before, for a withdrawal."""
        tenant, learner, competency = key
        state = self._entries[key].state
        policy = self._policies.get(state.policy)
        after = standing_of(state, self.rule(state))
        undone = isinstance(by, Input) and undoes(by.event)
        found = transitions(before, after, state, undone=undone)
        if not found:
            return
        if before.shown_at is not None and after.shown_at not in (None, before.shown_at):
            state.former = with_date(state.former, before.shown_at)
        no = by.no if isinstance(by, Activation) else self._rules[tenant].no
        event = by.event if isinstance(by, Input) else None
        # Nothing of a plan is told, so what follows from one rests on the evidence.
        decision = event if isinstance(event, CompetencyDecided) and event.kind != "plan" else None
        scores = self._scores_below(key, no) if after.needs and after.needs != before.needs else {}
        for transition in found:
            state.seq = seq_of(by.trigger)
            shown = msgspec.structs.replace(state)
            replaces = _reinstated(state, after) if transition == "reinstated" else state.told or state.lost
            change = Change(tenant, learner, by.trigger, no, competency, transition, before, after, shown, policy,
                            replaces, decision, scores,
                            invalidated(event, competency) if transition == "withdrawn" else ())  # fmt: skip
            _remember(state, change, crossed or before.shown_at)
            self.noted.append(change)

    def read(self, key: Key, state: KeyState) -> None:
        """Fill in the score of a key that `unread` names, from its state before the batch."""
        for scores in self.unread.get(key, ()):
            scores[key[2]] = score_of(state, self.rule(state))

    def _scores_below(self, key: Key, no: int) -> dict[str, float | None]:
        """Return the scores of a competency's prerequisites as they are now; those not in memory are to be `read`."""
        tenant, learner, competency = key
        framework = self._rules[tenant].frameworks[no].get(framework_of(competency))
        scores: dict[str, float | None] = {}
        for needed in framework.prerequisites.get(competency, ()) if framework is not None else ():
            entry = self._entries.get((tenant, learner, needed))
            scores[needed] = score_of(entry.state, self.rule(entry.state)) if entry is not None else None
            if entry is None:
                self.unread.setdefault((tenant, learner, needed), []).append(scores)
        return scores


def _remember(state: KeyState, change: Change, crossed: str | None) -> None:
    if change.before.status == "credited" and change.transition in ("mastered", "reinstated", "withdrawn"):
        state.lost_credit = (change.before.satisfied_at or "", state.told)
    if change.transition == "provisional":
        state.opened = _id_of(change)
    elif change.after.status == "credited" and change.transition in ("credited", "reinstated"):
        # Credit stands in for what was shown and lost, which can come back.
        state.told = _id_of(change)
        state.lost = state.lost if state.lost_crossing else ""
        state.lost_credit = ()
    elif change.transition in ("mastered", "reinstated"):
        state.told = _id_of(change)
        state.lost = state.lost_crossing = ""
        state.former = ()
    elif change.transition == "withdrawn":
        if change.before.shown_at is not None or not state.lost_crossing:
            state.lost, state.lost_crossing = state.told, crossed or ""
        state.told = ""


def _reinstated(state: KeyState, after: Standing) -> str:
    """Return the id of the event that told what is reinstated; what was shown may have been credited meanwhile."""
    return state.lost_credit[1] if after.status == "credited" else state.lost


def _id_of(change: Change) -> str:
    kind = f"attain.competency.{change.transition}.v1"
    return event_id(change.tenant, change.learner, kind, change.competency, change.policy_hash, change.trigger)
