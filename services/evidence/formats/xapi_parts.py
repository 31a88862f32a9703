"""
The parts of a statement that name nobody: definitions of activities, results, attachments, language maps, extensions.

Sources: xAPI 1.0.3 Part Two (Data), 2.4.4.1, 2.4.5, 2.4.11 and 4.2.
"""

import operator
import re
from collections.abc import Mapping
from typing import Any

from msgspec import UNSET, UnsetType

from services.evidence.formats.lexical import is_duration, is_iri, is_language
from services.evidence.formats.members import escaped
from services.evidence.formats.xapi_types import Attachment, Component, Definition, Result
from shared.errors import InvalidEvent

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+\-]+/[A-Za-z0-9!#$&^_.+\-]+(?:\s*;.*)?")
_SHA2 = re.compile(r"[0-9a-fA-F]{56,128}")
_BY_INTERACTION = {
    "choice": ("choices",), "sequencing": ("choices",), "likert": ("scale",), "matching": ("source", "target"),
    "performance": ("steps",),
}  # fmt: skip
_COMPONENTS = ("choices", "scale", "source", "target", "steps")


class Absent:
    """Members that must not be given; looked at all at once, since next to no statement has one of them."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._values = operator.attrgetter(*names)
        self._none = (UNSET,) * len(names)

    def first_given(self, thing: object) -> str | None:
        """Return the first of the members that is given."""
        values = self._values(thing)
        if values == self._none:
            return None
        return next(name for name, value in zip(self._names, values, strict=True) if value is not UNSET)


_OF_INTERACTIONS = Absent(("correctResponsesPattern", *_COMPONENTS))


def fault(pointer: str, detail: str, reason: str = "invalid") -> InvalidEvent:
    """Return the error of one member."""
    return InvalidEvent(detail, reason=reason, pointer=pointer)


def need(holds: bool, pointer: str, detail: str) -> None:
    """Refuse a member unless a claim holds."""
    if not holds:
        raise fault(pointer, detail)


def check_definition(definition: Definition, at: str) -> None:
    """Check what an activity is said to be; raises `InvalidEvent`, as all checks do."""
    check_languages(definition.name, f"{at}/name")
    check_languages(definition.description, f"{at}/description")
    for name in ("type", "moreInfo"):
        text = getattr(definition, name)
        need(text is UNSET or is_iri(text), f"{at}/{name}", "is not an IRI")
    check_extensions(definition.extensions, f"{at}/extensions")
    kind = definition.interactionType
    if kind is UNSET:
        given = _OF_INTERACTIONS.first_given(definition)
        if given is not None:
            raise fault(f"{at}/interactionType", f"required with {given}", "missing_member")
        return
    for name in _COMPONENTS:
        components: tuple[Component, ...] | UnsetType = getattr(definition, name)
        if components is UNSET:
            continue
        if name not in _BY_INTERACTION.get(kind, ()):
            raise fault(f"{at}/{name}", f"an interaction of type {kind} has none", "unknown_member")
        if len({component.id for component in components}) < len(components):
            raise fault(f"{at}/{name}", "an id comes twice")
        for place, component in enumerate(components):
            check_languages(component.description, f"{at}/{name}/{place}/description")


def check_result(result: Result, at: str) -> None:
    """Check what came of it."""
    if result.duration is not UNSET:
        need(is_duration(result.duration), f"{at}/duration", "is not an ISO 8601 duration")
    check_extensions(result.extensions, f"{at}/extensions")
    score = result.score
    if score is UNSET:
        return
    low, high, raw = score.min, score.max, score.raw
    if low is not UNSET and high is not UNSET:
        need(low < high, f"{at}/score/min", f"{low:g} is not below max {high:g}")
    if raw is not UNSET:
        need(low is UNSET or raw >= low, f"{at}/score/raw", f"{raw:g} is below min")
        need(high is UNSET or raw <= high, f"{at}/score/raw", f"{raw:g} is above max")


def check_attachment(attachment: Attachment, at: str) -> None:
    """Check what an attachment is said to be."""
    need(is_iri(attachment.usageType), f"{at}/usageType", "is not an IRI")
    need(_MEDIA_TYPE.fullmatch(attachment.contentType) is not None, f"{at}/contentType", "is not a media type")
    need(_SHA2.fullmatch(attachment.sha2) is not None, f"{at}/sha2", "is not a SHA-2 in hex")
    need(attachment.length >= 0, f"{at}/length", "is negative")
    if attachment.fileUrl is not UNSET:
        need(is_iri(attachment.fileUrl), f"{at}/fileUrl", "is not an IRL")
    check_languages(attachment.display, f"{at}/display")
    check_languages(attachment.description, f"{at}/description")


def check_languages(texts: Mapping[str, str] | UnsetType, at: str) -> None:
    """Check the keys of a language map."""
    if texts is not UNSET:
        for tag in texts:
            need(is_language(tag), f"{at}/{escaped(tag)}", "is not a language tag of RFC 5646")


def check_extensions(extensions: Mapping[str, Any] | UnsetType, at: str) -> None:
    """Check the keys of extensions."""
    if extensions is not UNSET:
        for key in extensions:
            need(is_iri(key), f"{at}/{escaped(key)}", "is not an IRI")
