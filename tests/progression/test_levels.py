"""What a level asks for, and what of it is unmet."""

from typing import Any

import msgspec
import pytest
from pydantic import ValidationError

from services.progression.domain.levels import Shown, lacks_of, level_status, missing_of, unmet_of
from services.progression.domain.policy.requirements import Require

MEMBERS = tuple(f"math:{code}" for code in ("p1", "p2", "s1", "s2", "s3", "s4"))
POWER = {"math:p1", "math:p2"}


def require(**members: Any) -> Require:
    return Require.model_validate_json(msgspec.json.encode(members))


def unmet(rule: Require | None, *satisfied: str, opened: tuple[str, ...] = ()) -> tuple[str, ...]:
    shown = Shown({f"math:{code}" for code in satisfied}, {f"math:{code}" for code in opened})
    return unmet_of(rule, "math", MEMBERS, POWER, shown)


def test_without_a_rule_every_competency_of_the_level_is_asked_for():
    assert unmet(None, "p1", "p2", "s1", "s2", "s3") == ("math:s4",)


def test_no_share_ever_lets_a_power_standard_go():
    rule = require(power="mastered", supporting={"share": 0.5})

    assert unmet(rule, "p1", "s1", "s2", "s3", "s4") == ("math:p2",)
    assert unmet(rule, "p1", "p2", "s1") == ("1 more of math:s2, math:s3, math:s4",)
    assert unmet(rule, "p1", "p2", "s1", "s4") == ()


def test_a_share_rounds_up_and_may_be_met_at_the_provisional_tier():
    rule = require(power="mastered", supporting={"share": 0.6, "at": "provisional"})

    assert unmet(rule, "p1", "p2", "s1", opened=("s2", "s3")) == ()
    assert unmet(rule, "p1", "s1", opened=("p2", "s2", "s3")) == ("math:p2",)
    assert len(unmet(rule, "p1", "p2", "s1", opened=("s2",))) == 1


@pytest.mark.parametrize(("percent", "members"), [(28, 25), (56, 25), (14, 50), (55, 100), (60, 5), (33, 100)])
def test_a_share_that_is_a_whole_number_of_standards_asks_for_no_more(percent: int, members: int):
    codes = tuple(f"math:{number}" for number in range(members))
    rule = require(power="mastered", supporting={"share": percent / 100})
    needed = percent * members // 100

    assert unmet_of(rule, "math", codes, (), Shown(codes[:needed])) == ()
    assert len(unmet_of(rule, "math", codes, (), Shown(codes[: needed - 1]))) == 1


def test_choices_are_named_in_words_and_codes_may_be_of_another_framework():
    rule = require(all=["s1", "art:a"], electives=[{"group": "arts", "k": 1, "of": ["s2", "s3"]}])

    assert unmet(rule, "s1") == ("art:a", "1 more of math:s2, math:s3 (arts)")


def test_what_would_count_for_a_choice_is_named_by_id_beside_the_words():
    rule = require(all=["s1"], k_of=[{"k": 1, "of": ["s1", "s2"]}])
    lacks = lacks_of(rule, "math", MEMBERS, POWER, Shown(set()))

    assert [lack.words for lack in lacks] == ["math:s1", "1 more of math:s1, math:s2"]
    assert missing_of(lacks) == ["math:s1", "math:s2"]


@pytest.mark.parametrize(
    "members",
    [{"k_of": [{"k": 3, "of": ["a", "b"]}]}, {"k_of": [{"k": 2, "of": ["a", "a"]}]}, {"most": ["a"]}, {}],
)
def test_a_rule_that_can_never_be_met_or_says_nothing_is_refused(members: dict[str, Any]):
    with pytest.raises(ValidationError):
        require(**members)


def test_a_complete_level_waits_for_its_sign_off_and_an_advanced_one_is_never_taken_back():
    assert level_status((), "teacher", signed=False, advanced=False) == "eligible_pending_sign_off"
    assert level_status((), "teacher", signed=True, advanced=False) == "complete"
    assert level_status((), "", signed=False, advanced=False) == "complete"
    assert level_status(("math:s1",), "teacher", signed=True, advanced=False) == "not_eligible"
    assert level_status(("math:s1",), "teacher", signed=False, advanced=True) == "advanced"
