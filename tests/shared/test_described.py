"""The OpenAPI documents say what a sender has to know: who may ask, what bodies look like, and how a refusal is written."""

from typing import Any

import jsonschema
import msgspec
import pytest
from fastapi import FastAPI, Response
from fastapi.testclient import TestClient

from services.evidence.entrypoints.evidence import evidence_router
from services.evidence.entrypoints.formats import formats_router
from services.evidence.entrypoints.roster import roster_router
from services.evidence.entrypoints.xapi import xapi_router
from services.evidence.formats import native
from shared.auth import Authenticator
from shared.described import schema_of
from shared.settings import Settings
from shared.web import Caller, make_app

KEY = "0" * 64
PIECE = {
    "id": "quiz-7-ada", "source": "https://lms.example.edu", "learner": "ada", "competencies": ["math:add"],
    "score": {"raw": 3, "max": 4}, "occurred_at": "2026-03-04T10:15:00Z",
}  # fmt: skip


@pytest.fixture
def app() -> FastAPI:
    settings = Settings(token_key=KEY)
    made = make_app("evidence", "", Authenticator(settings), None)
    nothing: Any = None
    made.include_router(evidence_router(nothing, nothing, nothing, nothing, nothing, settings))
    made.include_router(formats_router(nothing, nothing, nothing, nothing, settings))
    made.include_router(roster_router(nothing, nothing, settings))
    made.include_router(xapi_router(nothing, nothing, nothing, settings))

    @made.get("/v1/open")
    async def open_to_all(number: int) -> Response:
        return Response(str(number))

    @made.get("/v1/closed")
    async def closed(caller: Caller) -> Response:
        return Response(caller.subject)

    return made


def test_every_route_that_asks_who_it_is_says_so_and_none_takes_the_header_as_a_parameter(app: FastAPI) -> None:
    document = app.openapi()

    assert document["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    assert document["paths"]["/v1/evidence"]["post"]["security"] == [{"HTTPBearer": []}]
    assert {"HTTPBasic": []} in document["paths"]["/xapi/statements"]["post"]["security"]
    assert "security" not in document["paths"]["/v1/open"]["get"]
    named = [
        parameter["name"].lower()
        for path in document["paths"].values()
        for operation in path.values()
        for parameter in operation.get("parameters", ())
    ]
    assert "authorization" not in named
    assert "x-experience-api-version" in named


def test_a_refusal_is_as_the_document_describes_it(app: FastAPI) -> None:
    document = app.openapi()
    with TestClient(app) as client:
        for path, status in (("/v1/open?number=x", 422), ("/v1/closed", 401)):
            answer = client.get(path)
            described = document["paths"][path.partition("?")[0]]["get"]["responses"]
            assert described.keys() == {"200", "default"}
            [[media_type, content]] = described["default"]["content"].items()
            assert (answer.status_code, answer.headers["content-type"]) == (status, media_type)
            jsonschema.validate(answer.json(), content["schema"])


def test_every_body_is_described_and_the_schemas_take_what_the_service_takes(app: FastAPI) -> None:
    document = app.openapi()
    for path, operations in document["paths"].items():
        for method in operations.keys() & {"post", "put"}:
            assert operations[method]["requestBody"]["content"], (method, path)
    schema = document["paths"]["/v1/evidence"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(PIECE, schema)
    jsonschema.validate([PIECE, PIECE], schema)
    for wrong in (PIECE | {"scroe": 1}, PIECE | {"competencies": ["add"]}, {"id": "x"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(wrong, native.Native)
    roster = document["paths"]["/v1/roster"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    jsonschema.validate({"source": "sis", "schools": [{"school": "s", "title": "South"}]}, roster)


def test_a_schema_is_whole_and_a_member_called_title_stays() -> None:
    class Inner(msgspec.Struct):
        title: str

    class Outer(msgspec.Struct):
        inner: Inner

    assert schema_of(Outer) == {
        "type": "object", "required": ["inner"],
        "properties": {
            "inner": {"type": "object", "required": ["title"], "properties": {"title": {"type": "string"}}},
        },
    }  # fmt: skip
