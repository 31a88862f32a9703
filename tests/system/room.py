"""A class of the running stack with a roster around it, seen through the pages as its people see them."""

import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx

from deploy.local.stack import Stack
from deploy.local.tokens import issue
from services.progression.domain.policy.templates import template
from tests.system.district import SOURCE, District, Item

LEARNERS = 25
NODES = "code,title,level,subject\nc0,Adding,1,Mathematics\nc1,Taking away,1,Mathematics\nc2,Sharing,2,Mathematics\n"
MAY_WRITE = "records:read:classes records:read:self evidence:write decisions:write"


class Room:
    """The class `room` of a district; `learners` are opaque ids by source id."""

    def __init__(self, stack: Stack, district: District, learners: dict[str, str]) -> None:
        self.stack = stack
        self.district = district
        self.learners = learners
        self.url = stack.urls["reporting"]

    def token(self, person: str, scope: str = MAY_WRITE, **claims: Any) -> str:
        """Return a token of a person of the roster."""
        return issue(self.stack.token_key_file, tenant=self.district.tenant, scope=scope, subject=person, **claims)

    @contextlib.asynccontextmanager
    async def browser(self, person: str, scope: str = MAY_WRITE, **claims: Any) -> AsyncIterator["Browser"]:
        """Open the pages as a person who has signed in."""
        cookies = {"attain": self.token(person, scope, **claims)}
        async with httpx.AsyncClient(base_url=self.url, cookies=cookies, timeout=60) as client:
            yield Browser(client)

    async def adopt_again(self) -> None:
        """Propose and approve the policy in force once more: nothing changes but that there is an adoption to be seen."""
        path = "/v1/policies/proposals?mode=grandfathered&reason=the board decided&framework=math"
        proposal = await self.district.post("progression", path, template("classroom"))
        token = self.stack.token(self.district.tenant, "policy:write", subject="another")
        url = f"{self.stack.urls['progression']}/v1/policies/proposals/{proposal['id']}/approve"
        approved = await self.district.http.post(url, headers={"Authorization": f"Bearer {token}"})
        approved.raise_for_status()

    async def record(self, learner: str) -> dict[str, str]:
        """Return the statuses that reporting shows of a learner, once everything is folded."""
        await self.district.drained()
        found = await self.district.get("reporting", f"/v1/learners/{self.learners[learner]}/record")
        return {item["competency"]: item["status"] for item in found["items"]}


class Browser:
    """Follows forms as a browser would: with the hidden fields of the page that they stand on."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def key(self) -> str:
        """Return the key that forms of this session carry."""
        found = re.search(r'name="form" value="(\w+)"', (await self.client.get("/")).text)
        assert found is not None
        return found[1]

    async def post(
        self, path: str, fields: Sequence[tuple[str, str]], *, script: bool = False, key: str | None = None
    ) -> httpx.Response:
        """Send a form; `script` as the script of the page does."""
        headers = {"Accept": "application/json"} if script else {}
        body = {"form": [await self.key() if key is None else key]}
        for name, value in fields:
            body.setdefault(name, []).append(value)
        return await self.client.post(path, data=body, headers=headers)


async def open_room(stack: Stack, name: str, items: Sequence[Item] = (), learners: int = LEARNERS) -> Room:
    """Open a district with a class, its people, the classroom template, and evidence."""
    district = await District(stack, name).open(nodes=NODES)
    await district.post("progression", "/v1/policies?framework=math", template("classroom"))
    await district.post(
        "evidence", "/v1/roster",
        {
            "source": SOURCE, "schools": [{"school": "north", "title": "North", "district": "d"}],
            "classes": [{"class": c, "title": f"Class {c}", "school": "north"} for c in ("room", "other")],
            "learners": [{"source_id": f"l{n}", "name": f"Learner {n:02}"} for n in range(learners)],
            "enrolments": [{"class": "room", "learner": f"l{n}"} for n in range(learners)],
            "assignments": [{"person": "head", "role": "leader", "kind": "school", "target": "north"},
                            {"person": "mum", "role": "guardian", "kind": "learner", "target": "l2"}],
            "people": [{"person": "tea", "name": "Tea Cher"}, {"person": "second", "name": "Seconda Cher"},
                       {"person": "head", "name": "Hedda Master"}],
            "staff": [
                {"class": "room", "staff": "tea"}, {"class": "other", "staff": "neighbour"},
                {"class": "room", "staff": "second"},
                {"class": "room", "staff": "sub-now", "role": "substitute", "starts": "2020-01-01", "ends": "2999-01-01"},
                {"class": "room", "staff": "sub-over", "role": "substitute", "starts": "2020-01-01", "ends": "2020-02-01"},
            ],
        },
    )  # fmt: skip
    if items:
        await district.send(items)
    await district.drained()
    return Room(stack, district, {f"l{n}": await district.learner(f"l{n}") for n in range(learners)})
