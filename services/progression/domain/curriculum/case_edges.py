"""The associations of CASE packages: which can be used, which lead elsewhere, and the tree that they make."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec

from services.progression.domain.curriculum.case_values import NOT_JSON, link_of, said, text_of
from services.progression.domain.curriculum.framework import CROSSWALK_TYPES, OutsideAssociation
from services.progression.domain.curriculum.graph import cycles
from services.progression.domain.curriculum.problems import Problems, clean, some_of
from shared.contracts.internal_events import Association

TYPES = (
    "isChildOf", "isPeerOf", "isPartOf", "exactMatchOf", "precedes", "isRelatedTo", "replacedBy", "exemplar",
    "hasSkillLevel", "isTranslationOf",
)  # fmt: skip
LAST = float("inf")
_BY_LETTERS = {type.lower(): type for type in TYPES}
_NO_LETTERS = re.compile(r"[^a-z]")
_EXTENSION = re.compile(r"ext:[A-Za-z0-9._-]{1,100}")
WITHIN = frozenset(("isChildOf", "precedes"))
"""Types that mean something between items of one framework only."""


class _Association(msgspec.Struct, gc=False):
    associationType: Any = None
    originNodeURI: Any = None
    destinationNodeURI: Any = None
    sequenceNumber: Any = None


class Edges:
    """
    Takes associations one by one; what cannot be used is named. `inside` and `outside` are in the order of the file.

    Args:
        codes: the code of every item, by identifier.
        retired: identifiers of items that have ended; only crosswalks may touch them.
        documents: identifiers of the documents, which are the roots of the tree.
    """

    def __init__(
        self, codes: Mapping[str, str], retired: Collection[str], documents: Collection[str], problems: Problems
    ) -> None:
        self.inside: list[Association] = []
        self.outside: list[OutsideAssociation] = []
        self._codes = codes
        self._retired = retired
        self._documents = documents
        self._problems = problems
        self._seen: set[tuple[str, str, str]] = set()
        self._sequence: dict[tuple[str, str], float] = {}
        """The place of a child under a parent, both by code; under the document by the empty code."""

    def take(self, raw: msgspec.Raw, pointer: str) -> None:
        """Take one association."""
        try:
            found = msgspec.json.decode(raw, type=_Association)
        except NOT_JSON as error:
            self._leave_out("associations that cannot be read", f"{pointer}: {said(error)}")
            return
        type = _type_of(found.associationType)
        (origin, origin_uri), (destination, uri) = link_of(found.originNodeURI), link_of(found.destinationNodeURI)
        if type is None:
            named = text_of(found.associationType)[:60]
            self._leave_out("associations of unknown types", f"{pointer}/associationType: {named!r} is no type of CASE")
        elif origin is None or destination is None:
            self._leave_out("associations without two ends", f"{pointer}: an end has neither identifier nor uri")
        elif origin == destination:
            self._leave_out("associations to themselves", f"{pointer}: {type} from {origin} to itself")
        elif (origin, destination, type) in self._seen:
            self._leave_out("associations again", f"{pointer}: {type} from {origin} to {destination} again")
        else:
            self._seen.add((origin, destination, type))
            place = found.sequenceNumber
            sequence = float(place) if isinstance(place, int | float) and abs(place) < 1e9 else LAST
            self._place(type, origin, destination, (origin_uri, uri), sequence, pointer)

    def _place(
        self, type: str, origin: str, destination: str, uris: tuple[str, str], sequence: float, pointer: str
    ) -> None:
        codes = self._codes
        ended = origin in self._retired or destination in self._retired
        if ended and type not in CROSSWALK_TYPES:
            self._leave_out("associations of retired items", f"{pointer}: {type} with an item that has ended")
        elif origin in codes and destination in codes:
            self.inside.append(Association(codes[origin], codes[destination], type))
            self._sequence[codes[origin], codes[destination]] = sequence
        elif origin in codes and type == "isChildOf" and destination in self._documents:
            self.outside.append(OutsideAssociation(codes[origin], type, destination))
            self._sequence[codes[origin], ""] = sequence
        elif type in WITHIN or (origin not in codes and destination not in codes):
            unknown = origin if origin not in codes else destination
            self._leave_out("associations with unknown ends", f"{pointer}: {type}, and no item is {unknown}")
        else:
            outward = origin in codes
            code, other, uri = (
                (codes[origin], destination, uris[1]) if outward else (codes[destination], origin, uris[0])
            )
            self.outside.append(OutsideAssociation(code, type, other, clean(uri, 500), outward))
            self._problems.add(f"{type} that lead outside the package, kept",
                               f"{pointer}: {type} leads to {other}, outside the package; kept")  # fmt: skip

    def cut_cycles(self) -> None:
        """Leave out what makes groups contain themselves."""
        circle: dict[str, int] = {}
        for number, members in enumerate(cycles(self._parents())):
            circle |= dict.fromkeys(members, number)
            text = f"isChildOf cycle: {some_of(members)}: isChildOf among them"
            self._leave_out("groups that contain themselves", text)
        self.inside = [
            edge
            for edge in self.inside
            if edge.type != "isChildOf" or edge.origin not in circle
            or circle[edge.origin] != circle.get(edge.destination)
        ]  # fmt: skip

    def first_parents(self) -> dict[str, str]:
        """Return the parent of each code that comes first in the file."""
        return {child: parents[0] for child, parents in self._parents().items()}

    def in_tree_order(self, codes: Iterable[str]) -> list[str]:
        """Return codes parent before children, children by sequenceNumber, then as in the file; for a tree cut of cycles."""
        parent = self.first_parents()
        children: dict[str, list[str]] = {}
        for code in codes:
            children.setdefault(parent.get(code, ""), []).append(code)
        found: list[str] = []
        waiting = [""]
        while waiting:
            code = waiting.pop()
            if code:
                found.append(code)
            under = children.get(code, [])
            waiting += sorted(under, key=lambda child: self._sequence.get((child, code), LAST))[::-1]
        return found

    def _parents(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for edge in self.inside:
            if edge.type == "isChildOf":
                found.setdefault(edge.origin, []).append(edge.destination)
        return found

    def _leave_out(self, kind: str, text: str) -> None:
        self._problems.add(f"{kind}, left out", f"{text}, left out")


def _type_of(value: Any) -> str | None:
    """Return the type as CASE spells it; `ext:` types stay as they are."""
    text = text_of(value)
    return text if _EXTENSION.fullmatch(text) else _BY_LETTERS.get(_NO_LETTERS.sub("", text.lower()))
