"""
The members of the policy language as a page: the end of docs/policies.md.

`python -m services.progression.domain.policy.reference` prints it; a test holds the page against it.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any

from services.progression.domain.policy.schema import json_schema

FIRST = (
    "Scale",
    "Normalise",
    "EvidenceRules",
    "Window",
    "Sufficiency",
    "Depth",
    "Path",
    "Mastered",
    "SignOff",
    "Decision",
)
"""The order in which one needs them; the others follow, and methods last."""


def page() -> str:
    """Return a section a part of a policy: what it is, and its members with what they may be and are when left out."""
    schema = json_schema()
    parts: dict[str, Any] = schema["$defs"]
    methods = [one["$ref"].rpartition("/")[2] for one in parts["Method"]["oneOf"]]
    others = [name for name in parts if name not in FIRST and name not in methods and "properties" in parts[name]]
    lines = ["## Members", "", *_members({"properties": schema["properties"], "required": schema["required"]}), ""]
    for name in (*FIRST, *others):
        lines += [f"### {name}", "", *_described(parts[name])]
    lines += [
        "## Methods",
        "",
        "The member `type` of a method names it; `and` joins a second one, which is to be met too.",
        "",
    ]
    for name in methods:
        type_ = parts[name]["properties"]["type"]["const"]
        lines += [f"### {type_}", "", *_described(parts[name])]
    return "\n".join(lines).rstrip("\n") + "\n"


def _described(part: dict[str, Any]) -> Iterator[str]:
    for paragraph in part.get("description", "").split("\n\n"):
        yield from (" ".join(paragraph.split()), "")
    yield from (*_members(part), "")


def _members(part: dict[str, Any]) -> Iterator[str]:
    named = {name: each for name, each in part["properties"].items() if name not in ("type", "and")}
    if not named:
        yield "It has no other members."
        return
    yield "| member | may be | left out |"
    yield "|---|---|---|"
    for name, each in named.items():
        default = "needed" if name in part.get("required", ()) else _default(each)
        said = f"; {each['description']}" if "description" in each else ""
        yield f"| `{name}` | {_kind(each)}{said} | {default} |"


def _default(member: dict[str, Any]) -> str:
    value = member.get("default")
    # What is left out means no such rule, and what a part says then is in its own table.
    return "no such rule" if value in (None, [], {}, "") or isinstance(value, dict) else f"`{json.dumps(value)}`"


def _kind(member: dict[str, Any]) -> str:
    """Return what a value may be, in words."""
    several = [each for name in ("anyOf", "oneOf") for each in member.get(name, ()) if each.get("type") != "null"]
    if several:
        return " or ".join(dict.fromkeys(map(_kind, several)))
    if "$ref" in member:
        name = member["$ref"].rpartition("/")[2]
        return "a [method](#methods)" if name == "Method" else f"[{name}](#{name.lower()})"
    if "const" in member:
        return f"`{json.dumps(member['const'])}`"
    if "enum" in member:
        return ", ".join(f"`{each}`" for each in member["enum"])
    return _plain(member)


def _plain(member: dict[str, Any]) -> str:
    kind = member.get("type", "")
    if kind == "array":
        items = member.get("prefixItems") or [member["items"]]
        return f"a list, each {' and '.join(dict.fromkeys(map(_kind, items)))}"
    if kind == "object":
        return f"by name, each {_kind(member['additionalProperties'])}"
    said = {"string": "text", "integer": "a whole number", "number": "a number", "boolean": "`true`, `false`"}[kind]
    if member.get("format") == "date":
        said = "a day"
    bounds = [
        f"{word} {member[name]:g}"
        for name, word in (
            ("minimum", "from"),
            ("exclusiveMinimum", "above"),
            ("maximum", "to"),
            ("exclusiveMaximum", "below"),
        )
        if name in member
    ]
    return " ".join([said, *bounds])


if __name__ == "__main__":
    sys.stdout.write(page())
