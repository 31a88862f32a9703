"""
A second telling of what a learner's record is: as a subscriber has it, by the public events and the standings alone.

It shares no code with the services. What leaves for one learner is held against it: the record, its CSV and page, signed
records, results for an information system, and the digest of the learner.
"""

import csv
import datetime
import io
import re
import zoneinfo
from typing import Any
from urllib.parse import unquote

import httpx

from tests.system.district import District, Item
from tests.system.isolation.victim import token_of

SHOWS = ("competency.mastered", "competency.credited", "level.advanced")
ON_RECORD = ("mastered", "credited", "reverify_due", "advanced", "review_required")
SCOPE = "urn:attain:scope:"
Pair = tuple[str, str]
"""A learner, and a competency or level."""


class Subscriber:
    """What a subscriber knows of a tenant; `hear` reads all of it again."""

    def __init__(self, district: District, zone: str) -> None:
        self._district = district
        self._zone = zoneinfo.ZoneInfo(zone)
        self.events: list[Item] = []
        self.told: dict[Pair, str] = {}
        """By the events, since when what stands does."""
        self.stands: dict[Pair, Item] = {}
        """By the standings: each has a status and, where it is on the record, since when."""

    async def hear(self) -> None:
        """Read the events and the standings."""
        self.told, self.stands = {}, {}
        self.events = await self._district.advancements()
        for event in self.events:
            self._take(event["type"].removeprefix("attain.").removesuffix(".v1"), event["data"])
        after: str | None = ""
        while after is not None:
            page = await self._district.get("progression", f"/v1/standings?limit=5&after={after}")
            after = page["next"]
            self.stands |= {(each["learner"], each["competency"]): each for each in page["retired"]}
            for item in page["items"]:
                self.stands[item["learner"], item["level"]] = item
                self.stands |= {(item["learner"], each["competency"]): each for each in item["competencies"]}

    def _take(self, kind: str, data: Item) -> None:
        if kind == "learner.erased":
            self.told = {pair: at for pair, at in self.told.items() if pair[0] != data["learner"]["id"]}
        elif data.get("scope", {}).get("kind") in ("competency", "level"):
            pair = data["learner"]["id"], data["scope"]["id"]
            if kind in SHOWS or kind.endswith(".reinstated"):
                self.told[pair] = data["effective_at"]
            elif kind.endswith(".withdrawn"):
                self.told.pop(pair, None)

    def shown(self, learner: str) -> dict[str, str]:
        """Return since when what is on a learner's record is; the standings have the latest date of a competency."""
        found = {scope: at for (who, scope), at in self.told.items() if who == learner}
        for (who, scope), each in self.stands.items():
            if who == learner and "#" not in scope:
                by_hand = each["status"] == "overridden" and each["effective_at"] is not None
                assert (each["status"] in ON_RECORD or by_hand) == (scope in found), (scope, each)
                found |= {scope: each["effective_at"]} if scope in found else {}
            elif who == learner:
                assert (each["status"] in ON_RECORD) == (scope in found), (scope, each)
        return found

    def day(self, instant: str) -> str:
        """Return the local day of an instant."""
        return str(datetime.datetime.fromisoformat(instant).astimezone(self._zone).date())


async def hold_what_leaves(district: District, subscriber: Subscriber, learner: str) -> None:
    """Hold all that leaves for one learner against what a subscriber has."""
    shown = subscriber.shown(learner)
    record = await district.get("reporting", f"/v1/learners/{learner}/record")
    items = {item["competency"]: item for item in record["items"]}
    known = {scope: each for (who, scope), each in subscriber.stands.items() if who == learner and "#" not in scope}
    for code, each in known.items():
        assert (items[code]["status"], items[code]["policy"]) == (each["status"], each["policy"])
    dates = {code: item["mastered_at"] for code, item in items.items() if item["mastered_at"] is not None}
    not_credited = {code for code in shown if "#" not in code and items[code]["status"] != "credited"}
    assert dates == {code: shown[code] for code in not_credited}

    assert await _badges(district, learner) == {scope: f"{at[:19]}Z" for scope, at in shown.items()}
    rows = csv.DictReader(io.StringIO((await _answer(district, f"/v1/learners/{learner}/record?format=csv")).text))
    assert {row["competency"]: (row["status"], row["mastered_at"]) for row in rows} == {
        code: (item["status"], item["mastered_at"] or "") for code, item in items.items()
    }
    page = (await _seen(district, f"/learners/{learner}", "records:read")).text
    days = dict(re.findall(r'<div class="code">(.+?)</div>.*?data-name="Shown on">(.+?)</td>', page))
    assert days.keys() >= known.keys() & dates.keys()
    assert days == {code: _written(subscriber.day(dates[code])) if code in dates else "–" for code in days}
    [own] = (await _seen(district, "/v1/digest", "records:read:self", learner=learner)).json()["children"]
    assert {each["competency"]: each["mastered_at"] for each in own["shown"]} == dates


async def _badges(district: District, learner: str) -> dict[str, str]:
    """Return since when each achievement of the signed record is, by its scope; none where there is no record to sign."""
    answer = await _answer(district, f"/v1/learners/{learner}/credential", refused=409)
    badges = answer.json()["credentialSubject"]["verifiableCredential"] if answer.is_success else []
    return {
        unquote(badge["credentialSubject"]["achievement"]["id"].removeprefix(SCOPE)): badge["awardedDate"]
        for badge in badges
    }


async def _answer(district: District, path: str, *, refused: int = 200) -> httpx.Response:
    answer = await district.http.get(f"{district.stack.urls['reporting']}{path}")
    assert answer.status_code in (200, refused), answer.text
    return answer


async def _seen(district: District, path: str, scope: str, **claims: Any) -> httpx.Response:
    """Return what a browser of a person is answered."""
    token = token_of(district.stack, district.tenant, scope, **claims)
    async with httpx.AsyncClient(cookies={"attain": token}, timeout=60) as browser:
        return (await browser.get(f"{district.stack.urls['reporting']}{path}")).raise_for_status()


def _written(day: str) -> str:
    at = datetime.date.fromisoformat(day)
    return f"{at.day} {at:%b} {at.year}"
