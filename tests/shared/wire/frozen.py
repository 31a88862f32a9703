"""An earlier version as it was frozen: what it wrote, and its readers as a model made of its contracts."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema_rs

from tests.support.described import in_words

EARLIER = Path(__file__).parent / "earlier"
Event = dict[str, Any]
YEAR = "2026"
STATE = ("status", "score", "evidence_count", "last_evidence_at", "mastered_at")
"""What of a state two versions must find alike: it follows from the evidence, and not from when or in which words it was told."""


class Frozen:
    """One file of `earlier`."""

    def __init__(self, path: Path) -> None:
        content = json.loads(path.read_text())
        self.name = path.stem
        self.commit: str = content["commit"]
        self.contracts: dict[str, Any] = content["contracts"]
        self.learners: dict[str, str] = content["learners"]
        self.logs: dict[str, list[bytes]] = {
            log: [line.encode() for line in lines] for log, lines in content["logs"].items()
        }
        self._readers = {
            event: jsonschema_rs.Draft202012Validator(
                {"$ref": f"#/$defs/{component}", "$defs": self.contracts["components"]}
            )
            for event, component in self.contracts["events"].items()
        }

    def faults(self, type: str, data: Event) -> list[str]:
        """Return why the reader of that version refuses the data of an event; nothing where it takes it."""
        return [in_words(fault) for fault in self._readers[type].iter_errors(data)]

    def knows(self, type: str) -> bool:
        """Tell whether that version has a contract for the type; readers pass over the others."""
        return type in self._readers


FROZEN = [Frozen(path) for path in sorted(EARLIER.glob("*.json"))]


def told(lines: Sequence[bytes], contracts: Mapping[str, Any]) -> Iterator[tuple[str, Event]]:
    """Yield type and data of the events that have a contract: what was erased since is a tombstone without one."""
    for line in lines:
        event = json.loads(line)
        if event["type"] in contracts["events"]:
            yield event["type"], event["data"]


def shown(lines: Sequence[bytes], learners: Mapping[str, str]) -> dict[tuple[str, str], tuple[object, ...]]:
    """Return the last state that the log of states tells of each (name, competency)."""
    names = {id: name for name, id in learners.items()}
    states = [event["data"] for event in map(json.loads, lines) if event["type"] == "attain.mastery.updated.v1"]
    return {(names[state["learner"]], state["competency"]): alike(state) for state in states}


def alike(state: Event) -> tuple[object, ...]:
    """Return the parts of a state that follow from the facts; what people decide is dated by the clock of the run."""
    parts = {part: state.get(part) for part in STATE}
    if (parts["mastered_at"] or YEAR) > YEAR + "-06":
        parts["mastered_at"] = "decided"
    return tuple(parts.values())
