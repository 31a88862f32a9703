"""
A threshold of 75 becomes 80 after results: what each way of adopting it does, and that it can be undone.

Elsewhere the change is silent, forward only, or recomputed on reading without a trace; here it is compared first, then adopted in
the way that was chosen.
"""

from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.progression.domain.analysis.comparison import Comparison, Verdict, verdict_of, verdict_under
from services.progression.domain.analysis.level_comparison import Change, LevelComparison, LevelRules
from services.progression.domain.analysis.reach import Part
from services.progression.domain.analysis.small_groups import hidden_groups
from services.progression.domain.analysis.told_comparison import (
    told_comparison,
    told_differences,
    told_expected,
    told_levels,
    told_shadow_levels,
)
from services.progression.domain.curriculum import Framework
from services.progression.domain.decisions import CompetencyDecided
from services.progression.domain.forecast import Forecast
from services.progression.domain.mastery import KeyState, piece_of
from services.progression.domain.policy import Policy, policy_from
from services.progression.domain.recalculation import Moment, recalculation
from services.progression.domain.rules import Activation, Mode, Pin, Rules, pin_in
from services.progression.domain.shadow import concerned, with_origins
from services.progression.domain.states import Decided as StateDecided
from services.progression.domain.telling import Told, Trigger
from services.progression.handlers.adopting import compare_page, expected_of
from services.progression.handlers.histories import Held, History
from services.progression.handlers.schools import Places
from services.progression.handlers.shadowing import differences
from shared.contracts.internal_events import Association, Competency, EvidenceRecorded
from tests.support.journal import TENANT, Decided, Journal, piece, restore, retract
from tests.support.public_events import check_contract

LEVELS = Framework(
    "math", "Mathematics", (Competency("add", "Add", 1, level="1"), Competency("sub", "Sub", 2, level="2")), ()
)
SMALL = 10
ADDING = Part("Math", "1")
MARKS = {"ada": 0.78, "bob": 0.9, "cy": 0.6}


def threshold(bar: float) -> Policy:
    return policy_from(
        {"id": "bar", "method": {"type": "mean"}, "decision": {"at_least": bar, "latch": "first_crossing"},
         "advancement": {"require": {"all": ["math:add"]}}}
    )  # fmt: skip


def work(marks: dict[str, float], day: int = 1) -> list[EvidenceRecorded]:
    return [piece(number, mark, learner=name, day=day) for number, (name, mark) in enumerate(marks.items())]


@pytest.fixture
def journal() -> Journal:
    """Three learners under a bar of 75: ada at 78 and bob at 90 are on the record and advanced, cy at 60 is not."""
    return Journal().fold([Decided(framework=LEVELS), Decided(threshold(0.75)), *work(MARKS)])


def adopt(journal: Journal, bar: float, mode: Mode, batch: str = "b1") -> list[str]:
    """Adopt a bar and sweep; return who was told what, as `learner kind`."""
    before = len(journal.told)
    journal.fold([Decided(threshold(bar), mode=mode, batch=batch)]).sweep()
    return [
        f"{event.learner} {event.type.removeprefix('attain.').removesuffix('.v1')}" for event in journal.told[before:]
    ]


def statuses(journal: Journal) -> dict[str, str]:
    return {name: journal.state(learner=name).status for name in MARKS}


def test_threshold_75_to_80_after_results_grandfathered_leaves_the_record(journal: Journal):
    assert statuses(journal) == {"ada": "mastered", "bob": "mastered", "cy": "not_yet"}
    assert adopt(journal, 0.8, "grandfathered") == []
    assert statuses(journal) == {"ada": "mastered", "bob": "mastered", "cy": "not_yet"}
    journal.fold([piece(9, 0.99, learner="cy", day=2)])
    assert statuses(journal)["cy"] == "not_yet", "0.795 is not 80"


def test_threshold_75_to_80_after_results_forward_only_is_for_who_begins_later(journal: Journal):
    assert adopt(journal, 0.8, "forward_only") == []
    journal.fold([piece(9, 0.99, learner="cy", day=2), piece(10, 0.78, learner="dee", day=2)])

    assert statuses(journal)["cy"] == "mastered", "cy began under 75"
    assert journal.state(learner="dee").status == "not_yet", "dee begins under 80"


def test_who_began_before_a_forward_only_policy_stays_through_later_framework_versions(journal: Journal):
    adopt(journal, 0.8, "forward_only")
    other = Framework("math", "Mathematics", (*LEVELS.competencies, Competency("mul", "Mul", 3, level="2")), ())
    journal.fold([Decided(framework=other)]).sweep()
    journal.fold([piece(9, 0.99, learner="cy", day=2)])

    assert statuses(journal)["cy"] == "mastered"


def test_who_began_before_a_forward_only_policy_keeps_the_days_and_depth_of_their_own():
    """Two pieces of one day in Tokyo are two days in UTC, in which the new policy, that asks neither, would count."""
    asks = {"occasion": "school_day", "min_occasions": 2, "dok": "when_tagged"}
    own = policy_from({"id": "days", "method": {"type": "mean"}, "decision": {"at_least": 0.5}, "sufficiency": asks})
    deep = Framework("math", "Mathematics", (Competency("add", "Add", 1, dok=2),), ())
    one, other = (piece(n, occurred_at=f"2026-03-{at}:00:00.000000Z", dok=2) for n, at in enumerate(("02T20", "03T10")))
    journal = Journal().fold([Decided(framework=deep), Decided(breaks="", time_zone="Asia/Tokyo"), Decided(own), one])
    pinned = pin_in(journal.held())
    journal.fold([Decided(threshold(0.5), mode="forward_only")]).sweep()

    assert (pinned.time_zone, pinned.dok) == ("Asia/Tokyo", 2)
    assert pin_in(journal.held()) == pinned
    assert journal.fold([other]).state().status == "insufficient_evidence"


def test_a_forward_only_policy_is_for_who_was_placed_and_has_no_evidence_yet(journal: Journal):
    presumed = CompetencyDecided("eve", "math:add", "presume", "registrar", "r-1", "placement")
    journal.fold([presumed, Decided(threshold(0.8), mode="forward_only")]).sweep()

    assert journal.fold([piece(9, 0.78, learner="eve", day=2)]).state(learner="eve").status == "not_yet"


def test_what_was_withdrawn_comes_back_under_its_own_rule_though_breaks_were_set_meanwhile(journal: Journal):
    ada = work(MARKS)[0]
    journal.fold([Decided(threshold(0.8))]).sweep().fold(
        [retract(ada), Decided(breaks="2026-12-21/2027-01-02")]
    ).sweep()
    journal.fold([restore(ada)])

    assert journal.kinds().count("competency.reinstated") == 1
    assert journal.state(learner="ada").mastered_at == ada.occurred_at


def test_threshold_75_to_80_after_results_retroactive_withdraws_in_a_batch_and_demotes_nobody(journal: Journal):
    told = adopt(journal, 0.8, "retroactive")
    withdrawn = journal.told[-1].data

    assert told == ["ada competency.withdrawn"]
    assert statuses(journal) == {"ada": "not_yet", "bob": "mastered", "cy": "not_yet"}
    assert (withdrawn["batch"], withdrawn["cause"]["kind"], withdrawn["policy"]["id"]) == ("b1", "policy", "bar")
    journal.fold([piece(11, 0.1, learner="ada", competency="math:sub", day=3)])
    assert "level.review_required" not in journal.kinds()
    assert "level.withdrawn" not in journal.kinds()


ELA = piece(20, 0.78, competency="ela:read")


def test_a_retroactive_policy_leaves_the_record_of_what_it_is_not_for(journal: Journal):
    """Under 80 in mathematics the 78 of before stays; 80 in reading, for the record too, is none of its business."""
    journal.fold([ELA, Decided(threshold(0.8), of="math")]).sweep()
    before = len(journal.told)
    journal.fold([Decided(threshold(0.8), of="ela", mode="retroactive", batch="b1")]).sweep()

    assert [(e.type, e.data["scope"]["id"]) for e in journal.told[before:]] == [
        ("attain.competency.withdrawn.v1", "ela:read")
    ]
    assert statuses(journal) == {"ada": "mastered", "bob": "mastered", "cy": "not_yet"}


def test_a_comparison_leaves_as_it_is_what_its_policy_is_not_for(journal: Journal):
    journal.fold([ELA, Decided(threshold(0.8), of="math")]).sweep()
    rules, new = journal.rules[TENANT], threshold(0.9)
    math = piece(0, MARKS["ada"])
    page = {"ada": {
        (TENANT, "ada", one.competencies[0]): (
            journal.held(one.competencies[0]), History({one.evidence_id: (piece_of(one), True)}))
        for one in (math, ELA)
    }}  # fmt: skip
    rules.try_out(new, "ela")
    comparison, levels = Comparison(), LevelComparison(LevelRules(rules, ""))
    compare_page(comparison, levels, page, rules, journal.policies | {new.hash: new}, "2026-03-10", "", Places({}, {}))

    assert [row["competency"] for row in comparison.report(1)["competencies"]] == ["ela:read"]
    assert (comparison.pairs, comparison.lost, comparison.redated) == (2, 1, 0)


def test_what_a_retroactive_policy_takes_with_it_is_of_the_batch_and_no_correction():
    """Credit by a crosswalk goes with what credits it: in the batch, and without a review of the level that stood on it."""
    equal = Framework(
        "math", "Mathematics", tuple(Competency(c, c.title(), n, level=str(n)) for n, c in enumerate(("add", "sum"))),
        (Association("add", "sum", "exactMatchOf"),),
    )  # fmt: skip
    every = {"id": "bar", "method": {"type": "mean"}}
    low, high = (policy_from(every | {"decision": {"at_least": bar, "latch": "first_crossing"}}) for bar in (0.75, 0.8))
    journal = Journal().fold([Decided(framework=equal), Decided(low), piece(1, 0.78)]).settle()
    before, advanced = len(journal.told), journal.kinds().count("level.advanced")
    journal.fold([Decided(high, mode="retroactive", batch="b1")]).sweep().settle()
    told = [(event.data["scope"]["id"], event.type.split(".")[2]) for event in journal.told[before:]]

    assert advanced == 2
    assert told == [("math:add", "withdrawn"), ("math:sum", "withdrawn")]
    assert [(e.data["batch"], e.data["cause"]["kind"]) for e in journal.told[before:]] == [("b1", "policy")] * 2


def equal_pair(bars: tuple[float, float]) -> tuple[Held, Rules, dict[str, Policy]]:
    """Return what a learner has who was folded under one bar, of two competencies that are the same, and rules with the other."""
    equal = Framework(
        "math", "Mathematics", tuple(Competency(c, c.title(), n) for n, c in enumerate(("add", "sum"))),
        (Association("add", "sum", "exactMatchOf"),),
    )  # fmt: skip
    shown = piece(1, 0.78)
    journal = Journal().fold([Decided(framework=equal), Decided(threshold(bars[0])), shown]).settle()
    new, rules = threshold(bars[1]), journal.rules[TENANT]
    history = History({shown.evidence_id: (piece_of(shown, "math:add"), True)})
    credited = [event for event in journal.told if event.type == "attain.competency.credited.v1"]
    given = [StateDecided(event.data["cause"]["id"], "credit", event.time, basis="substitution") for event in credited]
    held = {key: (journal.held(key[2]), history if key[2] == "math:add" else History(decisions=given))
            for key in journal.states}  # fmt: skip
    rules.try_out(new)
    return held, rules, journal.policies | {new.hash: new}


@pytest.mark.parametrize(
    ("bars", "moved"), [((0.75, 0.8), ("credited", "no_evidence")), ((0.8, 0.75), ("no_evidence", "credited"))]
)
def test_a_comparison_gives_and_takes_credit_by_crosswalks_as_the_adoption_does(bars, moved):
    held, rules, policies = equal_pair(bars)
    comparison, levels = Comparison(), LevelComparison(LevelRules(rules, ""))
    compare_page(comparison, levels, {"ada": held}, rules, policies, "2026-03-10", "", Places({}, {}))
    moves = {(each["from"], each["to"]) for each in comparison.report(small=1)["moves"]}

    assert moved in moves
    assert (comparison.gained, comparison.lost) == ((0, 2) if bars[1] > bars[0] else (2, 0))


@pytest.mark.parametrize(
    ("bars", "live", "shadow"), [((0.75, 0.8), "credited", "no_evidence"), ((0.8, 0.75), "no_evidence", "credited")]
)
def test_a_shadow_gives_and_takes_credit_by_crosswalks_as_the_adoption_would(bars, live, shadow):
    held, rules, policies = equal_pair(bars)
    links = rules.links_at(rules.no)
    told = {(TENANT, "ada", "math:add")}
    keys = concerned(told, links, "math")
    found = differences({"ada": held}, keys, rules, policies, "2026-03-10")

    assert {each.competency: (each.live, each.shadow) for each in found}["math:sum"] == (live, shadow)
    assert with_origins({(TENANT, "ada", "math:sum")}, links) == keys, "either is the other's origin"
    assert concerned(told, links, "science") == set(), "a shadow of one framework says nothing of another"


def test_a_retroactive_policy_that_is_undone_gives_reinstated_with_the_original_date(journal: Journal):
    original = next(event for event in journal.told if event.learner == "ada" and "mastered" in event.type)
    adopt(journal, 0.8, "retroactive")
    told = adopt(journal, 0.75, "retroactive", "b2")
    back = journal.told[-1].data

    assert told == ["ada competency.reinstated"]
    assert back["effective_at"] == original.data["effective_at"]
    assert back["batch"] == "b2"
    assert journal.state(learner="ada").status == "mastered"
    assert adopt(journal, 0.75, "retroactive", "b3") == [], "nothing is told twice"


def test_what_a_retraction_took_and_a_policy_gives_back_is_not_said_to_have_been_taken_by_a_policy():
    """60, 80 and 90 show it under 76 with the third; 60 and 90 do under 74, with the same."""
    low, taken, last = piece(1, 0.6), piece(2, 0.8), piece(3, 0.9)
    journal = Journal().fold([Decided(framework=LEVELS), Decided(threshold(0.76)), low, taken, last, retract(taken)])
    journal.fold([Decided(threshold(0.74))]).sweep()
    back = journal.told[-3]

    assert "competency.withdrawn" in journal.kinds()
    assert journal.kinds()[-2:] == ["level.reinstated", "level.reinstated"]
    assert (back.type, back.data["cause"]["kind"]) == ("attain.competency.reinstated.v1", "policy")
    assert "policy" not in back.data["reason"]["text"]


def test_what_comes_back_with_its_date_is_foreseen_as_reinstated(journal: Journal):
    """Undoing a rise to 80 gives ada back what it had taken; 50 gives cy, too, what was not there before."""
    adopt(journal, 0.8, "retroactive")
    new, rules = threshold(0.5), journal.rules[TENANT]
    page = {
        one.learner: {(TENANT, one.learner, "math:add"): (
            journal.held(learner=one.learner), History({one.evidence_id: (piece_of(one), True)}))}
        for one in work(MARKS)
    }  # fmt: skip
    trial = Rules()
    for activation in rules.activations:
        trial.activate(activation)
    trial.try_out(new)
    comparison, levels = Comparison(), LevelComparison(LevelRules(trial, ""))
    compare_page(comparison, levels, page, trial, journal.policies | {new.hash: new}, "2026-03-10", "", Places({}, {}))
    told = adopt(journal, 0.5, "retroactive", "b2")

    assert expected_of("retroactive", comparison) == {
        "attain.competency.mastered.v1": told.count("cy competency.mastered"),
        "attain.competency.reinstated.v1": told.count("ada competency.reinstated"),
        "attain.competency.withdrawn.v1": 0,
    }
    assert len([each for each in told if "competency" in each]) == 2


def test_what_brackets_a_recalculation_keeps_the_contract_and_has_the_same_id_on_every_run():
    trigger = Trigger("d1", 9, "2026-04-01T00:00:00.000000Z", "policy", "b1")
    adopted = Activation(2, trigger, "math", threshold(0.8), mode="retroactive")
    published = Activation(3, trigger._replace(cause="framework", batch="b2"), "math", None, LEVELS)
    proposal = {"expected": b'{"attain.competency.withdrawn.v1":1}', "approved_by": "p-2"}
    before = Framework("math", "Mathematics", LEVELS.competencies[:1], ())
    moments: tuple[Moment, Moment] = ("started", "finished")

    def brackets() -> list[Told]:
        return [
            told for moment in moments
            for told in (
                recalculation(moment, TENANT, adopted, threshold(0.75), proposal, 3, 8),
                recalculation(moment, TENANT, published, before, None, 3, 8),
            )
        ]  # fmt: skip

    told = brackets()
    for event in told:
        check_contract(event.type, event.data)
    assert told == brackets()
    assert len({event.id for event in told}) == 4
    assert [(event.data["from"]["version"], event.data["to"]["version"]) for event in told[1::2]] == [
        (before.version, LEVELS.version)
    ] * 2
    assert {event.data["cause"]["kind"]: event.data["reason"]["text"].split()[1] for event in told[:2]} == {
        "policy": "policy", "framework": "framework",
    }  # fmt: skip


def test_a_policy_and_a_framework_version_take_the_place_of_what_was_decided_before_for_the_same():
    rules, trigger = Rules(), Trigger("", 0, "", "policy")
    for framework, policy, graph in (
        ("", threshold(0.5), None), ("math", threshold(0.75), None), ("math", None, LEVELS), ("", threshold(0.6), None),
        ("math", threshold(0.8), None), ("math", None, LEVELS),
    ):  # fmt: skip
        rules.activate(Activation(rules.no + 1, trigger, framework, policy, graph))

    assert [rules.replaced_by(activation) for activation in rules.activations] == [
        None, None, None, threshold(0.5), threshold(0.75), LEVELS,
    ]  # fmt: skip


def test_a_looser_policy_adopted_for_everything_puts_on_the_record_what_it_shows(journal: Journal):
    told = adopt(journal, 0.5, "retroactive")

    assert [each for each in told if "competency" in each] == ["cy competency.mastered"]


def test_a_retraction_after_a_retroactive_policy_still_asks_for_a_review(journal: Journal):
    adopt(journal, 0.8, "retroactive")
    journal.fold([retract(work(MARKS)[1])])

    assert journal.kinds()[-3:] == ["competency.withdrawn", "level.review_required", "level.review_required"]


marks = st.lists(
    st.tuples(st.sampled_from(["ada", "bob", "cy"]), st.sampled_from([0.5, 0.7, 0.78, 0.85, 1.0])), max_size=20
)


@given(drawn=marks, old=st.sampled_from([0.6, 0.75]), new=st.sampled_from([0.7, 0.8, 0.95]), cut=st.integers(0, 20))
def test_compare_says_what_a_fresh_system_and_a_retroactive_adoption_give(drawn, old, new, cut):
    pieces = [piece(n, mark, learner=name, day=1 + n % 3) for n, (name, mark) in enumerate(drawn)]
    gone = [retract(one, by=f"r{one.id}") for one in pieces[cut:]]
    live = Journal().fold([Decided(threshold(old)), *pieces, *gone])
    fresh = Journal().fold([Decided(threshold(new)), *pieces, *gone])
    policy = threshold(new)
    said = {}
    for key in live.states:
        valid = [piece_of(one) for one in pieces[:cut] if one.learner == key[1]]
        verdict = verdict_under(policy, Pin(policy.hash), valid, (), "")
        said[key] = (verdict.status, verdict.shown_at)
    live.fold([Decided(policy, mode="retroactive", batch="b")]).sweep()

    for other in (fresh, live):
        found = {key: other.state(key[2], key[1]) for key in other.states}
        assert said == {key: (state.status, state.mastered_at) for key, state in found.items()}


CONTINUUM = Framework(
    "math", "Mathematics",
    (*(Competency(code, code, n, level="1", power=n == 1) for n, code in enumerate(("a", "b", "c", "d"), 1)),
     *(Competency(code, code, n, level="2") for n, code in enumerate(("e", "f"), 5))), (),
)  # fmt: skip
REQUIRES: list[dict[str, object] | None] = [
    None, {"power": "mastered", "supporting": {"share": 0.6, "at": "provisional"}}, {"all": ["a", "b"]},
    {"power": "provisional", "k_of": [{"k": 2, "of": ["c", "d", "e"], "at": "provisional"}]}, {"any": ["math:b", "math:f"]},
]  # fmt: skip


def two_tiers(bar: float, require: dict[str, object] | None) -> Policy:
    """One piece above the bar is provisional, two are mastery."""
    content: dict[str, object] = {
        "id": "tiers", "provisional": {"method": {"type": "latest_at_or_above", "cut": bar}},
        "mastered": {"any_of": [{"method": {"type": "n_of_last", "n": 2, "window": "all", "at_or_above": bar}}]},
    }  # fmt: skip
    return policy_from(content | ({"advancement": {"require": require}} if require else {}))


def advanced(journal: Journal) -> set[tuple[str, str]]:
    return {(learner, level) for (_, learner), standing in journal.learners.items() for level in standing.advanced}


@settings(max_examples=40)
@given(
    drawn=st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from([0.5, 0.7, 0.9])), min_size=6, max_size=24),
    old=st.tuples(st.sampled_from([0.6, 0.8]), st.sampled_from(REQUIRES)),
    new=st.tuples(st.sampled_from([0.6, 0.8, 0.95]), st.sampled_from(REQUIRES)),
)
def test_levels_gained_and_lost_are_those_that_a_fresh_system_has_more_and_fewer_of(drawn, old, new):
    """Whatever the levels ask for, and whether the bar, the level rule or both change."""
    pieces = [
        piece(n, mark, learner=f"l{n % 2}", competency=f"math:{code}", day=1 + n // 20)
        for n, (code, mark) in enumerate(drawn)
    ]
    policies = [two_tiers(*each) for each in (old, new)]
    live, fresh = (Journal().fold([Decided(framework=CONTINUUM), Decided(policy), *pieces]) for policy in policies)
    rules = live.rules[TENANT]
    rules.try_out(policies[1])
    compared = LevelComparison(LevelRules(rules))
    for _, learner, competency in sorted(live.states):
        verdicts = (
            verdict_of(each.held(competency, learner), policy)
            for each, policy in zip((live, fresh), policies, strict=True)
        )
        compared.add(learner, competency, {"school": "north"}, *verdicts)
    compared.close()
    had, has = advanced(live), advanced(fresh)
    report = compared.report(1)

    assert {row["level"]: (row["gained"], row["lost"]) for row in report["items"]} == {
        level: (sum(each[1] == level for each in has - had), sum(each[1] == level for each in had - has))
        for level in {each[1] for each in had ^ has}
    }
    assert report["learners_gaining"] == len({learner for learner, _ in has - had})
    assert report["learners_losing"] == len({learner for learner, _ in had - has})
    assert report["learners"] == len({key[1] for key in live.states})


@pytest.mark.parametrize("mode", ["grandfathered", "retroactive"])
def test_a_level_is_complete_with_the_policy_that_asks_less_of_it_and_one_not_begun_is_not(mode: Mode):
    """Nothing changes of a competency; level 2 has no power standard, so its rule asks nothing of who has not begun it."""
    pieces = [piece(n, 0.9, competency=f"math:{code}") for n, code in enumerate("aabbcc")]
    journal = Journal().fold([Decided(framework=CONTINUUM), Decided(two_tiers(0.8, None)), *pieces])
    before, eased = len(journal.told), two_tiers(0.8, {"power": "mastered"})
    journal.fold([Decided(eased, mode=mode, batch="b1")]).sweep()
    told = [(event.type.split(".", 1)[1], event.data["scope"]["id"]) for event in journal.told[before:]]
    journal.fold([Decided(two_tiers(0.8, None), mode=mode, batch="b2")]).sweep()

    assert told == [("level.advanced.v1", "math#/1"), ("level.ready.v1", "math#/2")]
    assert len(journal.told) == before + 2, "asking more again takes nothing from anybody"


def test_a_framework_version_completes_no_level_of_which_nothing_is_shown():
    eased = two_tiers(0.8, {"power": "mastered"})
    journal = Journal().fold([Decided(framework=CONTINUUM), Decided(eased), piece(1, 0.1, competency="math:b")])
    journal.fold([Decided(framework=msgspec.structs.replace(CONTINUUM, title="again"))]).sweep()

    assert journal.told == []


def test_what_is_set_by_hand_counts_towards_a_level_under_either_policy():
    by_hand = StateDecided("d", "override", "2026-03-01T10:00:00.000000Z", status="mastered")
    verdict = verdict_under(threshold(0.9), Pin(threshold(0.9).hash), [piece_of(piece(1, 0.1))], [by_hand], "")
    lifted = verdict_under(
        threshold(0.9), Pin(threshold(0.9).hash), [piece_of(piece(1, 0.1))],
        [msgspec.structs.replace(by_hand, status="not_yet")], "",
    )  # fmt: skip

    assert (verdict.status, verdict.satisfied, lifted.status, lifted.satisfied) == (
        "overridden",
        True,
        "overridden",
        False,
    )


def levels_of(gaining: int, losing: int, staying: int) -> LevelComparison:
    """Return a comparison of one level in one school of twenty and one of all the others."""
    compared = LevelComparison(LevelRules(Rules()))
    gains: dict[str, Change] = {"math#1": "gained"}
    loses: dict[str, Change] = {"math#1": "lost"}
    changes = [gains] * gaining + [loses] * losing + [{}] * staying
    for number, change in enumerate(changes):
        compared.count(f"l{number}", {"school": "north" if number < 20 else "south"}, change)
    return compared


def test_levels_are_told_by_school_without_numbers_of_few():
    report = levels_of(40, 4, 30).report(SMALL)
    told = told_comparison(compared_learners(30, 20, 60).report(SMALL) | {"levels": report}, 10)["levels"]
    few = told_levels(levels_of(2, 1, 4).report(SMALL), 10)
    strict = told_levels(report, 25)

    assert [(row["school"], row["learners"], row["gained"]) for row in report["schools"]] == [
        ("north", 20, 20),
        ("south", 54, 20),
    ]
    assert {row["lost"] for row in report["schools"]} == {None}, "the four are all of the south"
    assert (told["learners_gaining"], told["learners_losing"]) == (40, None)
    assert told["items"] == [{"level": "math#1", "gained": 40, "lost": None}]
    assert ([few[name] for name in ("learners", "learners_gaining", "learners_losing")], few["items"]) == (
        [None] * 3,
        [],
    )
    assert {row["gained"] for row in (*few["schools"], *strict["schools"])} == {None}


def test_a_comparison_counts_who_gains_who_loses_and_what_cannot_be_decided():
    old = policy_from({"id": "old", "method": {"type": "mean"}, "decision": {"at_least": 0.75}})
    new = policy_from({"id": "new", "method": {"type": "mean"}, "decision": {"at_least": 0.8},
                       "sufficiency": {"min_evidence": 2}})  # fmt: skip
    comparison = Comparison()
    for number in range(30):
        school = "north" if number < 24 else "south"
        pieces = [
            piece_of(piece(n, 0.78 if number < 12 else 0.85, learner=f"l{number}")) for n in range(1 + number % 2)
        ]
        verdicts = [verdict_under(policy, Pin(policy.hash), pieces, (), "") for policy in (old, new)]
        comparison.add(f"l{number}", "math:add", ADDING, {"school": school}, *verdicts)
    report = comparison.report(SMALL)

    assert (report["pairs"], report["gained"], report["lost"]) == (30, 0, 21)
    assert report["decidable"] == {"before": 1.0, "after": 0.5}
    assert report["undecided_by"]["after"] == {"min_evidence": 0.5}
    assert report["subjects"] == [
        {
            "subject": "Math",
            "grade": "1",
            "learners": 30,
            "pairs": 30,
            "decidable": 0.5,
            "undecided_by": {"min_evidence": 0.5},
        }
    ]
    assert report["competencies"] == [{"competency": "math:add", "pairs": 30, "gained": 0, "lost": 21}]
    assert report["schools"] == [
        {"school": "north", "learners": None, "gained": None, "lost": None},
        {"school": "south", "learners": None, "gained": None, "lost": None},
    ], "six learners of one school would follow from the other and the total"


def test_a_pair_that_lacks_two_kinds_is_undecided_once():
    policy = policy_from({"id": "kinds", "method": {"type": "mean"}, "decision": {"at_least": 0.8},
                          "sufficiency": {"kinds_all": ["summative", "performance"]}})  # fmt: skip
    verdict = verdict_under(policy, Pin(policy.hash), [piece_of(piece(1, kind="formative"))], (), "")

    assert verdict.gates == ("kinds_all",)


def test_many_pairs_of_one_learner_are_of_few_learners():
    comparison = Comparison()
    none, shown = Verdict("not_yet", None, ()), Verdict("mastered", "2026-03-01", ())
    for number in range(40):
        school = "north" if number % 2 else "south"
        for competency in range(12):
            gains = number == 0 or (number % 2 and competency == 0)
            comparison.add(
                f"l{number}", f"math:{competency}", ADDING, {"school": school}, none, shown if gains else none
            )

    report = comparison.report(SMALL)

    assert report["gained"] == 32
    assert [(row["school"], row["learners"], row["gained"]) for row in report["schools"]] == [
        ("north", 20, None),
        ("south", 20, None),
    ], "the twelve of the south are one learner's, and follow from those of the north"


def test_a_comparison_is_split_by_groups_and_what_is_small_is_hidden_in_each():
    """Sixty lose: twenty of them in the one group, fifty-six in the other, of which four have no value."""
    comparison = Comparison(("ell", "tutoring"))
    before, after = Verdict("mastered", "2026-03-01", ()), Verdict("not_yet", None, ())
    for number in range(60):
        groups = {"ell": "yes" if number < 20 else "no"} | ({"tutoring": "summer"} if number >= 4 else {})
        comparison.add(f"l{number}", "math:add", ADDING, {"school": "north"} | groups, before, after)

    assert comparison.report(SMALL)["groups"] == [
        {"group": "ell", "value": "no", "learners": 40, "gained": 0, "lost": 40},
        {"group": "ell", "value": "yes", "learners": 20, "gained": 0, "lost": 20},
        {"group": "tutoring", "value": "summer", "learners": None, "gained": None, "lost": None},
        {"group": "tutoring", "value": "unknown", "learners": None, "gained": None, "lost": None},
    ]


def test_a_comparison_is_of_who_has_evidence_and_of_what_is_due_by_now():
    """What falls due by age does so without a tick; what was taken back or merged away is of nobody."""
    aged = policy_from(
        {"id": "aged", "method": {"type": "mean"}, "decision": {"at_least": 0.5, "latch": "first_crossing"},
         "upkeep": {"reverify_after_days": 10}}
    )  # fmt: skip
    shown, gone = piece(1, 0.8), piece(2, 0.8, learner="bob")
    journal = Journal().fold([Decided(framework=LEVELS), Decided(threshold(0.5)), shown, gone, retract(gone)])
    rules, policies = journal.rules[TENANT], journal.policies | {aged.hash: aged}
    rules.try_out(aged)
    page = {
        one.learner: {(TENANT, one.learner, "math:add"): (
            journal.held(learner=one.learner), History({one.evidence_id: (piece_of(one, "math:add"), one is shown)}))}
        for one in (shown, gone)
    }  # fmt: skip

    def moves(at: str) -> dict[str, Any]:
        comparison, levels = Comparison(), LevelComparison(LevelRules(rules, ""))
        compare_page(comparison, levels, page, rules, policies, at, "", Places({}, {}))
        levels.close()
        return comparison.report(small=1) | {"levels": levels.report(small=1)}

    soon, late = moves("2026-03-10T00:00:00.000000Z"), moves("2026-06-10T00:00:00.000000Z")

    assert [each["learners"] for each in (soon, late, soon["levels"])] == [1, 1, 1]
    assert (soon["pairs"], soon["moves"]) == (1, [])
    assert late["moves"] == [{"from": "mastered", "to": "reverify_due", "pairs": 1, "learners": 1}]
    assert (late["gained"], late["lost"]) == (0, 0)


def test_a_key_without_a_policy_is_undecided_for_want_of_one():
    assert verdict_of(KeyState(pieces=1), None) == Verdict("insufficient_evidence", None, ("no_policy",))


@given(counts=st.dictionaries(st.text("abcdef", min_size=1, max_size=2), st.integers(0, 40), max_size=8))
def test_what_is_hidden_cannot_be_worked_out_from_the_total(counts: dict[str, int]):
    sizes = {group: max(count, 12) for group, count in counts.items()}
    hidden = hidden_groups(counts, sizes, SMALL)

    assert all(group in hidden for group, count in counts.items() if 0 < count < SMALL)
    if hidden and hidden != set(counts):
        assert len(hidden) > 1
        assert sum(counts[group] for group in hidden) >= SMALL


def compared_learners(gaining: int, losing: int, staying: int) -> Comparison:
    """Return a comparison of one competency."""
    none, shown = Verdict("not_yet", None, ()), Verdict("mastered", "2026-03-01", ())
    comparison = Comparison()
    for number in range(gaining + losing + staying):
        before, after = (none, shown) if number < gaining else (shown, none if number < gaining + losing else shown)
        comparison.add(f"l{number}", "math:add", ADDING, {"school": "north"}, before, after)
    return comparison


def test_a_comparison_is_told_without_numbers_of_few_to_who_may_not_see_them():
    report = compared_learners(30, 4, 60).report(SMALL)
    told = told_comparison(report, 10)
    expected = {"attain.competency.mastered.v1": 30, "attain.competency.withdrawn.v1": 4}

    assert (told["gained"], told["learners_gaining"], told["pairs"], told["learners"]) == (30, 30, 94, 94)
    assert (told["lost"], told["learners_losing"]) == (None, None)
    assert [(row["gained"], row["lost"]) for row in told["competencies"]] == [(30, None)]
    assert [(move["pairs"], move["learners"]) for move in told["moves"]] == [(None, None)] * 2
    assert told_expected(expected, told) == {
        "attain.competency.mastered.v1": 30,
        "attain.competency.withdrawn.v1": None,
    }
    few_back = {"attain.competency.mastered.v1": 28, "attain.competency.reinstated.v1": 2}
    assert told_expected(few_back, told) == dict.fromkeys(few_back), "30 are gained, so 28 would tell the two"


def test_a_comparison_without_few_is_told_whole_and_one_of_few_not_at_all():
    whole, few = compared_learners(30, 20, 60).report(SMALL), compared_learners(2, 3, 4).report(SMALL)
    told = told_comparison(few, 10)

    assert {
        name: value for name, value in told_comparison(whole, 10).items() if name not in ("schools", "competencies")
    } == {name: value for name, value in whole.items() if name not in ("schools", "competencies")}
    numbers = [told[name] for name in ("learners", "pairs", "gained", "lost", "redated", "learners_gaining")]
    assert numbers == [None] * 6
    assert told["schools"] == [{"school": "north", "learners": None, "gained": None, "lost": None}]
    assert [told[name] for name in ("moves", "competencies", "groups")] == [[]] * 3


def test_the_limit_of_a_tenant_is_that_of_its_comparisons_and_corrections():
    comparison = compared_learners(30, 20, 60)
    found = Forecast(learners=Counter(north=12, south=40), withdrawn=Counter(south=12))

    assert comparison.report(SMALL)["schools"] == [{"school": "north", "learners": 110, "gained": 30, "lost": 20}]
    # The only school beside a total: hidden with it.
    assert comparison.report(25)["schools"] == [{"school": "north", "learners": 110, "gained": 30, "lost": None}]
    assert told_comparison(comparison.report(SMALL), 25)["schools"] == [
        {"school": "north", "learners": None, "gained": None, "lost": None}
    ], "the limit has grown since"
    assert [row["learners"] for row in found.report(SMALL)["schools"]] == [12, 40]
    assert [row["learners"] for row in found.report(25)["schools"]] == [None, None]


def test_differences_of_a_shadow_are_told_as_the_moves_of_a_comparison_are() -> None:
    """Forty-two gain: forty of them from one status and two from another, which the first would tell."""
    rows = [{"live": "not_yet", "shadow": "mastered", "pairs": 40, "learners": 40},
            {"live": "insufficient_evidence", "shadow": "mastered", "pairs": 12, "learners": 2}]  # fmt: skip

    assert told_differences(rows[:1], SMALL) == rows[:1]
    assert [(row["pairs"], row["learners"]) for row in told_differences(rows, SMALL)] == [(None, None)] * 2


def test_how_many_a_shadow_differs_of_is_not_told_where_some_are_few() -> None:
    """Thirty-four differ, and a comparison says that thirty gain."""
    levels = levels_of(30, 0, 4).report(SMALL)
    few = [{"live": "mastered", "shadow": "not_yet", "pairs": 4, "learners": 4}]
    many = [{"live": "mastered", "shadow": "not_yet", "pairs": 30, "learners": 30}]
    told = told_shadow_levels(levels, few, SMALL)

    assert (told["learners"], told["learners_gaining"]) == (None, 30)
    assert {row["learners"] for row in told["schools"]} == {None}
    assert told_shadow_levels(levels, many, SMALL) == told_levels(levels, SMALL)


@pytest.mark.parametrize(("becoming", "told"), [(2, None), (20, 0.7)], ids=["few", "many"])
def test_the_share_that_can_be_decided_tells_of_no_few_moves(becoming: int, told: float | None) -> None:
    """Fifty of a hundred can be decided, and 52 could: the two are the only ones who gain."""
    waits, shown = Verdict("insufficient_evidence", None, ("min_evidence",)), Verdict("mastered", "2026-03-01", ())
    comparison = Comparison()
    for number in range(100):
        before = waits if number < 50 else shown
        comparison.add(f"l{number}", "math:add", ADDING, {}, before, shown if number < becoming else before)
    report = told_comparison(comparison.report(SMALL), SMALL)

    assert report["decidable"] == {"before": 0.5, "after": told}
    assert report["undecided_by"] == {
        "before": {"min_evidence": 0.5}, "after": {"min_evidence": told and round(1 - told, 4)},
    }  # fmt: skip


@pytest.mark.parametrize(("becoming", "told"), [(2, None), (20, 0.7)], ids=["few", "many"])
def test_subjects_and_grades_tell_of_no_few_moves_that_the_whole_does_not_tell(
    becoming: int, told: float | None
) -> None:
    """The rows add up to what could be decided then, which less what can be now is the moves."""
    waits, shown = Verdict("insufficient_evidence", None, ("min_evidence",)), Verdict("mastered", "2026-03-01", ())
    comparison = Comparison()
    for number in range(100):
        before = waits if number < 50 else shown
        part = Part("Math", str(number % 2))
        comparison.add(f"l{number}", "math:add", part, {}, before, shown if number < becoming else before)
    report = comparison.report(SMALL)
    seen = told_comparison(report, SMALL)["subjects"]

    assert [row["pairs"] for row in seen] == [50, 50]
    assert [row["decidable"] for row in seen] == [told, told]
    assert [row["undecided_by"]["min_evidence"] for row in seen] == [told and round(1 - told, 4)] * 2
    assert told_comparison(report, SMALL + 1)["subjects"] == [], "the limit has grown since"
    assert told_comparison(report, 101)["subjects"] == []
    older = {name: value for name, value in report.items() if name != "subjects"}
    assert all("subjects" not in told_comparison(older, small) for small in (SMALL, 101))


def test_a_gate_that_few_more_are_kept_by_is_not_told() -> None:
    comparison = Comparison()
    for number in range(100):
        before = Verdict("insufficient_evidence", None, ("min_evidence",) if number < 60 else ("min_occasions",))
        after = before._replace(gates=("min_occasions",)) if number < 3 else before
        comparison.add(f"l{number}", "math:add", ADDING, {}, before, after)
    report = told_comparison(comparison.report(SMALL), SMALL)

    assert report["undecided_by"] == {
        "before": {"min_evidence": 0.6, "min_occasions": 0.4}, "after": dict.fromkeys(("min_evidence", "min_occasions")),
    }  # fmt: skip


def test_the_pairs_of_a_competency_with_few_do_not_follow_from_the_others_and_the_total() -> None:
    comparison = compared_learners(30, 20, 60)
    for number in range(4):
        comparison.add(
            f"l{number}", "math:sub", ADDING, {}, Verdict("not_yet", None, ()), Verdict("mastered", "2026-03-01", ())
        )
    report = comparison.report(SMALL)
    older = {name: value for name, value in report.items() if name != "subjects"}
    told = told_comparison(older, SMALL)

    assert told["pairs"] == 114
    assert [row["pairs"] for row in told["competencies"]] == [None, None]


def test_the_pairs_of_a_competency_that_few_have_do_not_follow_from_those_of_its_subject_and_grade() -> None:
    """Four have another beside, of which nothing changes: it is not listed, and a pair of its own in the same part."""
    comparison = compared_learners(30, 20, 60)
    for number in range(4):
        comparison.add(f"l{number}", "math:sub", ADDING, {}, *[Verdict("not_yet", None, ())] * 2)
    report = comparison.report(SMALL)
    told = told_comparison(report, SMALL)

    assert [row["pairs"] for row in report["competencies"]] == [110], "who sees the learners sees it"
    assert ([row["pairs"] for row in told["subjects"]], [row["pairs"] for row in told["competencies"]]) == (
        [114],
        [None],
    )
    assert [(row["gained"], row["lost"]) for row in told["competencies"]] == [(30, 20)]
