"""
Closed terms after random histories of one learner, told a second time: by all that is known, since when is each competency and
level on the record, and which terms does that concern? Held against snapshots, what amends them, and their digests.
"""

import random
from typing import Any

import pytest

from services.progression.domain.decisions import CompetencyDecided, LevelDecided
from services.progression.domain.plans import Plan
from services.progression.domain.policy import policy_from
from services.progression.domain.terms import TermDecided
from services.reporting.domain.amended import LEVEL_EVENTS, LevelTold, levels_of
from shared.contracts.internal_events import EvidenceRecorded
from shared.contracts.public_events import SNAPSHOT_AMENDED, SNAPSHOT_CLOSED
from shared.contracts.snapshots import Ended, digest_after, digest_of
from tests.progression.test_level_properties import CODES, GRAPH
from tests.progression.test_settling import Hours
from tests.support.journal import Decided, piece, restore, retract

ON = ("mastered", "reverify_due", "credited", "overridden", "advanced")
CHOICES: tuple[tuple[int, tuple[str, ...]] | None, ...] = (
    None, (1, CODES[:2]), (2, CODES), (2, ("math:a", "math:c"))
)  # fmt: skip
"""What every level asks for: how many of which competencies, or all of its own."""
LEVELS = {level: tuple(members) for level, members in GRAPH.levels.items()}
Choice = tuple[int, tuple[str, ...]]


class Policy:
    """Some right answers in a row, and what a level asks for."""

    def __init__(self, chance: random.Random, settle: int) -> None:
        self.streak, self.choice = chance.choice((1, 1, 2)), chance.choice(CHOICES)
        advancement: dict[str, Any] = {"sign_off": {"by": "teacher"}} if chance.random() < 0.2 else {}
        if self.choice is not None:
            k, of = self.choice
            advancement["require"] = {"k_of": [{"k": k, "of": [code.partition(":")[2] for code in of]}]}
        elif advancement:
            advancement["require"] = {"power": "mastered", "supporting": {"share": 1}}
        self.policy = policy_from(
            {"id": "p", "method": {"type": "streak", "n": self.streak}, "decision": {"latch": "first_crossing"},
             "settle": settle} | ({"advancement": advancement} if advancement else {})
        )  # fmt: skip

    def asks(self, level: str) -> Choice:
        return self.choice or (len(LEVELS[level]), LEVELS[level])


class Life:
    """What happens to a learner, and what follows from it by the plainest rule."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.settle = self.chance.choice((0, 0, 60))
        self.policy = Policy(self.chance, self.settle)
        self.hours = Hours(Decided(self.policy.policy))
        self.pinned = dict.fromkeys(CODES, self.policy)
        self.valid: dict[int, EvidenceRecorded] = {}
        self.gone: dict[int, EvidenceRecorded] = {}
        self.decided: dict[str, dict[str, tuple[str, str, str]]] = {code: {} for code in CODES}
        """By competency and kind the decision in force: its id, since when the same is decided, and the status set."""
        self.exempt: dict[str, str] = {}
        self.ends: dict[str, str] = {}
        self.advanced: dict[str, str] = {}
        """Levels that have advanced and were not taken back, with since when."""
        self.told: dict[str, tuple[str, Policy] | None] = {}
        """Since when a level has advanced, as was told, and the rules of then; None where somebody signed it."""
        self.seen = 0

    @property
    def now(self) -> str:
        return self.hours.now

    def step(self) -> None:
        doing = (self.work,) * 8 + (self.take_back, self.give_back) * 3 + (self.decide, self.lift, self.judge) * 2
        self.chance.choice((*doing, self.rule, self.plan))()

    def work(self) -> None:
        """Work of any hour so far, so most of it comes late; it may speak to several."""
        number = len(self.valid) + len(self.gone)
        first, last = "2026-04-01T02:00:00.000000Z", self.now
        when = self.chance.choice((last, first[:11] + f"{self.chance.randint(2, 23):02}:{number % 60:02}:00.000000Z"))
        codes = tuple(self.chance.sample(CODES, self.chance.randint(1, 3)))
        made = piece(number, float(self.chance.random() < 0.8), competencies=codes, occurred_at=min(when, last))
        self.valid[number] = made
        self.fold(made)

    def take_back(self) -> None:
        self._move(self.valid, self.gone, retract)

    def give_back(self) -> None:
        self._move(self.gone, self.valid, restore)

    def _move(self, source: dict[int, EvidenceRecorded], target: dict[int, EvidenceRecorded], by: Any) -> None:
        numbers = self.chance.sample(sorted(source), min(len(source), self.chance.randint(1, 3)))
        if numbers:
            pieces = [source[number] for number in numbers]
            target |= {number: source.pop(number) for number in numbers}
            self.fold(by(*pieces, by=f"m{len(self.hours.journal.records)}"))

    def decide(self) -> None:
        code, kind = self.chance.choice(CODES), self.chance.choice(("override", "credit"))
        status = self.chance.choice(("mastered", "not_yet")) if kind == "override" else ""
        id, since, former = self.decided[code].get(kind, ("", "", ""))
        more: dict[str, Any] = {"status": status} if status else {}
        self.fold(CompetencyDecided("ada", code, kind, "teacher", "t-1", "transfer", "seen", **more))  # type: ignore[arg-type]
        renewed = since if id and former == status else self.now
        self.decided[code][kind] = (f"input-{len(self.hours.journal.records)}", renewed, status)

    def lift(self) -> None:
        code = self.chance.choice(CODES)
        if self.decided[code]:
            id, *_ = self.decided[code].pop(self.chance.choice(sorted(self.decided[code])))
            self.fold(CompetencyDecided("ada", code, "lift", "teacher", "t-1", "override", "undone", undoes=id))

    def judge(self) -> None:
        kind = self.chance.choice(("sign_off", "sign_off", "withdraw", "reinstate", "lift", "place"))
        level = self.chance.choice(sorted(LEVELS))
        self.fold(LevelDecided("ada", level, kind, "teacher", "t-1", "seen", unknown=CODES[:1]))  # type: ignore[arg-type]

    def plan(self) -> None:
        """One competency of each level may be asked of this learner no more."""
        code = self.chance.choice((CODES[1], CODES[3]))
        plan = None if self.exempt.pop(code, None) else Plan("exempt", "iep", "2027-09-29")
        self.fold(
            CompetencyDecided(
                "ada", code, "plan", "case_manager", "cm", "override", plan=plan, undoes="" if plan else "x"
            )
        )
        if plan is not None:
            self.exempt[code] = self.now

    def rule(self) -> None:
        """Another policy; what is shown keeps its own, but where it is for that too."""
        self.policy = Policy(self.chance, self.settle)
        retroactive = self.chance.random() < 0.3
        moves = [code for code in CODES if retroactive or self.shown(code) is None]
        self.pinned |= dict.fromkeys(moves, self.policy)
        self.fold(Decided(self.policy.policy, batch="b" if retroactive else "",
                          mode="retroactive" if retroactive else "grandfathered"))  # fmt: skip
        self.hours.journal.sweep()

    def fold(self, record: Any) -> None:
        self.hours.after(0, record)

    def close(self) -> None:
        """Hold the snapshot against what is on the record."""
        term, journal = f"term-{len(self.ends)}", self.hours.journal
        self.ends[term] = self.now
        journal.fold([Decided(closes=TermDecided(term, self.now, "office"))])
        self.seen = len(journal.told)

    def shown(self, code: str) -> str | None:
        """Return since when enough was right in a row."""
        own = sorted((p.occurred_at, p.id, p.score.raw) for p in self.valid.values() if code in p.competencies)
        n = self.pinned[code].streak
        runs = (own[end - n : end] for end in range(n, len(own) + 1))
        return next((run[-1][0] for run in runs if all(raw for *_, raw in run)), None)

    def since(self, code: str) -> str | None:
        """Return since when a competency is on the record: shown, set by hand, or credited."""
        _, set_at, status = self.decided[code].get("override", ("", "", ""))
        if status == "not_yet":
            return None
        _, credited_at, _ = self.decided[code].get("credit", ("", "", ""))
        return min((each for each in (self.shown(code), set_at, credited_at) if each), default=None)

    def complete_since(self, level: str, policy: Policy) -> str | None:
        """Return since when a level is complete by a policy's rule and has been all the while, None where it is not."""
        k, of = policy.asks(level)
        since = {code: at for code in of if (at := self.since(code)) is not None}
        found = None
        for at in sorted({*since.values(), *self.exempt.values()}, reverse=True):
            asked = [code for code in of if self.exempt.get(code, "9") > at]
            needed = k if len(asked) == len(of) else min(k, len(asked))
            if sum(code in since and since[code] <= at for code in asked) < needed:
                break
            found = at
        return found

    def take_told(self) -> list[dict[str, Any]]:
        """Take what was told of levels, and hold its dates against those of the rule; return what amends."""
        events = self.hours.journal.told[self.seen :]
        self.seen += len(events)
        for event in events:
            kind, data = event.type.split(".", 1)[1], event.data
            level = data["scope"]["id"]
            if kind == "level.advanced.v1":
                signed, since = data["basis"]["by"] is not None, self.complete_since(level, self.policy)
                assert since is not None
                assert since == data["effective_at"] or (signed and data["effective_at"] > since), (level, since)
                self.advanced[level] = data["effective_at"]
                self.told[level] = None if signed else (since, self.policy)
            elif kind == "level.withdrawn.v1":
                del self.advanced[level]
            elif kind == "level.reinstated.v1":
                self.advanced.setdefault(level, data["effective_at"])
        for level, told in self.told.items():
            if told is not None and level in self.advanced and (since := self.complete_since(level, told[1])):
                self.advanced[level] = min(since, told[0])
        return [event.data for event in events if event.type == SNAPSHOT_AMENDED]

    def stands(self) -> dict[tuple[str, str], bool]:
        """Return of each closed term and scope whether it was on the record by the end."""
        since = {code: self.since(code) for code in CODES} | self.advanced
        return {
            (term, scope): (at := since.get(scope)) is not None and at <= end
            for term, end in self.ends.items()
            for scope in (*CODES, *LEVELS)
        }


class Receiver:
    """What somebody has who was sent the snapshots, and everything that amends them."""

    def __init__(self) -> None:
        self.stands: dict[tuple[str, str], bool] = {}
        self.digests: dict[str, str] = {}

    def close(self, life: Life) -> None:
        journal = life.hours.journal
        closed = next(event.data for event in reversed(journal.told) if event.type == SNAPSHOT_CLOSED)
        states = [journal.state(key[2]) for key in journal.states]
        standings = [Ended("competency", s.competency, s.status, s.mastered_at or "") for s in states]
        told = [
            LevelTold(
                "ada", event.id, kind, event.data["scope"]["id"], "math", "", event.data.get("levels_affected", ())
            )
            for event in journal.told
            if (kind := event.type.removeprefix("attain.").removesuffix(".v1")) in LEVEL_EVENTS
        ]
        standings += [
            Ended("level", e.level, e.status, e.event) for e in levels_of(told).get("ada", []) if e.level in LEVELS
        ]
        term = closed["session"]
        assert (closed["digest"], closed["standings"]) == (digest_of(standings), len(standings))
        on = {each.scope for each in standings if is_on(each.status, each.mark)}
        self.stands |= {(term, scope): scope in on for scope in (*CODES, *LEVELS)}
        self.digests[term] = closed["digest"]

    def take(self, amended: dict[str, Any]) -> None:
        term, scope = amended["session"], amended["scope"]
        now = Ended(scope["kind"], scope["id"], amended["after"], amended["mark"])
        self.digests[term] = digest_after(self.digests[term], now)
        assert amended["digest"] == self.digests[term]
        assert self.stands[term, scope["id"]] != is_on(now.status, now.mark), "told once for each change"
        assert amended["reason"]["text"]
        assert amended["cause"]["id"]
        self.stands[term, scope["id"]] = is_on(now.status, now.mark)


def is_on(status: str, mark: str) -> bool:
    """Tell whether a standing is on the record; what is set by hand has a mark where it is."""
    return status in ON and (status != "overridden" or mark != "")


def live(seed: int) -> int:
    """Live through a history; return how many amendments of levels it had."""
    life, receiver, amended_levels = Life(seed), Receiver(), 0
    for _ in range(life.chance.randint(20, 45)):
        life.hours.after(life.chance.choice((5, 30, 90)))
        for do in (lambda: None, life.step):
            do()
            amended = life.take_told()
            for data in amended:
                receiver.take(data)
                on = receiver.stands[data["session"], data["scope"]["id"]]
                assert not on or data["effective_at"] <= life.ends[data["session"]]

            assert receiver.stands == life.stands(), (seed, len(life.hours.journal.records))
            amended_levels += sum(data["scope"]["kind"] == "level" for data in amended)
        if len(life.ends) < 4 and life.chance.random() < 0.15:
            life.close()
            receiver.close(life)
    return amended_levels


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_what_a_closed_term_says_with_its_amendments_is_what_was_on_the_record_by_its_end(first: int) -> None:
    assert sum(map(live, range(first, first + 20))) > 5
