"""
A second telling of what reporting answers: from the logs as they are published, an event at a time, without its code.

Of queues it tells those that follow from states: what waits to be confirmed, and to be checked again, and what is held.
"""

import json
from collections import Counter, defaultdict
from typing import NamedTuple

from deploy.local.home import SHARDS
from tests.system.district import District, Item

LOGS = {"progression": "progression", "advancement": "progression", "curriculum": "progression", "roster": "evidence"}
"""The logs, and which service publishes each."""
STATE = (
    "status",
    "score",
    "evidence_count",
    "last_evidence_at",
    "mastered_at",
    "policy",
    "missing",
    "why",
    "basis",
    "seq",
)
QUEUES = {"confirm": "provisional", "reverify": "reverify_due", "withheld": "overridden"}
LAST = 99


class Node(NamedTuple):
    """A competency of the framework, in the order in which a continuum is walked: by subject, level and place."""

    subject: str
    level: int
    place: int
    id: str
    title: str
    is_group: bool


class Telling:
    """What has been told of a tenant with one framework by now; `hear` brings it up to date."""

    def __init__(self, district: District) -> None:
        self._district = district
        self._read: Counter[tuple[str, int]] = Counter()
        self._parts: list[Item] = []
        self._states: dict[tuple[str, str], Item] = {}
        self._erased: set[str] = set()
        self._enrolled: dict[tuple[str, str], bool] = {}
        self._happened: dict[str, list[tuple[str, str, int, str]]] = defaultdict(list)
        self._titles: dict[str, str] = {}

    async def hear(self) -> None:
        """Read what the logs have told since."""
        for log, service in LOGS.items():
            for shard in range(SHARDS):
                query = f"/v1/feed?log={log}&shard={shard}&after={self._read[log, shard]}&limit=10000"
                answer = await self._district.http.get(f"{self._district.stack.urls[service]}{query}")
                for event in map(json.loads, answer.raise_for_status().text.splitlines()):
                    self._read[log, shard] = event["position"]
                    if event["tenant"] == self._district.tenant:
                        self._take(log, event)

    def _take(self, log: str, event: Item) -> None:
        of, _, what = event["type"].removeprefix("attain.").removesuffix(".v1").partition(".")
        data = event.get("data") or {}
        if what == "erased":
            self._erased.add(event["subject"])
        elif log == "progression" and "competency" in data:
            self._states[data["learner"], data["competency"]] = data
        elif log == "advancement" and of in ("competency", "level", "goal"):
            row = (data["decided_at"], data["learner"]["id"], event["position"], event["id"])
            self._happened[data["learner"]["id"]].append(row)
        elif log == "roster" and "learner" in data and "active" in data:
            self._enrolled[data["class_id"], data["learner"]] = data["active"]
        elif log == "curriculum" and "competencies" in data:
            self._parts = [data] if data["part"] == 1 else [*self._parts, data]
            prefix = data["framework"]
            self._titles |= {f"{prefix}:{each['code']}": each["title"] for each in data["competencies"]}

    def learners(self) -> list[str]:
        """Return everybody of whom anything is told."""
        named = {learner for learner, _ in self._states} | {learner for _, learner in self._enrolled}
        return sorted(named - self._erased)

    def erased(self) -> set[str]:
        """Return who is forgotten."""
        return self._erased

    def of(self, learner: str) -> dict[str, Item]:
        """Return a learner's states by competency."""
        return {
            code: state for (who, code), state in self._states.items() if who == learner and who not in self._erased
        }

    def record(self, learner: str) -> Item:
        """Return the items, the counts by subject and level, what is next and what is to be checked again."""
        held = self.of(learner)
        needs = self._needs()
        line = [n for n in self._line() if not n.is_group or n.level < LAST or needs[n.id] or n.id in held]
        place = {node.id: number for number, node in enumerate(line)}
        items = [
            {"competency": code, "title": self._titles.get(code)} | {name: held[code].get(name) for name in STATE}
            for code in sorted(held, key=lambda code: (place.get(code, len(place)), code))
        ]
        levels: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
        for node in line:
            levels[node.subject, node.level][held[node.id]["status"] if node.id in held else "no_evidence"] += 1
        opens = {code for code, state in held.items() if is_on_record(state) or state["status"] == "presumed"}
        ready = [node.id for node in line if node.id not in opens and needs[node.id] <= opens]
        again = [node.id for node in line if node.id in held and held[node.id]["status"] == "reverify_due"]
        return {"items": items, "levels": [dict(counts) for counts in levels.values()], "next": ready, "review": again}

    def class_(self, name: str) -> dict[str, dict[str, str]]:
        """Return the statuses of the learners of a class."""
        members = sorted(who for (k, who), active in self._enrolled.items() if k == name and active)
        return {who: {c: s["status"] for c, s in self.of(who).items()} for who in members if who not in self._erased}

    def enrolled(self) -> dict[tuple[str, str], bool]:
        """Return who was ever in which class, and whether they are."""
        return self._enrolled

    def waiting(self, queue: str) -> set[tuple[str, str]]:
        """Return who waits for what in a queue."""
        return {
            (who, code)
            for who in self.learners()
            for code, s in self.of(who).items()
            if s["status"] == QUEUES[queue] and not (queue == "withheld" and is_on_record(s))
        }

    def timeline(self, learner: str) -> list[str]:
        """Return the ids of what happened, the latest first."""
        return [id for *_, id in sorted(self._happened[learner], reverse=True)]

    def _needs(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = defaultdict(set)
        for part in self._parts:
            for edge in part["associations"]:
                if edge["type"] == "prerequisite":
                    found[f"{part['framework']}:{edge['destination']}"].add(f"{part['framework']}:{edge['origin']}")
        return found

    def _line(self) -> list[Node]:
        competencies = [(part["framework"], each) for part in self._parts for each in part["competencies"]]
        parents = {f"{framework}:{each.get('parent')}" for framework, each in competencies}
        nodes = []
        for framework, each in competencies:
            id, level = f"{framework}:{each['code']}", each.get("level")
            node = Node(each.get("subject") or "", LAST if level is None else int(level), each["ordinal"], id, each["title"],
                        id in parents)  # fmt: skip
            nodes.append(node)
        return sorted(nodes)


def is_on_record(state: Item) -> bool:
    """Tell whether a state is on the record, by the contract: shown, credited, due for a check, or set by hand as shown."""
    by_hand = state["status"] == "overridden" and state.get("mastered_at") is not None
    return by_hand or state["status"] in ("mastered", "credited", "reverify_due")
