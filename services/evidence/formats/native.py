"""The native format: one JSON object an item. Strict at the edge: what is not understood is refused by name."""

import datetime
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from services.evidence.domain import text_forms
from services.evidence.domain.evidence import Evidence, RecordEvidence, command
from services.evidence.formats.json_text import check_against, decoded, misfit
from services.evidence.formats.members import CONTROL
from shared.contracts.internal_events import Kind, Score
from shared.errors import InvalidEvent
from shared.events import encode_json
from shared.texts import UNKEPT, can_be_kept

NAME_CHARS_MAX = 256
ITEM_ID_CHARS_MAX = 512
TEXT_CHARS_MAX = 2048
COMPETENCIES_MAX = 100
ACCOMMODATIONS_MAX = 50
OCCURRED_YEAR_MIN = 1900
INSTANT_CHARS = len("2026-03-04T10:15:00.000000Z")
EXTENSIONS_NOT_STORABLE = (OverflowError, RecursionError, msgspec.EncodeError)

Name = Annotated[str, Meta(min_length=1, max_length=NAME_CHARS_MAX)]
ItemId = Annotated[str, Meta(min_length=1, max_length=ITEM_ID_CHARS_MAX)]
Text = Annotated[str, Meta(max_length=TEXT_CHARS_MAX)]
CompetencyId = Annotated[str, Meta(pattern=text_forms.COMPETENCY, max_length=NAME_CHARS_MAX)]


class _Activity(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    id: ItemId
    name: Text | None = None
    kind: Name | None = None
    items: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None


class _NativeScore(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    raw: float | None = None
    max: float | None = None
    min: float | None = None
    scaled: Annotated[float, Meta(ge=-1, le=1)] | None = None
    level: float | Name | None = None
    scale: Name | None = None


AssessorType = Literal["human", "auto", "peer", "self"]


class _Assessor(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    id: Name | None = None
    type: AssessorType | None = None


class Native(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A piece of evidence as its source writes it; what only another member makes needed is not said here."""

    id: ItemId
    source: Name
    occurred_at: Annotated[datetime.datetime, Meta(tz=True)]
    learner: Name | None = None
    competencies: Annotated[tuple[CompetencyId, ...], Meta(max_length=COMPETENCIES_MAX)] | None = None
    activity: _Activity | None = None
    score: _NativeScore | None = None
    kind: Kind | None = None
    attempt: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    assisted: bool | None = None
    accommodations: Annotated[tuple[Name, ...], Meta(max_length=ACCOMMODATIONS_MAX)] | None = None
    dok: Annotated[int, Meta(ge=1, le=4)] | None = None
    standard: ItemId | None = None
    """The id that the alignment map is asked for where it is not the activity's, such as an outcome."""
    assessor: _Assessor | None = None
    supersedes: ItemId | None = None
    retracts: ItemId | None = None
    extensions: dict[str, Any] | None = None


class _Peek(msgspec.Struct):
    id: str | None = None
    source: str | None = None
    learner: str | None = None


_decode = msgspec.json.Decoder(Native).decode
_encode = msgspec.json.Encoder().encode
_decode_peek = msgspec.json.Decoder(_Peek).decode
_NO_ACTIVITY = _Activity(id="")
_NO_ASSESSOR = _Assessor()
_NO_SCORE = Score()
_EXPECTED = {
    "/assessor/type": f"one of {', '.join(get_args(AssessorType))}",
    "/competencies": f'a list of at most {COMPETENCIES_MAX}, such as ["math:add"]',
    "/kind": f"one of {', '.join(get_args(Kind))}",
    "/score": 'an object, such as {"raw": 7, "max": 10}',
    "/score/scaled": "a number from -1 to 1, and no percentage",
}
"""What a member has to be, where the decoder's own words do not tell enough."""


def read(raw: bytes, tenant: str, latest: datetime.datetime) -> RecordEvidence:
    """
    Return the command in one native object; `latest` is the end of what may have occurred by now.

    Raises:
        InvalidEvent: with `reason` among its members, and the pointer of the member at fault.
    """
    try:
        item = decoded(_decode, raw)
    except InvalidEvent as error:
        raise _told_what_is_expected(error) from error
    _check_members(item)
    content = _content(item, _instant(item.occurred_at, latest))
    try:
        encoded = encode_json(content)
    except EXTENSIONS_NOT_STORABLE as error:
        raise InvalidEvent(f"cannot be stored: {error}", reason="invalid", pointer="/extensions") from error
    check_against(raw, encoded, _members_not_encoded(item))
    _check_characters(raw, content)
    return command(tenant, content, raw, encoded=encoded)


def build(
    tenant: str,
    members: Mapping[str, Any],
    latest: datetime.datetime,
    *,
    standard: str | None = None,
    pointers: Mapping[str, str] | None = None,
) -> RecordEvidence:
    """
    Return the command in the members of a native object that another format was turned into.

    Args:
        standard: the id that the alignment map is asked for, where it is not the activity's.
        pointers: where native members stand in the other format, by pointer; for errors.

    Raises:
        InvalidEvent: as `read` does, with the pointer of the member in the other format.
    """
    try:
        item = msgspec.convert(members, Native)
        _check_members(item)
        content = _content(item, _instant(item.occurred_at, latest))
        if standard is not None:
            content = msgspec.structs.replace(content, standard=standard)
        made = command(tenant, content)
        _check_characters(made.original, content)
    except msgspec.ValidationError as error:
        raise _translated(_told_what_is_expected(misfit(error)), pointers) from error
    except EXTENSIONS_NOT_STORABLE as error:
        raise InvalidEvent(f"cannot be stored: {error}", reason="invalid", pointer="") from error
    except InvalidEvent as error:
        raise _translated(error, pointers) from error
    return made


def _told_what_is_expected(error: InvalidEvent) -> InvalidEvent:
    expected = _EXPECTED.get(error.pointer or "") if error.members["reason"] == "invalid" else None
    return error if expected is None else InvalidEvent(f"expected {expected}", pointer=error.pointer, **error.members)


def _translated(error: InvalidEvent, pointers: Mapping[str, str] | None) -> InvalidEvent:
    native = error.pointer or ""
    for start, there in (pointers or {}).items():
        if native == start or native.startswith(f"{start}/"):
            return InvalidEvent(error.detail, pointer=there + native[len(start) :], **error.members)
    return InvalidEvent(error.detail, pointer="", **error.members)


def peek(raw: bytes) -> tuple[str | None, str | None, str | None]:
    """Return id, source and learner of an item that was refused, as far as they can be read."""
    try:
        item = _decode_peek(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None, None, None
    return item.id, item.source, item.learner


def _content(item: Native, occurred_at: str) -> Evidence:
    activity = item.activity or _NO_ACTIVITY
    assessor = item.assessor or _NO_ASSESSOR
    competencies = item.competencies or ()
    if len(competencies) > 1:
        competencies = tuple(dict.fromkeys(competencies))
    score = None if item.score is None else _score(item.score)
    return Evidence(
        item.source,
        item.id,
        occurred_at,
        item.learner,
        competencies,
        score,
        item.attempt or 1,
        item.kind,
        activity.id or None,
        activity.items,
        bool(item.assisted),
        item.accommodations or (),
        item.dok,
        assessor.id,
        assessor.type,
        item.supersedes,
        item.retracts,
        activity.name,
        activity.kind,
        item.extensions or None,
        item.standard,
    )


def _score(score: _NativeScore) -> Score:
    return Score(score.raw, score.max, score.min or 0.0, score.scaled, score.level, score.scale)


def _instant(moment: datetime.datetime, latest: datetime.datetime) -> str:
    """Return an instant in the form of `shared.events.utc`."""
    if moment.year < OCCURRED_YEAR_MIN:
        raise InvalidEvent(f"before {OCCURRED_YEAR_MIN}", reason="invalid", pointer="/occurred_at")
    if moment > latest:
        raise InvalidEvent("lies in the future", reason="future_time", pointer="/occurred_at")
    if moment.tzinfo is not datetime.UTC:
        moment = moment.astimezone(datetime.UTC)
    # A third of the cost of isoformat; without a fraction it writes none.
    text = _encode(moment)[1:-1].decode()
    return text if len(text) == INSTANT_CHARS else f"{text[:19]}.{text[20:-1]:0<6}Z"


def _check_members(item: Native) -> None:
    """Refuse what the types allow and the format does not."""
    if item.retracts is not None:
        if item.supersedes is not None:
            raise InvalidEvent("an item has one target at most", reason="invalid", pointer="/supersedes")
        if item.retracts == item.id:
            raise InvalidEvent("names itself", reason="self_target", pointer="/retracts")
        if item.score is not None:
            _check_score(item.score)
        return
    if item.supersedes == item.id:
        raise InvalidEvent("names itself", reason="self_target", pointer="/supersedes")
    if item.learner is None:
        raise _missing("/learner", "required")
    if item.score is None:
        raise _missing("/score", "one of score and retracts is required")
    if not item.competencies and item.activity is None and item.standard is None:
        raise _missing("/competencies", "one of competencies, activity and standard is required")
    _check_score(item.score)


def _check_score(score: _NativeScore) -> None:
    if score.raw is not None:
        low = score.min or 0.0
        if score.max is None:
            raise _missing("/score/max", "required with raw")
        if score.max <= low:
            raise InvalidEvent(f"max {score.max:g} is not above min {low:g}", reason="invalid", pointer="/score/max")
        if not math.isfinite(score.max - low):
            # A share of what no number can hold is none.
            raise InvalidEvent(f"{low:g} to {score.max:g} is too far", reason="invalid", pointer="/score/max")
        if score.raw < low:
            raise InvalidEvent(f"raw {score.raw:g} is below min {low:g}", reason="invalid", pointer="/score/raw")
    elif score.max is not None or score.min is not None:
        raise _missing("/score/raw", "required with max or min")
    elif score.scaled is None and score.level is None:
        raise _missing("/score/raw", "one of raw, scaled and level is required")
    if score.level is not None and score.scale is None:
        raise _missing("/score/scale", "required with level")


def _members_not_encoded(item: Native) -> int:
    """
    Return how many members more an item has than the encoding of its content, which is flat and leaves out defaults.

    A time that is not written with Z has a colon more, so such an item is gone through.
    """
    return (
        (item.activity is not None)
        + (item.assessor is not None)
        + (item.attempt == 1)
        + (item.assisted is False)
        # `min` is always encoded.
        - (item.score is not None and item.score.min is None)
    )


def _missing(pointer: str, detail: str) -> InvalidEvent:
    return InvalidEvent(f"{pointer[1:]}: {detail}", reason="missing_member", pointer=pointer)


def _check_characters(raw: bytes, content: Evidence) -> None:
    """Refuse control characters in what identifies things, since they break keys, and a NUL in what else events tell."""
    if b"\\" not in raw and b"\x7f" not in raw:
        return
    named: dict[str, str | None] = {
        "/id": content.id, "/source": content.source, "/learner": content.learner, "/activity/id": content.activity,
        "/supersedes": content.supersedes, "/retracts": content.retracts, "/assessor/id": content.assessor,
        **{f"/competencies/{place}": text for place, text in enumerate(content.competencies)},
        "/standard": content.standard,
    }  # fmt: skip
    for pointer, text in named.items():
        if text is not None and CONTROL.search(text):
            raise InvalidEvent("contains a control character", reason="invalid", pointer=pointer)
    score = content.score or _NO_SCORE
    told = {
        "/score/level": score.level, "/score/scale": score.scale,
        **{f"/accommodations/{place}": text for place, text in enumerate(content.accommodations)},
    }  # fmt: skip
    for pointer, value in told.items():
        if not can_be_kept(value):
            raise InvalidEvent(UNKEPT, reason="invalid", pointer=pointer)
