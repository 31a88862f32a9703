"""A piece of evidence put in again: the native item with what a piece had, for what is corrected by another one."""

from collections.abc import Mapping
from typing import Any

from shared.shards import stable_id

CARRIED = (
    "competencies", "score", "occurred_at", "attempt", "kind", "assisted", "accommodations", "dok", "extensions",
)  # fmt: skip
_PARTS = {
    "activity": {"id": "activity", "name": "activity_name", "kind": "activity_kind", "items": "items"},
    "assessor": {"id": "assessor", "type": "assessor_type"},
}


def native_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the members of a native item, without its ids and learner, from a piece's content as evidence answers it.

    Where the alignment map named the competencies, it is asked for them again, so that their weights stay too.
    """
    item = {name: content[name] for name in CARRIED if content.get(name) is not None}
    asked = content.get("asked")
    if asked is not None:
        # What the map said is no part of what the source said.
        item = {name: item[name] for name in item.keys() - {"competencies", "dok"}}
        own = {"dok": asked["dok"], "standard": asked["by"] if asked["by"] != content.get("activity") else None}
        item |= {name: value for name, value in own.items() if value is not None}
    score = {name: value for name, value in item.get("score", {}).items() if value is not None}
    if score:
        # Told with every score, and refused where it bounds nothing.
        item["score"] = score if "raw" in score else {name: score[name] for name in score.keys() - {"min"}}
    for part, members in _PARTS.items():
        given = {member: content[name] for member, name in members.items() if content.get(name) is not None}
        item |= {part: given} if given else {}
    return item


def moved_id(source: str, id: str, to: str) -> str:
    """Return the source's id of what gives a piece to the learner `to`: the same for the same move."""
    return f"moved-{stable_id(source, id, to)}"


def moved(piece: Mapping[str, Any], to: str, named: str, reason: str, by: str) -> dict[str, Any]:
    """
    Return the native item that takes a piece from its learner and gives it to another, as one correction.

    It supersedes the piece, so both learners' records change with one item, and the same move is the same item again.

    Args:
        piece: as evidence answers it.
        to: the learner whose it is.
        named: how the piece's source names that learner.
        by: who moves it; the assessor stays who assessed it.
    """
    content = native_of(piece["content"])
    said = {"reason": reason, "moved_by": by}
    return content | {
        "id": moved_id(piece["source"], piece["id"], to), "source": piece["source"], "learner": named,
        "supersedes": piece["id"], "extensions": {**content.get("extensions", {}), **said},
    }  # fmt: skip
