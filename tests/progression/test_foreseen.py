"""
What a comparison of policies says, held against a system that had the new policy from the beginning, and what it foresees
against what an adoption then tells.

Evidence comes, is taken back, restored and handed over by another learner; people sign off, set by hand, hold for a while,
credit, place, plan and lift that; one competency equals another; other policies came into force before, in each of the three
ways.
"""

from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from services.progression.domain.analysis.comparison import Comparison, verdict_of
from services.progression.domain.analysis.level_comparison import LevelComparison, LevelRules
from services.progression.domain.curriculum import Framework
from services.progression.domain.decisions import ClockTicked, CompetencyDecided
from services.progression.domain.plans import Plan
from services.progression.domain.policy import Policy, policy_from
from services.progression.domain.rules import Mode, Rules
from services.progression.handlers.adopting import compare_page, expected_of, verdicts_of
from services.progression.handlers.schools import Places
from shared.contracts.internal_events import Association, Competency, EvidenceRecorded
from tests.support.journal import TENANT, Decided, Journal, hand_over, piece, restore, retract

MATH = Framework(
    "math", "Mathematics", tuple(Competency(code, code, n, level="1") for n, code in enumerate("abc")),
    (Association("a", "c", "exactMatchOf"), Association("a", "b", "prerequisite")),
)  # fmt: skip
ELA = Framework("ela", "Reading", tuple(Competency(code, code, n) for n, code in enumerate("xy")), ())
CODES = ("math:a", "math:b", "math:c", "ela:x", "ela:y")
LEARNERS = ("ada", "bob")
MODES: tuple[Mode, ...] = ("grandfathered", "forward_only", "retroactive")
NOW = "2026-06-01T00:00:00.000000Z"
SHOWN = ("mastered", "reinstated", "credited", "withdrawn")


def mean(bar: float, **more: Any) -> Policy:
    return policy_from(
        {
            "id": f"mean-{bar}",
            "method": {"type": "mean"},
            "decision": {"at_least": bar, "latch": "first_crossing"},
            **more,
        }
    )


def tiers(bar: float) -> Policy:
    two = {"method": {"type": "n_of_last", "n": 2, "window": 3, "at_or_above": bar},
           "sufficiency": {"min_evidence": 2, "min_occasions": 2, "occasion": "school_day"}}  # fmt: skip
    return policy_from(
        {"id": f"tiers-{bar}", "provisional": {"method": {"type": "latest_at_or_above", "cut": bar}},
         "mastered": {"any_of": [{"sign_off": {"by": "teacher", "of": "provisional"}}, two]}}
    )  # fmt: skip


POLICIES = (
    mean(0.6), mean(0.75), mean(0.9), tiers(0.7), tiers(0.9),
    mean(0.75, upkeep={"on_contradiction": {"last": 2, "below": 0.75}, "by_use": True}),
    policy_from(
        {"id": "current", "method": {"type": "mean_of_last", "k": 2, "at_or_above": 0.8},
         "evidence": {"collapse": "activity_occasion", "reassess": "replace_latest"},
         "decision": {"latch": "current"}, "sufficiency": {"min_evidence": 2}}),
    mean(0.75, sufficiency={"min_evidence": 2, "max_age_days": 2}),
)  # fmt: skip
PLANS = (
    None, Plan("exempt", "iep", "2026-09-29"), Plan("substitute", "iep", "2026-09-29", instead="math:b"),
    Plan("extend", "iep", "2026-09-29", pieces=1, days=20),
)  # fmt: skip
"""None ends the one there is."""
who = st.tuples(st.sampled_from(LEARNERS), st.sampled_from(CODES))
step = st.one_of(
    st.tuples(st.just("piece"), who, st.sampled_from([0.3, 0.65, 0.8, 1.0]), st.sampled_from(["03", "05"]), st.integers(1, 9)),
    st.tuples(st.just("piece"), who, st.sampled_from([0.3, 0.65, 0.8, 1.0]), st.sampled_from(["03", "05"]), st.integers(1, 9)),
    st.tuples(st.just("retract"), st.integers(0, 99)),
    st.tuples(st.just("restore"), st.integers(0, 99)),
    st.tuples(st.just("person"), who, st.sampled_from(["sign_off", "mastered", "not_yet", "credit", "presume", "check"])),
    st.tuples(st.just("lift"), st.integers(0, 99)),
    st.tuples(st.just("hold"), who, st.integers(2, 9)),
    st.tuples(st.just("plan"), who, st.sampled_from(PLANS)),
    st.tuples(st.just("merge"), st.permutations(LEARNERS), st.booleans()),
    st.tuples(st.just("adopt"), st.sampled_from(POLICIES), st.sampled_from(["", "math", "ela"]), st.sampled_from(MODES)),
)  # fmt: skip
histories = st.lists(step, min_size=3, max_size=25)
new_ones = st.tuples(st.sampled_from(POLICIES), st.sampled_from(["", "math", "ela"]))


def by_a_person(learner: str, competency: str, kind: str) -> CompetencyDecided:
    status: Any = kind if kind in ("mastered", "not_yet") else None
    basis: dict[str, Any] = {"sign_off": "sign_off", "credit": "transfer", "presume": "placement", "check": "evidence"}
    own: Any = "override" if status else kind
    return CompetencyDecided(learner, competency, own, "teacher", "t-1", basis.get(kind, "override"), "why",
                             status=status)  # fmt: skip


def folded(steps: list[tuple[Any, ...]], first: list[Decided], *, adopts: bool) -> Journal:
    """Fold a history behind the frameworks and `first`; without `adopts` its policies hold their positions only."""
    journal = Journal().fold([Decided(framework=MATH), Decided(framework=ELA), *first])
    valid: dict[str, EvidenceRecorded] = {}
    gone: dict[str, EvidenceRecorded] = {}
    decided: list[tuple[str, CompetencyDecided]] = []
    for n, each in enumerate(steps):
        match each:
            case ("piece", (learner, competency), mark, month, day):
                at = f"2026-{month}-{day:02}T10:00:{n:02}.000000Z"
                one = piece(n, mark, learner=learner, competency=competency, occurred_at=at, activity=f"task-{n % 3}")
                valid[one.evidence_id] = one
                journal.fold([one])
            case ("retract", which) if valid:
                one = valid.pop(sorted(valid)[which % len(valid)])
                gone[one.evidence_id] = one
                journal.fold([retract(one, by=f"r{n}")])
            case ("restore", which) if gone:
                one = gone.pop(sorted(gone)[which % len(gone)])
                valid[one.evidence_id] = one
                journal.fold([restore(one, by=f"r{n}")])
            case ("person", (learner, competency), kind):
                decision = by_a_person(learner, competency, kind)
                journal.fold([decision])
                decided.append((f"input-{len(journal.records)}", decision))
            case ("hold", (learner, competency), day):
                held = by_a_person(learner, competency, "not_yet")
                journal.fold([msgspec.structs.replace(held, until=f"2026-04-{day:02}T12:00:00.000000Z")])
            case ("plan", (learner, competency), planned):
                journal.fold([CompetencyDecided(
                    learner, competency, "plan", "case_manager", "cm-1", "override", undoes="" if planned else "any",
                    plan=planned if planned is None or planned.instead != competency else None,
                )])  # fmt: skip
            case ("merge", (loser, winner), undone) if pieces := [p for p in valid.values() if p.learner == loser]:
                there, events = hand_over(pieces, winner, f"m{n}", "undone" if undone else "decided")
                journal.fold(events)
                for one in pieces:
                    del valid[one.evidence_id]
                valid |= {one.evidence_id: msgspec.structs.replace(one, valid=True) for one in there}
            case ("lift", which) if decided:
                id, one_of = decided[which % len(decided)]
                journal.fold([CompetencyDecided(
                    one_of.learner, one_of.competency, "lift", "teacher", "t-1", "override", "why", undoes=id
                )])  # fmt: skip
            case ("adopt", policy, of, mode):
                journal.fold([Decided(policy, of=of, mode=mode, batch=f"b{n}") if adopts else Decided()]).sweep()
        journal.settle()
    for learner in LEARNERS:
        codes = tuple(key[2] for key in journal.states if key[1] == learner)
        journal.fold([ClockTicked(learner, NOW, codes)] if codes else []).settle()
    return journal


def tried(journal: Journal, policy: Policy, of: str) -> Rules:
    """Return a journal's rules with one more policy, which decides everything that it is for."""
    rules, trial = journal.rules[TENANT], Rules()
    for activation in rules.activations:
        trial.activate(activation)
    trial.try_out(policy, of)
    assume(all(trial.decides_last(code) for code in CODES if code.startswith(of)))
    return trial


def pages(journal: Journal, of: str) -> dict[str, Any]:
    found = journal.histories()
    return {name: {key: each for key, each in held.items() if key[2].startswith(of)} for name, held in found.items()}


@given(steps=histories, old=st.sampled_from(POLICIES), new=new_ones)
def test_a_comparison_says_what_a_system_has_that_had_the_policy_from_the_beginning(steps, old, new):
    policy, of = new
    live = folded(steps, [Decided(old)], adopts=True)
    fresh = folded(steps, [Decided(old), Decided(policy, of=of)], adopts=False)
    rules = tried(live, policy, of)
    said = {}
    for learner, held in pages(live, of).items():
        policies = live.policies | {policy.hash: policy}
        for code, was, then in verdicts_of(held, rules, policies, NOW, rules.links_at(rules.no), of):
            said[learner, code] = (was, then)
            if (TENANT, learner, code) in live.states:
                assert was.status == live.state(code, learner).status
    found = {
        (learner, code): verdict_of(fresh.held(code, learner), fresh.policies[fresh.held(code, learner).policy])
        for _, learner, code in fresh.states
        if code.startswith(of)
    }
    # What a plan gave stays where the record, which differs, stood when the plan ended; and so does what follows from it.
    if any(fresh.held(*key).extended != live.held(*key).extended for key in both(fresh, live)):
        return
    # The two journals differ by what follows, so what a person decided has another second.
    assert {key: (each.status, each.gates, (each.shown_at or "")[:10]) for key, each in found.items()
            if each.status != "no_evidence"} == {
        key: (then.status, then.gates, (then.shown_at or "")[:10]) for key, (_, then) in said.items()
        if then.status != "no_evidence"
    }  # fmt: skip


def both(one: Journal, other: Journal) -> list[tuple[str, str]]:
    """Return the competencies with their learners that both have."""
    return [(code, learner) for _, learner, code in one.states.keys() & other.states.keys()]


LONGER = PLANS[-1]
MEANWHILE = [
    ("piece", ("ada", "math:b"), 0.8, "03", 1), ("piece", ("ada", "math:b"), 0.8, "03", 9),
    ("plan", ("ada", "math:b"), LONGER), ("plan", ("ada", "math:b"), None),
]  # fmt: skip


@pytest.mark.parametrize("of", ["math", "ela"])
def test_a_comparison_keeps_on_the_record_what_a_plan_that_has_ended_had_put_there(of: str):
    """The second piece is of a week after the first, and both suffice together for two days: longer with the plan."""
    policy = POLICIES[-1]
    live = folded(MEANWHILE, [Decided(policy)], adopts=True)
    held, rules = live.histories()["ada"], live.rules[TENANT]
    rules.try_out(policy, of)
    verdicts = {
        code: (was, then)
        for code, was, then in verdicts_of(held, rules, live.policies, NOW, rules.links_at(rules.no), of)
    }

    was, then = verdicts["math:b"]
    assert (was.status, then.status) == ("mastered", "mastered")


IN_A, IN_B, IN_C = (("ada", f"math:{code}") for code in "abc")
REINSTATED = [("piece", IN_A, mark, "03", day) for mark, day in ((1.0, 2), (0.8, 1), (0.3, 1))] + [
    ("piece", IN_B, 0.8, "03", 1), ("piece", IN_A, 0.8, "03", 1),
]  # fmt: skip
"""What is shown, and credits another, is taken back by late work, and comes back with its date under a rule of the last two."""
SHOWN_LATER = [("retract", 0), ("person", IN_C, "credit"), ("piece", IN_C, 0.65, "03", 1)]
"""What was credited is shown, and under a higher bar it is credited again, since the same day."""
LIFTED = [
    ("piece", IN_C, 0.65, "03", 1), ("person", IN_A, "credit"), ("piece", IN_A, 0.3, "03", 1), ("lift", 0),
]  # fmt: skip
"""Credit that a person has lifted is not given again by what had been shown before."""


@pytest.mark.parametrize("mode", MODES)
@example(steps=REINSTATED, old=POLICIES[2], new=(POLICIES[6], ""))
@example(steps=SHOWN_LATER, old=POLICIES[0], new=(POLICIES[1], ""))
@example(steps=LIFTED, old=POLICIES[0], new=(POLICIES[0], ""))
@example(steps=MEANWHILE, old=POLICIES[0], new=(POLICIES[7], ""))
@given(steps=histories, old=st.sampled_from(POLICIES), new=new_ones)
def test_an_adoption_tells_as_many_events_of_the_record_as_were_foreseen(mode: Mode, steps, old, new):
    policy, of = new
    live = folded(steps, [Decided(old)], adopts=True)
    rules = tried(live, policy, of)
    comparison, levels = Comparison(), LevelComparison(LevelRules(rules, of))
    policies = live.policies | {policy.hash: policy}
    compare_page(comparison, levels, pages(live, of), rules, policies, NOW, of, Places({}, {}))
    before = len(live.told)
    live.fold([Decided(policy, of=of, mode=mode, batch="b")]).sweep().settle()
    told = [(event.type.split(".")[2], event.data["scope"]) for event in live.told[before:]]
    found = Counter(
        kind for kind, scope in told if scope["kind"] == "competency" and kind in SHOWN and scope["id"].startswith(of)
    )

    foreseen = {kind.split(".")[2]: number for kind, number in expected_of(mode, comparison).items()}
    assert {kind: n for kind, n in foreseen.items() if n} == {kind: n for kind, n in found.items() if n}
