"""Alignment maps as JSON and as CSV: one entry an id, source and date, with its competencies."""

import csv
import datetime
import io
from collections.abc import Iterator

import msgspec

from services.evidence.domain.alignment import ALWAYS, ANY_SOURCE, TARGETS_MAX, Entry
from services.evidence.formats.json_text import NOT_JSON, check, misfit, unreadable
from shared.errors import InvalidEvent
from shared.events import utc

ENTRIES_MAX = 10_000
LINES_MAX = 100_000
"""Lines of a CSV file: ten competencies an entry where there are as many entries as may be."""
COLUMNS = ("id", "competency", "source", "kind", "weight", "strength", "dok", "effective_from")


class _Entries(msgspec.Struct, forbid_unknown_fields=True):
    items: tuple[Entry, ...]


_decode_entries = msgspec.json.Decoder(tuple[Entry, ...]).decode
_decode_items = msgspec.json.Decoder(_Entries).decode
_decode_entry = msgspec.json.Decoder(Entry).decode


def read_json(body: bytes) -> list[Entry]:
    """
    Read one entry, an array of them, or `{"items": [...]}`.

    Raises:
        InvalidEvent: not of the form; with the pointer of the member.
    """
    start = body.lstrip()[:1]
    try:
        if start == b"[":
            entries = _decode_entries(body)
        elif b'"items"' in body[:64]:
            entries = _decode_items(body).items
        else:
            entries = (_decode_entry(body),)
        check(body)
    except NOT_JSON as error:
        raise unreadable(error) from error
    return [
        msgspec.structs.replace(entry, effective_from=_instant(entry.effective_from, f"/{place}/effective_from"))
        for place, entry in enumerate(_bounded(list(entries)))
    ]


def read_csv(text: str) -> list[Entry]:
    """
    Read rows of `COLUMNS` (`id` and `competency` are needed), one a competency; rows of one entry may stand apart.

    A row with an empty competency aligns its id to nothing.

    Raises:
        InvalidEvent: not of the form; the pointer is `/<row from 0>/<column>`.
    """
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    try:
        header = [name.strip() for name in reader.fieldnames or ()]
    except csv.Error as error:
        raise _not_csv(error) from error
    reader.fieldnames = header
    for needed in COLUMNS[:2]:
        if needed not in header:
            raise InvalidEvent(f"the column {needed} is missing", reason="missing_member", pointer=f"/0/{needed}")
    for place, column in enumerate(header):
        if column not in COLUMNS or column in header[:place]:
            raise InvalidEvent(
                f"column {column[:60]!r} is not one of {','.join(COLUMNS)}, each once",
                reason="unknown_member",
                pointer="/0",
            )
    entries: dict[tuple[str, str, str], Entry] = {}
    for entry in _rows(reader):
        key = (entry.id, entry.source, entry.effective_from)
        before = entries.get(key)
        several = (*before.competencies, *entry.competencies) if before is not None else entry.competencies
        if len(several) > TARGETS_MAX:
            raise InvalidEvent(f"{entry.id[:60]!r} has over {TARGETS_MAX} competencies", reason="too_large", pointer="")
        entries[key] = msgspec.structs.replace(entry, competencies=several)
    return _bounded(list(entries.values()))


def _rows(reader: "csv.DictReader[str]") -> Iterator[Entry]:
    try:
        for place, line in enumerate(reader):
            if place == LINES_MAX:
                raise InvalidEvent(f"there are over {LINES_MAX} lines", reason="too_large", pointer="")
            row = {name: (cell or "").strip() for name, cell in line.items() if isinstance(cell, str | None)}
            target: dict[str, object] = {"competency": row["competency"]}
            for name, kind in (("weight", float), ("dok", int)):
                if row.get(name):
                    target[name] = _number(kind, row[name], f"/{place}/{name}")
            if row.get("strength"):
                target["strength"] = row["strength"]
            entry = {
                "id": row["id"], "competencies": [target] if row["competency"] else [],
                "source": row.get("source") or ANY_SOURCE, "kind": row.get("kind") or "activity",
                "effective_from": _instant(row.get("effective_from") or ALWAYS, f"/{place}/effective_from"),
            }  # fmt: skip
            try:
                yield msgspec.convert(entry, Entry)
            except msgspec.ValidationError as error:
                wrong = misfit(error)
                pointer = (wrong.pointer or "").replace("/competencies/0", "")
                raise InvalidEvent(wrong.detail, pointer=f"/{place}{pointer}", **wrong.members) from error
    except csv.Error as error:
        raise _not_csv(error) from error


def _not_csv(error: csv.Error) -> InvalidEvent:
    return InvalidEvent(f"not CSV: {error}", reason="malformed_csv", pointer="")


def _number(kind: type[float] | type[int], text: str, pointer: str) -> float:
    try:
        return kind(text)
    except ValueError as error:
        raise InvalidEvent(f"{text[:40]!r} is not a number", reason="invalid", pointer=pointer) from error


def _instant(text: str, pointer: str) -> str:
    """Return a date (its first moment, UTC) or an instant with a zone in the form of `shared.events.utc`."""
    if text == ALWAYS:
        return ALWAYS
    try:
        moment = datetime.datetime.fromisoformat(text)
        if len(text) > len("2026-01-01") and moment.tzinfo is None:
            raise ValueError("has no time zone")
        return utc(moment.replace(tzinfo=moment.tzinfo or datetime.UTC))
    except (ValueError, InvalidEvent) as error:
        raise InvalidEvent(
            f"not a date or an instant with a zone: {error}", reason="invalid", pointer=pointer
        ) from error


def _bounded(entries: list[Entry]) -> list[Entry]:
    if len(entries) > ENTRIES_MAX:
        raise InvalidEvent(f"{len(entries)} entries are over {ENTRIES_MAX}", reason="too_large", pointer="")
    return entries
