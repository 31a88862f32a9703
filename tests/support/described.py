"""Whether answers are as the OpenAPI document of their service describes them, with nothing left over."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema_rs

JSON = "application/json"
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
        self._components = closed(document.get("components", {}))
        # A parameter may have slashes: the path that says the most is tried first.
        self._routes = [
            (re.compile(re.sub(r"\\{[^}]+\\}", "(?:.+)", re.escape(path)) + "$"), operations)
            for path, operations in sorted(
                document["paths"].items(), key=lambda each: -len(_PARAMETER.sub("", each[0]))
            )
        ]
        self._validators: dict[int, jsonschema_rs.Draft202012Validator] = {}

    def hold(self, method: str, path: str, status: int, body: Any) -> None:
        """Fail where a body in JSON is not as the answer of this status is described, if it is."""
        schema = self._schema(method.lower(), path, status)
        if not schema:
            return
        if id(schema) not in self._validators:
            whole = closed(schema) | {"components": self._components}
            self._validators[id(schema)] = jsonschema_rs.Draft202012Validator(whole)
        faults = [in_words(fault) for fault in self._validators[id(schema)].iter_errors(body)]
        assert not faults, f"{method} {path} {status}: {faults[0]}"

    def _schema(self, method: str, path: str, status: int) -> dict[str, Any]:
        found = [operations[method] for route, operations in self._routes if method in operations and route.match(path)]
        content = found[0]["responses"].get(str(status), {}).get("content", {}) if found else {}
        schema: dict[str, Any] = content.get(JSON, {}).get("schema", {})
        return schema


async def hold(described: Described, answer: httpx.Response) -> None:
    """Hold an answer against the document; one that was asked for some members alone is none of it."""
    if answer.headers.get("content-type") == JSON and "fields" not in answer.request.url.params:
        await answer.aread()
        described.hold(answer.request.method, answer.request.url.path, answer.status_code, answer.json())


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
