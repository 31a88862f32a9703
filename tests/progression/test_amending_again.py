"""Amendments of closed terms after random histories, held against a second telling of what was on the record by each end."""

import itertools
import random
from typing import Any

import pytest

from services.progression.domain.decisions import CompetencyDecided
from services.progression.domain.policy import policy_from
from services.progression.domain.terms import TermDecided
from shared.contracts.internal_events import EvidenceRecorded
from shared.contracts.public_events import SNAPSHOT_AMENDED
from tests.support.journal import Decided, Journal, piece, restore, retract

TWICE = policy_from({"id": "twice", "method": {"type": "streak", "n": 2}, "decision": {"latch": "first_crossing"},
                     "override": {"roles": ["teacher"], "may_lower": True}})  # fmt: skip
CODES = ("math:add", "math:sub")
STEPS = 25


def at(second: int) -> str:
    return f"2026-04-01T00:00:{second:02}.000000Z"


class History:
    """What happens to one learner, and what follows from it by the plainest rule."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.journal = Journal().fold([Decided(TWICE)])
        self.valid: dict[int, EvidenceRecorded] = {}
        self.gone: dict[int, EvidenceRecorded] = {}
        self.decided: dict[str, dict[str, tuple[str, str, str]]] = {code: {} for code in CODES}
        """By competency and kind the decision in force: its id, when it was taken, and the status set."""
        self.terms: list[str] = []

    @property
    def now(self) -> int:
        return len(self.journal.records) + 1

    def step(self) -> None:
        what = self.chance.choice(
            (self.work, self.work, self.work, self.take_back, self.give_back, self.decide, self.lift)
        )
        what()

    def work(self) -> None:
        """Work of any time so far, so most of it comes late; it may speak to both."""
        codes = tuple(self.chance.sample(CODES, self.chance.randint(1, 2)))
        number = self.now
        when = at(self.chance.randint(0, number))
        made = piece(number, self.chance.choice((1.0, 1.0, 0.0)), competencies=codes, occurred_at=when)
        self.valid[number] = made
        self.journal.fold([made])

    def take_back(self) -> None:
        self._move(self.valid, self.gone, retract)

    def give_back(self) -> None:
        self._move(self.gone, self.valid, restore)

    def _move(self, source: dict[int, EvidenceRecorded], target: dict[int, EvidenceRecorded], by: Any) -> None:
        numbers = self.chance.sample(sorted(source), min(len(source), self.chance.randint(1, 2)))
        if numbers:
            id = f"m{self.now}"
            pieces = [source[number] for number in numbers]
            target |= {number: source.pop(number) for number in numbers}
            self.journal.fold([by(*pieces, by=id)])

    def decide(self) -> None:
        code, kind = self.chance.choice(CODES), self.chance.choice(("override", "credit"))
        status = self.chance.choice(("mastered", "not_yet")) if kind == "override" else ""
        _, since, former = self.decided[code].get(kind, ("", "", ""))
        renewed = since if since and former == status else at(self.now)
        self.decided[code][kind] = (f"input-{self.now}", renewed, status)
        basis = "override" if kind == "override" else "transfer"
        more: dict[str, Any] = {"status": status} if status else {}
        self.journal.fold([CompetencyDecided("ada", code, kind, "teacher", "t-1", basis, "seen", **more)])  # type: ignore[arg-type]

    def lift(self) -> None:
        code = self.chance.choice(CODES)
        if self.decided[code]:
            id, *_ = self.decided[code].pop(self.chance.choice(sorted(self.decided[code])))
            self.journal.fold(
                [CompetencyDecided("ada", code, "lift", "teacher", "t-1", "override", "undone", undoes=id)]
            )

    def close(self) -> None:
        term = f"term-{len(self.terms)}"
        self.terms.append(at(self.now))
        self.journal.fold([Decided(closes=TermDecided(term, at(self.now), "office"))])

    def since(self, code: str) -> str | None:
        """Return since when a competency is on the record, by all that is known: two in a row, set by hand, or credited."""
        own = sorted((p.occurred_at, p.id, p.score.raw) for p in self.valid.values() if code in p.competencies)
        twice = [later[0] for one, later in itertools.pairwise(own) if one[2] and later[2]]
        shown = twice[0] if twice else None
        _, set_at, status = self.decided[code].get("override", ("", "", ""))
        if status == "not_yet":
            return None
        _, credited_at, _ = self.decided[code].get("credit", ("", "", ""))
        return min((each for each in (shown, set_at, credited_at) if each), default=None)

    def stands(self) -> dict[tuple[str, str], bool]:
        """Return of each closed term and competency whether it was on the record by the end."""
        return {
            (f"term-{number}", code): (since := self.since(code)) is not None and since <= end
            for number, end in enumerate(self.terms)
            for code in CODES
        }


@pytest.mark.parametrize("seed", range(20))
def test_a_term_is_amended_once_by_each_input_that_changes_what_was_on_the_record_by_its_end(seed: int) -> None:
    history = History(seed)
    for number in range(STEPS):
        if number in (8, 16):
            history.close()
        before, told = history.stands(), len(history.journal.told)
        history.step()
        after = history.stands()
        amended = [event.data for event in history.journal.told[told:] if event.type == SNAPSHOT_AMENDED]
        ends = {f"term-{index}": end for index, end in enumerate(history.terms)}

        assert {
            (data["session"], data["scope"]["id"]): data["effective_at"] <= ends[data["session"]]
            and data["after"] != "not_yet"
            for data in amended
        } == {key: stands for key, stands in after.items() if stands != before[key]}, (seed, number)
        assert len(amended) == sum(stands != before[key] for key, stands in after.items())
        assert all(data["reason"]["text"] and data["cause"]["id"] for data in amended)
