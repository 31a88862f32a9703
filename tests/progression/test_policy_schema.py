"""The published JSON Schema: current, and of the same mind as the reader about what stands where."""

import json
from typing import Any

import fastjsonschema
import pytest
import yaml
from hypothesis import given, settings

from services.progression.domain.methods import NAMES as METHODS
from services.progression.domain.policy import Policy, policy_from
from services.progression.domain.policy.schema import json_schema, text
from services.progression.domain.policy.templates import NAMES, template
from shared.errors import InvalidEvent
from tests.support.policies import policies

STREAK = {"id": "s", "method": {"type": "streak", "n": 3}}


def compiled():
    # The newest dialect that the validator knows; without use_default it leaves what it reads as it is.
    content = json_schema() | {"$schema": "http://json-schema.org/draft-07/schema#"}
    return fastjsonschema.compile(content, use_default=False)


VALID = compiled()


def test_the_published_text_is_current():
    """Make it anew with: python -m services.progression.domain.policy.schema > services/progression/domain/policy/schema.json"""
    assert json.loads(text()) == json_schema()


def test_every_member_and_every_method_is_in_it():
    content = json_schema()
    of_methods = {
        part["properties"]["type"]["const"] for part in content["$defs"].values() if "and" in part.get("properties", {})
    }

    assert set(content["properties"]) == set(Policy.model_fields)
    assert of_methods == set(METHODS)


@pytest.mark.parametrize("name", NAMES)
def test_templates_are_valid(name: str):
    VALID(json.loads(json.dumps(yaml.safe_load(template(name)))))


@settings(max_examples=50)
@given(policy=policies())
def test_what_the_reader_writes_is_valid(policy: Policy):
    VALID(policy.content)


@pytest.mark.parametrize("content", [STREAK | {"sign_off": "none"}, STREAK | {"scale": None}])
def test_other_ways_to_leave_something_out_are_valid(content: dict[str, Any]):
    policy_from(content)
    VALID(content)


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"id": "s", "method": {"type": "magic"}},
        {"id": "s", "method": {"type": "streak"}},
        {"id": "s", "method": {"type": "streak", "n": "3"}},
        {"id": "s", "method": {"type": "streak", "n": 3, "k": 2}},
        {"id": "s", "method": {"type": "mean", "and": {"type": "mean", "and": {"type": "mean"}}}},
        STREAK | {"cheer": 1},
        STREAK | {"id": "a b"},
        STREAK | {"gating": "hard"},
        STREAK | {"evidence": {"kinds": {"homework": 1}}},
        STREAK | {"evidence": {"kinds": {"self": -1}}},
        STREAK | {"sufficiency": {"min_evidence": 0}},
        STREAK | {"advancement": {"require": {"power": "maybe"}}},
    ],
)
def test_what_the_schema_refuses_the_reader_refuses(content: dict[str, Any]):
    with pytest.raises(fastjsonschema.JsonSchemaValueException):
        VALID(content)
    with pytest.raises(InvalidEvent):
        policy_from(content)
