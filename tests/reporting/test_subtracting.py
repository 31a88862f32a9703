"""All that is told of a district beside each other gives nobody away: random districts, asked as their leaders ask."""

import random
from typing import Any

import pytest

from shared.contracts.internal_events import Status
from tests.reporting.builders import class_, competency, enrolment, framework, mastery, school
from tests.reporting.running import Running
from tests.reporting.subtracting import ALL, TWICE, Subtracting, Unknown

SMALL = 10
STATUSES: tuple[Status, ...] = ("not_yet", "provisional", "mastered", "credited", "reverify_due")
VIEWS = ("mastery", "levels", "completeness", "watch", "growth", "equity")


class District:
    """A random district of a tenant: who is in which schools and groups, and where everybody stands."""

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        self.tenant = f"d{seed}"
        # Of a single competency all tables are about the same.
        self.levels = {"1": ["m:a"]} if seed % 2 else {"1": ["m:a"], "2": ["m:b", "m:c"]}
        self.codes = [code for codes in self.levels.values() for code in codes]
        self.schools = [f"s{n}" for n in range(chance.randint(2, 4))]
        sizes = [chance.choice((4, 12, 25, 40, 40)) for _ in self.schools]
        self.places = {
            f"{place}-{n}": {place} for place, size in zip(self.schools, sizes, strict=True) for n in range(size)
        }
        for learner in chance.sample(sorted(self.places), chance.choice((0, 0, 1, 3, 12))):
            self.places[learner].add(chance.choice(self.schools))
        weights = {place: [chance.choice((0, 1, 1, 30, 60)) for _ in (*STATUSES, "no")] for place in self.schools}
        self.states: dict[tuple[str, str], Status] = {}
        shares = chance.choice(((60, 40, 0, 0), (50, 30, 20, 0), (60, 35, 4, 1)))
        self.groups = {x: chance.choices(("big", "mid", "few", ""), shares)[0] for x in self.places}
        for learner, places in self.places.items():
            for code in self.codes:
                weight = weights[min(places)]
                drawn = chance.choices((*STATUSES, None), weight if any(weight) else None)[0]
                if drawn is not None:
                    self.states[learner, code] = drawn

    async def tell(self, reporting: Running) -> None:
        """Tell the service."""
        codes = [competency(code[2:], n, level) for level, codes in self.levels.items() for n, code in enumerate(codes)]
        await reporting.told("curriculum", *framework("m", codes, []), tenant=self.tenant)
        await reporting.told(
            "roster", *(school(place, "d") for place in self.schools), *(class_(place, place) for place in self.schools),
            *(enrolment(place, learner) for learner, places in self.places.items() for place in sorted(places)),
            tenant=self.tenant,
        )  # fmt: skip
        states = [mastery(*key, status) for key, status in self.states.items()]
        await reporting.told("progression", *states, tenant=self.tenant)
        reporting.producer.groups += [
            {"tenant": self.tenant, "learner": learner, "group": "g", "value": group}
            for learner, group in sorted(self.groups.items()) if group
        ]  # fmt: skip

    def few(self) -> dict[Unknown, int]:
        """Return what nobody may work out: the numbers of people that are small."""
        numbers: dict[Unknown, set[tuple[str, ...]]] = {}

        def note(learner: str, *unknown: str) -> None:
            for place in self.places[learner]:
                numbers.setdefault((*unknown, place), set()).add((learner,))
            numbers.setdefault((*unknown, ALL), set()).add((learner,))
            if len(self.places[learner]) > 1:
                numbers.setdefault((*unknown, TWICE), set()).add((learner,))

        for learner in self.places:
            note(learner, "learners")
            for code in self.codes:
                note(learner, code, self.states.get((learner, code), "no_evidence"))
            for level, members in self.levels.items():
                found = [self.states.get((learner, code)) for code in members]
                shown = [each in ("mastered", "credited", "reverify_due") for each in found]
                how_far = "complete" if all(shown) else "begun" if any(found) else "none"
                note(learner, level, how_far)
            numbers.setdefault(("group", self.groups[learner]), set()).add((learner,))
        people = {unknown: len(of) for unknown, of in numbers.items()}
        for (learner, code), status in self.states.items():
            numbers.setdefault(("group", self.groups[learner], status), set()).add((learner, code))
        pairs = {
            unknown: len({learner for learner, *_ in of}) for unknown, of in numbers.items() if unknown not in people
        }
        return {unknown: count for unknown, count in (people | pairs).items() if 0 < count < SMALL}


async def asked(reporting: Running, tenant: str) -> dict[str, Any]:
    """Return all that is told of a district."""
    found = {}
    for view in VIEWS:
        answer = await reporting.get(f"/v1/districts/d/{view}", "records:read", tenant=tenant, roles=["leader"])
        assert answer.status_code == 200, answer.text
        found[view] = answer.json()
    return found


# Of those behind the first dozen, groups beside each other and beside the district gave a status of one of them away.
@pytest.mark.parametrize("seed", [*range(12), 26, 30, 34, 46, 48])
async def test_what_is_told_of_a_district_gives_no_small_number_away(reporting: Running, seed: int) -> None:
    district = District(seed)
    await district.tell(reporting)
    told = await asked(reporting, district.tenant)
    known = Subtracting()
    known.mastery(told["mastery"])
    known.levels(told["levels"], district.levels)
    known.by_school(told["completeness"]["schools"])
    known.by_school(told["watch"]["schools"])
    known.by_school(told["growth"]["schools"])
    known.groups(told["equity"])

    assert not known.worked_out(district.few())
