"""The lexical rules that several formats share: IRIs, UUIDs, language tags, durations, instants."""

import datetime
import functools
import re
from zoneinfo import ZoneInfo

from shared.errors import InvalidEvent

_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\s<>\"{}|\\^`\x00-\x20\x7f]+")
_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}")
# ISO 8601:2004, 4.4.3.2: weeks stand alone; only the smallest part may have a fraction.
_DURATION = re.compile(
    r"P(?:\d+(?:[.,]\d+)?W|(?=.)(?:\d+(?:[.,]\d+)?Y)?(?:\d+(?:[.,]\d+)?M)?(?:\d+(?:[.,]\d+)?D)?"
    r"(?:T(?=\d)(?:\d+(?:[.,]\d+)?H)?(?:\d+(?:[.,]\d+)?M)?(?:\d+(?:[.,]\d+)?S)?)?)"
)
_INSTANT = re.compile(
    r"\d{4}-?\d{2}-?\d{2}[Tt ]\d{2}(?::?\d{2}(?::?\d{2}(?:[.,]\d+)?)?)?(?:[Zz]|[+-]\d{2}(?::?\d{2})?)?"
)
_NEGATIVE_ZERO = re.compile(r"-00(?::?00)?\Z")
_LANGUAGE = re.compile(
    r"(?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4}|[a-z]{5,8})(?:-[a-z]{4})?(?:-(?:[a-z]{2}|\d{3}))?"
    r"(?P<variants>(?:-(?:[a-z0-9]{5,8}|\d[a-z0-9]{3}))*)(?P<extensions>(?:-[0-9a-wy-z](?:-[a-z0-9]{2,8})+)*)"
    r"(?:-x(?:-[a-z0-9]{1,8})+)?|x(?:-[a-z0-9]{1,8})+"
)
_GRANDFATHERED = frozenset((
    "en-gb-oed", "i-ami", "i-bnn", "i-default", "i-enochian", "i-hak", "i-klingon", "i-lux", "i-mingo", "i-navajo",
    "i-pwn", "i-tao", "i-tay", "i-tsu", "sgn-be-fr", "sgn-be-nl", "sgn-ch-de", "art-lojban", "cel-gaulish", "no-bok",
    "no-nyn", "zh-guoyu", "zh-hakka", "zh-min", "zh-min-nan", "zh-xiang",
))  # fmt: skip
_DATE_CHARS = len("2026-01-01")
CACHED = 4096
CACHED_CHARS_MAX = 256
"""Longer texts are looked at each time, so that what is cached stays small."""


def is_iri(text: str) -> bool:
    """Tell whether a text is an absolute IRI (RFC 3987), with a scheme and something behind it."""
    return _is_iri(text) if len(text) <= CACHED_CHARS_MAX else _IRI.fullmatch(text) is not None


@functools.lru_cache(maxsize=CACHED)
def _is_iri(text: str) -> bool:
    """Verbs, activities and their types come again and again."""
    return _IRI.fullmatch(text) is not None


def is_uuid(text: str) -> bool:
    """Tell whether a text is a UUID of the RFC 4122 variant in its standard form."""
    return _UUID.fullmatch(text) is not None


def is_duration(text: str) -> bool:
    """Tell whether a text is a duration of ISO 8601:2004, 4.4.3.2."""
    return _DURATION.fullmatch(text) is not None and text != "P"


@functools.lru_cache(maxsize=1024)
def is_language(text: str) -> bool:
    """Tell whether a text is a well-formed language tag (RFC 5646, 2.2.9): no variant or singleton comes twice."""
    tag = text.lower()
    if tag in _GRANDFATHERED:
        return True
    match = _LANGUAGE.fullmatch(tag)
    if match is None:
        return False
    if tag.startswith("x-"):
        return True
    variants = match["variants"].split("-")[1:]
    singletons = [part for part in match["extensions"].split("-") if len(part) == 1]
    return len(set(variants)) == len(variants) and len(set(singletons)) == len(singletons)


def instant(text: str, pointer: str, *, zone: ZoneInfo | None = None) -> datetime.datetime:
    """
    Return an instant of ISO 8601, in UTC; one without an offset is in `zone`, and refused where that is None.

    A date alone is its noon in the zone: the day is what is known, and noon is that day in most zones.

    Raises:
        InvalidEvent: with the reason `invalid_time`, or `no_time_zone`.
    """
    try:
        return _instant(text, zone) if len(text) <= CACHED_CHARS_MAX else _instant.__wrapped__(text, zone)
    except InvalidEvent as error:
        raise InvalidEvent(error.detail, pointer=pointer, **error.members) from error


@functools.lru_cache(maxsize=256)
def _instant(text: str, zone: ZoneInfo | None) -> datetime.datetime:
    """A message's own time is asked for when it is checked, compared and read: one after the other."""
    is_date = len(text) == _DATE_CHARS
    try:
        if not is_date and _INSTANT.fullmatch(text) is None:
            raise ValueError(text[:40])
        moment = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidEvent(
            "is not an instant of ISO 8601, such as 2026-03-04T10:15:00Z", reason="invalid_time"
        ) from error
    if _NEGATIVE_ZERO.search(text) and not is_date:
        raise InvalidEvent("has the offset -00, which ISO 8601 forbids", reason="invalid_time")
    if is_date:
        moment = moment.replace(hour=12)
    if moment.tzinfo is None:
        if zone is None:
            raise InvalidEvent("has no time zone", reason="no_time_zone")
        moment = moment.replace(tzinfo=zone)
    try:
        return moment.astimezone(datetime.UTC)
    except OverflowError as error:
        raise InvalidEvent("lies outside the calendar", reason="invalid_time") from error
