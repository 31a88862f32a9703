"""What OpenAPI documents say beside what FastAPI finds by itself: who may ask, refusals, bodies that routes read themselves."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Generic, TypeVar, get_origin

import msgspec
from fastapi.security import HTTPBearer
from msgspec import inspect

PROBLEM = "application/problem+json"
NDJSON = "application/x-ndjson"
CSV = "text/csv"
EVENT_STREAM = "text/event-stream"
NEXT = {"Attain-Next": "the next `after`"}
_DEFS = "#/$defs/"
BEARER = HTTPBearer(auto_error=False, description="a token (JWT), or an API key of a learning system")


def schema_of(kind: Any, *, answered: bool = False, prefix: str = "") -> dict[str, Any]:
    """
    Return the JSON Schema of a type, which has the types that it is made of by name under `$defs`, see `with_components`.

    Args:
        answered: it describes what this version writes, not what it reads: members with a default are always there.
        prefix: of the names of the types.

    Raises:
        ValueError: two of the types are called the same.
    """
    structs: list[Any] = []
    _find_structs(inspect.type_info(kind), structs)
    (schema, *references), parts = msgspec.json.schema_components([kind, *structs])
    if twice := [name for name in parts if "." in name]:
        # What msgspec does where names do not tell types apart.
        raise ValueError(f"two types have one name: {' and '.join(twice)}")
    if answered:
        for reference, struct in zip(references, structs, strict=True):
            parts[_name_in(reference)]["required"] = _written(struct)

    def placed(node: Any) -> Any:
        if isinstance(node, list):
            return [placed(each) for each in node]
        if not isinstance(node, dict):
            return node
        # A title is the name of a class of ours; a member that is called so is an object.
        found = {name: placed(each) for name, each in node.items() if name != "title" or not isinstance(each, str)}
        if "$ref" in node:
            found["$ref"] = _DEFS + prefix + _published(_name_in(node))
        # Generators of clients ask what is in an array, and few know schemas that are true or false.
        if found.get("type") == "array" and "prefixItems" not in found:
            found.setdefault("items", {})
        elif found.get("items") is False:
            # Said by `maxItems` too.
            del found["items"]
        if isinstance(pattern := found.get("pattern"), str):
            # Documents have the expressions of ECMAScript, which knows no \\Z.
            found["pattern"] = pattern.replace(r"\Z", "$")
        return found

    defs = {prefix + _published(name): placed(part) for name, part in parts.items()}
    whole: dict[str, Any] = placed(schema) | ({"$defs": defs} if defs else {})
    return whole


def named(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema that documents have once, under a name."""
    return {"$ref": _DEFS + name, "$defs": {name: dict(schema)}}


def _find_structs(node: Any, found: list[Any]) -> None:
    """Add every struct that a type is made of."""
    if isinstance(node, tuple):
        for each in node:
            _find_structs(each, found)
    elif isinstance(node, inspect.StructType):
        if node.cls not in found:
            found.append(node.cls)
            _find_structs(node.fields, found)
    elif isinstance(node, msgspec.Struct):
        _find_structs(msgspec.structs.astuple(node), found)


def _written(struct: Any) -> list[str]:
    """Return the members that are there whatever they are."""
    omits = (get_origin(struct) or struct).__struct_config__.omit_defaults
    return [
        each.encode_name
        for each in msgspec.structs.fields(struct)
        if each.required or not (omits or each.default is msgspec.UNSET)
    ]


def _name_in(reference: Mapping[str, str]) -> str:
    return reference["$ref"].rpartition("/")[2]


def _published(name: str) -> str:
    """Return how documents call a type; msgspec writes `Items[_Key]` as `Items__Key_`."""
    return name.replace("__", "_").strip("_")


def with_components(document: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return an OpenAPI or AsyncAPI document in which every type stands once, among the components, and examples as they were given.

    Raises:
        ValueError: two types that are not the same have one name.
    """
    components = document.get("components", {})
    schemas = dict(components.get("schemas", {}))
    if twice := [name for name in schemas if "__" in name]:
        # What FastAPI does where names do not tell models apart.
        raise ValueError(f"two types have one name: {' and '.join(twice)}")

    def placed(node: Any) -> Any:
        if isinstance(node, list):
            return [placed(each) for each in node]
        if not isinstance(node, dict):
            return node
        for name, part in node.get("$defs", {}).items():
            if schemas.setdefault(name, own := placed(part)) != own:
                raise ValueError(f"two types are called {name}")
        found = {name: placed(each) for name, each in node.items() if name != "$defs"}
        if node.get("$ref", "").startswith(_DEFS):
            # All that a type is stands there; beside it FastAPI says what the function returns.
            return {"$ref": node["$ref"].replace(_DEFS, "#/components/schemas/")}
        if "schema" in node and isinstance(example := node.get("example"), str):
            found["example"] = msgspec.json.decode(example)
        return found

    whole: dict[str, Any] = placed(dict(document) | {"components": components})
    whole["components"]["schemas"] = dict(sorted(schemas.items()))
    return whole


class ProblemDetails(msgspec.Struct):
    """What is the matter (RFC 9457); there may be more members that a refusal has of its own."""

    type: str
    title: str
    status: int
    detail: Annotated[str, msgspec.Meta(description="what is the matter, for people")]
    pointer: Annotated[str, msgspec.Meta(description="the member or parameter at fault")] | msgspec.UnsetType = (
        msgspec.UNSET
    )
    reason: Annotated[str, msgspec.Meta(description="a stable code, where there is one")] | msgspec.UnsetType = (
        msgspec.UNSET
    )


def headers_of(told: Mapping[str, str]) -> dict[str, Any]:
    """Return how headers of an answer are described, of which any may be absent; what each tells, by its name."""
    return {name: {"description": means, "schema": {"type": "string"}} for name, means in told.items()}


PROBLEM_CONTENT = {PROBLEM: {"schema": schema_of(ProblemDetails, answered=True)}}
REFUSED: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "Refused, as RFC 9457 says it: 401 without a good token, 403 without the right, 404, 408 where the"
        " body comes too slowly, 409, 410, 413, 422 with the member at fault;"
        " 429 and 503 with Retry-After, after which the same request may be sent again.",
        "headers": headers_of({"Retry-After": "with 429 and 503: seconds"}),
        "content": PROBLEM_CONTENT,
    }
}
"""What every route may answer."""


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


Item = TypeVar("Item")


class Items(msgspec.Struct, Generic[Item]):
    """All of them."""

    items: list[Item]


def answered(
    of: Any, description: str = "as asked", *, status: int = 200, example: Any = None,
    headers: Mapping[str, str] | None = None, files: Sequence[str] = (),
) -> dict[int | str, dict[str, Any]]:  # fmt: skip
    """
    Return the `responses` of a route that answers a type, which describes it and costs its answers nothing.

    Args:
        headers: what each of them tells, by name.
        files: the media types of files that are given in place of it, where they are asked for.
    """
    content: dict[str, Any] = {"schema": schema_of(of, answered=True)}
    if example is not None:
        # As text, of which FastAPI leaves out nothing that is null.
        content["example"] = msgspec.json.encode(example).decode()
    contents = {"application/json": content} | {each: _text(each) for each in files}
    return {status: _answer(description, contents, headers)}


def text_of(media_type: str, description: str = "as asked", *, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route, whose `response_class` says no media type, that answers text or a file."""
    return {status: _answer(description, {media_type: _text(media_type)}, None)}


def lines_of(of: Any, headers: Mapping[str, str] | None = None) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route, whose `response_class` says no media type, that answers a line of JSON each."""
    return {200: _answer("as NDJSON", {NDJSON: {"schema": schema_of(of, answered=True)}}, headers)}


def _answer(description: str, content: Mapping[str, Any], headers: Mapping[str, str] | None) -> dict[str, Any]:
    told = {"headers": headers_of(headers)} if headers else {}
    return {"description": description, **told, "content": dict(content)}


def _text(media_type: str) -> dict[str, Any]:
    binary = {} if media_type.startswith("text/") else {"format": "binary"}
    return {"schema": {"type": "string", **binary}}


def json_content(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a body in JSON."""
    return {"application/json": {"schema": dict(schema)}}
