"""
What terms ended with, after random histories of several learners, told a second time: everything is copied at each closing. Held
against the records, classes and CSV of each term, and again once the read models were rebuilt.
"""

import csv
import io
import random
from typing import Any

from shared.contracts.internal_events import IDENTITY_ERASED, Status
from tests.reporting.builders import (
    Event,
    class_of,
    closings,
    competency,
    framework,
    happened,
    mastery,
    snapshot_amended,
    snapshot_closed,
)
from tests.reporting.running import Running
from tests.reporting.test_rebuild import rebuilt

LEARNERS = ("ada", "bo", "cy", "dee")
CODES = ("m:a", "m:b", "m:c")
LEVELS = ("m#Mathematics/1", "m#Mathematics/2")
STATUSES: tuple[Status, ...] = ("mastered", "not_yet", "reverify_due", "credited", "provisional")
STEPS = 250


class Record:
    """What a learner has: of each competency the status and score, of each level what was told, by kind, with its date."""

    def __init__(self) -> None:
        self.items: dict[str, tuple[str, float]] = {}
        self.levels: dict[str, dict[str, str]] = {level: {} for level in LEVELS}

    def stands(self) -> dict[str, tuple[str, str]]:
        """Return where each level stands, with the date of what told it."""
        ranks = ("advanced", "withdrawn", "sign_off_requested", "ready")
        found = {
            level: next(((kind, told[kind]) for kind in ranks if kind in told), None)
            for level, told in self.levels.items()
        }
        return {level: stands for level, stands in found.items() if stands is not None}


class District:
    """Tells of learners at random, and keeps what each term ended with."""

    def __init__(self, reporting: Running, seed: int) -> None:
        self.chance = random.Random(seed)
        self.shards = reporting.config.shards
        self.records = {learner: Record() for learner in LEARNERS}
        self.terms: dict[str, dict[str, tuple[dict[str, Any], dict[str, Any]]]] = {}
        self.amended: dict[tuple[str, str], list[tuple[str, str]]] = {}
        self.erased: set[str] = set()
        self.count = 0

    def step(self) -> list[tuple[str, Event]]:
        """Return what is told next, and in which log."""
        self.count += 1
        learner = self.chance.choice([each for each in LEARNERS if each not in self.erased])
        match self.chance.randint(0, 99):
            case 0 if len(self.erased) < 2 and self.terms:
                return self._erase(learner)
            case 1 | 2 | 3 if len(self.terms) < 6:
                return self._close()
            case no if no < 15 and self.terms:
                return self._amend(learner)
            case no if no < 45:
                return self._level(learner)
        code, status = self.chance.choice(CODES), self.chance.choice(STATUSES)
        self.records[learner].items[code] = (status, self.count / 1000)
        return [("progression", mastery(learner, code, status, score=self.count / 1000, seq=self.count * 64))]

    def _close(self) -> list[tuple[str, Event]]:
        term = f"term {len(self.terms)}"
        self.terms[term] = {name: (dict(r.items), r.stands()) for name, r in self.records.items()}
        told = [name for name, (items, levels) in self.terms[term].items() if items or levels]
        over = closings(LEARNERS, term, self.shards, self._at())
        return [
            *(("progression", each) for each in over), *(("advancement", snapshot_closed(name, term)) for name in told)
        ]  # fmt: skip

    def _amend(self, learner: str) -> list[tuple[str, Event]]:
        term, scope = self.chance.choice(sorted(self.terms)), self.chance.choice((*CODES, *LEVELS))
        self.amended.setdefault((term, learner), []).append((scope, self._at()))
        return [("advancement", snapshot_amended(learner, term, scope, decided_at=self._at()))]

    def _level(self, learner: str) -> list[tuple[str, Event]]:
        """Tell something of a level that may be told of it where it stands."""
        level = self.chance.choice(LEVELS)
        told, at = self.records[learner].levels[level], self._at()
        kinds = (
            ["withdrawn"] if "advanced" in told else ["reinstated", "advanced"] if "withdrawn" in told else ["advanced"]
        )
        kinds += ["sign_off_requested"] * 2 if not {"advanced", "withdrawn"} & told.keys() else []
        kinds += ["sign_off_lapsed", "taken"] if "sign_off_requested" in told else []
        kinds += ["ready"] if not told else []
        kind = self.chance.choice(kinds)
        if kind in ("advanced", "withdrawn", "reinstated"):
            told.pop("advanced", None)
            told.pop("withdrawn", None)
        if kind in ("sign_off_lapsed", "taken"):
            del told["sign_off_requested"]
        else:
            told[kind.replace("reinstated", "advanced")] = at
        if kind == "taken":
            lost = happened(learner, "competency.withdrawn", "m:a", levels_affected=[level], effective_at=at)
            return [("advancement", lost)]
        return [("advancement", happened(learner, f"level.{kind}", level, effective_at=at, seq=self.count * 64))]

    def _erase(self, learner: str) -> list[tuple[str, Event]]:
        self.erased.add(learner)
        self.records[learner] = Record()
        for term in self.terms.values():
            term[learner] = ({}, {})
        self.amended = {key: told for key, told in self.amended.items() if key[1] != learner}
        return [
            ("progression", (IDENTITY_ERASED, learner, {"learner": learner, "certificate": "c"})),
            ("advancement", ("attain.learner.erased.v1", learner, {"learner": {"id": learner}})),
        ]

    def _at(self) -> str:
        return f"2026-03-01T{self.count // 3600:02}:{self.count // 60 % 60:02}:{self.count % 60:02}.000000Z"


async def is_held_against(district: District, reporting: Running) -> None:
    """Hold what reporting says of every term against what was copied."""
    for term, ended in district.terms.items():
        grid = (await reporting.get(f"/v1/terms/{term}/classes/k")).json()
        for learner, (items, levels) in ended.items():
            path = f"/v1/terms/{term}/learners/{learner}"
            found = (await reporting.get(path)).json()
            table = list(csv.DictReader(io.StringIO((await reporting.get(f"{path}?format=csv")).text)))
            amended = district.amended.get((term, learner), [])
            then = {
                **{code: status for code, (status, _) in items.items()}, **{level: at[0] for level, at in levels.items()}
            }  # fmt: skip

            assert {each["competency"]: (each["status"], each["score"]) for each in found["items"]} == items
            assert {each["level"]: (each["status"], each["effective_at"]) for each in found["levels"]} == levels
            assert [(each["scope"], each["decided_at"]) for each in found["amendments"]] == amended
            assert (found["digest"] is None) == (not then)
            assert {row["scope"]: row["status"] for row in table} == dict.fromkeys(dict(amended), "") | then
            assert {row["scope"]: row["amended_at"] for row in table if row["amended_at"]} == dict(amended)
            assert {each["level"]: each["status"] for each in grid["levels"].get(learner, [])} == {
                level: at[0] for level, at in levels.items()
            }
        scopes = [(each["learner"], each["scope"], each["decided_at"]) for each in grid["amendments"]]
        assert sorted(scopes) == sorted(
            (learner, *each) for (of, learner), told in district.amended.items() if of == term for each in told
        )


async def test_every_term_says_what_everybody_had_when_it_was_closed(reporting: Running) -> None:
    codes = [competency(code[-1], no, str(no)) for no, code in enumerate(CODES, start=1)]
    await reporting.told("curriculum", *framework("m", codes, []))
    await reporting.told("roster", *class_of(*LEARNERS))
    district = District(reporting, 7)
    told = [each for _ in range(STEPS) for each in district.step()]
    for log in ("progression", "advancement"):
        events = [event for of, event in told if of == log]
        while events:
            some = district.chance.choice((3, 30, 100))
            await reporting.told(log, *events[:some])
            events = events[some:]
    await is_held_against(district, reporting)
    for model in ("mastery", "advancement"):
        assert (await rebuilt(reporting, model))["state"] == "live"
    await is_held_against(district, reporting)

    assert len(district.terms) > 4
    assert district.erased
