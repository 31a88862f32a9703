"""
Crosswalks: what a competency shown in one place is worth in another, and how state moves to a new framework version.

An `exactMatchOf` holds both ways. A `replacedBy` holds forward, in full where one item follows one; of a split or a merge
each edge is `partial`: a hint for a person, never credit by itself. Only what was shown gives credit, never what was
credited, so that errors do not add up along chains. Source: CASE 1.0, CFAssociation.associationType.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from operator import itemgetter
from typing import Literal, NamedTuple

from services.progression.curriculum.framework import CROSSWALK_TYPES, Framework

Strength = Literal["full", "partial"]


class Crosswalk(NamedTuple):
    """An edge between two competencies by full id; `framework` and `version` are those that state it."""

    origin: str
    destination: str
    type: str
    strength: Strength
    framework: str
    version: str


class Support(NamedTuple):
    """Why a competency is credited: the crosswalk, and which of its ends was shown."""

    shown: str
    crosswalk: Crosswalk


class Migration(NamedTuple):
    """
    How the state of one framework version goes over to the next, by full ids.

    Every competency of the old version is in exactly one of `kept`, the origins of `moved`, and `retired`; every one of the
    new version in `kept`, the destinations of `moved`, or `new`. A split or merge has several moves, all `partial`.
    """

    kept: tuple[str, ...]
    moved: tuple[Crosswalk, ...]
    retired: tuple[str, ...]
    new: tuple[str, ...]


def crosswalks(frameworks: Collection[Framework]) -> tuple[Crosswalk, ...]:
    """Return the crosswalks that frameworks state, within one and to others of them; ends that none has are left out."""
    by_identifier = {
        competency.identifier: framework.full_id(competency.code)
        for framework in frameworks
        for competency in (*framework.retired, *framework.competencies)
        if competency.identifier is not None
    }
    stated: dict[tuple[str, str, str], Framework] = {}
    for framework in frameworks:
        for edge in framework.associations:
            if edge.type in CROSSWALK_TYPES:
                ends = (framework.full_id(edge.origin), framework.full_id(edge.destination))
                stated.setdefault((*ends, edge.type), framework)
        for out in framework.outside:
            other = by_identifier.get(out.identifier)
            if out.type in CROSSWALK_TYPES and other is not None:
                here = framework.full_id(out.code)
                stated.setdefault((here, other, out.type) if out.outward else (other, here, out.type), framework)
    follows = [(origin, destination) for origin, destination, type in stated if type == "replacedBy"]
    followers, followed = Counter(origin for origin, _ in follows), Counter(to for _, to in follows)

    def strength(origin: str, destination: str, type: str) -> Strength:
        one_to_one = followers[origin] == 1 and followed[destination] == 1
        return "full" if type == "exactMatchOf" or one_to_one else "partial"

    return tuple(
        Crosswalk(*edge, strength(*edge), by.id, by.version) for edge, by in sorted(stated.items(), key=itemgetter(0))
    )


def credits(shown: Collection[str], edges: Iterable[Crosswalk]) -> dict[str, tuple[Support, ...]]:
    """Return what is credited because of what was shown, with every support; what was shown itself needs no credit."""
    found: dict[str, list[Support]] = {}
    for edge in edges:
        if edge.origin in shown and edge.destination not in shown:
            found.setdefault(edge.destination, []).append(Support(edge.origin, edge))
        elif edge.type == "exactMatchOf" and edge.destination in shown and edge.origin not in shown:
            found.setdefault(edge.origin, []).append(Support(edge.destination, edge))
    return {competency: tuple(sorted(supports)) for competency, supports in found.items()}


def undo(credited: Mapping[str, tuple[Support, ...]], edge: Crosswalk) -> dict[str, tuple[Support, ...]]:
    """Return the credit that remains without a crosswalk: the same as if it had never been."""
    remaining = {
        competency: tuple(support for support in supports if support.crosswalk != edge)
        for competency, supports in credited.items()
    }
    return {competency: supports for competency, supports in remaining.items() if supports}


def strength_of(supports: Iterable[Support]) -> Strength:
    """Return the strength of a credit: that of its best support."""
    return "full" if any(support.crosswalk.strength == "full" for support in supports) else "partial"


def plan(old: Framework, new: Framework) -> Migration:
    """
    Return how state goes over from one version of a framework to the next.

    A competency is the same where its identifier is, else where its code is; one that is neither is moved along the
    crosswalks that the new version states, or retired.
    """
    here = {c.identifier: new.full_id(c.code) for c in new.competencies if c.identifier is not None}
    known = {c.identifier for c in old.competencies if c.identifier is not None}
    edges: dict[str, list[Crosswalk]] = {}
    for edge in crosswalks([new]):
        edges.setdefault(edge.origin, []).append(edge)
        if edge.type == "exactMatchOf":
            edges.setdefault(edge.destination, []).append(
                edge._replace(origin=edge.destination, destination=edge.origin)
            )
    kept: list[str] = []
    moved: list[Crosswalk] = []
    retired: list[str] = []
    for code, competency in old.by_id.items():
        same = here.get(competency.identifier) if competency.identifier is not None else None
        follower = new.by_id.get(code)
        if same is None and follower is not None and follower.identifier not in known:
            same = code
        moves = [edge for edge in edges.get(code, ()) if edge.destination in new.by_id and edge.destination != code]
        if same == code:
            kept.append(code)
        elif same is not None:
            moved.append(Crosswalk(code, same, "renamed", "full", new.id, new.version))
        elif moves:
            moved += moves
        else:
            retired.append(code)
    arrived = {*kept, *(move.destination for move in moved)}
    return Migration(tuple(kept), tuple(moved), tuple(retired), tuple(c for c in new.by_id if c not in arrived))
