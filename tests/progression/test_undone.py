"""
A correction that is undone in the end leaves what was shown as it was: told once as withdrawn and once as reinstated, with its
date; held against dates that are noted before.
"""

import random
from collections import Counter
from typing import Any

from services.progression.domain.policy import policy_from
from shared.contracts import EvidenceRecorded
from tests.progression.test_correction import WOVEN
from tests.support.journal import Decided, Journal, piece, restore, retract

WAYS: tuple[dict[str, Any], ...] = (
    {"method": {"type": "streak", "n": 1}},
    {"method": {"type": "streak", "n": 2}, "upkeep": {"on_contradiction": {"last": 1, "below": 1}, "by_use": True}},
    {"method": {"type": "mean"}, "evidence": {"reassess": "replace_latest"}},
)
POLICIES = tuple(
    policy_from({"id": f"p-{n}", "decision": {"latch": "first_crossing"}} | way) for n, way in enumerate(WAYS)
)


def learner_with_work(chance: random.Random) -> tuple[Journal, list[EvidenceRecorded]]:
    """Return a learner of whose competencies some are shown, and credited by what equals them before or after that."""
    journal, pieces = Journal().fold([Decided(framework=WOVEN), Decided(chance.choice(POLICIES))]), []
    codes = [f"math:{entry.code}" for entry in WOVEN.competencies]
    for n in range(chance.randint(3, 14)):
        named = tuple(chance.sample(codes, chance.choice([1, 1, 2])))
        pieces.append(
            piece(
                n, float(chance.random() < 0.7), day=chance.randint(1, 9), competencies=named, activity=f"quiz-{n % 6}"
            )
        )
        journal.fold([pieces[-1]]).settle()
    return journal, pieces


def dates(journal: Journal) -> dict[str, str | None]:
    """Return when each competency was shown, None where it was not."""
    return {key[2]: journal.state(key[2]).mastered_at for key in journal.states}


def test_what_a_correction_takes_is_told_once_and_reinstated_with_its_date_once_that_is_undone():
    seen: Counter[str] = Counter()
    for seed in range(250):
        chance = random.Random(seed)
        journal, pieces = learner_with_work(chance)
        shown, gone = dates(journal), chance.sample(pieces, chance.randint(1, min(4, len(pieces))))
        before = len(journal.told)
        journal.fold([retract(*gone)]).settle()
        lost = sorted(code for code, at in shown.items() if at is not None and dates(journal)[code] is None)
        journal.fold([restore(*gone)]).settle()
        told = [(event.type.split(".")[-2], event.data["scope"]["id"], event.data) for event in journal.told[before:]]
        back = [(code, data["effective_at"]) for kind, code, data in told if kind == "reinstated" and code in lost]
        credited = {code for kind, code, _ in told if kind == "credited"}

        assert dates(journal) == shown, seed
        assert sorted(back) == [(code, shown[code]) for code in lost], seed
        assert "mastered" not in {kind for kind, code, _ in told if code in lost}, seed
        seen.update(["lost"] * len(lost) + ["credited meanwhile"] * len(credited & {*lost}))

    assert seen["lost"] > 150, seen
    assert seen["credited meanwhile"] > 5, seen
