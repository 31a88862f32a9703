"""
The smallest next evidence, held against trying everything: what is named does change the status, and nothing smaller does.

Tried are new work of every kind, with much and with little besides, and retakes of whatever activities there are, alone and
together, at every mark, all on one day or each on another.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.progression.domain.explanation import explain_key
from services.progression.domain.mastery import piece_of, replay
from services.progression.domain.policy import Policy, policy_from, read_policy
from services.progression.domain.policy.facts import said
from services.progression.domain.policy.rule import Rule
from services.progression.domain.policy.templates import NAMES, template
from services.progression.domain.probing import later
from services.progression.domain.standing import status_of
from services.progression.domain.states import KeyState, Piece
from shared.contracts.internal_events import Score, Status
from tests.support.journal import piece
from tests.support.policies import KINDS, policies, random_work

RETAKES_MAX = 2
"""So many pieces of a step may be retakes."""
TRIED_MAX = 2
"""So many pieces are tried of every sort, where as many or more are named."""
CLASSROOM = read_policy(template("classroom"))
WANTED: dict[Status, tuple[Status, ...]] = {
    "provisional": ("mastered",), "reverify_due": ("mastered",), "mastered": ("reverify_due",),
}  # fmt: skip
BETTER: tuple[Status, ...] = ("provisional", "mastered")


def marked(*marks: float, **more: Any) -> list[Piece]:
    """Return pieces of the activities task-0, task-1 and so on, one a day in March."""
    return [
        piece_of(piece(n, day=1 + n, score=Score(level=mark), activity=f"task-{n}", **more))
        for n, mark in enumerate(marks)
    ]


REPLACING = policy_from(
    {"id": "p", "scale": {"min": 1, "max": 4, "step": 1, "mastery": 3}, "evidence": {"reassess": "replace_latest"},
     "method": {"type": "mean_of_last", "k": 3, "at_or_above": 3}, "sufficiency": {"min_evidence": 3}}
)  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "marks", "text"),
    [
        (CLASSROOM, (3, 1, 1), "One more piece at 3 or above, as a retake of task-1 (2026-03-02)"),
        (CLASSROOM, (1, 1, 3), "One more piece at 3 or above"),
        (REPLACING, (3, 3, 1), "One more piece at 3 or above, as a retake of task-2 (2026-03-03)"),
        (REPLACING, (3, 1), "2 more pieces at 3 or above, one of them as a retake of task-1 (2026-03-02)"),
        (REPLACING, (3, 1, 1), "2 more pieces at 3 or above, as retakes of task-1 (2026-03-02), task-2 (2026-03-03)"),
        (REPLACING, (2, 2, 2, 2), "2 more pieces at 4 or above"),
    ],
)  # fmt: skip
def test_a_retake_is_named_where_it_is_the_smallest_step(policy: Policy, marks: tuple[float, ...], text: str):
    change = explain_key(marked(*marks), policy.rule).minimal_change
    again = [n for n in range(len(marks)) if f"task-{n}" in text]

    assert said(change.fact).startswith(f"{text} would make it ")
    assert change.retakes == tuple(f"eada{n}" for n in again)


def test_what_is_to_be_taken_again_is_named_with_its_local_day():
    evening = marked(3, 3, 1, occurred_at="2026-03-02T20:00:00.000000Z")
    change = explain_key(evening, REPLACING.rule, time_zone="Pacific/Auckland").minimal_change

    assert "as a retake of task-2 (2026-03-03)" in said(change.fact)


def taken_again(rule: Rule, held: list[Piece]) -> list[Piece]:
    """Return the last attempts at the four latest activities, the best and the worst, where a retake replaces them."""
    values = {each.evidence_id: each.value for each in explain_key(held, rule).evidence if each.value is not None}
    known = [each for each in held if each.activity != each.evidence_id and each.evidence_id in values]
    lasts = sorted({each.activity: each for each in known}.values(), key=lambda each: each.order)
    ranked = sorted(lasts, key=lambda each: values[each.evidence_id])
    chosen = {each.evidence_id: each for each in (*lasts[-4:], *ranked[:1], *ranked[-1:])}
    return list(chosen.values()) if rule.reassess != "append" else []


def work(
    rule: Rule, held: list[Piece], value: float, count: int, *, apart: bool, of_every_sort: bool
) -> Iterator[list[Piece]]:
    """Yield so many further pieces: some of the activities there are taken again, the rest new, plain or of every sort."""
    start = max(held[-1].order[0] if held else "2026-01-01", rule.since)
    start = start if "T" in start else f"{start}T12:00:00.000000Z"
    instants = [later(start, 24 * n if apart else n / 3600) for n in range(1, count + 1)]
    score = Score(level=value) if rule.criteria.scale is not None else Score(raw=value, max=1.0)
    new: list[dict[str, Any]] = [{"kind": kind} for kind in (None, *KINDS)] if of_every_sort else [{}]
    new += [{"dok": 4, "items": 30, "judged": True} | sort for sort in new] if of_every_sort else []
    lasts = taken_again(rule, held)
    for number, sort in itertools.product(range(min(count, RETAKES_MAX) + 1), new):
        for again in itertools.combinations(lasts, number):
            retakes = [
                msgspec.structs.replace(
                    last, order=(at, last.order[1] + 1, last.order[2], id), evidence_id=id, score=score, assisted=False
                )
                for last, at in zip(again, instants, strict=False)
                for id in (f"again-{last.evidence_id}",)
            ]
            yield retakes + [
                Piece((at, 1, "urn:lms", id), id, id, score, assisted=False, **sort,
                      assessor=id if "dok" in sort else None)
                for at in instants[number:]
                for id in (f"new-{at}",)
            ]  # fmt: skip


def holds_against_all_work(policy: Policy, seed: int, count: int) -> str:
    """Hold what is named against everything that is smaller; return of what it is."""
    rule, held = policy.rule, [piece_of(each) for each in random_work(seed, count)]
    explained = explain_key(held, rule)
    told, status = explained.minimal_change, explained.status
    if told.sign_off is not None:
        return "sign-off"
    wanted, worse = WANTED.get(status, BETTER), status == "mastered"
    scale = policy.scale
    low, cut, high, step = (
        (scale.min, scale.mastery, scale.max, scale.step) if scale is not None else (0.0, 1.0, 1.0, None)
    )
    marks = sorted(
        {low, cut, high}
        | ({low + n * step for n in range(round((high - low) / step) + 1)} if step and step >= 1 else set())
    )
    values = [*(mark - 1e-6 for mark in marks[:0:-1]), low] if worse else marks
    named = next((value for value in (told.at_least, told.at_most, told.below) if value is not None), 0.0)
    at = named - 1e-6 if told.below is not None else named
    # Any piece is of an item, so as many items as pieces are no demand.
    plain = all(
        not part.code.startswith(("lack", "of_kind"))
        or (part.code == "lack.min_items" and float(dict(part.values)["n"]) <= told.pieces)
        for fact in told.fact.parts
        for part in fact.parts
    )

    def gives(value: float, pieces: int, *, apart: bool, of_every_sort: bool) -> bool:
        return any(
            status_of(replay(KeyState(), [*held, *more], rule, ""), rule) in wanted
            for more in work(rule, held, value, pieces, apart=apart, of_every_sort=of_every_sort)
        )

    for fewer in range(1, min(told.pieces or TRIED_MAX + 1, TRIED_MAX + 1)):
        for apart in (False, True):
            assert not gives(values[-1], fewer, apart=apart, of_every_sort=True), (told, fewer, apart)
    if 0 < told.pieces <= TRIED_MAX:
        for apart in (False, True)[: 1 + told.other_day]:
            same = plain and apart == told.other_day
            for value in values[: values.index(at)] if same else values:
                assert not gives(value, told.pieces, apart=apart, of_every_sort=False), (told, value, apart)
    return "retake" if told.retakes else "new" if told.pieces else "none"


@settings(max_examples=20)
@given(policy=policies(), seed=st.integers(0, 10_000), count=st.integers(0, 9))
def test_under_any_policy_nothing_smaller_than_what_is_named_does(policy: Policy, seed: int, count: int):
    holds_against_all_work(policy, seed, count)


@pytest.mark.parametrize("name", NAMES)
def test_under_a_template_nothing_smaller_than_what_is_named_does(name: str):
    found = {holds_against_all_work(read_policy(template(name)), seed, seed % 8) for seed in range(20)}

    assert ("retake" in found) == (name in ("classroom", "credit", "canvas-compat")), found


@pytest.mark.long
def test_of_many_policies_and_templates_nothing_smaller_than_what_is_named_does():
    @settings(max_examples=2000)
    @given(policy=policies(), seed=st.integers(0, 10_000), count=st.integers(0, 12))
    def under_any(policy: Policy, seed: int, count: int) -> None:
        holds_against_all_work(policy, seed, count)

    under_any()
    for name, seed in itertools.product(NAMES, range(500)):
        holds_against_all_work(read_policy(template(name)), seed, seed % 10)
