"""What OpenAPI documents say beside what FastAPI finds by itself: who may ask, refusals, bodies that routes read themselves."""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec
from fastapi.security import HTTPBearer

PROBLEM = "application/problem+json"
NDJSON = "application/x-ndjson"
PROBLEM_CONTENT = {
    PROBLEM: {
        "schema": {
            "type": "object",
            "required": ["type", "title", "status", "detail"],
            "properties": {
                "type": {"type": "string"},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string", "description": "what is the matter, for people"},
                "pointer": {"type": "string", "description": "the member or parameter at fault"},
                "reason": {"type": "string", "description": "a stable code, where there is one"},
            },
        }
    }
}
REFUSED: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "Refused, as RFC 9457 says it: 401 without a good token, 403 without the right, 404, 409, 410, 413, 422"
        " with the member at fault; 429 and 503 with Retry-After, after which the same request may be sent again.",
        "content": PROBLEM_CONTENT,
    }
}
"""What every route may answer."""
BEARER = HTTPBearer(auto_error=False, description="a token (JWT), or an API key of a learning system")


def schema_of(kind: Any) -> dict[str, Any]:
    """Return the JSON Schema of a type that does not contain itself, whole: what it refers to stands in its place."""
    schema = msgspec.json.schema(kind)
    parts = schema.pop("$defs", {})

    def placed(node: Any) -> Any:
        if isinstance(node, list):
            return [placed(each) for each in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return placed(parts[node["$ref"].rpartition("/")[2]])
        # A title is the name of a class of ours; a member that is called so is an object.
        found = {name: placed(each) for name, each in node.items() if name != "title" or not isinstance(each, str)}
        if isinstance(pattern := found.get("pattern"), str):
            # Documents have the expressions of ECMAScript, which knows no \\Z.
            found["pattern"] = pattern.replace(r"\Z", "$")
        return found

    whole: dict[str, Any] = placed(schema)
    return whole


def reads(content: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return `openapi_extra` of a route that reads its body itself: the schema by media type."""
    return {
        "requestBody": {
            "required": True,
            "description": "may be zipped (Content-Encoding: gzip)",
            "content": {media_type: {"schema": dict(schema)} for media_type, schema in content.items()},
        }
    }


def answers(description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return how an answer in JSON is described."""
    return {"description": description, "content": json_content(schema)}


def list_of(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of an object whose `items` are such."""
    items = {"type": "array", "items": dict(item)}
    return {"type": "object", "required": ["items"], "properties": {"items": items}}


Item = TypeVar("Item")


class Items(msgspec.Struct, Generic[Item]):
    """All of them."""

    items: list[Item]


def answered(
    of: Any, description: str = "as asked", *, status: int = 200, example: Any = None
) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that answers a type, which describes it and costs its answers nothing."""
    content: dict[str, Any] = {"schema": schema_of(of)} | ({"example": example} if example is not None else {})
    return {status: {"description": description, "content": {"application/json": content}}}


def json_content(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a body in JSON."""
    return {"application/json": {"schema": dict(schema)}}
