"""
A second telling of the export of a learner: what was sent, decided, planned and told, which systems were told it, and who looked.

It shares no code with the services. What systems read is noted here as it is read.
"""

import asyncio
import io
import json
import random
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx

from deploy.local.commands.privacy import write_held
from tests.support.receiver import Receiver
from tests.system.district import SOURCE, District, Item
from tests.system.handing_out import happened
from tests.system.history import LongHistory
from tests.system.isolation.victim import token_of
from tests.system.leaving import Subscriber

FILES = ("advancements.json", "decisions.json", "plans.json", "disclosures.json", "looks.json", "terms.json")
Key = tuple[str, str, str]
"""By which way, who, and whose ids of learners were added."""


class Readers:
    """Systems that read what is told, each by its own way, and a plain note of what each of them was given."""

    def __init__(self, district: District, seed: int, hooks: Sequence[Receiver]) -> None:
        self._district = district
        self._chance = random.Random(seed)
        self._hooks = hooks
        self._hooked: list[Key] = []
        self._cursors: dict[Key, str] = {}
        self._pages: dict[str, str] = {}
        self.given: dict[Key, dict[str, dict[str, Item]]] = defaultdict(lambda: defaultdict(dict))
        """The events by their ids, by learner."""
        self.stood: dict[str, set[str]] = defaultdict(set)
        self.looks: dict[str, set[tuple[str, str]]] = defaultdict(set)
        """Who looked at which view, by learner."""
        self.named = {"feed-0": "Seating"}
        self.from_kafka = ""

    async def begin(self) -> None:
        """Declare one who reads the feed, one of levels by Kafka, and two webhooks: of all, with own ids, and of levels."""
        for more in ({"via": "feed", "reader": "feed-0", "name": "Seating"},
                     {"via": "kafka", "name": "Warehouse", "types": ["level.*"]}):  # fmt: skip
            body = {"purpose": "seats in courses", **more}
            self.from_kafka = (await self._district.post("progression", "/v1/subscribers", body))["id"]

        asked: tuple[dict[str, Any], ...] = {"source": SOURCE}, {"types": ["level.*"]}
        for hook, more in zip(self._hooks, asked, strict=True):
            name = f"at {hook.port}"
            made = {"name": name, "url": hook.url, "purpose": "placement of learners"} | more
            id = (await self._district.post("progression", "/v1/webhooks", made))["id"]
            self._hooked.append(("webhook", id, str(more.get("source", ""))))
            self.named[id] = name

    async def hear(self) -> None:
        """Wait until webhooks are told everything, and note what they were."""
        async with asyncio.timeout(30):
            while any(each["behind"] for each in (await self._district.get("progression", "/v1/webhooks"))["items"]):
                await asyncio.sleep(0.05)
        for key, hook in zip(self._hooked, self._hooks, strict=True):
            self._note(key, [request.event for request in hook.taken])

    async def read(self, learners: list[str]) -> None:
        """Let somebody read something."""
        await self._chance.choice((self._feed, self._feed, self._of_learner, self._standings, self._look))(learners)

    async def _feed(self, learners: list[str]) -> None:
        number = self._chance.randrange(3)
        key = ("feed", f"feed-{number}", SOURCE if number == 1 else "")
        after = "" if self._chance.random() < 0.2 else self._cursors.get(key, "")
        limit = self._chance.choice((1, 3, 10, 40))
        page = await self._ask("progression", f"/v1/advancements?limit={limit}&after={after}", key)
        self._cursors[key] = page["next"]
        self._note(key, page["items"])

    async def _of_learner(self, learners: list[str]) -> None:
        key, learner = ("feed", "feed-3", ""), self._chance.choice(learners)
        self._note(key, (await self._ask("progression", f"/v1/learners/{learner}/advancements?limit=4", key))["items"])

    async def _standings(self, learners: list[str]) -> None:
        reader = f"late-{self._chance.randrange(2)}"
        after = self._pages.get(reader, "")
        page = await self._ask("progression", f"/v1/standings?limit=3&after={after}", ("standings", reader, ""))
        self._pages[reader] = page["next"] or ""
        self.stood[reader] |= {each["learner"] for each in (*page["items"], *page["snapshots"])}

    async def _look(self, learners: list[str]) -> None:
        person, learner = f"seer-{self._chance.randrange(10)}", self._chance.choice(learners)
        view = self._chance.choice(("record", "timeline", "transcript"))
        token = token_of(self._district.stack, self._district.tenant, "records:read", subject=person)
        url = f"{self._district.stack.urls['reporting']}/v1/learners/{learner}/{view}"
        answer = await self._district.http.get(url, headers={"Authorization": f"Bearer {token}"})
        if answer.is_success:
            self.looks[learner].add((person, view))

    async def _ask(self, service: str, path: str, key: Key) -> Item:
        _, subject, source = key
        claims = {"source": source} if source else {}
        token = token_of(self._district.stack, self._district.tenant, "records:read", subject=subject, **claims)
        url = f"{self._district.stack.urls[service]}{path}"
        answer = await self._district.http.get(url, headers={"Authorization": f"Bearer {token}"})
        return dict(answer.raise_for_status().json())

    def _note(self, key: Key, events: list[Item]) -> None:
        for event in events:
            self.given[key][event["subject"]][event["id"]] = event

    def disclosed(self, learner: str, told: list[Item], since: str) -> dict[Key, Counter[str]]:
        """Return the kinds of what each reader was told of a learner; who reads Kafka, of what was told since an instant."""
        by = {key: list(of[learner].values()) for key, of in self.given.items() if of[learner]}
        # Who reads levels alone is told all the same who a learner is.
        levels = [each for each in told if each["type"].split(".")[1] in ("level", "learner") and each["time"] >= since]
        if levels:
            by["kafka", self.from_kafka, ""] = levels
        found = {key: Counter(kind_of(event) for event in events) for key, events in by.items()}
        return found | {("standings", who, ""): Counter(standing=1) for who, of in self.stood.items() if learner in of}


def kind_of(event: Item) -> str:
    """Return the short name of an event's type."""
    return str(event["type"]).removeprefix("attain.").removesuffix(".v1")


class Exports:
    """The ZIP of each learner, held against what was sent, decided, planned, told and looked at."""

    def __init__(self, district: District, history: LongHistory, readers: Readers) -> None:
        self._district = district
        self._history = history
        self._readers = readers

    async def hold(self, subscriber: Subscriber) -> None:
        """Hold the ZIP of each learner with the folders of who is merged into it."""
        await self._readers.hear()
        register = (await self._district.get("progression", "/v1/subscribers"))["items"]
        [since] = [each["since"] for each in register if each["via"] == "kafka"]
        now = {name: await self._district.learner(name) for name in self._history.names}
        for learner in sorted(set(now.values())):
            files = await self._files(learner)
            said = json.dumps(files)
            # That an adult was asked to help is for few roles, and in no export.
            assert not [why for why in self._history.closings if why in said], learner
            under = {self._history.learners[name] for name, of in now.items() if of == learner}
            self._hold_evidence(files["evidence.json"], {name for name, of in now.items() if of == learner})
            for each in under | {learner}:
                folder = "" if each == learner else f"merged/{each}/"
                self._hold_one(each, {name: files[f"{folder}{name}"] for name in FILES}, subscriber, since)

    async def _files(self, learner: str) -> dict[str, Any]:
        with _clients(self._district) as clients:
            target = io.BytesIO()
            with zipfile.ZipFile(target, "w") as bundle:
                write_held(clients, bundle, learner, self._history.terms)
        written = zipfile.ZipFile(target)
        return {name: json.loads(written.read(name)) for name in written.namelist()}

    def _hold_evidence(self, held: Item, names: set[str]) -> None:
        sent = {id for id, name in self._history.sent.items() if name in names}
        found = {each["id"] for each in (*held["evidence"], *held["kept"])}
        assert found == sent, (names, found - sent, sent - found)

    def _hold_one(self, learner: str, files: dict[str, Any], subscriber: Subscriber, since: str) -> None:
        items = {name: held.get("items", []) for name, held in files.items() if isinstance(held, dict)}
        mine = happened(subscriber)[learner]
        told = [one["event"] for _, one in mine]
        assert [each["id"] for each in items["advancements.json"]] == [each["id"] for each in told], learner
        decided = {(each.id, each.reason) for each in self._history.noted if each.learner == learner}
        assert {(each["id"], each["reason"]) for each in items["decisions.json"]} == decided, learner
        plans = {
            plan["id"]: (code, plan["kind"]) for (who, code), plan in self._history.plans.items() if who == learner
        }
        assert {each["id"]: (each["competency"], each["kind"]) for each in items["plans.json"]} == plans, learner
        self._hold_disclosures(learner, items["disclosures.json"], told, since)
        looks = {(each["person"], each["view"]) for each in items["looks.json"] if each["target"] == learner}
        assert {look for look in looks if look[0].startswith("seer-")} == self._readers.looks[learner], learner
        ended = {one["session"]: one["digest"] for kind, one in mine if kind == "snapshot.closed"}
        assert {each["term"]: each["digest"] for each in files["terms.json"] if each.get("digest")} == ended, learner

    def _hold_disclosures(self, learner: str, held: list[Item], told: list[Item], since: str) -> None:
        wanted = self._readers.disclosed(learner, told, since)
        # Whoever asks for this test reads as well. Of standings a day's reading is one row: it may tell too much, of who came in
        # between, and never too little.
        found = {
            key: each
            for each in held
            if (key := (each["via"], each["reader"], each["source"])) in wanted
            or each["via"] in ("kafka", "webhook")
            or each["reader"].startswith("feed-")
        }
        assert {key: Counter(each["kinds"]) for key, each in found.items()} == wanted, learner
        for key, each in found.items():
            if key[0] in ("feed", "webhook"):
                events = self._readers.given[key][learner].values()
                scopes = {event["data"]["scope"]["id"] for event in events if "scope" in event["data"]}
                name = self._readers.named.get(key[1], key[1])
                assert (set(each["scopes"]), each["name"], each["events"]) == (scopes, name, len(events)), learner


@contextmanager
def _clients(district: District) -> Iterator[dict[str, httpx.Client]]:
    token = token_of(district.stack, district.tenant, "admin records:read", subject="exporter")
    headers = {"Authorization": f"Bearer {token}"}
    clients = {
        name: httpx.Client(base_url=url, headers=headers, timeout=60) for name, url in district.stack.urls.items()
    }
    yield clients
    for client in clients.values():
        client.close()
