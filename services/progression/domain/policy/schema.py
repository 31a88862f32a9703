"""
The JSON Schema of a policy file, for editors and for whoever writes policies by program.

It says what stands where; what holds between members (a sign-off of a provisional path that exists) only reading and the
lint tell. `schema.json` beside this is its text: `python -m services.progression.domain.policy.schema > FILE` makes it.
"""

import sys
from importlib.resources import files
from typing import Any

import msgspec
from pydantic.json_schema import GenerateJsonSchema

from services.progression.domain.policy.language import Policy

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12) that the members of the language have."""
    content = Policy.model_json_schema(by_alias=True, schema_generator=_Untitled)
    definitions: dict[str, Any] = content["$defs"]
    single = definitions.pop("Both")["properties"]["first"]
    names = [reference["$ref"].rpartition("/")[2] for reference in single["oneOf"]]
    for name in names:
        definitions[name]["properties"]["and"] = {"$ref": "#/$defs/Condition"}
    definitions["Method"] = single | {"description": "One method, or two joined by `and`."}
    definitions["Condition"] = {
        "description": "The second of two joined methods: both are to be met, and the score is that of the first.",
        "allOf": [{"$ref": "#/$defs/Method"}],
        "not": {"required": ["and"]},
    }
    optional = {"anyOf": [{"$ref": "#/$defs/Method"}, {"type": "null"}], "default": None}
    for part in (content, definitions["Path"]):
        part["properties"]["method"] = optional
    content["properties"]["sign_off"]["anyOf"].append({"const": "none"})
    return {"$schema": DIALECT, **content, "title": "Attain policy"}


def text() -> bytes:
    """Return the schema as it is served: `schema.json` beside this module."""
    return files("services.progression.domain.policy").joinpath("schema.json").read_bytes()


class _Untitled(GenerateJsonSchema):
    """Leaves out the titles that only repeat the names of the members."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


if __name__ == "__main__":
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(json_schema(), order="sorted"), indent=1).decode() + "\n")
