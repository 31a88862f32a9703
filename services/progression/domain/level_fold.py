"""
Levels: what happens to those of one learner while one input is folded.

Nobody is demoted here: a level that was advanced stays so. A loss under it asks for a review, and only a named person takes a
level back. What is to be told waits for as long as the policy lets levels settle (`held_events`).
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from services.progression.domain.curriculum import Framework, framework_of_level, is_level
from services.progression.domain.decisions import LevelDecided
from services.progression.domain.held_events import HeldEvents
from services.progression.domain.learner import LearnerState, LevelKind
from services.progression.domain.level_events import LevelEvents
from services.progression.domain.levels import Lack, LevelTerms, Terms, level_status, missing_of
from services.progression.domain.support_fold import LEADER, SupportFold
from services.progression.domain.telling import Teller, Told

ESCALATES_AFTER = 5
"""School days that a sign-off waits before a leader may give it as well."""
ON_RECORD = ("advanced", "review_required")
OF_GONE: tuple[LevelKind, ...] = ("withdrawn", "reinstated", "gaps_cleared")
"""What is told also of a level that the framework has no more: it ends or undoes what was told."""


class LevelFold:
    """
    One learner's levels; the methods yield what is to be told. `levels_with` says which a competency may decide; `lost` is what
    the input takes off the record.
    """

    def __init__(
        self,
        standing: LearnerState,
        frameworks: dict[str, Framework],
        terms: Terms,
        teller: Teller,
        support: SupportFold,
        levels_with: Callable[[str], Sequence[str]],
        lost: Collection[str],
    ) -> None:
        self._standing = standing
        self._frameworks = frameworks
        self._terms = terms
        self._teller = teller
        self._support = support
        self._levels_with = levels_with
        self._lost = lost
        self._events = LevelEvents(standing, terms, teller, support)
        self._held = HeldEvents(standing, terms, teller, self._events)

    def settle(self, at: str) -> Iterator[Told]:
        """Yield what no undo has kept from being told until an instant."""
        standing = self._standing
        for level, waiting in list(standing.held.items()):
            framework = self._frameworks.get(framework_of_level(level))
            for held in [held for held in waiting if held.until <= at]:
                self._held.drop(level, held)
                if framework is not None and (level in framework.levels or held.kind in OF_GONE):
                    yield from self._events.caused_by(held.trigger).tell(held.kind, framework, level, held.decision)
        for level in [level for level, until in standing.settling.items() if until <= at]:
            framework = self._frameworks.get(framework_of_level(level))
            if framework is not None and level in framework.levels:
                yield from self.level(framework, level, settled=True)
            standing.settling.pop(level, None)

    def decide(self, framework: Framework, event: LevelDecided) -> Iterator[Told]:
        """Yield what follows from a person's decision on a level; one that no longer applies changes nothing."""
        standing, level = self._standing, event.level
        match event.kind:
            case "sign_off" if level in standing.awaiting and may_sign_off(
                standing, level, self._terms(framework.levels[level][0]).role, event.role
            ):
                self._held.undo(level, "withheld")
                standing.signed[level] = self._teller.trigger.time
                standing.signers[level] = (event.role, event.author, event.reason)
                yield from self.level(framework, level)
            case "withhold":
                self._held.undo(level, "withheld")
                yield from self._held.tell("withheld", framework, level, event)
            case "lift" | "withdraw" | "reinstate":
                yield from self._undone(framework, level, event)
            case "place":
                yield from self._place(framework, level, event)
            case "choose":
                yield from self._support.over(level, "ready_not_placed")
                yield self._events.chosen(framework, level, event)

    def _undone(self, framework: Framework, level: str, event: LevelDecided) -> Iterator[Told]:
        """Yield what follows where a person takes back what was decided: what nobody was told of is undone in silence."""
        standing, stands = self._standing, self._standing.stands(level)
        signed, last = level in standing.signed, standing.changes(level)[-1:]
        match event.kind:
            case "lift" if self._held.undo(level, "withheld"):
                pass
            case "lift" | "withdraw" if level in standing.settling or (
                event.kind == "lift" and signed and stands not in ON_RECORD
            ):
                self._forget_signature(level)
                standing.settling.pop(level, None)
                if event.kind == "withdraw" or not signed:
                    standing.taken_back.setdefault(level, "")
                yield from self.level(framework, level)
            case "lift" | "withdraw" if stands in ON_RECORD:
                self._forget_signature(level)
                self._lapse(level)
                if last and last[0].kind == "reinstated" and last[0].decision is not None:
                    self._held.drop(level, last[0])
                else:
                    yield from self._held.tell("withdrawn", framework, level, event)
            case "reinstate" if stands == "withdrawn":
                if last:
                    self._held.drop(level, last[0])
                elif standing.taken_back[level]:
                    yield from self._held.tell("reinstated", framework, level, event)
                else:
                    del standing.taken_back[level]
                yield from self.level(framework, level)

    def level(self, framework: Framework, level: str, *, settled: bool = False, back: bool = False) -> Iterator[Told]:
        """
        Yield what happened to a level whose competencies, decisions or time have changed; `back`: what had taken one off the
        record was undone.
        """
        standing, terms = self._standing, self._terms(framework.levels[level][0])
        lacks = self._events.lacks(framework, level)
        lost = self._note_lost(level, lacks)
        if back and not standing.removed.get(level) and standing.stands(level) == "withdrawn":
            yield from self._give_back(framework, level)
        stands = standing.stands(level)
        status = level_status(lacks, terms.role, signed=level in standing.signed, advanced=stands in ON_RECORD)
        if status != "eligible_pending_sign_off":
            standing.awaiting.pop(level, None)
            self._held.undo(level, "sign_off_requested")
            yield from self._support.over(level, "sign_off")
        if status == "advanced":
            yield from self._hold(framework, level, lost)
        elif status == "not_eligible":
            # What is signed, or to be signed, is there no more: it is asked for anew once it is complete again.
            self._forget_signature(level)
            yield from self._end_request(framework, level)
            standing.settling.pop(level, None)
        elif status == "eligible_pending_sign_off":
            yield from self._request(framework, level, terms)
        elif stands == "withdrawn" and level not in standing.signed:
            # It is a person's to give again.
            yield from self._end_request(framework, level)
            standing.settling.pop(level, None)
        elif not settled and (until := self._held.waits_until(level, terms)):
            standing.settling.setdefault(level, until)
        else:
            yield from self._events.advanced(framework, level)

    def end_gone(self, framework: Framework) -> Iterator[Told]:
        """Yield that nobody is asked any more about levels that a framework has no more; forget the sign-offs given."""
        standing = self._standing
        yield from self._support.end_gone(framework)
        for level in {**standing.awaiting, **standing.requested, **standing.signed}:
            is_gone = is_level(level) and framework_of_level(level) == framework.id and level not in framework.levels
            if is_gone and standing.stands(level) not in ON_RECORD:
                standing.awaiting.pop(level, None)
                standing.settling.pop(level, None)
                self._forget_signature(level)
                self._held.undo(level, "sign_off_requested")
                yield from self._support.over(level, "sign_off")
                yield from self._end_request(framework, level)

    def _request(self, framework: Framework, level: str, terms: LevelTerms) -> Iterator[Told]:
        """Let a level wait for its sign-off; a role is asked for it once."""
        standing, now, role = self._standing, self._teller.trigger.time, terms.role
        before = standing.awaiting.get(level)
        waits_for = before[0] if before is not None else role
        is_asked = standing.is_requested(level) and standing.asked_of.get(level, waits_for) == role
        begins = before is None or waits_for != role
        if begins:
            anew = (now, terms.days_later(now, ESCALATES_AFTER) if role != LEADER else "")
            since, escalate_at = standing.asked_since.get(level, anew) if is_asked else anew
            standing.awaiting[level] = (role, since, escalate_at)
        if begins or self._teller.trigger.cause not in ("policy", "framework"):
            # By other rules alone nobody is at school again, of whom nothing is asked since the last school year.
            self._support.wait(level, "sign_off")
        if is_asked:
            self._held.undo(level, "sign_off_requested")
        elif not self._held.asks_for_sign_off(level):
            yield from self._held.tell("sign_off_requested", framework, level)

    def _end_request(self, framework: Framework, level: str) -> Iterator[Told]:
        """Yield that nobody is asked any more to sign a level off, where that was told, and no withdrawal has said so."""
        if self._standing.is_requested(level):
            yield self._events.sign_off_lapsed(framework, level)

    def escalate(self, at: str) -> Iterator[Told]:
        """Ask a leader as well for the sign-offs that have waited long enough, by the breaks that are known by now."""
        standing = self._standing
        for scope, (role, since, escalate_at) in list(standing.awaiting.items()):
            if not escalate_at or escalate_at > at:
                continue
            framework = self._frameworks.get(framework_of_level(scope))
            members = framework.levels.get(scope) if framework is not None else None
            late = self._terms(members[0] if members else scope).days_later(since, ESCALATES_AFTER)
            standing.awaiting[scope] = (role, since, late if late > at else "")
            if framework is not None and members and late <= at and not self._held.asks_for_sign_off(scope):
                yield from self._events.tell("sign_off_requested", framework, scope)

    def _note_lost(self, level: str, lacks: tuple[Lack, ...]) -> bool:
        """Bring up to date what corrections took that a level had and lacks; tell whether this input took any of that."""
        standing, missing = self._standing, missing_of(lacks)
        # Of a review that was opened before this was noted, all that is missing.
        earlier = missing if level in standing.reviews or level in standing.reviewed else ()
        noted = standing.removed.get(level, earlier)
        by_correction = self._teller.trigger.cause not in ("policy", "framework", "clock")
        lost = [code for code in missing if code in self._lost] if by_correction and standing.stands(level) else []
        left = [code for code in missing if code in noted or code in lost]
        if left or level in standing.removed:
            standing.removed[level] = tuple(left)
        return bool(lost)

    def _hold(self, framework: Framework, level: str, lost: bool) -> Iterator[Told]:
        """Ask for a review where a correction took what an advancement stood on; tell that it is over once that is back."""
        standing, last = self._standing, self._standing.changes(level)[-1:]
        stands = standing.stands(level)
        if stands == "review_required" and not standing.removed.get(level):
            if last:
                self._held.drop(level, last[0])
            else:
                yield from self._held.tell("reinstated", framework, level)
        elif lost and stands == "advanced":
            if last and last[0].decision is None:
                self._held.drop(level, last[0])
            else:
                yield from self._held.tell("review_required", framework, level)

    def _give_back(self, framework: Framework, level: str) -> Iterator[Told]:
        """Yield that a level which was taken back in a review is given back, since the cause of that is undone."""
        standing, last = self._standing, self._standing.changes(level)[-1:]
        if last and standing.stood(level) == "review_required":
            self._held.drop(level, last[0])
        elif not last and level in standing.reviewed:
            yield from self._held.tell("reinstated", framework, level)

    def lapse(self, levels: Iterable[str]) -> None:
        """Note that nobody is asked any more to sign levels off that have not advanced."""
        for level in levels:
            if level not in self._standing.advanced:
                self._lapse(level)

    def _lapse(self, level: str) -> None:
        if level in self._standing.requested:
            self._standing.lapsed.add(level)

    def _forget_signature(self, level: str) -> None:
        self._standing.signed.pop(level, None)
        self._standing.signers.pop(level, None)

    def _place(self, framework: Framework, level: str, event: LevelDecided) -> Iterator[Told]:
        """Yield what follows from a placement; of two that nobody was told of yet, the newer holds."""
        yield from self._support.over(level, "ready_not_placed")
        self._held.undo(level, "placed_with_gaps")
        yield from self._held.tell("placed_with_gaps", framework, level, event)

    def close_gap(self, framework: Framework, competency: str) -> Iterator[Told]:
        """Yield the levels whose last gap a competency was that is met now; at once of those that the framework has no more."""
        standing = self._standing
        for level, gaps in list(standing.gaps.items()):
            if competency in gaps and framework_of_level(level) == framework.id and standing.is_without_gaps(level):
                tell = self._held.tell if level in framework.levels else self._events.tell
                yield from tell("gaps_cleared", framework, level)

    def standing_on(self, competency: str) -> list[str]:
        """
        Return the levels that ask for a competency which is taken off the record: those that have advanced stay so, those of
        which a sign-off was asked are complete no more.
        """
        standing, found = self._standing, []
        for level in self._levels_with(competency):
            framework = self._frameworks[framework_of_level(level)]
            told = level in standing.advanced or standing.is_requested(level)
            if told and competency in missing_of(self._events.lacks(framework, level, {competency})):
                found.append(level)
        return found


def may_sign_off(standing: LearnerState, level: str, asked: str, role: str) -> bool:
    """Tell whether a role may sign a level off: the one that the rule asks for, and once it has escalated a leader."""
    escalated = level in standing.awaiting and not standing.awaiting[level][2]
    return not asked or role == asked or (role == LEADER and escalated)
