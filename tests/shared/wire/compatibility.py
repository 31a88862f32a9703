"""What a change of a contract does to those who still write, or still read, the version before: rules over JSON schemas."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from shared.asyncapi import DATA

GOLDEN = Path(__file__).parent / "contracts.json"
Schema = Mapping[str, Any]


def current() -> dict[str, Any]:
    """Return the schemas of all event data, and of what is in them, as the readers of this version have them."""
    types = {name: type_ for log in DATA.values() for name, type_ in log.items()}
    schemas, components = msgspec.json.schema_components(sorted(set(types.values()), key=lambda t: t.__name__))
    by_type = dict(zip(sorted(set(types.values()), key=lambda t: t.__name__), schemas, strict=True))
    events = {name: by_type[type_]["$ref"].rpartition("/")[2] for name, type_ in sorted(types.items())}
    found = {"events": events, "components": {name: _bare(components[name]) for name in sorted(components)}}
    recorded: dict[str, Any] = json.loads(json.dumps(found))
    return recorded


def breaks(old: Schema, new: Schema) -> Iterator[str]:
    """
    Yield what of a change breaks a mixed installation.

    Readers of the new version meet events of the old one (in the logs, for ever) and the other way round (while services
    are upgraded one by one). So a member may come if it has a default, and none may go or become another.
    """
    for event, component in old["events"].items():
        if new["events"].get(event) != component:
            yield f"{event} was {component} and is {new['events'].get(event)}"
    for name, before in old["components"].items():
        after = new["components"].get(name)
        if after is None:
            yield f"{name} is gone"
        else:
            yield from _breaks_of(name, before, after)


def _breaks_of(name: str, old: Schema, new: Schema) -> Iterator[str]:
    was, now = old.get("properties", {}), new.get("properties", {})
    for member in sorted(was.keys() - now.keys()):
        yield f"{name}.{member} is gone: readers of the version before miss it"
    for member in sorted(now.keys() - was.keys()):
        if member in new.get("required", ()):
            yield f"{name}.{member} is new and has no default: events of the version before lack it"
    for member in sorted(was.keys() & now.keys()):
        if was[member] != now[member]:
            yield f"{name}.{member} was {json.dumps(was[member])} and is {json.dumps(now[member])}"
    for member in sorted(set(new.get("required", ())) - set(old.get("required", ())) & was.keys()):
        if member in was:
            yield f"{name}.{member} had a default and has none"
    for member in sorted((set(old.get("required", ())) - set(new.get("required", ()))) & now.keys()):
        yield f"{name}.{member} may be left out: readers of the version before need it"
    if was == now == {} and old != new:
        yield f"{name} was {json.dumps(old)} and is {json.dumps(new)}"


def _bare(schema: Any) -> Any:
    """Return a schema without its words, in an order of its own."""
    if isinstance(schema, dict):
        return {key: _bare(schema[key]) for key in sorted(schema) if key not in ("description", "title")}
    if isinstance(schema, list):
        return sorted((_bare(each) for each in schema), key=json.dumps)
    return schema


def main() -> None:
    """Record the contracts of this version: python -m tests.shared.wire.compatibility."""
    GOLDEN.write_text(json.dumps(current(), indent=1, sort_keys=True) + "\n")
    sys.stdout.write(f"{GOLDEN}\n")


if __name__ == "__main__":
    main()
