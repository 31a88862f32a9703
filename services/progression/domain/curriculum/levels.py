"""
The continuum: which level each competency belongs to, and in which order the levels come.

Leaves carry levels; a group carries one only where a file says so, since a level is complete when all that carry it are on
the record. Competencies lie in the order of their levels, so that everyone who reads a framework sees the same continuum.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from services.progression.domain.curriculum.csv_files import read_credits, read_levels
from services.progression.domain.curriculum.framework import Framework
from services.progression.domain.curriculum.problems import Problems
from shared.contracts.internal_events import Competency
from shared.errors import InvalidEvent

By = Literal["educationalLevel", "domain", "csv"]
BEFORE_FIRST = {"IT": -4, "PR": -3, "PK": -2, "TK": -1, "K": 0}
AFTER_LAST = {"PS": 100, "UG": 101, "GR": 102}
LONE_GROUPS_MAX = 5
"""Groups of one inside another that are looked through for domains."""
_SPELLINGS = {"KG": "K", "KINDERGARTEN": "K", "PREK": "PK", "PRE-K": "PK"}
_NUMBER = re.compile(r"0*(\d{1,2})")
_LIST = re.compile(r"[,;|]")


def put_levels(framework: Framework, by: By, file: str, problems: Problems, credits: str = "") -> Framework:
    """
    Return the framework with the levels of the choice: education levels, the outermost group, or a file `code,level`; and with
    the credit that each is given in the text of `credits`.

    What gets no level counts towards none, and is named.

    Raises:
        InvalidEvent: a file is not of its form, or gives no level at all.
    """
    before = {c.code: c.grades or ((c.level,) if c.level else ()) for c in framework.competencies}
    leaves = [c for c in framework.competencies if framework.full_id(c.code) not in framework.children]
    if by == "csv":
        levels = read_levels(file, before.keys(), problems)
        order = list(dict.fromkeys(levels.values()))
    elif by == "domain":
        outermost = domains(framework)
        levels = {c.code: outermost[c.code] for c in leaves if c.code in outermost}
        order = list(dict.fromkeys(levels.values()))
    else:
        levels = {c.code: level for c in leaves for level in (level_of(before[c.code]),) if level is not None}
        order = sorted(dict.fromkeys(levels.values()), key=_rank)
    if not levels:
        raise InvalidEvent(f"nothing in the framework has a level by {by}", pointer="/by")
    for leaf in leaves:
        if leaf.code not in levels:
            problems.add("competencies without a level", f"{leaf.code}: without a level, so it counts towards none")
    changed = [
        msgspec.structs.replace(c, level=levels.get(c.code), grades=before[c.code]) for c in framework.competencies
    ]
    ordered = in_order(changed, framework.parents, framework.id, {level: place for place, level in enumerate(order)})
    levelled = msgspec.structs.replace(framework, competencies=ordered, credits={})
    return msgspec.structs.replace(levelled, credits=read_credits(credits, levelled, problems))


def level_of(grades: Sequence[str]) -> str | None:
    """
    Return the level for education levels: one as it is (`K`, `3`), several as a range (`9-12`) or a list (`3,5`).

    Source: CEDS Grade Level codes as CASE uses them (KG, 01 .. 13); other words stay as they are.
    """
    known = sorted(dict.fromkeys(grades), key=_rank)
    ranks = [_rank(grade)[1] for grade in known]
    if len(known) > 1 and all(_rank(grade)[0] == 0 for grade in known) and ranks[-1] - ranks[0] == len(ranks) - 1:
        return f"{known[0]}-{known[-1]}"
    return ",".join(known)[:200] or None


def read_grades(values: Iterable[str]) -> tuple[str, ...]:
    """Return education levels in one spelling: `KG` and `K` as `K`, `03` as `3`, `3,4` as two."""
    named = [part.strip() for value in values for part in _LIST.split(value)]
    return tuple(dict.fromkeys(_spelled(part) for part in named if part))


def domains(framework: Framework) -> dict[str, str]:
    """
    Return the code of the outermost group of every competency that lies in one, along first parents.

    A group that holds all others is no domain: those in it are, and it remains that of what lies in none of them.
    """
    parent = {c.code: c.parent for c in framework.competencies if c.parent is not None}
    found = outermost = _outermost(parent)
    for _ in range(LONE_GROUPS_MAX):
        if len(set(outermost.values())) != 1:
            break
        (lone,) = set(outermost.values())
        parent = {code: group for code, group in parent.items() if group != lone}
        outermost = _outermost(parent)
        found = found | outermost
    return found


def _outermost(parent: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for start in parent:
        path = {start: None}
        code = start
        while code not in found and code in parent and parent[code] not in path:
            code = parent[code]
            path[code] = None
        outermost = found.get(code, code)
        found |= {member: outermost for member in path if member != outermost}
    return found


def in_order(
    competencies: Sequence[Competency],
    parents: Mapping[str, Sequence[str]],
    framework: str,
    place: Mapping[str, int],
) -> tuple[Competency, ...]:
    """Return the competencies by the place of their level, each group before its first member, with their ordinals."""
    last = len(place)
    of = {f"{framework}:{c.code}": place.get(c.level, last) if c.level is not None else None for c in competencies}
    placed = {code: rank for code, rank in of.items() if rank is not None}
    # In the order of places a group that has one has the least already, so each is visited once.
    for code in sorted(placed, key=lambda code: placed[code]):
        waiting = list(parents.get(code, ()))
        while waiting:
            group = waiting.pop()
            if group not in placed:
                placed[group] = placed[code]
                waiting += parents.get(group, ())
    ordered = sorted(competencies, key=lambda c: placed.get(f"{framework}:{c.code}", last))
    return tuple(msgspec.structs.replace(c, ordinal=number) for number, c in enumerate(ordered, start=1))


def order_of_grades(levels: Iterable[str | None]) -> dict[str, int]:
    """Return the place of each level in the order of grades; words that are no grades come last, in their own order."""
    known = [level for level in dict.fromkeys(levels) if level is not None]
    return {level: place for place, level in enumerate(sorted(known, key=_rank))}


def _spelled(grade: str) -> str:
    upper = grade.upper()
    number = _NUMBER.fullmatch(upper)
    if number is not None:
        return number[1]
    return _SPELLINGS.get(upper, upper if upper in BEFORE_FIRST or upper in AFTER_LAST else grade)


def _rank(level: str) -> tuple[int, int]:
    """Return where a level comes: grades by number, `6-8` and `6,7` as 6, other words behind all of them."""
    first = re.split(r"[-,]", level, maxsplit=1)[0].strip().upper()
    first = _SPELLINGS.get(first, first)
    named = BEFORE_FIRST.get(first, AFTER_LAST.get(first))
    if named is not None:
        return (0, named)
    number = _NUMBER.fullmatch(first)
    return (0, int(number[1])) if number is not None else (1, 0)
