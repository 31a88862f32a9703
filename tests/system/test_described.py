"""The documents of the running stack: what is asked from outside says what it answers, what is on topics what it is."""

from typing import Any

import httpx
import jsonschema
import pytest
import schemathesis

from deploy.local.stack import Stack
from tests.support.described import closed, every_object, undescribed

EVERYWHERE = {
    "GET /v1/expiries", "GET /v1/limits", "PUT /v1/limits", "GET /v1/reconciliation", "POST /v1/reconciliation",
}  # fmt: skip
NOT_DESCRIBED = {
    "evidence": EVERYWHERE | {
        "DELETE /v1/quarantine", "GET /v1/accesses", "GET /v1/erasures", "GET /v1/identities", "GET /v1/staff",
        "GET /v1/learners/{learner}/holdings", "GET /v1/roster/groups", "GET /v1/roster/schools", "GET /xapi/about",
        "GET /xapi/counts", "GET /xapi/statements", "POST /v1/learners/named-by-id", "POST /v1/learners/references",
        "POST /v1/names", "POST /v1/own-activities", "POST /v1/retractions/preview", "POST /v1/staff/names",
    },
    "progression": EVERYWHERE | {
        "GET /v1/policies/audit", "GET /v1/policies/proposals", "GET /v1/policies/shadows", "POST /v1/policies/shadows",
        "GET /v1/policies/shadows/{policy}/differences", "GET /v1/policies/shadows/{policy}/levels",
        "POST /v1/corrections/preview", "POST /v1/learners/{learner}/corrections/preview", "POST /v1/policies/compare",
        "POST /v1/learners/{learner}/redrive", "POST /v1/policies/proposals",
    },
    "reporting": EVERYWHERE | {
        "GET /v1/rebuild/{model}", "POST /v1/rebuild/{model}", "POST /v1/rebuild/{model}/rollback",
        "GET /v1/rows/{table}", "GET /v1/states",
    },
}  # fmt: skip
"""What operators and the other services ask, and analyses for who writes policies."""


async def published(stack: Stack, service: str, name: str = "openapi.json") -> dict[str, Any]:
    async with httpx.AsyncClient() as client:
        document: dict[str, Any] = (await client.get(f"{stack.urls[service]}/{name}")).json()
    return document


@pytest.mark.parametrize("service", NOT_DESCRIBED)
async def test_whoever_asks_from_outside_finds_every_answer_described(stack: Stack, service: str) -> None:
    assert undescribed(await published(stack, service)) == NOT_DESCRIBED[service]


@pytest.mark.parametrize("service", NOT_DESCRIBED)
async def test_a_generator_of_clients_can_read_the_document(stack: Stack, service: str) -> None:
    document = await published(stack, service)

    schemathesis.openapi.from_dict(document).validate()
    nodes = list(every_object(document))
    named = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert {node["$ref"] for node in nodes if "$ref" in node} == named
    ids = [node["operationId"] for node in nodes if "operationId" in node]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("service", NOT_DESCRIBED)
async def test_every_example_is_as_the_answer_is_described(stack: Stack, service: str) -> None:
    document = await published(stack, service)

    for content in every_object(document):
        if "schema" in content and "example" in content:
            whole = closed(content["schema"] | {"components": document["components"]})
            jsonschema.Draft202012Validator(whole).validate(content["example"])


@pytest.mark.parametrize("service", NOT_DESCRIBED)
async def test_what_is_on_every_topic_of_a_service_is_described(stack: Stack, service: str) -> None:
    document = await published(stack, service, "asyncapi.json")

    assert all(channel["messages"] for channel in document["channels"].values())
    refs = {node["$ref"] for node in every_object(document) if "$ref" in node}
    parts = {f"#/components/{kind}/{name}" for kind, each in document["components"].items() for name in each}
    assert refs == parts | {f"#/channels/{name}" for name in document["channels"]}
