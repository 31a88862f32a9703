"""Whether answers are as the OpenAPI document of their service describes them, with nothing left over."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema_rs

from shared.described import EVENT_STREAM, NDJSON, PROBLEM

JSON = "application/json"
OF_HTTP = frozenset({
    "access-control-allow-origin", "allow", "cache-control", "connection", "content-disposition", "content-encoding",
    "content-length", "content-security-policy", "content-type", "date", "permissions-policy", "referrer-policy", "server",
    "strict-transport-security", "transfer-encoding", "vary", "www-authenticate", "x-accel-buffering",
    "x-content-type-options", "x-frame-options",
})  # fmt: skip
"""Headers that every client knows what to make of; all others are described."""
_PARAMETER = re.compile(r"{[^}]+}")
_PUBLISHED: dict[str, "Described"] = {}
"""By address."""


def closed(node: Any) -> Any:
    """Return a schema that takes no member beyond those that it describes."""
    if isinstance(node, list):
        return [closed(each) for each in node]
    if not isinstance(node, dict):
        return node
    found = {name: closed(each) for name, each in node.items() if name != "additionalProperties" or each is not True}
    return {"additionalProperties": False} | found if "properties" in found and "type" in found else found


def every_object(node: Any) -> Iterator[dict[str, Any]]:
    """Return every object of a document."""
    if isinstance(node, dict):
        yield node
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from every_object(each)


def in_words(fault: jsonschema_rs.ValidationError) -> str:
    """Return where something is not as described, and why."""
    return f"{'/'.join(str(part) for part in ('', *fault.instance_path))}: {fault.message[:500]}"


class Described:
    """The document of a service, to hold answers against."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._components = closed(document.get("components", {}))
        # A parameter may have slashes: the path that says the most is tried first.
        self._routes = [
            (re.compile(re.sub(r"\\{[^}]+\\}", "(?:.+)", re.escape(path)) + "$"), operations)
            for path, operations in sorted(
                document["paths"].items(), key=lambda each: -len(_PARAMETER.sub("", each[0]))
            )
        ]
        self._validators: dict[int, jsonschema_rs.Draft202012Validator] = {}

    def hold(self, answer: httpx.Response) -> None:
        """Fail where the document has no answer of this status, with these headers and this content; pages are not in it."""
        asked, status = answer.request, answer.status_code
        told = self._told(asked.method.lower(), asked.url.path, status)
        if told is None:
            return
        name = f"{asked.method} {asked.url.path} {status}"
        assert told, f"{name} is not described"
        headers = answer.headers.keys() - OF_HTTP - {header.lower() for header in told.get("headers", ())}
        assert not headers, f"{name}: {headers} are not described"
        media_type = answer.headers.get("content-type", "").partition(";")[0]
        contents = told.get("content", {})
        assert media_type in contents or not (contents or answer.content), f"{name}: {media_type!r} is not described"
        # What is asked for some members alone is no whole answer.
        if media_type in contents and "fields" not in asked.url.params:
            for body in _bodies(answer, media_type):
                self._hold_body(name, contents[media_type]["schema"], body, whole=media_type != PROBLEM)

    def _hold_body(self, name: str, schema: dict[str, Any], body: Any, *, whole: bool) -> None:
        if id(schema) not in self._validators:
            components = self._components if whole else self._document["components"]
            described = (closed(schema) if whole else schema) | {"components": components}
            self._validators[id(schema)] = jsonschema_rs.Draft202012Validator(described, validate_formats=True)
        faults = [in_words(fault) for fault in self._validators[id(schema)].iter_errors(body)]
        assert not faults, f"{name}: {faults[0]}"

    def _told(self, method: str, path: str, status: int) -> dict[str, Any] | None:
        """Return what is described of an answer, which may be nothing; None where the document has no such route."""
        found = [operations[method] for route, operations in self._routes if method in operations and route.match(path)]
        if not found:
            return None
        told: dict[str, Any] = found[0]["responses"].get(str(status), {})
        return told or (found[0]["responses"]["default"] if status >= 400 else {})


def _bodies(answer: httpx.Response, media_type: str) -> list[Any]:
    """Return what was read of an answer in JSON; nothing of one in another form."""
    if media_type in (JSON, PROBLEM):
        return [answer.json()]
    lines = answer.text.splitlines() if media_type == NDJSON else []
    return [json.loads(line) for line in lines]


async def hold(described: Described, answer: httpx.Response) -> None:
    """Hold an answer against the document; a stream without what it says, which has no end."""
    if not answer.headers.get("content-type", "").startswith(EVENT_STREAM):
        await answer.aread()
    described.hold(answer)


async def hold_as_published(answer: httpx.Response) -> None:
    """Hold an answer against the document that its own service publishes."""
    url = str(answer.request.url.copy_with(path="/openapi.json", query=None))
    if url not in _PUBLISHED:
        async with httpx.AsyncClient() as client:
            _PUBLISHED[url] = Described((await client.get(url)).json())
    await hold(_PUBLISHED[url], answer)


def undescribed(document: dict[str, Any]) -> set[str]:
    """Return the routes that answer JSON and do not say what is in it."""
    return {
        f"{method.upper()} {path}"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        for status, answer in operation["responses"].items()
        if status.startswith("2") and JSON in answer.get("content", {})
        if _says_nothing(answer["content"][JSON].get("schema", {}), document["components"]["schemas"])
    }


def _says_nothing(schema: dict[str, Any], types: dict[str, Any]) -> bool:
    if "$ref" in schema:
        return _says_nothing(types[schema["$ref"].rpartition("/")[2]], types)
    return not schema.keys() - {"title", "description"} or (
        schema.get("type") == "object"
        and "properties" not in schema
        and schema.get("additionalProperties", True) is True
    )
