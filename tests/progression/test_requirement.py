"""The level rule: what is asked for, what is unmet, and what a later loss does."""

from typing import Any

import pytest
from pydantic import ValidationError

from services.progression.requirement import LevelRule, standing

RULE: dict[str, Any] = {
    "level": "L5",
    "require": {
        "all": ["S1", "S2"],
        "k_of": [{"k": 2, "of": ["S3", "S4", "S5"]}],
        "electives": [{"group": "arts", "k": 1, "of": ["A1", "A2"]}],
    },
    "sign_off": "teacher",
}


def rule(**changes: Any) -> LevelRule:
    return LevelRule.model_validate(RULE | changes)


def test_a_level_whose_rule_is_met_waits_for_its_sign_off():
    everything = ["S1", "S2", "S3", "S5", "A2"]

    assert standing(rule(), everything) == ("eligible_pending_sign_off", (), ())
    assert standing(rule(), everything, signed=True).status == "advanced"
    assert standing(rule(sign_off=None), everything).status == "advanced"


def test_what_is_unmet_is_named_in_the_order_of_the_rule():
    found = standing(rule(), ["S1", "S3"], signed=True)

    assert found == ("not_eligible", ("S2", "1 more of S4, S5", "1 more of A1, A2 (arts)"), ())


def test_a_power_standard_is_asked_for_and_one_of_any_is_enough():
    asked = rule(require={"power": ["P1"], "any": ["X", "Y"]}, sign_off=None)

    assert standing(asked, ["Y"]).unmet == ("P1",)
    assert standing(asked, ["P1"]).unmet == ("1 more of X, Y",)
    assert standing(asked, ["P1", "Y"]).status == "advanced"


@pytest.mark.parametrize(
    ("mode", "action"), [("reverify_never_demote", "reverify:S2"), ("teacher_decides", "review:S2")]
)
def test_a_loss_after_advancement_asks_for_something_and_demotes_nobody(mode: str, action: str):
    found = standing(rule(on_regression=mode), ["S1", "S3", "S5", "A2"], advanced=True, lost=["S2", "elsewhere"])

    assert (found.status, found.actions) == ("advanced", (action,))


@pytest.mark.parametrize(
    "require",
    [{"k_of": [{"k": 3, "of": ["a", "b"]}]}, {"k_of": [{"k": 2, "of": ["a", "a"]}]}, {"most": ["a"]}],
)
def test_a_rule_that_can_never_be_met_or_read_is_refused(require: dict[str, Any]):
    with pytest.raises(ValidationError):
        rule(require=require)


def test_no_rule_takes_a_level_back_by_itself():
    with pytest.raises(ValidationError):
        rule(on_regression="demote")
