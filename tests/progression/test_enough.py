"""
Enough evidence, held against every sort of test that may come next: where there is enough none of them changes the status,
neither of a new activity nor of one that there is already, and where there is not, one does.
"""

import itertools
import random
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.progression.domain.known import Known
from services.progression.domain.mastery import piece_of, replay
from services.progression.domain.minimal_change import minimal_change
from services.progression.domain.policy import Policy, policy_from
from services.progression.domain.policy.rule import Rule
from services.progression.domain.probing import later
from services.progression.domain.settled import is_settled
from services.progression.domain.standing import status_of
from services.progression.domain.states import Decided, KeyState, Piece
from shared.contracts.internal_events import Score, Status
from tests.progression.test_method_properties import PARAMETERS
from tests.support.journal import piece
from tests.support.policies import KINDS, policies, random_work

ON_FOUR: dict[str, Any] = {
    "id": "p",
    "scale": {"min": 1, "max": 4, "mastery": 3},
    "decision": {"latch": "first_crossing"},
}
MEAN = ON_FOUR | {"method": {"type": "mean"}}
REPLACING = MEAN | {"evidence": {"reassess": "replace_latest"}}
HOURS = (1 / 3600, 25, 50, 24 * 8)
TOO_LITTLE: tuple[Status, ...] = ("no_evidence", "insufficient_evidence")


def marked(*marks: float, **more: Any) -> list[Piece]:
    """Return pieces of the activities 0, 1, 2 and so on, one a day in March."""
    return [
        piece_of(piece(n, day=1 + n, score=Score(level=mark), activity=str(n), **more)) for n, mark in enumerate(marks)
    ]


@pytest.mark.parametrize(
    ("content", "marks", "enough"),
    [
        (MEAN, (2, 2, 3), True),
        (REPLACING, (2, 2, 3), False),
        (REPLACING, (2, 2, 2), True),
        (REPLACING, (1, *[3] * 20), False),
        (REPLACING, (1, 1, *[3] * 20), True),
    ],
    ids=["2.75 with a 4", "3 with a 4 for a 2", "2.67 with a 4 for a 2", "3.05 with a 4 for the first of many", "2.96"],
)
def test_a_retake_that_replaces_is_one_more_test(content: dict[str, Any], marks: tuple[float, ...], enough: bool):
    assert is_settled(Known(marked(*marks), policy_from(content).rule)) is enough


@pytest.mark.parametrize(
    ("more", "one_more"),
    [
        ({"evidence": {"window": {"last": 3}, "min_items": 8}, "sufficiency": {"min_evidence": 3}}, {"items": 3}),
        ({"sufficiency": {"dok": {"level": 3, "when_tagged": True}}}, {"dok": 1}),
    ],
    ids=["half a piece where a window lets go of a whole one", "the first that is tagged, and not deep"],
)
def test_work_that_has_less_than_a_path_asks_is_one_more_test(more: dict[str, Any], one_more: dict[str, Any]):
    """After it the policy itself finds too little."""
    rule, held = policy_from(MEAN | more).rule, marked(1, 1, 1)
    test = msgspec.structs.replace(marked(1, 1, 1, 1)[-1], **one_more)

    assert Known([*held, test], rule).status == "insufficient_evidence"
    assert not is_settled(Known(held, rule))


@pytest.mark.parametrize(
    ("method", "marks"),
    [
        ({"type": "mode", "window": 9, "ties": "most_recent"}, (3, 3, 2, 2)),
        ({"type": "power_law"}, (4, 4, 4, 4, 4, 4, 4, 4)),
    ],
    ids=["a 3 ends the tie", "next to the lowest is worse than the lowest"],
)
def test_a_value_in_the_middle_can_do_what_no_extreme_does(method: dict[str, Any], marks: tuple[float, ...]):
    content = {
        "id": "p",
        "scale": {"min": 0, "max": 4, "mastery": 3},
        "method": method,
        "decision": {"latch": "current"},
    }

    assert not is_settled(Known(marked(*marks), policy_from(content).rule))


def test_the_smallest_change_is_found_where_only_a_value_in_the_middle_does():
    content = ON_FOUR | {
        "method": {"type": "mode", "window": 9, "ties": "most_recent"},
        "sufficiency": {"min_evidence": 6},
    }
    told = minimal_change(Known(marked(2, 3, 2, 3, 2), policy_from(content).rule))

    assert (told.gives, told.pieces, told.at_least) == ("mastered", 1, 3)


def test_one_more_test_comes_after_what_was_decided():
    """Signed off on the 20th what was shown by the 2nd: one lower piece on the 21st asks for a re-check."""
    rule = policy_from(
        MEAN | {"sign_off": {"by": "teacher"}, "upkeep": {"on_contradiction": {"last": 1, "below": 3}}}
    ).rule
    held, signed = marked(3, 3), Decided("d", "sign_off", "2026-03-20T12:00:00.000000Z", by="teacher")
    known = Known(held, rule, [signed])

    assert known.status == "mastered"
    assert not is_settled(known)


def test_what_a_window_lets_go_of_has_to_come_again():
    """Twelve items are there, and would not be without the first piece."""
    rule = policy_from(
        ON_FOUR | {"method": {"type": "streak", "n": 1}, "evidence": {"window": {"last": 2}},
                   "sufficiency": {"min_items": 12}}
    ).rule  # fmt: skip
    told = minimal_change(Known(marked(1, 1, items=6), rule))

    assert (told.gives, told.pieces) == ("mastered", 1)
    assert [each.code for each in told.fact.parts[0].parts] == ["at_value", "lack.min_items"]


def further(rule: Rule, held: list[Piece], start: str) -> Iterator[Piece]:
    """Yield tests of any kind and value, with much and with little besides, at once and later; retakes, too."""
    values = {1.0, 1 + 1e-6, 4.0, *(value for each in held if (value := rule.place(each.score)) is not None)}
    sorts: tuple[dict[str, Any], ...] = (
        {"dok": 4, "items": 30, "assessor": "t-9", "judged": True}, {}, {"items": 30, "assessor": "t-9"},
        {"dok": 1, "items": 1, "partial": True},
    )  # fmt: skip
    new = piece_of(piece(9, activity="new"))
    for value, hours, kind, sort in itertools.product(values, HOURS, (None, *KINDS), sorts):
        order, score = (later(start, hours), 1, "urn:lms", "new"), Score(level=value)
        yield msgspec.structs.replace(new, order=order, score=score, kind=kind, **sort)
    if rule.reassess != "append":
        lasts = {each.activity: each for each in held if each.activity != each.evidence_id}
        for value, hours, last in itertools.product(values, HOURS[:2], lasts.values()):
            order = (later(start, hours), last.order[1] + 1, last.order[2], "again")
            yield msgspec.structs.replace(
                last, order=order, evidence_id="again", score=Score(level=value), assisted=False
            )


def holds_against_all_tests(policy: Policy, seed: int, count: int) -> None:
    chance, rule = random.Random(seed), policy.rule
    held = [piece_of(each) for each in random_work(seed, count)]
    day = f"2026-03-{chance.randint(1, 20):02}T12:00:00.000000Z"
    decided = Decided("d", chance.choice(["sign_off", "credit", "presume"]), day, by="teacher")
    decisions = [decided] if chance.random() < 0.3 else []
    known = Known(held, rule, decisions)
    if known.status in TOO_LITTLE:
        return
    start = max(held[-1].order[0], rule.since, *(each.at for each in decisions))

    def changes(test: Piece) -> bool:
        return status_of(replay(KeyState(), [*held, test], rule, "", decisions), rule) != known.status

    assert is_settled(known) == (not any(map(changes, further(rule, held, start))))


@settings(max_examples=40)
@given(policy=policies(), seed=st.integers(0, 10_000), count=st.integers(1, 12))
def test_under_any_policy_there_is_enough_exactly_where_no_test_changes_the_status(policy, seed, count):
    holds_against_all_tests(policy, seed, count)


@settings(max_examples=40)
@given(name=st.sampled_from(sorted(set(PARAMETERS) - {"irt_eap"})), latch=st.sampled_from(["current", "first_crossing"]),
       reassess=st.sampled_from(["append", "replace_latest", "replace_best"]), seed=st.integers(0, 10_000),
       count=st.integers(1, 12))  # fmt: skip
def test_by_any_method_there_is_enough_exactly_where_no_test_changes_the_status(name, latch, reassess, seed, count):
    """But by what depends on which item is given: of an activity that a policy does not know nothing is learned."""
    policy = policy_from(
        {"id": name, "scale": {"min": 1, "max": 4, "mastery": 3}, "evidence": {"reassess": reassess},
         "method": {"type": name} | PARAMETERS[name], "decision": {"latch": latch},
         "upkeep": {"on_contradiction": {"last": 1, "below": 3}}}
    )  # fmt: skip

    holds_against_all_tests(policy, seed, count)
