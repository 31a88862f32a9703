"""Adopting a policy on the running stack: compared, proposed, approved by another, recomputed in a batch, verified, undone."""

import asyncio
import datetime
from collections import Counter
from pathlib import Path

import httpx
import msgspec

from deploy.local.stack import Stack
from tests.system.conftest import Attain
from tests.system.district import SIX, SOURCE, STREAK_3, ZERO, District, Item

LEARNERS = 40
DAY = datetime.timedelta(days=1)


def bar(at_least: float) -> bytes:
    return msgspec.json.encode(
        {
            "id": "bar",
            "method": {"type": "mean"},
            "decision": {"at_least": at_least, "latch": "first_crossing"},
            "rationale": f"the board decided for {at_least}",
        }
    )


def work() -> list[Item]:
    return [
        {
            "id": f"w{number}", "source": SOURCE, "learner": f"l{number}", "competencies": ["math:c1"],
            "score": {"raw": 70 + number % 4 * 5, "max": 100}, "occurred_at": f"2026-03-02T10:00:{number:02}Z",
        }
        for number in range(LEARNERS)
    ]  # fmt: skip


def second(stack: Stack, district: District) -> httpx.AsyncClient:
    token = stack.token(district.tenant, "policy:write", subject="second")
    return httpx.AsyncClient(
        base_url=stack.urls["progression"], headers={"Authorization": f"Bearer {token}"}, timeout=60
    )


async def adopt(stack: Stack, district: District, policy: bytes, mode: str) -> Item:
    proposal = await district.post(
        "progression", f"/v1/policies/proposals?mode={mode}&reason=the board decided&framework=math", policy
    )
    path = f"/v1/policies/proposals/{proposal['id']}/approve"
    own = await district.http.post(f"{stack.urls['progression']}{path}")
    async with second(stack, district) as other:
        approved = await other.post(path)
        again = await other.post(path)
    assert (own.status_code, approved.status_code) == (403, 200)
    assert again.json() == approved.json()
    await district.drained()
    return proposal


async def test_a_bar_that_rises_from_75_to_80_is_compared_approved_recomputed_and_undone(
    stack: Stack, attain: Attain, tmp_path: Path
):
    district = await District(stack, "adopted").open()
    await district.post("progression", "/v1/policies?framework=math", bar(0.75))
    await district.send(work())
    await district.drained()
    said = await district.post("progression", "/v1/policies/compare?framework=math", bar(0.8))
    audited = (await district.get("progression", "/v1/policies/audit?framework=math"))["items"]
    unknown = await district.http.get(f"{stack.urls['progression']}/v1/policies/audit", params={"framework": "maths"})
    untried = [
        await district.http.post(f"{stack.urls['progression']}/v1/policies/{path}framework=maths", content=bar(0.8))
        for path in ("compare?", "reach?", "proposals?mode=grandfathered&reason=why&")
    ]
    outside = await district.http.get(f"{stack.urls['progression']}/v1/policies/audit", params={"outside": "urn:none"})
    held = await district.get("progression", f"/v1/policies/audit?outside={SOURCE}")
    file = tmp_path / "bar.json"
    file.write_bytes(bar(0.8))
    tried = attain("policy", "simulate", str(file), "--learners", "100", "--own", tenant=district.tenant)
    before = await district.advancements()
    proposal = await adopt(stack, district, bar(0.8), "retroactive")
    known = {event["id"] for event in before}
    told = [event for event in await district.advancements() if event["id"] not in known]
    after = district.shown()
    verified = await district.verify()
    await adopt(stack, district, bar(0.75), "retroactive")
    undone = district.shown()
    in_force = (await district.get("progression", "/v1/policies/in-force"))["items"]
    verified_again = await district.verify()
    kinds = [event["type"].removeprefix("attain.").removesuffix(".v1") for event in told]
    batch = proposal["id"]

    assert (said["lost"], said["gained"], said["pairs"]) == (10, 0, LEARNERS)
    assert said["subjects"] == [{"subject": "unknown", "grade": "unknown", "learners": LEARNERS, "pairs": LEARNERS,
                                 "decidable": 1.0, "undecided_by": {}}]  # fmt: skip
    assert [(item["policy"], item["shown"]) for item in audited] == [("bar", LEARNERS * 3 // 4)]
    assert audited[0]["redundancy"] == {"pieces": LEARNERS, "share": 0.0, "shown": 0.0, "unshown": 0.0}
    assert (unknown.status_code, "maths" in unknown.json()["detail"]) == (404, True)
    assert {(each.status_code, each.json()["detail"]) for each in untried} == {(404, unknown.json()["detail"])}
    assert (outside.status_code, "urn:none" in outside.json()["detail"]) == (404, True)
    assert len(held["items"]) == 1
    assert tried["model_of"].startswith("the published model: too little evidence")
    assert proposal["expected"] == {"attain.competency.mastered.v1": 0, "attain.competency.withdrawn.v1": 10}
    assert kinds.count("competency.withdrawn") == 10
    assert kinds.count("recalculation.started") == kinds.count("recalculation.finished") > 1
    assert all(event["data"]["batch"] == batch for event in told)
    for shard in {event["shard"] for event in told}:
        mine = [kind for event, kind in zip(told, kinds, strict=True) if event["shard"] == shard]
        assert (mine[0], mine[-1]) == ("recalculation.started", "recalculation.finished")
    assert sum(state[0] == "mastered" for state in after.values()) == LEARNERS // 2
    assert sum(state[0] == "mastered" for state in undone.values()) == LEARNERS * 3 // 4
    assert all(state[4] == before_state[4] for state, before_state in zip(undone.values(), after.values(), strict=True)
               if before_state[4])  # fmt: skip
    assert proposal["comparison"] == {name: said[name] for name in proposal["comparison"]}
    assert [
        (each["adoption"]["comparison"]["gained"], each["adoption"]["comparison"]["lost"]) for each in in_force
    ] == [(10, 0)]
    for found in (verified, verified_again):
        assert [found[name] for name in ZERO] == [0] * len(ZERO), found["examples"]
    assert (await district.get("progression", "/v1/policies/proposals"))["items"][1]["approved_by"] == "second"
    await district.close()


async def test_in_a_change_freeze_a_policy_is_adopted_by_two_people_of_whom_one_says_why_it_must_be_now(
    stack: Stack, attain: Attain
):
    district = await District(stack, "frozen").open()
    url, today = stack.urls["progression"], datetime.datetime.now(datetime.UTC).date()
    frozen = f"{today - DAY}/{today + 3 * DAY}"
    set_ = attain(
        "settings", "--freeze", frozen, "--freeze", f"{today + 9 * DAY}/{today + 9 * DAY}", tenant=district.tenant
    )
    query = "mode=grandfathered&reason=the board decided&framework=math"
    proposal = await district.post("progression", f"/v1/policies/proposals?{query}", bar(0.8))
    path = f"/v1/policies/proposals/{proposal['id']}/approve"
    alone = await district.http.post(f"{url}/v1/policies?framework=math", content=bar(0.8))
    same = await district.http.post(f"{url}/v1/policies", content=STREAK_3)
    async with second(stack, district) as other:
        refused = [await other.post(path), await other.post(path, params={"now_because": " "})]
        unapproved = (await district.get("progression", "/v1/policies/proposals"))["items"][0]
        approved = await other.post(path, params={"now_because": "the cut was mistyped"})
        again = await other.post(path)
    adopted = [each["adoption"] for each in (await district.get("progression", "/v1/policies/in-force"))["items"]]
    lifted = attain("settings", "--no-freezes", tenant=district.tenant)
    free = await adopt(stack, district, bar(0.75), "grandfathered")
    told = {
        each["id"]: each["now_because"]
        for each in (await district.get("progression", "/v1/policies/proposals"))["items"]
    }

    assert [each["last"] for each in set_["freezes"]] == [str(today + 3 * DAY), str(today + 9 * DAY)]
    assert [each.status_code for each in (alone, *refused)] == [409] * 3
    assert all(f"until {today + 3 * DAY} is over" in each.json()["detail"] for each in (alone, *refused))
    assert (unapproved["approved_by"], same.status_code) == (None, 200), "what is in force already is no adoption"
    assert (approved.status_code, again.json()) == (200, approved.json())
    assert [each["now_because"] for each in adopted] == ["the cut was mistyped"]
    assert (lifted["freezes"], lifted["breaks"], told[free["id"]]) == ([], [], None)
    await district.close()


async def test_what_a_framework_version_and_a_policy_credit_comes_between_a_start_and_an_end(stack: Stack):
    """A version credits c5 where c1 is shown; a policy adopted for everything takes both back, and one person another back."""
    district = await District(stack, "bracketed").open()
    await district.post("progression", "/v1/policies?framework=math", bar(0.75))
    await district.send(work())
    await district.drained()
    known = {event["id"] for event in await district.advancements()}

    async def told_by_shard() -> dict[int, list[Item]]:
        found: dict[int, list[Item]] = {}
        for event in await district.advancements():
            if event["id"] not in known:
                known.add(event["id"])
                found.setdefault(event["shard"], []).append(event)
        return found

    async def changed(kind: str, kinds: Counter[str]) -> list[Item]:
        """Look at what the last change told: of one batch in each shard, and so many of a kind; return the ends."""
        await district.drained()
        shards = await told_by_shard()
        told = [event for events in shards.values() for event in events]
        assert len({event["data"]["batch"] for event in told}) == 1
        assert {event["data"]["cause"]["kind"] for event in told} <= {kind, "decision"}
        for events in shards.values():
            assert [events[at]["type"].split(".")[2] for at in (0, -1)] == ["started", "finished"]
        found = Counter(event["type"].split(".")[2] for event in told)
        assert {name: found[name] for name in kinds} == kinds
        return [events[-1] for events in shards.values()]

    equal = {"id": "math", "nodes": SIX, "edges": "from,to,type\nc1,c5,exactMatchOf\n"}
    published = await district.post("progression", "/v1/frameworks", equal)
    ends = await changed("framework", Counter(credited=LEARNERS * 3 // 4))
    assert {end["data"]["to"]["version"] for end in ends} == {published["version"]}
    assert {(end["data"]["approved_by"], end["data"]["mode"]) for end in ends} == {("", "grandfathered")}
    await adopt(stack, district, bar(0.8), "retroactive")
    await changed("policy", Counter(withdrawn=LEARNERS // 2))
    await district.post("progression", "/v1/policies?framework=math", bar(0.75))
    await changed("policy", Counter(reinstated=LEARNERS // 2))
    verified = await district.verify()

    assert [verified[name] for name in ZERO] == [0] * len(ZERO), verified["examples"]
    await district.close()


async def test_a_comparison_is_split_by_the_groups_of_the_roster(stack: Stack):
    """Forty learners, of whom every second is in a program; two are in none that is named."""
    district = await District(stack, "grouped").open()
    await district.post("progression", "/v1/policies?framework=math", bar(0.75))
    await district.send(work())
    await district.drained()
    groups = [
        {"source": SOURCE, "group": "program", "learner": f"l{n}", "value": "yes" if n % 2 else "no"}
        for n in range(LEARNERS)
    ]
    await district.post("evidence", "/v1/roster", {"source": SOURCE, "groups": groups})
    said = await district.post("progression", "/v1/policies/compare?framework=math", bar(0.8))
    audited = (await district.get("progression", "/v1/policies/audit?framework=math"))["items"]
    operator = {"Authorization": f"Bearer {stack.token(district.tenant, 'service')}"}
    limits = f"{stack.urls['progression']}/v1/limits"
    (await district.http.put(limits, json={"small_number": 25}, headers=operator)).raise_for_status()
    strict = await district.post("progression", "/v1/policies/compare?framework=math", bar(0.8))
    async with second(stack, district) as other:
        few = (await other.post("/v1/policies/compare?framework=math", content=bar(0.8))).raise_for_status().json()

    assert (strict["suppressed_below"], strict["lost"], few["lost"], few["learners"]) == (25, 10, None, 40)
    assert {row["learners"] for told in (strict, few) for row in told["groups"]} == {None}
    assert said["groups"] == [
        {"group": "program", "value": "no", "learners": 20, "gained": 0, "lost": 0},
        {"group": "program", "value": "yes", "learners": 20, "gained": 0, "lost": 10},
    ]
    assert said["schools"] == [{"school": "unknown", "learners": 40, "gained": 0, "lost": 10}]
    assert audited[0]["bias"] == []
    await district.close()


async def test_a_policy_that_asks_for_more_than_is_recorded_is_checked_against_the_history(
    stack: Stack, attain: Attain, tmp_path: Path
):
    """A piece a learner is enough for the bar; two are asked for by a policy that reaches nobody, and three people see that."""
    district = await District(stack, "reached").open(nodes="code,title,level,subject\nc1,One,3,Math\nc2,Two,4,Math\n")
    await district.send([*work(), *(each | {"id": f"{each['id']}b", "learner": "l0"} for each in work()[:9])])
    await district.drained()
    asks_two = msgspec.json.decode(bar(0.8)) | {"sufficiency": {"min_evidence": 2}}
    for name, content in (("one", bar(0.8)), ("two", msgspec.json.encode(asks_two))):
        (tmp_path / name).write_bytes(content)

    def checked(name: str, *more: str) -> Item:
        return attain("policy", "check", str(tmp_path / name), *more, tenant=district.tenant)

    one, two, plain = checked("one", "--history"), checked("two", "--history", "--for", "math"), checked("two")
    route = "/v1/policies/reach?framework="
    unknown = await district.http.post(f"{stack.urls['progression']}{route}maths", content=bar(0.8))
    async with second(stack, district) as other:
        few = (await other.post(f"{route}math", content=msgspec.json.encode(asks_two))).raise_for_status().json()

    assert (one["exit"], one["problems"], one["history"]["decidable"]) == (0, [], 1.0)
    assert (plain["exit"], "history" in plain, two["exit"]) == (0, False, 1)
    assert [problem["severity"] for problem in two["problems"]] == ["error"]
    assert two["history"] == {
        "suppressed_below": 10, "learners": LEARNERS, "pairs": LEARNERS, "decidable": 0.025,
        "undecided_by": {"min_evidence": 0.975},
        "subjects": [{"subject": "Math", "grade": "3", "learners": LEARNERS, "pairs": LEARNERS, "decidable": None,
                      "undecided_by": {"min_evidence": None}}],
    }  # fmt: skip
    assert (few["learners"], few["decidable"], few["problems"][0]["text"][:16]) == (LEARNERS, None, "few of the pairs")
    assert (unknown.status_code, "maths" in unknown.json()["detail"]) == (404, True)
    await district.close()


async def test_grandfathered_and_forward_only_adoptions_touch_nobody_on_the_record(stack: Stack):
    district = await District(stack, "kept").open()
    await district.post("progression", "/v1/policies?framework=math", bar(0.75))
    await district.send(work())
    await district.drained()
    before = district.shown()
    for mode in ("grandfathered", "forward_only"):
        await adopt(stack, district, bar(0.8 if mode == "grandfathered" else 0.85), mode)
    told = {event["type"] for event in await district.advancements()}
    verified = await district.verify()

    assert district.shown() == before
    assert told >= {"attain.recalculation.started.v1", "attain.competency.mastered.v1"}
    assert "attain.competency.withdrawn.v1" not in told
    assert [verified[name] for name in ZERO] == [0] * len(ZERO), verified["examples"]
    await district.close()


async def test_a_shadow_is_run_by_commands(stack: Stack, attain: Attain, tmp_path: Path):
    district = await District(stack, "commanded").open(edges="from,to,type\nc1,c5,exactMatchOf\n")
    await district.post("progression", "/v1/policies?framework=math", bar(0.75))
    await district.send(work())
    await district.drained()
    file = tmp_path / "stricter.json"
    file.write_bytes(bar(0.8))
    started = attain("policy", "shadow", "start", str(file), "--framework", "math", tenant=district.tenant)
    async with asyncio.timeout(30):
        while (listed := attain("policy", "shadow", "list", tenant=district.tenant))["items"][0]["behind"]:
            await asyncio.sleep(0.2)
    found = attain("policy", "shadow", "differences", started["version"], tenant=district.tenant)
    levels = attain("policy", "shadow", "levels", started["version"], tenant=district.tenant)
    unknown = attain("policy", "shadow", "stop", "0" * 12, tenant=district.tenant)
    stopped = attain("policy", "shadow", "stop", started["version"], tenant=district.tenant)

    assert listed["items"][0]["differences"] == [
        {"live": "credited", "shadow": "no_evidence", "pairs": LEARNERS // 4, "learners": LEARNERS // 4},
        {"live": "mastered", "shadow": "not_yet", "pairs": LEARNERS // 4, "learners": LEARNERS // 4},
    ]
    assert (len(found["items"]), found["levels"], levels["learners_losing"]) == (LEARNERS // 2, [], 0)
    assert (unknown["exit"], stopped["exit"], stopped["stopped"]) == (1, 0, started["hash"])
    assert attain("policy", "shadow", "list", tenant=district.tenant)["items"] == []
    await district.close()


async def test_a_policy_in_shadow_says_where_it_differs_and_tells_nobody(stack: Stack):
    district = await District(stack, "shadowed").open(nodes="code,title,level\nc1,Competency 1,1\n")
    await district.post("progression", "/v1/policies?framework=math", bar(0.75))
    await district.send(work()[: LEARNERS // 2])
    await district.drained()
    started = await district.post("progression", "/v1/policies/shadows?framework=math", bar(0.8))
    await district.send(work()[LEARNERS // 2 :])
    await district.drained()

    async def followed() -> Item:
        while True:
            (shadow,) = (await district.get("progression", "/v1/policies/shadows"))["items"]
            if shadow["behind"] == 0:
                return dict(shadow)
            await asyncio.sleep(0.1)

    async with asyncio.timeout(30):
        shadow = await followed()
    listed = await district.get("progression", f"/v1/policies/shadows/{started['hash']}/differences")
    levels = await district.get("progression", f"/v1/policies/shadows/{started['hash']}/levels")
    unknown = await district.http.get(f"{stack.urls['progression']}/v1/policies/shadows/{'0' * 64}/levels")
    said = await district.post("progression", "/v1/policies/compare?framework=math", bar(0.8))
    told = await district.advancements()
    gone = await district.http.delete(f"{stack.urls['progression']}/v1/policies/shadows/{started['hash']}")

    assert shadow["differences"] == [
        {"live": "mastered", "shadow": "not_yet", "pairs": LEARNERS // 4, "learners": LEARNERS // 4}
    ]
    assert len(listed["items"]) == said["lost"] == LEARNERS // 4
    assert [(each["level"], each["change"]) for each in listed["levels"]] == [("math#/1", "lost")] * (LEARNERS // 4)
    for found, learners in ((levels, LEARNERS // 4), (said["levels"], LEARNERS)):
        assert (found["learners"], found["learners_gaining"], found["learners_losing"]) == (learners, 0, LEARNERS // 4)
        assert found["schools"] == [{"school": "unknown", "learners": learners, "gained": 0, "lost": LEARNERS // 4}]
    assert unknown.status_code == 404
    assert {event["type"] for event in told} == {"attain.competency.mastered.v1", "attain.level.advanced.v1"}
    assert (gone.status_code, (await district.get("progression", "/v1/policies/shadows"))["items"]) == (204, [])
    await district.close()
