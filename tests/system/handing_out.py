"""
A second telling of what is handed out whole: scores in a grade book, a closed term, tables for a warehouse, a transcript.

It shares no code with the services. Each is held against the public events, the logs, and what was done.
"""

import csv
import datetime
import hashlib
import io
import json
from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet

from tests.support.ags_platform import CLIENT, AgsPlatform
from tests.support.pdf_text import Tagged, texts
from tests.system.conftest import Attain
from tests.system.district import SOURCE, District, Item
from tests.system.history import CODES, LEVELS
from tests.system.isolation.victim import token_of
from tests.system.leaving import SHOWS, Subscriber
from tests.system.telling import STATE, Telling

GRADED = [*LEVELS, *CODES, "math:J"]
OF_LEVELS = ("advanced", "withdrawn", "sign_off_requested", "ready")
"""What may have been told of a level; the first of these that was is what it ends a term with."""
HOW = {"competency.mastered": "shown here", "competency.credited": "shown elsewhere", "level.advanced": "completed"}


class Gradebook:
    """A platform's line items, one a level and competency, to which standings are passed back."""

    def __init__(self, district: District, attain: Attain, platform: AgsPlatform, folder: Path, on: str) -> None:
        self._district = district
        self._on = on
        self._attain = attain
        self._platform = platform
        self._given: dict[tuple[str, str], float] = {}
        (folder / "tool.pem").write_text(platform.private_key())
        self._file = folder / "target.json"
        self._file.write_text(json.dumps({
            "line_items": f"{platform.url}/line_items", "token_url": f"{platform.url}/token", "client_id": CLIENT,
            "key_file": "tool.pem", "source": SOURCE, "on": on, "levels": LEVELS, "competencies": GRADED[len(LEVELS):],
        }))  # fmt: skip

    def hold(self, subscriber: Subscriber, telling: Telling, names: dict[str, str]) -> None:
        """Pass back, and hold every score against what was told; `names` are the learners by the platform's ids."""
        done = self._attain("passback", str(self._file), tenant=self._district.tenant)
        assert (done["exit"], done["failed"]) == (0, 0), done
        for scope in GRADED:
            held = {name: score for name, score in self._platform.score_of(f"attain:{scope}").items() if name in names}
            due = {name: self._due(subscriber, telling, (name, scope), learner) for name, learner in names.items()}
            assert held == {name: score for name, score in due.items() if score is not None}, (scope, held, due)
            self._given |= {(name, scope): score for name, score in held.items()}

    def _due(self, subscriber: Subscriber, telling: Telling, of: tuple[str, str], learner: str) -> float | None:
        """Return the score that is due, in what the framework has no more too; who was never given one needs no 0."""
        if self._is_shown(subscriber, telling, learner, of[1]):
            return 1.0
        return None if self._given.get(of) is None else 0.0

    def _is_shown(self, subscriber: Subscriber, telling: Telling, learner: str, scope: str) -> bool:
        if (learner, scope) in subscriber.told or self._on == "advanced":
            return (learner, scope) in subscriber.told
        if "#" in scope:
            return subscriber.stands.get((learner, scope), {}).get("status") == "sign_off_requested"
        return telling.of(learner).get(scope, {}).get("status") == "provisional"


class Ended(Telling):
    """The telling of the logs, with what each closed term ended with, and when each state was told."""

    def __init__(self, district: District) -> None:
        super().__init__(district)
        self.ended: dict[str, dict[str, dict[str, Item]]] = defaultdict(dict)
        """The states by term, learner and competency."""
        self.told_at: dict[tuple[str, str], str] = {}
        self._shard: dict[str, int] = {}

    def _take(self, log: str, event: Item) -> None:
        super()._take(log, event)
        data = event.get("data") or {}
        if log == "progression" and "competency" in data:
            self._shard[data["learner"]] = event["shard"]
            self.told_at[data["learner"], data["competency"]] = event["time"]
        elif log == "progression" and "term" in data:
            here = [learner for learner, shard in self._shard.items() if shard == event["shard"]]
            self.ended[data["term"]] |= {learner: self.of(learner) for learner in here}


async def hold_terms(district: District, telling: Ended, subscriber: Subscriber) -> None:
    """Hold what each term ended with for each learner against the states, levels and amendments that were told."""
    by_learner = happened(subscriber)
    for term, ended in telling.ended.items():
        for learner in telling.learners():
            found = await district.get("reporting", f"/v1/terms/{term}/learners/{learner}")
            states, of = ended.get(learner, {}), f"{term} {learner}"
            assert {item["competency"]: {name: item[name] for name in STATE} for item in found["items"]} == {
                code: {name: state.get(name) for name in STATE} for code, state in states.items()
            }, of
            told = by_learner[learner]
            before, digest = told_before(told, term)
            levels = levels_after(before)
            assert {each["level"]: (each["status"], each["event"]) for each in found["levels"]} == levels, of
            assert found["digest"] == digest, of
            assert digest in (None, digest_by_hand(found)), of
            amended = [one for kind, one in told if kind == "snapshot.amended" and one["session"] == term]
            assert [
                (each["scope"], each["before"], each["after"], each["effective_at"], each["decided_at"], each["digest"])
                for each in found["amendments"]
            ] == [
                (one["scope"]["id"], one["before"], one["after"], one["effective_at"], one["decided_at"], one["digest"])
                for one in amended
            ], of
            table = await district.http.get(
                f"{district.stack.urls['reporting']}/v1/terms/{term}/learners/{learner}?format=csv"
            )
            rows = {row["scope"]: row for row in csv.DictReader(io.StringIO(table.text))}
            stood = {code: (state["status"], state.get("mastered_at") or "") for code, state in states.items()}
            ends = {one["scope"]["id"]: one["after"] for one in amended}
            assert {scope: row["amended_status"] for scope, row in rows.items() if row["amended_status"]} == ends, of
            assert {code: (rows[code]["status"], rows[code]["since"]) for code in stood} == stood, of


def happened(subscriber: Subscriber) -> dict[str, list[tuple[str, Item]]]:
    """Return what was told of each learner, in order, by kind."""
    found: dict[str, list[tuple[str, Item]]] = defaultdict(list)
    for event in subscriber.events:
        kind = event["type"].removeprefix("attain.").removesuffix(".v1")
        found[event["subject"]].append((kind, (event.get("data") or {}) | {"event": event}))
    return found


def told_before(told: list[tuple[str, Item]], term: str) -> tuple[list[tuple[str, Item]], str | None]:
    """Return what was told of a learner before a term was closed, and the digest that it ended with; nothing without one."""
    for number, (kind, one) in enumerate(told):
        if kind == "snapshot.closed" and one["session"] == term:
            return told[:number], one["digest"]
    return [], None


def levels_after(told: list[tuple[str, Item]]) -> dict[str, tuple[str, str]]:
    """Return what was told of each level last that counts most, and by which event."""
    stands: dict[str, dict[str, str]] = defaultdict(dict)
    for kind, one in told:
        scope, id = one.get("scope", {}).get("id", ""), one["event"]["id"]
        match kind:
            case "level.ready" | "level.sign_off_requested":
                stands[scope][kind.removeprefix("level.")] = id
            case "level.sign_off_lapsed":
                stands[scope].pop("sign_off_requested", None)
            case "competency.withdrawn":
                for level in one["levels_affected"]:
                    stands[level].pop("sign_off_requested", None)
            case "level.advanced" | "level.reinstated" | "level.withdrawn":
                stands[scope] = {name: by for name, by in stands[scope].items() if name not in OF_LEVELS[:2]}
                stands[scope]["withdrawn" if kind == "level.withdrawn" else "advanced"] = id
    first = {level: next((name for name in OF_LEVELS if name in of), "") for level, of in stands.items()}
    return {level: (name, stands[level][name]) for level, name in first.items() if name}


def digest_by_hand(found: Item) -> str:
    """Return the digest of what a term ended with as whoever has it computes it."""
    lines = [f"competency\t{i['competency']}\t{i['status']}\t{i['mastered_at'] or ''}\n" for i in found["items"]]
    lines += [f"level\t{level['level']}\t{level['status']}\t{level['event']}\n" for level in found["levels"]]
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


async def hold_tables(district: District, telling: Ended, subscriber: Subscriber) -> None:
    """Hold the tables for a warehouse, in each of their forms, against the logs."""
    told = [(learner, kind, one) for learner, of in happened(subscriber).items() for kind, one in of if learner]
    wanted = {
        "mastery": [
            {"learner": who, "competency": code, "changed_at": telling.told_at[who, code]}
            | {name: state.get(name) for name in STATE if name not in ("policy", "missing", "why", "basis")}
            for who in telling.learners()
            for code, state in telling.of(who).items()
        ],
        "advancement": [
            {"learner": learner, "position": one["event"]["position"], "id": one["event"]["id"], "kind": kind,
             "scope_kind": one["scope"]["kind"], "scope": one["scope"]["id"], "framework": one["scope"]["framework"],
             "seq": one["seq"], "effective_at": one["effective_at"], "decided_at": one["decided_at"]}
            for learner, kind, one in told if kind.partition(".")[0] in ("competency", "level", "goal")
        ],
        "term_snapshot": [
            {"learner": learner, "term": one["session"], "position": one["event"]["position"], "id": one["event"]["id"],
             "digest": one["digest"], "standings": one["standings"]}
            for learner, kind, one in told if kind == "snapshot.closed"
        ],
        "term_amendment": [
            {"learner": learner, "term": one["session"], "position": one["event"]["position"], "id": one["event"]["id"],
             "scope_kind": one["scope"]["kind"], "scope": one["scope"]["id"], "title": one["scope"]["title"],
             "before": one["before"], "after": one["after"], "effective_at": one["effective_at"],
             "decided_at": one["decided_at"], "cause_kind": one["cause"]["kind"], "cause": one["cause"]["id"],
             "reason": one["reason"]["text"], "digest": one["digest"]}
            for learner, kind, one in told if kind == "snapshot.amended"
        ],
        "merged": [
            {"learner": who, "kept": into} for who, into in merged_into(subscriber).items()
        ],
        "enrolment": [
            {"class": name, "learner": who, "active": active}
            for (name, who), active in telling.enrolled().items() if who not in telling.erased()
        ],
    }  # fmt: skip
    for table, rows in wanted.items():
        [plain, columns] = [[row async for row in _pages(district, table, form)] for form in ("json", "parquet")]
        assert plain == columns, table
        [found, told_of] = [sorted(each, key=lambda row: str(sorted(row.items()))) for each in (plain, rows)]
        assert found == told_of, (
            table,
            [row for row in found if row not in told_of],
            [r for r in told_of if r not in found],
        )


def merged_into(subscriber: Subscriber) -> dict[str, str | None]:
    """Return into whom each learner is merged; None of whom that was undone."""
    found = {}
    for event in subscriber.events:
        kind = event["type"].split(".")[2]
        if kind in ("merged", "unmerged"):
            found[event["subject"]] = event["data"]["into"] if kind == "merged" else None
    return found


async def hold_forgotten(district: District, gone: Collection[str]) -> None:
    """Hold that no table for a warehouse names anybody who is forgotten."""
    for table in (await district.get("reporting", "/v1/exports"))["tables"]:
        rows = [json.dumps(row) async for row in _pages(district, table, "json")]
        assert not [row for row in rows if any(each in row for each in gone)], table


async def _pages(district: District, table: str, form: str) -> Any:
    after = ""
    while True:
        url = f"{district.stack.urls['reporting']}/v1/exports/{table}"
        answer = await district.http.get(url, params={"format": form, "limit": 17, "after": after})
        answer.raise_for_status()
        rows = (
            answer.json()["items"]
            if form == "json"
            else pyarrow.parquet.read_table(io.BytesIO(answer.content)).to_pylist()
        )
        for row in rows:
            yield row
        after = answer.headers.get("Attain-Next", "")
        if not after:
            return


async def hold_transcript(district: District, subscriber: Subscriber, learner: str) -> None:
    """Hold the rows of a transcript against what stands by the events: what, since when, and how it was shown."""
    url = f"{district.stack.urls['reporting']}/v1/learners/{learner}/transcript"
    # Who is a service besides is told no local days.
    headers = {"Authorization": f"Bearer {token_of(district.stack, district.tenant, 'records:read')}"}
    read = texts((await district.http.get(url, params={"lang": "en"}, headers=headers)).raise_for_status().content)
    shown, how = subscriber.shown(learner), shown_how(happened(subscriber)[learner])
    wanted = {
        (what, _written(subscriber.day(shown[scope])), HOW[kind], section)
        for scope, (kind, what, section) in how.items()
    }

    assert how.keys() == shown.keys(), (learner, how, shown)
    rows = list(_rows(read))
    assert (len(rows), set(rows)) == (len(wanted), wanted), (learner, set(rows) ^ wanted)


def shown_how(told: list[tuple[str, Item]]) -> dict[str, tuple[str, str, str]]:
    """Return how what stands was shown, what it is called and under which title."""
    stands: dict[str, list[tuple[str, Item]]] = defaultdict(list)
    taken: dict[str, list[tuple[str, Item]]] = defaultdict(list)
    gave: dict[str, str] = {}
    for kind, one in told:
        scope = one.get("scope", {}).get("id", "")
        if kind in SHOWS:
            stands[scope].append((kind, one))
        elif kind.endswith(".withdrawn"):
            taken[scope] += stands.pop(scope, [])
        elif kind.endswith(".reinstated") and not stands[scope]:
            original = gave[one["event"]["id"]] = gave.get(str(one["original"]), str(one["original"]))
            stands[scope] = [each for each in taken[scope] if each[1]["event"]["id"] == original]
    return {scope: _called(*of[-1]) for scope, of in stands.items() if of}


def _called(kind: str, one: Item) -> tuple[str, str, str]:
    scope = one["scope"]
    if kind == "level.advanced":
        return kind, f"{scope['subject']}, Level {scope['id'].rpartition('/')[2]}", "Levels completed"
    return kind, f"{scope['code']} {scope['title']}", scope["subject"] or "Other"


def _rows(read: list[Tagged]) -> Iterator[tuple[str, str, str, str]]:
    section, cells = "", list[str]()
    for tag, text in read:
        section = text if tag == "H2" else section
        cells = [*cells, text] if tag == "TD" else []
        if len(cells) == 3:
            yield (*cells, section)  # type: ignore[misc]
            cells = []


def _written(day: str) -> str:
    at = datetime.date.fromisoformat(day)
    return f"{at.day} {at:%b} {at.year}"
