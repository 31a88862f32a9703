"""
What a comparison of policies says, held against a system that had the new policy from the beginning, and what it foresees
against what an adoption then tells.

Evidence comes, is taken back and restored; people sign off, set by hand, credit, place and lift that; one competency equals
another; other policies came into force before, in each of the three ways.
"""

from collections import Counter
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.progression.domain.analysis.comparison import Comparison, verdict_of
from services.progression.domain.analysis.level_comparison import LevelComparison, LevelRules
from services.progression.domain.curriculum import Framework
from services.progression.domain.decisions import CompetencyDecided
from services.progression.domain.policy import Policy, policy_from
from services.progression.domain.rules import Mode, Rules
from services.progression.handlers.adopting import compare_page, expected_of, verdicts_of
from services.progression.handlers.schools import Places
from shared.contracts.internal_events import Association, Competency, EvidenceRecorded
from tests.support.journal import TENANT, Decided, Journal, piece, restore, retract

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
)  # fmt: skip
who = st.tuples(st.sampled_from(LEARNERS), st.sampled_from(CODES))
step = st.one_of(
    st.tuples(st.just("piece"), who, st.sampled_from([0.3, 0.65, 0.8, 1.0]), st.sampled_from(["03", "05"]), st.integers(1, 9)),
    st.tuples(st.just("piece"), who, st.sampled_from([0.3, 0.65, 0.8, 1.0]), st.sampled_from(["03", "05"]), st.integers(1, 9)),
    st.tuples(st.just("retract"), st.integers(0, 99)),
    st.tuples(st.just("restore"), st.integers(0, 99)),
    st.tuples(st.just("person"), who, st.sampled_from(["sign_off", "mastered", "not_yet", "credit", "presume", "check"])),
    st.tuples(st.just("lift"), st.integers(0, 99)),
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
            case ("lift", which) if decided:
                id, one_of = decided[which % len(decided)]
                journal.fold([CompetencyDecided(
                    one_of.learner, one_of.competency, "lift", "teacher", "t-1", "override", "why", undoes=id
                )])  # fmt: skip
            case ("adopt", policy, of, mode):
                journal.fold([Decided(policy, of=of, mode=mode, batch=f"b{n}") if adopts else Decided()]).sweep()
        journal.settle()
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
    # The two journals differ by what follows, so what a person decided has another second.
    assert {key: (each.status, each.gates, (each.shown_at or "")[:10]) for key, each in found.items()
            if each.status != "no_evidence"} == {
        key: (then.status, then.gates, (then.shown_at or "")[:10]) for key, (_, then) in said.items()
        if then.status != "no_evidence"
    }  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
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
