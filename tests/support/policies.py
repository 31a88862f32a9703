"""Random policies of the whole language, and random evidence that their rules tell apart."""

import random
from typing import Any

from hypothesis import strategies as st

from services.progression.domain.policy import Policy, policy_from
from shared.contracts.internal_events import EvidenceRecorded, Score
from tests.support.journal import piece

KINDS = ("summative", "formative", "performance", "observation", "practice", "self")

methods = st.one_of(
    st.builds(lambda n: {"type": "streak", "n": n}, st.integers(1, 4)),
    st.builds(
        lambda n, more: {"type": "n_of_last", "n": n, "window": n + more, "at_or_above": 3},
        st.integers(1, 3),
        st.integers(0, 2),
    ),
    st.builds(lambda k: {"type": "mean_of_last", "k": k, "at_or_above": 3}, st.integers(1, 4)),
    st.just({"type": "latest_at_or_above", "cut": 3, "and": {"type": "n_of_last", "n": 2, "window": 3, "at_or_above": 3}}),
    st.just({"type": "sda", "weight": 0.65}),
    st.just({"type": "mean"}),
    st.just({"type": "bkt", "p_l0": 0.3, "p_t": 0.1, "p_g": 0.2, "p_s": 0.1}),
)  # fmt: skip


@st.composite
def sufficiencies(draw: st.DrawFn, shared: dict[str, Any]) -> dict[str, Any]:
    need = {
        "min_evidence": draw(st.integers(1, 4)),
        "min_activities": draw(st.integers(1, 3)),
        "min_occasions": draw(st.integers(1, 3)),
        "min_assessors": draw(st.sampled_from([0, 0, 2])),
        "min_items": draw(st.sampled_from([0, 0, 12])),
        "kinds_all": draw(st.sampled_from([[], [], ["summative"]])),
        "dok": draw(
            st.sampled_from([[], "when_tagged", {"level": 3}, [{"level": 2, "when_tagged": True}, {"level": 3}]])
        ),
    }
    return need | shared


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Draw a policy; about half have two tiers, and as many may count one activity twice."""
    shared = draw(st.sampled_from([{}, {}, {"occasion_gap_h": 30}, {"max_age_days": 6}]))
    content: dict[str, Any] = {
        "id": "drawn",
        "scale": {"min": 1, "max": 4, "mastery": 3},
        "evidence": {
            "kinds": draw(st.sampled_from([{}, {"practice": 0, "self": 0}, {"performance": 2, "observation": 0.5}])),
            "collapse": draw(st.sampled_from(["none", "activity_occasion", "canvas_compat"])),
            "reassess": draw(st.sampled_from(["append", "replace_latest", "replace_best"])),
            "assisted": draw(st.sampled_from(["exclude", "half", "incorrect"])),
        },
        "decision": {"latch": draw(st.sampled_from(["current", "first_crossing", "confirm"]))},
        "upkeep": draw(st.sampled_from([{}, {"on_contradiction": {"last": 2, "below": 3}, "reverify_after_days": 30}])),
    }
    evidence = content["evidence"]
    if draw(st.booleans()):
        evidence["min_items"] = 8
    if draw(st.sampled_from([False, False, True])):
        evidence["window"] = draw(st.sampled_from([{"last": 3}, {"since": "2026-03-04"}]))
    if draw(st.booleans()):
        return policy_from(content | {"method": draw(methods), "sufficiency": draw(sufficiencies(shared))})
    paths: list[dict[str, Any]] = draw(
        st.lists(
            st.fixed_dictionaries({"method": methods, "sufficiency": sufficiencies(shared)}), min_size=1, max_size=2
        )
    )
    if draw(st.booleans()):
        paths.append({"sign_off": {"by": "teacher", "of": "provisional"}})
    provisional = {"method": draw(methods), "sufficiency": draw(sufficiencies(shared))}
    return policy_from(content | {"provisional": provisional, "mastered": {"any_of": paths}})


def random_work(seed: int, count: int) -> list[EvidenceRecorded]:
    """Build pieces of few activities, several attempts, kinds and days, in the order of occurrence."""
    chance = random.Random(seed)
    pieces = [
        piece(
            n,
            day=chance.randint(1, 12),
            score=Score(raw=chance.choice([0.0, 1.0, 2.0, 3.0]), max=3.0),
            activity=chance.choice(["a", "b", "c", "d", "e", None]),
            attempt=chance.choice([1, 1, 2]),
            kind=chance.choice(KINDS[:4] if chance.random() < 0.8 else KINDS),
            items=chance.choice([None, None, 5, 10]),
            dok=chance.choice([None, None, 2, 3]),
            assessor=chance.choice([None, "t-1", "t-2"]),
            assisted=chance.random() < 0.1,
        )
        for n in range(count)
    ]
    return sorted(pieces, key=lambda each: (each.occurred_at, each.attempt))
