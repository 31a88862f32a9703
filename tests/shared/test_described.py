"""The OpenAPI documents say what a sender has to know: who may ask, what bodies look like, and how a refusal is written."""

from collections.abc import Callable, Mapping
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from fastapi import FastAPI, Response
from fastapi.testclient import TestClient
from pydantic import BaseModel, create_model

from services.evidence.entrypoints.evidence import evidence_router
from services.evidence.entrypoints.formats import formats_router
from services.evidence.entrypoints.roster import roster_router
from services.evidence.entrypoints.xapi import xapi_router
from services.evidence.formats import native
from shared.auth import Authenticator
from shared.described import Items, answered, reads, schema_of
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
            jsonschema_rs.validate(content["schema"] | {"components": document["components"]}, answer.json())


def test_every_body_is_described_and_the_schemas_take_what_the_service_takes(app: FastAPI) -> None:
    document = app.openapi()
    for path, operations in document["paths"].items():
        for method in operations.keys() & {"post", "put"}:
            assert operations[method]["requestBody"]["content"], (method, path)
    components = {"components": document["components"]}
    schema = (
        components | document["paths"]["/v1/evidence"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    )
    jsonschema_rs.meta.validate(schema)
    jsonschema_rs.validate(schema, PIECE)
    jsonschema_rs.validate(schema, [PIECE, PIECE])
    for wrong in (PIECE | {"scroe": 1}, PIECE | {"competencies": ["add"]}, {"id": "x"}):
        with pytest.raises(jsonschema_rs.ValidationError):
            jsonschema_rs.validate(schema, wrong)
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(wrong, native.Native)
    roster = document["paths"]["/v1/roster"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    jsonschema_rs.validate(roster | components, {"source": "sis", "schools": [{"school": "s", "title": "South"}]})


class Inner(msgspec.Struct):
    title: str


class Outer(msgspec.Struct):
    inner: Inner
    more: list[Inner] = []
    left_out: int | msgspec.UnsetType = msgspec.UNSET


class Sparse(msgspec.Struct, omit_defaults=True):
    always: str
    count: int = 0


def nothing() -> dict[str, Any]:
    return {}


def documented(responses: Mapping[str, dict[int | str, dict[str, Any]]], body: Any = None) -> dict[str, Any]:
    """Return the document of an application whose routes answer so, by path."""
    made = make_app("x", "", Authenticator(Settings(token_key=KEY)), None)
    for path, answer in responses.items():
        taken = {} if body is None else reads({"application/json": schema_of(body)})
        made.post(path, responses=answer, openapi_extra=taken)(nothing)
    document: dict[str, Any] = made.openapi()
    return document


def test_a_type_stands_once_by_its_name_and_a_member_called_title_stays() -> None:
    document = documented({"/a": answered(Outer), "/b": answered(Items[Outer]), "/c": answered(list[Inner])})
    schemas = document["components"]["schemas"]

    assert schemas.keys() == {"Inner", "Outer", "Items_Outer", "ProblemDetails"}
    assert schemas["Inner"] == {
        "type": "object", "required": ["title"], "properties": {"title": {"type": "string"}}
    }  # fmt: skip
    inner = {"$ref": "#/components/schemas/Inner"}
    assert schemas["Outer"]["properties"]["more"]["items"] == schemas["Outer"]["properties"]["inner"] == inner
    answers = [
        operations["post"]["responses"]["200"]["content"]["application/json"]["schema"]
        for operations in document["paths"].values()
    ]
    assert answers[:2] == [{"$ref": "#/components/schemas/Outer"}, {"$ref": "#/components/schemas/Items_Outer"}]
    assert (answers[2]["type"], answers[2]["items"]) == ("array", inner)


def test_an_answer_always_has_what_is_always_written_and_a_request_may_leave_it_out() -> None:
    answer = documented({"/a": answered(Outer), "/b": answered(Sparse)})["components"]["schemas"]
    request = documented({"/a": {}}, Outer)["components"]["schemas"]

    assert answer["Outer"]["required"] == ["inner", "more"]
    assert answer["Sparse"]["required"] == ["always"]
    assert request["Outer"]["required"] == ["inner"]


def test_what_arrays_hold_is_said_in_schemas_that_are_objects() -> None:
    assert schema_of(list[Any])["items"] == {}
    pair = schema_of(tuple[str, int])
    assert [each["type"] for each in pair["prefixItems"]] == ["string", "integer"]
    assert (pair["minItems"], pair["maxItems"], "items" in pair) == (2, 2, False)


def test_two_types_of_one_name_are_refused_wherever_they_meet() -> None:
    other = msgspec.defstruct("Inner", [("number", int)], module="another")
    with pytest.raises(ValueError, match="one name"):
        schema_of(Outer | list[other])  # type: ignore[valid-type]
    with pytest.raises(ValueError, match="two types are called Inner"):
        documented({"/a": answered(Outer), "/b": answered(other)})
    with pytest.raises(ValueError, match="two types are called Outer"):
        documented({"/a": answered(Outer)}, Outer)
    made = make_app("x", "", Authenticator(Settings(token_key=KEY)), None)
    made.post("/a")(_taking(create_model("Asked", __module__="a", number=int)))
    made.post("/b")(_taking(create_model("Asked", __module__="b", text=str)))
    with pytest.raises(ValueError, match="one name"):
        made.openapi()


def _taking(kind: type[BaseModel]) -> Callable[..., Response]:
    def take(body: Any) -> Response:
        return Response()

    take.__annotations__["body"] = kind
    return take


def test_an_example_has_what_is_null_as_well() -> None:
    example: dict[str, Any] = {"inner": {"title": "a"}, "more": [], "next": None}
    document = documented({"/a": answered(Outer, example=example)})

    assert document["paths"]["/a"]["post"]["responses"]["200"]["content"]["application/json"]["example"] == example
