"""Subscribers of the running stack: a webhook with its own learner ids, a stream, standings, and the example consumer."""

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import msgspec

from deploy.local.stack import Stack
from deploy.local.tokens import issue
from tests.support.receiver import Receiver, receiving
from tests.system.conftest import Attain
from tests.system.district import SOURCE, District, Item, right

EXAMPLE = Path(__file__).parents[2] / "examples" / "consumer.py"


def shown(learner: str, competency: str = "math:c1") -> list[Item]:
    return [right(learner, n, competency) for n in range(3)]


def consuming(environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, str(EXAMPLE)], env=environment)


async def told_of(district: District, name: str, query: str = "") -> httpx.Response:
    """Answer to a learner who asks which systems were told what of the own record."""
    learner, stack = await district.learner(name), district.stack
    own = issue(stack.token_key_file, tenant=district.tenant, scope="records:read:self", learner=learner)
    asked = f"{stack.urls['reporting']}/v1/learners/{learner}/disclosures{query}"
    return (await district.http.get(asked, headers={"Authorization": f"Bearer {own}"})).raise_for_status()


async def until(holds: Any, within_s: float = 20) -> None:
    async with asyncio.timeout(within_s):
        while not holds():
            await asyncio.sleep(0.05)


async def test_a_webhook_is_sent_signed_events_with_the_receivers_own_ids_and_no_one_elses(stack: Stack):
    district = await District(stack, "hooked").open()
    async with receiving(Receiver(lambda _: "take")) as receiver:
        agreed = {"name": "sis", "url": receiver.url, "purpose": "placement of learners", "source": SOURCE,
                  "types": ["competency.*"]}  # fmt: skip
        made = await district.post("progression", "/v1/webhooks", agreed)
        tested = await district.post("progression", f"/v1/webhooks/{made['id']}/test", {})
        await district.post("evidence", "/v1/roster", {
            "source": SOURCE, "classes": [{"class": "room-1", "title": "Room 1", "school": "north"}],
            "learners": [{"source_id": "ada"}], "enrolments": [{"class": "room-1", "learner": "ada"}],
        })  # fmt: skip
        await district.send([item for learner in ("ada", "bob") for item in shown(learner)])
        await until(lambda: len(receiver.taken) == 3)
        other = await District(stack, "other").open()
        await other.send(shown("eve"))
        await other.drained()
        async with asyncio.timeout(20):
            # It looks at the other's events too, and sends none.
            while (listed := (await district.get("progression", "/v1/webhooks"))["items"])[0]["behind"]:
                await asyncio.sleep(0.05)
    events = [request.event for request in receiver.taken[1:]]
    public = await district.advancements()
    declared = {"via": "kafka", "name": "warehouse", "purpose": "numbers of the district"}
    kafka = (await district.post("progression", "/v1/subscribers", declared))["id"]
    await district.send(shown("ada", "math:c2"))
    await district.drained()
    told = (await told_of(district, "ada")).json()["items"]
    table = await told_of(district, "ada", "?format=csv")
    ended = await district.http.delete(f"{stack.urls['progression']}/v1/subscribers/{kafka}")
    register = (await district.get("progression", "/v1/subscribers"))["items"]
    days = (await district.get("progression", "/v1/disclosures"))["items"]

    assert (told[0]["via"], told[0]["day"]) == ("kafka", None)
    assert {each["via"]: (each["name"], each["purpose"], each["source"]) for each in told} == {
        "kafka": ("warehouse", "numbers of the district", ""), "feed": ("laptop", "", ""),
        "webhook": ("sis", "placement of learners", SOURCE),
    }  # fmt: skip
    assert [each["kinds"] for each in told] == [{"competency.mastered": 1}] * 3
    assert len(table.text.splitlines()) == 1 + len(told)
    assert (ended.status_code, [each["until"] is None for each in register]) == (204, [True, False])
    assert {(each["via"], each["name"]) for each in days} == {("feed", "laptop"), ("webhook", "sis")}
    assert tested["taken"]
    assert {event["data"]["learner"]["refs"][0]["id"] for event in events} == {"ada", "bob"}
    assert all(ref["source"] == SOURCE for event in events for ref in event["data"]["learner"]["refs"])
    assert {event["data"]["learner"]["refs"][0]["id"]: event["data"]["placement"] for event in events} == {
        "ada": {"school": "north", "classes": ["room-1"], "session": None}, "bob": None,
    }  # fmt: skip
    assert [event["data"]["learner"]["refs"] for event in public] == [[], []]
    assert not any(event["data"].get("placement") for event in public)
    assert {event["id"] for event in events} == {event["id"] for event in public}
    assert all(request.headers["attain-signature"].startswith("t=") for request in receiver.taken)
    assert (listed[0]["state"], "secret" in listed[0]) == ("active", False)
    assert (await other.get("progression", "/v1/webhooks"))["items"] == []
    await district.close()
    await other.close()


async def test_a_webhook_is_run_by_commands(stack: Stack, attain: Attain):
    district = await District(stack, "commands").open()
    tenant = district.tenant
    async with receiving(Receiver(lambda _: "take")) as receiver:

        async def run(*words: str) -> Item:
            return await asyncio.to_thread(attain, "webhook", *words, tenant=tenant)

        made = await run("add", "sis", receiver.url, "--purpose", "placement of learners", "--type", "competency.*")
        tested = await run("test", made["id"])
        await run("pause", made["id"])
        await district.send(shown("ada"))
        await district.drained()
        paused = (await run("list"))["items"][0]
        await run("resume", made["id"])
        await until(lambda: len(receiver.taken) == 2)
        await run("replay", made["id"], "--from", "beginning")
        await until(lambda: len(receiver.taken) == 3)
        rotated = await run("rotate", made["id"])
        deliveries = await run("deliveries", made["id"])
        waiting = await run("waiting", made["id"])
        removed = await run("remove", made["id"])
        left = await run("list")
    first, again = (request.event for request in receiver.taken[1:])

    assert tested["taken"]
    assert paused["state"] == "paused"
    assert first == again
    assert rotated["key"] != made["key"]
    assert [each["type"] for each in deliveries["items"]].count("attain.competency.mastered.v1") == 2
    assert waiting["items"] == []
    assert (removed["removed"], left["items"]) == (made["id"], [])
    await district.close()


async def test_a_stream_goes_on_behind_the_last_id_and_its_ids_are_the_feeds_cursors(stack: Stack):
    district = await District(stack, "streamed").open()
    await district.send([item for learner in ("ada", "bob", "cy") for item in shown(learner)])
    await district.drained()
    token = issue(stack.token_key_file, tenant=district.tenant, scope="records:read", source=SOURCE)
    own = {"Authorization": f"Bearer {token}"}
    first = await read_stream(district, 2, own)
    page = await district.get("progression", f"/v1/advancements?after={first[0][0]}&limit=1")
    late = asyncio.create_task(read_stream(district, 2, own | {"Last-Event-ID": first[-1][0]}))
    await asyncio.sleep(0.5)
    await district.send(shown("dee"))
    rest = await late

    names = [event["data"]["learner"]["refs"][0]["id"] for _, event in (*first, *rest)]
    days = (await district.get("progression", "/v1/disclosures"))["items"]
    assert [each["via"] for each in days] == ["feed", "stream"], "two streams of one reader are one line"
    assert sorted(names) == ["ada", "bob", "cy", "dee"]
    assert page["items"][0]["id"] == first[1][1]["id"]
    await district.close()


async def test_a_stream_ends_with_the_token_that_opened_it(stack: Stack):
    district = await District(stack, "until").open("math", "code,title\nc1,One\n")
    token = issue(stack.token_key_file, tenant=district.tenant, scope="records:read", expires_s=3)

    # Nothing comes, and the next sign of life would be due in 15 seconds.
    assert await asyncio.wait_for(read_stream(district, 1, {"Authorization": f"Bearer {token}"}), 10) == []
    await district.close()


async def read_stream(district: District, count: int, headers: dict[str, str]) -> list[tuple[str, Item]]:
    found: list[tuple[str, Item]] = []
    url = f"{district.stack.urls['progression']}/v1/advancements/stream"
    async with asyncio.timeout(20), district.http.stream("GET", url, headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for line in answer.aiter_lines():
            if line.startswith("id: "):
                cursor = line[4:]
            elif line.startswith("data: "):
                found.append((cursor, msgspec.json.decode(line[6:])))
                if len(found) == count:
                    break
    return found


async def test_who_comes_late_reads_standings_and_goes_on_from_their_position(stack: Stack):
    district = await District(stack, "late").open("math", "code,title,level\nc1,One,1\nc2,Two,1\nc3,Three,2\n")
    await district.send([item for learner in ("ada", "bob", "cy") for item in shown(learner)])
    await district.drained()
    first = await district.get("progression", "/v1/standings?limit=2")
    second = await district.get("progression", f"/v1/standings?limit=2&after={first['next']}")
    await district.send(shown("ada", "math:c2"))
    await district.drained()
    news = (await district.get("progression", f"/v1/advancements?after={first['position']}"))["items"]
    await district.send(shown("dee"))
    await district.drained()
    told = {learner: (await told_of(district, learner)).json()["items"] for learner in ("ada", "cy", "dee")}
    days = (await district.get("progression", "/v1/disclosures"))["items"]

    for learner in ("ada", "cy"):
        [standing] = [each for each in told[learner] if each["via"] == "standings"]
        assert (standing["name"], standing["events"], standing["kinds"]) == ("laptop", 0, {"standing": 1})
        assert "math:c1" in standing["scopes"]
    assert [each for each in told["dee"] if each["via"] == "standings"] == [], "began after it"
    assert {each["via"] for each in days} == {"feed", "standings"}
    items = [*first["items"], *second["items"]]
    assert second["next"] is None
    assert len({item["learner"] for item in items}) == len(items) == 3
    assert all(item["competencies"][0]["status"] == "mastered" for item in items)
    last = (await district.get("progression", "/v1/standings"))["items"]
    advanced = [event["data"] for event in news if event["type"] == "attain.level.advanced.v1"]
    assert {item["effective_at"] for item in items} == {None}
    assert {item["effective_at"] for item in last} == {None, advanced[0]["effective_at"]}
    told_last = {e["data"]["scope"]["id"]: e["data"]["seq"] for e in news if e["data"]["scope"]["kind"] == "level"}
    assert {item["level"]: item["seq"] for item in last if item["seq"] is not None} == told_last
    assert {event["subject"] for event in news} == {await district.learner("ada")}
    assert "attain.competency.mastered.v1" in {event["type"] for event in news}
    await district.close()


async def test_who_comes_late_hears_of_what_is_retired_and_of_who_has_a_goal_alone(stack: Stack):
    district = await District(stack, "retired").open("math", "code,title,level\nc1,One,1\nc2,Two,1\n")
    await district.send(shown("ada"))
    await district.post("evidence", "/v1/roster", {"source": SOURCE, "learners": [{"source_id": "eve"}]})
    await district.drained()
    ada, eve = [await district.learner(name) for name in ("ada", "eve")]
    await district.post("progression", "/v1/goals", {"learner": eve, "level": "math#/1"})
    await district.post("progression", "/v1/frameworks", {"id": "math", "nodes": "code,title,level\nc2,Two,1\n"})
    await district.drained()
    found = await district.get("progression", "/v1/standings")
    [told] = [event for event in await district.advancements() if event["type"] == "attain.competency.mastered.v1"]

    assert [(one["learner"], one["competency"], one["status"], one["effective_at"]) for one in found["retired"]] == [
        (ada, "math:c1", "mastered", told["data"]["effective_at"])
    ]
    assert [(item["learner"], item["level"], item["competencies"]) for item in found["items"]] == [(eve, "math#/1", [])]
    await district.close()


async def test_the_example_consumer_survives_kills_and_repeats(stack: Stack, tmp_path: Path):
    district = await District(stack, "example").open()
    environment = os.environ | {
        "ATTAIN_PROGRESSION_URL": stack.urls["progression"], "CONSUMER_DB": str(tmp_path / "c.db"),
        "ATTAIN_TOKEN": stack.token(district.tenant, "records:read"),
    }  # fmt: skip
    assert len(EXAMPLE.read_text().splitlines()) <= 38
    for turn in range(3):
        running = consuming(environment)
        await district.send([item for n in range(4) for item in shown(f"l{turn}-{n}")])
        await asyncio.sleep(0.6)
        running.kill()
        running.wait()
    await district.drained()
    running = consuming(environment)
    public = {(e["data"]["learner"]["id"], e["data"]["scope"]["id"]): e for e in await district.advancements()}

    def same() -> bool:
        try:
            rows = sqlite3.connect(tmp_path / "c.db").execute("select learner, scope, event from standing").fetchall()
        except sqlite3.OperationalError:  # it has not made its tables yet
            return False
        return {(learner, scope): json.loads(event) for learner, scope, event in rows} == public

    try:
        await until(same)
        sqlite3.connect(tmp_path / "c.db").execute("delete from cursor").connection.commit()
        await asyncio.sleep(1.5)
        assert same()
    finally:
        running.kill()
        running.wait()
    assert len(public) == 12
    await district.close()


async def test_webhooks_need_the_scope_admin_and_a_public_url(stack: Stack):
    district = await District(stack, "guarded").open()
    agreed = {"name": "sis", "url": "http://127.0.0.1:9/", "purpose": "placement of learners"}
    headers = {"Authorization": f"Bearer {stack.token(district.tenant, 'records:read policy:write')}"}
    url = f"{stack.urls['progression']}/v1/webhooks"
    async with httpx.AsyncClient(headers=headers) as http:
        refused = [(await http.post(url, json=agreed)).status_code, (await http.get(url)).status_code]
    wrong = await district.http.post(url, json=agreed | {"types": ["everything"]})
    short = await district.http.post(url, json=agreed | {"purpose": "x"})
    unknown = await district.http.post(f"{url}/none/pause")

    assert refused == [403, 403]
    assert (wrong.status_code, short.status_code, unknown.status_code) == (422, 422, 404)
    await district.close()
