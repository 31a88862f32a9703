"""
Response logs: CSV files `student,seq,skill,correct` (`item`, `timestamp` and more allowed) as native evidence.

Every row is a piece of evidence of one skill, a competency in a framework that is named like the file.
"""

import csv
import datetime
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple, cast

import msgspec

from deploy.local.errors import StackError
from deploy.local.files.text import GZIP_MAGIC

COLUMNS = ("student", "seq", "skill", "correct")
BEGIN = datetime.datetime(2009, 9, 1, tzinfo=datetime.UTC)
TENANT_CHARS_MAX = 63

Row = tuple[int, list[str]]
"""The number of a line, and its cells."""


class Survey(NamedTuple):
    """What a response log has: its number of rows, and its skills in order."""

    rows: int
    skills: tuple[str, ...]

    def nodes_csv(self) -> str:
        """Return a framework of one competency a skill."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("code", "title"))
        writer.writerows((skill, skill) for skill in self.skills)
        return text.getvalue()


class ResponseLog:
    """One response log; reading it holds a row at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stem = re.sub(r"\.csv(\.gz)?\Z", "", path.name)
        # The stem itself, unless it has a character that no framework id may have.
        self.framework = re.sub(r"[^A-Za-z0-9._-]", "-", self.stem)
        self.source = f"urn:attain:responses:{self.stem}"

    @property
    def tenant(self) -> str:
        """The tenant that is named like the file; raises `StackError` when that would be too long."""
        tenant = "responses-" + re.sub(r"[^a-z0-9-]", "-", self.stem.lower())
        if len(tenant) > TENANT_CHARS_MAX:
            raise StackError(f"{self.path.name} gives a tenant of over {TENANT_CHARS_MAX} characters; give --tenant")
        return tenant

    def survey(self) -> Survey:
        """Read the file once for what must be known before the first row is sent."""
        rows, skills = 0, set()
        place, lines = self._read()
        skill = place["skill"]
        for _, row in lines:
            rows += 1
            skills.add(row[skill].strip())
        return Survey(rows, tuple(sorted(skills, key=_by_number)))

    def evidence(self) -> Iterator[bytes]:
        """
        Yield the rows in the order of the file as native evidence, a line of JSON each.

        Raises:
            StackError: a row lacks a cell, or has one that is no number; names its line.
        """
        encode = msgspec.json.Encoder().encode
        place, lines = self._read()
        student, seq, skill, correct = (place[name] for name in COLUMNS)
        item, timestamp = place.get("item"), place.get("timestamp")
        for number, row in lines:
            who, turn, what = row[student].strip(), row[seq].strip(), row[skill].strip()
            activity = "" if item is None else row[item].strip()
            try:
                score = _number(row[correct])
                seconds = _number(turn) + (_number(row[timestamp] or "0") if timestamp is not None else 0)
                occurred_at = (BEGIN + datetime.timedelta(seconds=seconds)).isoformat()[:-6] + "Z"
            except (ValueError, OverflowError) as error:
                raise StackError(f"{self.path}, line {number}: {error}") from error
            if not who or not what:
                raise StackError(f"{self.path}, line {number}: student or skill is empty")
            id = f"{who}-{turn}"
            competency = f"{self.framework}:{what}"
            yield encode(
                _Evidence(id, self.source, who, (competency,), _Activity(activity or id), _Score(score), occurred_at)
            )

    def _read(self) -> tuple[dict[str, int], Iterator[Row]]:
        """Return the place of every column, and the rows behind the header."""
        lines = self._lines()
        _, header = next(lines, (0, []))
        place = {name.strip(): number for number, name in enumerate(header)}
        missing = [name for name in COLUMNS if name not in place]
        if missing:
            raise StackError(f"{self.path} lacks column {missing[0]}; a response log has {','.join(COLUMNS)}")
        return place, lines

    def _lines(self) -> Iterator[Row]:
        width = 0
        with self.path.open("rb") as raw:
            zipped = raw.read(2) == GZIP_MAGIC
            raw.seek(0)
            plain = cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if zipped else raw
            reader = csv.reader(io.TextIOWrapper(plain, encoding="utf-8-sig", newline=""), strict=True)
            try:
                for row in reader:
                    if not row:
                        continue
                    width = width or len(row)
                    if len(row) != width:
                        raise StackError(f"{self.path}, line {reader.line_num}: {len(row)} cells, not {width}")
                    yield reader.line_num, row
            except (csv.Error, UnicodeDecodeError, EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise StackError(f"{self.path} cannot be read after line {reader.line_num}: {error}") from error


class _Activity(msgspec.Struct, gc=False):
    id: str


class _Score(msgspec.Struct, gc=False):
    raw: float
    max: int = 1


class _Evidence(msgspec.Struct, gc=False):
    id: str
    source: str
    learner: str
    competencies: tuple[str]
    activity: _Activity
    score: _Score
    occurred_at: str
    kind: str = "practice"


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        number = float(text)
    return int(number) if number.is_integer() else number


def _by_number(skill: str) -> tuple[int, int, str]:
    return (0, int(skill), skill) if skill.isascii() and skill.isdigit() else (1, 0, skill)
