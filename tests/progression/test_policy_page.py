"""docs/policies.md: what it says of the language is true, and its examples are policies."""

import re
from pathlib import Path

import pytest

from services.progression.domain.policy import read_policy
from services.progression.domain.policy.lint import lint
from services.progression.domain.policy.reference import page
from services.progression.domain.policy.schema import json_schema

PAGE = (Path(__file__).parents[2] / "docs/policies.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_the_members_are_those_of_the_language():
    assert PAGE.endswith(page())


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_a_policy_without_problems(example: str):
    assert lint(read_policy(example.encode())) == []


def test_every_member_of_a_policy_is_said_in_words():
    told = PAGE.partition("## What a policy is made of")[2].partition("The smallest policy")[0]

    assert set(re.findall(r"`([a-z_]+)`", told)) >= set(json_schema()["properties"])
