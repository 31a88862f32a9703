"""
What is asked of adults who let a learner wait, held against a second telling that shares no code with the fold.

Competencies and levels wait for signatures, and levels for a place, while evidence comes and is taken back, plans ask another
competency in the place of one, people sign, refuse, place, choose and dismiss, other rules are adopted, and days pass, also
the end of the school year.
"""

import dataclasses
import datetime
import random
from collections import Counter
from typing import Any

from services.progression.domain.curriculum.importing import read_import
from services.progression.domain.decisions import ClockTicked, CompetencyDecided, LevelDecided, SupportDecided
from services.progression.domain.plans import Plan
from services.progression.domain.policy import policy_from
from shared.contracts.internal_events import EvidenceRecorded
from shared.events import encode_json
from tests.progression.test_support import GRAPH
from tests.support.asking import DAY, Asked, Asking, next_time, some_calendar, some_tick
from tests.support.journal import Decided, Journal, piece, restore, retract

LEVELS = {"math#/1": ("math:add", "math:sub"), "math#/2": ("math:mul",)}
FOLLOWS = {"math#/1": "math#/2"}
LEVEL_OF = {code: level for level, members in LEVELS.items() for code in members}
ALONE = ("art:line", "art:form")
"""What a teacher signs itself; the others are shown by evidence, and their levels are signed."""
ART, _ = read_import(encode_json({"id": "art", "nodes": "code,title\nline,Line\nform,Form\n"}), "2026-01-01")
SIGN_OFF, PLACEMENT = "sign_off_waits", "ready_and_waiting"
Cause = tuple[str, str]
"""A competency or level, and what is asked of it."""


@dataclasses.dataclass
class Oracle(Asking):
    """Who waits for what, as the contract states it."""

    days: dict[str, int | None]
    """School days after which is asked, by cause."""
    respond_days: int
    valid: dict[str, set[str]] = dataclasses.field(default_factory=dict)
    """The pieces of each competency that count; any of them shows it, or asks for a signature."""
    begun: set[str] = dataclasses.field(default_factory=set)
    planned: set[str] = dataclasses.field(default_factory=set)
    instead: dict[str, str] = dataclasses.field(default_factory=dict)
    """What plans ask in the place of competencies."""
    signed: set[str] = dataclasses.field(default_factory=set)
    ready: set[str] = dataclasses.field(default_factory=set)
    waits: dict[Cause, str] = dataclasses.field(default_factory=dict)
    """Since when is waited."""
    asked: set[Cause] = dataclasses.field(default_factory=set)
    """Of which waits somebody was asked."""

    def is_shown(self, code: str) -> bool:
        return bool(self.valid.get(code))

    def awaits(self, scope: str) -> bool:
        """Tell whether nothing but a signature is missing."""
        has = all(
            self.is_shown(code) or self.is_shown(self.instead.get(code, "")) for code in LEVELS.get(scope, [scope])
        )
        return has and scope not in self.signed

    def wait(self, cause: Cause, at: str) -> None:
        self.waits.setdefault(cause, at)

    def over(self, cause: Cause, at: str, outcome: str = "done") -> list[Asked]:
        self.waits.pop(cause, None)
        self.asked.discard(cause)
        return self.close(cause, at, outcome)

    def look(self, scope: str, at: str, why: str = "done") -> list[Asked]:
        if self.awaits(scope):
            self.wait((scope, SIGN_OFF), at)
            return []
        return self.over((scope, SIGN_OFF), at, why)

    def change(self, piece: EvidenceRecorded, *, counts: bool, at: str, why: str = "done") -> list[Asked]:
        code = piece.competencies[0]
        was = self.is_shown(code)
        of = self.valid.setdefault(code, set())
        (of.add if counts else of.discard)(piece.evidence_id)
        if was == self.is_shown(code):
            return []
        if code in ALONE:
            return self.look(code, at, why)
        self.begun |= {code} if counts else set()
        concerned = [code, *(other for other, instead in self.instead.items() if instead == code)]
        return [each for one in concerned for each in self.affect(one, at, why, begins=counts)]

    def affect(self, code: str, at: str, why: str, *, begins: bool) -> list[Asked]:
        level = LEVEL_OF[code]
        told = self.over((level, PLACEMENT), at, why) if begins else []
        return told + self.look(level, at, why)

    def plan(self, code: str, instead: str | None, at: str) -> list[Asked]:
        """Take in that a plan is made, or with None ended."""
        if instead is None and code not in self.planned:
            return []
        (self.planned.discard if instead is None else self.planned.add)(code)
        if code in ALONE:
            return self.look(code, at)
        self.instead.pop(code, None)
        if instead:
            self.instead[code] = instead
        concerned = [code, *(other for other, asked in self.instead.items() if asked == code)]
        return [each for one in concerned for each in self.affect(one, at, "done", begins=False)]

    def sign(self, scope: str, at: str) -> list[Asked]:
        if not self.awaits(scope):
            return []
        self.signed.add(scope)
        told = self.over((scope, SIGN_OFF), at) + self.over((scope, PLACEMENT), at)
        following = FOLLOWS.get(scope)
        if following and following not in self.ready | self.signed:
            self.ready.add(following)
            if not self.begun.intersection(LEVELS[following]):
                self.wait((following, PLACEMENT), at)
        return told

    def refuse(self, level: str, until: datetime.date, at: str) -> list[Asked]:
        """Take in that a signature is refused: it is waited for again once the day of the review is over."""
        if not self.awaits(level):
            return []
        told = self.over((level, SIGN_OFF), at)
        self.waits[level, SIGN_OFF] = self.midnight_after(until)
        return told

    def tick(self, at: str) -> list[Asked]:
        told: list[Asked] = []
        for cause in set(self.waits) - self.asked:
            days = self.days[cause[1]]
            if days is not None and self.due(self.waits[cause], days) <= at:
                self.asked.add(cause)
                told += self.ask(cause, at, self.respond_days)
        ended = [cause for cause, since in self.open.items() if self.is_over(since, at)]
        return told + [each for cause in ended for each in self.over(cause, at, "year_ended")]

    def adopt(self, days: dict[str, int | None], respond_days: int, at: str) -> None:
        """Take in that other rules ask, of all that waits; what they would have asked in an earlier year has ended with it."""
        self.days, self.respond_days = days, respond_days
        for (scope, name), since in list(self.waits.items()):
            after, is_asked = days[name], (scope, name) in self.asked
            if after is not None and not is_asked and self.is_over(self.due(since, after), at):
                del self.waits[scope, name]

    def dismiss(self, scope: str, cause: str, at: str) -> list[Asked]:
        here = {each: since for each, since in self.open.items() if each[0] == scope and cause in ("", each[1])}
        return self.close(min(here, key=lambda each: here[each]), at, "dismissed") if here else []


def drawn(chance: random.Random) -> tuple[Oracle, Journal]:
    calendar = some_calendar(chance)
    oracle = Oracle(*calendar, *some_days(chance))
    decided = [Decided(framework=GRAPH), Decided(framework=ART), oracle.calendar]
    return oracle, Journal().fold([*decided, *policies(oracle)])


def some_days(chance: random.Random) -> tuple[dict[str, int | None], int]:
    """Return after how many days is asked, by cause, and in how many it is to be answered."""
    respond_days = chance.choice([2, 5])
    return {SIGN_OFF: chance.choice([1, 3, None]), PLACEMENT: chance.choice([1, 4, None])}, respond_days


def policies(oracle: Oracle) -> list[Decided]:
    named = (("sign_off", oracle.days[SIGN_OFF]), ("placement", oracle.days[PLACEMENT]))
    waits = {name: days for name, days in named if days is not None}
    shared: dict[str, Any] = {
        "method": {"type": "streak", "n": 1}, "decision": {"latch": "first_crossing"},
        "support": {"respond_days": oracle.respond_days, "year_ends": oracle.ends, "waits": waits},
    }  # fmt: skip
    levels = policy_from(
        {"id": "levels", **shared, "advancement": {"require": {"power": "mastered"}, "sign_off": {"by": "teacher"}}}
    )
    return [
        Decided(levels, of="math"),
        Decided(policy_from({"id": "alone", **shared, "sign_off": {"by": "teacher"}}), of="art"),
    ]


def step(
    chance: random.Random, n: int, oracle: Oracle, journal: Journal, known: dict[str, EvidenceRecorded]
) -> list[Asked]:
    """Let one thing happen; return what is expected to be told."""
    now = next_time(journal)
    open_ = [code for code in (*LEVEL_OF, *ALONE) if code not in oracle.signed]
    what = ["evidence", "validity", "plan", "sign", "place", "dismiss", "tick", "adopt", "refuse"]
    match chance.choices(what, [6, 2, 2, 4, 1, 3 if oracle.open else 0, 6, 2, 1])[0]:
        case "validity" if mine := [each for each in known.values() if each.competencies[0] in open_]:
            one = chance.choice(mine)
            counts = one.evidence_id not in oracle.valid[one.competencies[0]]
            journal.fold([(restore if counts else retract)(one, by=f"v{n}")], drop_cache=chance.random() < 0.3)
            return oracle.change(one, counts=counts, at=now, why="corrected")
        case "plan":
            code = chance.choice([*open_, *LEVELS["math#/2"]])
            others = [each for each in LEVEL_OF if each != code and code not in ALONE]
            plan = chance.choice([None, Plan("extend", "iep", "2030-01-01", pieces=1),
                                  *(Plan("substitute", "iep", "2030-01-01", each) for each in others)])  # fmt: skip
            journal.fold([CompetencyDecided(
                "ada", code, "plan", "case_manager", "cm-1", "override", plan=plan, undoes="" if plan else "any"
            )])  # fmt: skip
            return oracle.plan(code, plan.instead if plan else None, now)
        case "sign":
            scope = chance.choice([each for each in (*LEVELS, *ALONE) if oracle.awaits(each)] or list(LEVELS))
            journal.fold([
                CompetencyDecided("ada", scope, "sign_off", "teacher", "t-1", "sign_off") if scope in ALONE
                else LevelDecided("ada", scope, "sign_off", "teacher", "t-1")
            ])  # fmt: skip
            return oracle.sign(scope, now)
        case "place":
            level, gaps = chance.choice(list(LEVELS)), chance.choice([(), ("math:sub",)])
            journal.fold([LevelDecided("ada", level, "place", "counselor", "c-1", not_yet=gaps)
                          if chance.random() < 0.7 else LevelDecided("ada", level, "choose", "learner", "ada")])  # fmt: skip
            return oracle.over((level, PLACEMENT), now)
        case "refuse":
            level, until = chance.choice(list(LEVELS)), oracle.day(now) + chance.choice([0, 1, 6]) * DAY
            journal.fold([LevelDecided("ada", level, "withhold", "teacher", "t-1", "not yet", until.isoformat())])
            return oracle.refuse(level, until, now)
        case "dismiss":
            scope, cause = chance.choice(list(oracle.open))
            since = [at for (of, _), at in oracle.open.items() if of == scope]
            # Of two that were suggested at the same instant none is the first.
            cause = chance.choice([cause, *([""] if len(set(since)) == len(since) else [])])
            journal.fold([SupportDecided("ada", scope, "dismissed", "teacher", "t-1", cause=cause)])
            return oracle.dismiss(scope, cause, now)
        case "adopt":
            oracle.adopt(*some_days(chance), now)
            journal.fold(policies(oracle))
            if chance.random() < 0.5:
                journal.sweep()
            return []
        case "tick":
            at = some_tick(chance, journal)
            journal.fold([ClockTicked("ada", at)])
            return oracle.tick(at)
    one = piece(n, competency=chance.choice([*open_, *LEVELS["math#/1"] * 2]), activity=f"a{n}", day=1 + n)
    known[one.evidence_id] = one
    journal.fold([one], drop_cache=chance.random() < 0.3)
    return oracle.change(one, counts=True, at=now)


def asked_of(data: dict[str, Any], needs: dict[str, str]) -> Asked:
    scope = data["scope"]["id"]
    if "need" in data:
        return (scope, data["need"]), "asked", data["respond_by"]
    return (scope, needs[data["replaces"]]), data["outcome"], data["days"]


def test_what_is_asked_of_adults_who_let_wait_is_what_the_contract_says():
    seen: Counter[tuple[str, str]] = Counter()
    together = 0
    for seed in range(400):
        chance = random.Random(seed)
        known: dict[str, EvidenceRecorded] = {}
        oracle, journal = drawn(chance)
        for n in range(chance.randint(8, 30)):
            before = len(journal.told)
            expected = step(chance, n, oracle, journal, known)
            needs = {each.id: each.data["need"] for each in journal.told if "need" in each.data}
            told = [asked_of(each.data, needs) for each in journal.told[before:]
                    if each.type.startswith("attain.support.")]  # fmt: skip

            assert Counter(told) == Counter(expected), (seed, n)
            seen.update((cause, what) for (_, cause), what, _ in told)
            together += len(oracle.waits) > len({scope for scope, _ in oracle.waits})
        assert len({each.id for each in journal.told}) == len(journal.told), seed

    for cause in (SIGN_OFF, PLACEMENT):
        assert all(seen[cause, what] > 2 for what in ("asked", "done", "dismissed", "year_ended")), seen
    assert seen[SIGN_OFF, "corrected"] > 3
    assert together > 10
