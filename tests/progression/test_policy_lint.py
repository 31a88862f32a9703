"""What the lint finds in a policy that can be read: one policy a rule, each next to one that the rule leaves alone."""

import json
from typing import Any, get_args

import pytest

from services.progression.domain.curriculum import Framework
from services.progression.domain.policy import policy_from
from services.progression.domain.policy.lint import Problem, check, lint
from services.progression.domain.policy.templates import NAMES, template
from shared.contracts.internal_events import Association, Competency, Kind
from tests.support.shared_data import shared_file

SCALE = {"scale": {"min": 1, "max": 4, "step": 1, "mastery": 3}}
STREAK = {"method": {"type": "streak", "n": 3}}
BKT = {"type": "bkt", "p_l0": 0.3, "p_t": 0.1, "p_g": 0.2, "p_s": 0.1}
TREND = {"type": "power_law", "min_n": 3}
NINE = {"type": "n_of_last", "n": 9, "window": 9, "at_or_above": 1}
CROSSING = {"decision": {"latch": "first_crossing"}}


def found(content: dict[str, Any], before: dict[str, Any] | None = None) -> list[Problem]:
    predecessor = policy_from({"id": "p", **before}) if before is not None else None
    return check(json.dumps({"id": "p", **content}).encode(), predecessor)[1]


def placed(problems: list[Problem]) -> list[tuple[str, str]]:
    return [(problem.severity, problem.pointer) for problem in problems]


UNREACHABLE: list[tuple[dict[str, Any], str]] = [
    ({**STREAK, "evidence": {"kinds": dict.fromkeys(get_args(Kind), 0)}}, "/evidence/kinds"),
    ({**STREAK, "evidence": {"kinds": {"performance": 0}}, "sufficiency": {"kinds_all": ["performance"]}},
     "/sufficiency/kinds_all"),
    ({**STREAK, "evidence": {"window": {"last": 3}}, "sufficiency": {"min_evidence": 4}}, "/sufficiency/min_evidence"),
    ({"method": {"type": "streak", "n": 5}, "evidence": {"window": {"last": 3}}}, "/method"),
    ({"method": BKT | {"p_l0": 0, "p_t": 0}}, "/method"),
    ({"method": {"type": "irt_eap", "items": {"a": [1, -2]}, "cut": 5}}, "/method"),
    ({"method": NINE, "sufficiency": {"max_age_days": 3, "min_occasions": 5}}, "/method"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "pointer"), UNREACHABLE)
def test_a_gate_that_perfect_work_never_opens_is_an_error(content: dict[str, Any], pointer: str):
    assert placed(found(content)) == [("error", pointer)]


@pytest.mark.parametrize(
    "content",
    [
        {**STREAK, "evidence": {"kinds": {"practice": 0}}, "sufficiency": {"kinds_all": ["performance", "summative"]}},
        {"method": {"type": "streak", "n": 100}, "sufficiency": {"min_occasions": 5}},
        {"method": {"type": "streak", "n": 100}, "evidence": {"window": {"last": 200}}},
        {"method": NINE, "sufficiency": {"occasion_gap_h": 72, "min_occasions": 9}},
        {**STREAK, "sufficiency": {"min_evidence": 1000, "min_items": 3000, "dok": {"level": 4, "count": 3}, "min_assessors": 3}},
        {"method": BKT | {"p_l0": 0.01, "p_t": 0.01}},
        {"method": TREND | {"clip": True}, "sufficiency": {"min_evidence": 3}},
        {"method": {"type": "cusum", "p0": 0.5, "p1": 0.9, "bar": 2.08}},
    ],
)  # fmt: skip
def test_a_gate_that_much_work_opens_is_none(content: dict[str, Any]):
    assert found(content) == []


@pytest.mark.parametrize(
    ("content", "pointer"),
    [
        ({**SCALE, "method": {"type": "mean_of_last", "k": 3, "at_or_above": 4.5}}, "/method/at_or_above"),
        ({**SCALE, "method": {"type": "n_of_last", "n": 1, "window": 1, "at_or_above": 1}}, "/method/at_or_above"),
        ({**SCALE, "method": {"type": "latest_at_or_above", "cut": 5, "and": {"type": "mean"}}}, "/method/cut"),
        ({**SCALE, "method": {"type": "mean"}, "decision": {"at_least": 85}}, "/decision/at_least"),
        ({**SCALE, "method": BKT, "decision": {"at_least": 0}}, "/decision/at_least"),
        (
            {**SCALE, **STREAK, "upkeep": {"on_contradiction": {"last": 2, "below": 1}}},
            "/upkeep/on_contradiction/below",
        ),
        ({"method": BKT | {"p_g": 0.6, "p_s": 0.5}}, "/method/p_g"),
    ],
)
def test_a_threshold_off_the_scale_is_an_error(content: dict[str, Any], pointer: str):
    assert placed(found(content)) == [("error", pointer)]


@pytest.mark.parametrize(
    ("content", "pointer", "words"),
    [
        ({"method": BKT | {"p_f": 0.1}}, "", "never reaches 0.95"),
        ({"method": BKT | {"p_f": 0.3}, "decision": {"min_probability": 0.8}}, "", "never reaches 0.8"),
        ({**STREAK, "advancement": {"require": {"k_of": [{"k": 3, "of": ["a", "b"]}]}}}, "/advancement/require/k_of/0/k",
         "3 of 2 can never be reached"),
        ({**STREAK, "applies_to": {"school": "north"}}, "/applies_to/school", "never decides"),
        ({**STREAK, "effective_from": "2026-08-01"}, "/effective_from", "in force from when it is set"),
        ({**STREAK, "stuck": {"after_opportunities": 10}}, "/stuck", "say support"),
        ({**STREAK, "support": {"year_ends": "02-29"}}, "/support/year_ends", "not a day of every year"),
        ({**STREAK, "gating": "hard"}, "/gating", "not decided by this version"),
        ({**STREAK, "evidence": {"time_on_task": 3}}, "/evidence/time_on_task", "never decides"),
        ({"method": BKT | {"learnerGroup": "frl"}}, "/method/learnerGroup", "never decides"),
        ({**STREAK, "sufficiency": {"race_ethnicity": "x"}}, "/sufficiency/race_ethnicity", "never decides"),
        ({**STREAK, "sufficiency": {"min-speed": 2}}, "/sufficiency/min-speed", "never decides"),
        ({**STREAK, "sufficiency": {"least": 2}}, "/sufficiency/least", "no member 'least'"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_one_error_with_its_pointer(content: dict[str, Any], pointer: str, words: str):
    problems = found(content)

    assert placed(problems) == [("error", pointer)]
    assert words in problems[0].text


def test_a_bar_that_the_probability_reaches_is_read():
    assert found({"method": BKT | {"p_f": 0.1}, "decision": {"at_least": 0.85}}) == []


@pytest.mark.parametrize(
    ("content", "pointer"),
    [
        ({**SCALE, "method": {"type": "highest"}, **CROSSING}, "/decision/latch"),
        ({**SCALE, "method": {"type": "latest"}, **CROSSING}, "/decision/latch"),
        ({**SCALE, "method": {"type": "latest_at_or_above", "cut": 3}, **CROSSING}, "/decision/latch"),
        ({**SCALE, "method": TREND}, "/sufficiency/min_evidence"),
        ({**SCALE, "method": TREND | {"min_n": 2}, "sufficiency": {"min_evidence": 3}}, "/method/min_n"),
        ({**STREAK, "evidence": {"kinds": {"summative": 2}}}, "/evidence/kinds/summative"),
        ({"scale": {"min": 0, "max": 4, "step": 1, "mastery": 2.5}, **STREAK}, "/scale/mastery"),
        ({**STREAK, "advancement": {"require": {"supporting": {"share": 0.7}}}}, "/advancement/require"),
        ({**STREAK, "advancement": {"require": {"all": ["a"], "electives": [{"k": 1, "of": ["a"]}]}}},
         "/advancement/require/electives/0/of"),
    ],
)  # fmt: skip
def test_a_rule_that_lets_luck_or_too_little_through_is_a_warning(content: dict[str, Any], pointer: str):
    assert placed(found(content)) == [("warning", pointer)]


@pytest.mark.parametrize(
    "content",
    [
        {**SCALE, "method": {"type": "highest"}},
        {**SCALE, "method": {"type": "latest", "and": {"type": "mean"}}, **CROSSING},
        {**SCALE, "method": {"type": "latest"}, "decision": {"latch": "confirm"}},
        {**SCALE, "method": {"type": "latest"}, "sign_off": {"by": "teacher"}, **CROSSING},
        {**SCALE, "method": {"type": "mean"}, "evidence": {"kinds": {"summative": 2}}},
    ],
)
def test_the_same_methods_held_by_something_else_are_none(content: dict[str, Any]):
    assert found(content) == []


def test_the_level_rule_names_a_tier_that_there_is():
    content = {**STREAK, "advancement": {"require": {"power": "provisional"}}}

    assert placed(found(content)) == [("error", "/advancement/require/power")]


@pytest.mark.parametrize(
    ("before", "now", "pointers"),
    [
        ({**SCALE, **STREAK}, {"scale": {"min": 1, "max": 4, "step": 1, "mastery": 2}, **STREAK}, ["/scale/mastery"]),
        (STREAK, {"method": {"type": "streak", "n": 2}}, ["/method/n"]),
        ({**STREAK, "sufficiency": {"min_evidence": 5}}, {**STREAK, "sufficiency": {"min_evidence": 4}},
         ["/sufficiency/min_evidence"]),
        ({"method": BKT, "decision": {"at_least": 0.95}}, {"method": BKT, "decision": {"at_least": 0.9}},
         ["/decision/at_least"]),
        ({**SCALE, **STREAK}, {"scale": {"min": 1, "max": 7, "step": 1, "mastery": 5}, **STREAK}, []),
        ({**STREAK, "rationale": "old"}, {"method": {"type": "streak", "n": 2}, "rationale": "old"}, ["/method/n"]),
        (STREAK, {"method": {"type": "streak", "n": 2}, "rationale": "five items a week are all there are"}, []),
        (STREAK, {"method": {"type": "streak", "n": 4}}, []),
    ],
)  # fmt: skip
def test_a_cut_lowered_without_a_reason_of_its_own_is_an_error(
    before: dict[str, Any], now: dict[str, Any], pointers: list[str]
):
    assert placed(found(now, before)) == [("error", pointer) for pointer in pointers]


def test_errors_come_first():
    content = {**SCALE, "method": {"type": "highest"}, "decision": {"at_least": 9, "latch": "first_crossing"}}

    assert [problem.severity for problem in found(content)] == ["error", "warning"]


@pytest.mark.parametrize("name", NAMES)
def test_templates_are_clean(name: str):
    policy, problems = check(template(name))

    assert problems == []
    assert policy is not None
    assert lint(policy, policy) == []


def test_a_re_check_by_use_needs_to_know_what_builds_on_what():
    policy = policy_from({"id": "p", **STREAK, "upkeep": {"check_in_by_use": True}})
    flat = Framework("math", "Mathematics", (Competency("add", "Add", 1), Competency("mul", "Multiply", 2)), ())
    built = Framework("math", "Mathematics", flat.competencies, (Association("add", "mul"),))

    assert placed(lint(policy, frameworks=[flat])) == [("warning", "/upkeep/check_in_by_use")]
    assert lint(policy, frameworks=[flat, built]) == lint(policy) == []


@pytest.mark.parametrize(
    ("more", "levels"),
    [
        ({}, 2),
        ({"applies_to": {"level": ["2"]}}, 1),
        ({"applies_to": {"competencies": ["more"]}}, 0),
        ({"advancement": {"require": {"power": "mastered"}}}, 0),
    ],
    ids=["all", "of some levels", "not of the first of its level, which decides it", "said"],
)
def test_levels_that_advance_by_themselves_though_nothing_says_so_are_counted(more: dict[str, Any], levels: int):
    of = (Competency("add", "Add", 1, "1"), Competency("more", "More", 2, "1"), Competency("mul", "Multiply", 3, "2"))
    known = Framework("math", "Mathematics", of, ())
    problems = lint(policy_from({"id": "p", **STREAK} | more), frameworks=[known])

    assert placed(problems) == [("warning", "/advancement")] * bool(levels)
    assert all(f"(levels: {levels})" in problem.text for problem in problems)


@pytest.mark.parametrize("name", ["streak-3.json", "bkt-fixed.json", "classroom.yaml", "canvas-65-35.yaml"])
def test_the_given_policies_are_clean(name: str):
    assert check(shared_file(f"golden/policies/{name}").read_bytes())[1] == []
