"""The documents of the running stack: routes say what they answer, topics what is on them."""

from typing import Any

import httpx
import jsonschema_rs
import pytest
import schemathesis

from deploy.local.stack import Stack
from tests.support.described import closed, every_object, undescribed

SERVICES = ("evidence", "progression", "reporting")


async def published(stack: Stack, service: str, name: str = "openapi.json") -> dict[str, Any]:
    async with httpx.AsyncClient() as client:
        document: dict[str, Any] = (await client.get(f"{stack.urls[service]}/{name}")).json()
    return document


@pytest.mark.parametrize("service", SERVICES)
async def test_every_answer_in_json_is_described(stack: Stack, service: str) -> None:
    assert not undescribed(await published(stack, service))


@pytest.mark.parametrize("service", SERVICES)
async def test_a_generator_of_clients_can_read_the_document(stack: Stack, service: str) -> None:
    document = await published(stack, service)

    schemathesis.openapi.from_dict(document).validate()
    nodes = list(every_object(document))
    named = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert {node["$ref"] for node in nodes if "$ref" in node} == named
    ids = [node["operationId"] for node in nodes if "operationId" in node]
    assert len(ids) == len(set(ids))
    assert document["paths"]["/v1/lag"]["get"]["operationId"] == "get_lag"


@pytest.mark.parametrize("service", SERVICES)
async def test_every_example_is_as_the_answer_is_described(stack: Stack, service: str) -> None:
    document = await published(stack, service)

    for content in every_object(document):
        if "schema" in content and "example" in content:
            whole = closed(content["schema"] | {"components": document["components"]})
            jsonschema_rs.Draft202012Validator(whole).validate(content["example"])


@pytest.mark.parametrize("service", SERVICES)
async def test_what_is_on_every_topic_of_a_service_is_described(stack: Stack, service: str) -> None:
    document = await published(stack, service, "asyncapi.json")

    assert all(channel["messages"] for channel in document["channels"].values())
    refs = {node["$ref"] for node in every_object(document) if "$ref" in node}
    parts = {f"#/components/{kind}/{name}" for kind, each in document["components"].items() for name in each}
    assert refs == parts | {f"#/channels/{name}" for name in document["channels"]}
