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

from services.progression.domain.curriculum.framework import CROSSWALK_TYPES, Framework

Strength = Literal["full", "partial"]


class Crosswalk(NamedTuple):
    """An edge between two competencies by full id; `framework` and `version` are those that state it."""

    origin: str
    destination: str
    type: str
    strength: Strength
    framework: str
    version: str


class Links(NamedTuple):
    """
    The crosswalks that credit in full, in both directions of reading: by what was shown, and by what that credits.

    What is credited is in force in a framework; what was shown may be retired.
    """

    gives: Mapping[str, Mapping[str, Crosswalk]]
    receives: Mapping[str, Mapping[str, Crosswalk]]


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


def links(frameworks: Collection[Framework], renamed: Iterable[Crosswalk] = ()) -> Links:
    """Return what credits what, by the crosswalks that frameworks state and by competencies `renamed` between versions."""
    here = {competency for framework in frameworks for competency in framework.by_id}
    gives: dict[str, dict[str, Crosswalk]] = {}
    receives: dict[str, dict[str, Crosswalk]] = {}
    for edge in (*crosswalks(frameworks), *renamed):
        ends = [(edge.origin, edge.destination)] if edge.strength == "full" else []
        if ends and edge.type == "exactMatchOf":
            ends.append((edge.destination, edge.origin))
        for shown, credited in ends:
            if credited in here and credited != shown:
                gives.setdefault(shown, {}).setdefault(credited, edge)
                receives.setdefault(credited, {}).setdefault(shown, edge)
    return Links(gives, receives)


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
