"""Decisions of people on the running stack: durable, folded, told, explained as of any moment, and verified."""

import datetime
from typing import Any

from deploy.local.stack import Stack
from deploy.local.tokens import issue
from services.progression.domain.policy.templates import template
from shared.school_calendar import school_day_after
from tests.system.district import SOURCE, ZERO, District, Item


def rubric(n: int, mark: int, learner: str = "ada") -> Item:
    return {
        "id": f"{learner}-{n}", "source": SOURCE, "learner": learner, "competencies": ["math:c1"],
        "activity": {"id": f"task-{n}"}, "score": {"level": mark, "scale": "rubric"}, "kind": "performance",
        "occurred_at": f"2026-03-0{n}T10:00:00Z",
    }  # fmt: skip


async def classroom(stack: Stack, name: str) -> tuple[District, str]:
    """Open a district under the classroom template, with two 3s of one learner; return it with the learner's id."""
    district = await District(stack, name).open()
    await district.post("progression", "/v1/policies?framework=math", template("classroom"))
    await district.send([rubric(1, 3), rubric(2, 3)])
    await district.drained()
    return district, await district.learner("ada")


async def test_a_sign_off_masters_what_is_provisional_and_an_earlier_moment_still_says_provisional(stack: Stack):
    district, ada = await classroom(stack, "signed")
    explanation = f"/v1/learners/{ada}/competencies/math:c1/explanation"
    before = await district.get("progression", explanation)
    spanish = await district.get("progression", f"{explanation}?language=es")
    signed = await district.post("progression", "/v1/sign-offs", {"items": [{"learner": ada, "competency": "math:c1"}]})
    position = signed["items"][0]["position"]
    after = await district.get("progression", f"{explanation}?wait={position}")
    shown = await district.get("progression", f"/v1/learners/{ada}/mastery")
    last = (await district.advancements())[-1]["data"]
    back = await district.get("progression", f"{explanation}?as_of={_before(last['decided_at'])}")
    verified = await district.verify()

    assert before["status"] == back["status"] == "provisional"
    assert [piece["counted"] for piece in before["evidence"]] == [True, True]
    assert before["minimal_change"]["text"] == "A sign-off by a teacher makes it mastered."
    assert spanish["minimal_change"]["text"] == "Con la firma de un docente pasa a: dominado."
    assert spanish["missing_facts"] == before["missing_facts"] != []
    assert [check["found_fact"] for check in spanish["trace"]] == [check["found_fact"] for check in before["trace"]]
    assert shown["items"][0]["status"] == after["status"] == "mastered"
    assert (last["basis"]["kind"], last["basis"]["by"]) == ("sign_off", {"role": "teacher", "ref": "laptop"})
    assert [verified[name] for name in ZERO] == [0] * len(ZERO)
    await district.close()


READS = (
    "/v1/learners/{ada}/mastery", "/v1/learners/{ada}/frontier", "/v1/learners/{ada}/next-evidence",
    "/v1/learners/{ada}/competencies/math:c1/explanation", "/v1/learners/{ada}/advancements", "/v1/learners/{ada}/support",
    "/v1/advancements", "/v1/standings", "/v1/support", "/v1/sign-offs",
)  # fmt: skip


async def test_what_is_folded_is_read_behind_a_position_and_mastery_says_up_to_which_it_is_true(stack: Stack):
    district, ada = await classroom(stack, "waited")
    sent = await district.send([rubric(3, 4)])
    shown = await district.get("progression", f"/v1/learners/{ada}/mastery?wait={sent[0]['position']}")
    log, generation, shard, _ = sent[0]["position"].split(".")
    later = f"{log}.{int(generation) + 1}.{shard}.1"
    answers = [
        await district.http.get(f"{stack.urls['progression']}{path.format(ada=ada)}", params={"wait": wait})
        for path in READS
        for wait in (shown["position"], later)
    ]

    assert shown["position"] == sent[0]["position"]
    assert shown["items"][0]["evidence_count"] == 3
    assert [answer.status_code for answer in answers] == [200, 410] * len(READS)
    await district.close()


async def test_an_override_needs_a_reason_a_role_and_a_competency_that_exists(stack: Stack):
    district, ada = await classroom(stack, "overridden")
    body = {"learner": ada, "competency": "math:c1", "status": "mastered", "reason": "shown at the science fair"}

    async def refused(**changes: Any) -> tuple[int, str | None]:
        answer = await district.http.post(f"{stack.urls['progression']}/v1/overrides", json=body | changes)
        return answer.status_code, answer.json().get("pointer")

    assert await refused(reason="") == (422, "/reason")
    assert await refused(competency="math:nowhere") == (422, "/competency")
    assert await refused(learner="ada") == (422, "/learner")
    assert (await refused(role="superintendent"))[0] == 403
    assert await refused(status="not_yet", competency="math:c3") == (201, None), "every template lets a school hold"
    made = await district.post("progression", "/v1/overrides", body)
    shown = await district.get("progression", f"/v1/learners/{ada}/mastery?wait={made['items'][0]['position']}")
    assert shown["items"][0]["status"] == "overridden"
    await _hold(stack, district, refused, body | {"competency": "math:c2", "status": "not_yet"})
    await district.close()


MAY_LOWER = (
    b'{"id": "may-lower", "method": {"type": "streak", "n": 3}, "decision": {"latch": "first_crossing"},'
    b' "override": {"roles": ["teacher"], "may_lower": true}}'
)


async def _hold(stack: Stack, district: District, refused: Any, hold: Item) -> None:
    """Ten school days at most, with a reason, and again only by a second person, also after it was lifted."""
    await district.post("progression", "/v1/policies?framework=math", MAY_LOWER)
    await district.drained()
    today = datetime.datetime.now(datetime.UTC)
    ends = [(today + datetime.timedelta(days=days)).isoformat() for days in (9, 40)]
    assert await refused(**hold | {"reason": ""}) == (422, "/reason")
    assert await refused(**hold, until=ends[1]) == (422, "/until")
    first = (await district.post("progression", "/v1/overrides", hold | {"until": ends[0]}))["items"][0]
    await district.drained()
    assert (await refused(**hold))[0] == 403
    url, undone = stack.urls["progression"], {"learner": hold["learner"], "competency": hold["competency"]}
    (await district.http.post(f"{url}/v1/decisions/{first['id']}/lift", json=undone)).raise_for_status()
    await district.drained()
    assert (await refused(**hold))[0] == 403
    other = {"Authorization": f"Bearer {stack.token(district.tenant, 'decisions:write records:read', subject='t-2')}"}
    assert (await district.http.post(f"{url}/v1/overrides", json=hold, headers=other)).status_code == 201
    await district.drained()
    assert await refused(**hold) == (201, None), "renewed by a second person, and once more by the first"


async def test_a_request_sent_again_under_its_key_decides_once_and_is_answered_alike(stack: Stack):
    district, ada = await classroom(stack, "again")

    async def send(path: str, key: str, **body: Any) -> tuple[int, Any]:
        url = f"{stack.urls['progression']}/v1/{path}"
        answer = await district.http.post(url, json=body, headers={"Idempotency-Key": key})
        return answer.status_code, answer.json()

    credit = {"learner": ada, "competency": "math:c2", "basis": "transfer", "reason": "of last year"}
    first = await send("credits", "k-1", **credit)
    await district.drained()
    again = await send("credits", "k-1", **credit)
    other, unnamed, empty = [
        await send("credits", "k-1", **credit | {"competency": "math:c1"}), await send("credits", "two words", **credit),
        await send("sign-offs", "k-2", items=[{"learner": ada, "competency": "math:c1"}, {"learner": ada}]),
    ]  # fmt: skip
    await district.drained()
    told = [event["type"] for event in await district.advancements()]

    assert first[0] == 201
    assert first == again
    assert (other[0], other[1]["reason"]) == (409, "other_content")
    assert (unnamed[0], empty[0], empty[1]["pointer"]) == (422, 422, "/items/1")
    assert told.count("attain.competency.credited.v1") == 1
    await district.close()


async def test_an_override_that_has_expired_asks_for_a_re_check_without_any_request(stack: Stack):
    district, ada = await classroom(stack, "expired")
    await district.send([rubric(3, 1)])
    body = {"learner": ada, "competency": "math:c1", "status": "mastered", "reason": "for a day", "until": _soon()}
    await district.post("progression", "/v1/overrides", body)
    await district.until(lambda told: told[-1:] == ["competency.reverify_due"])
    verified = await district.verify()

    assert [verified[name] for name in ZERO] == [0] * len(ZERO)
    await district.close()


async def test_a_plan_is_made_by_few_read_by_few_told_to_nobody_and_verified(stack: Stack):
    district, ada = await classroom(stack, "planned")
    url, plan = stack.urls["progression"], {"learner": ada, "competency": "math:c2", "kind": "exempt", "code": "iep"}
    plan["review_at"] = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=200)).date().isoformat()

    async def asked(roles: str, path: str, body: Any = None, scope: str = "decisions:write records:read") -> Any:
        token = issue(stack.token_key_file, tenant=district.tenant, scope=scope, subject="cm-1", roles=roles)
        headers = {"Authorization": f"Bearer {token}"}
        method = "GET" if body is None else "POST"
        return await district.http.request(method, f"{url}{path}", json=body, headers=headers)

    refused = [
        (await asked("teacher", "/v1/plans", plan)).status_code,
        *[
            (await asked("case_manager", "/v1/plans", plan | wrong)).json().get("pointer")
            for wrong in ({"review_at": "2020-01-01"}, {"kind": "substitute", "instead": "math:nowhere"}, {"kind": "extend"})
        ],
    ]  # fmt: skip
    before = len(await district.advancements())
    made = (await asked("case_manager", "/v1/plans", plan)).json()["items"][0]
    plans, why = f"/v1/learners/{ada}/plans", f"/v1/learners/{ada}/competencies/math:c2/explanation"
    seen = {
        roles: (await asked(roles, f"{plans}?wait={made['position']}", scope="records:read")).status_code
        for roles in ("teacher", "case_manager", "substitute", "registrar", "integration", "")
    }
    told = (await asked("counsellor", why)).json()["plan"]
    standing = (await district.get("progression", "/v1/standings"))["items"]
    held = await district.get("progression", plans)
    other = await asked("case_manager", "/v1/plans/another/end", {"learner": ada, "competency": "math:c2"})
    verified = await district.verify()
    ended = await asked("case_manager", f"/v1/plans/{made['id']}/end", {"learner": ada, "competency": "math:c2"})
    after = await district.get("progression", f"{plans}?wait={ended.json()['items'][0]['position']}")

    assert refused == [403, "/review_at", "/instead", "/"]
    assert seen == {
        "teacher": 200,
        "case_manager": 200,
        "substitute": 403,
        "registrar": 403,
        "integration": 403,
        "": 403,
    }
    assert (told["kind"], told["by"], told["overdue"]) == ("exempt", {"role": "case_manager", "ref": "cm-1"}, False)
    assert "plan" not in (await asked("substitute", why, scope="records:read")).json()
    assert [each["id"] for each in held["items"]] == [made["id"]]
    assert "math:c2" not in {each["competency"] for item in standing for each in item["competencies"]}
    assert len(await district.advancements()) == before
    assert (other.status_code, after["items"]) == (404, [])
    assert [verified[name] for name in ZERO] == [0] * len(ZERO)
    await district.close()


LEVELS = {"id": "lv", "nodes": "code,title,level,subject,power\nA,Adds,1,math,true\nB,Subtracts,1,math,true\n"}


async def test_a_class_is_signed_off_at_once_from_the_queue_and_only_by_whom_the_policy_asks(stack: Stack):
    district = await District(stack, "queue").open()
    await district.post("progression", "/v1/frameworks", LEVELS)
    await district.post(
        "progression", "/v1/policies?framework=lv", template("classroom").replace(b"settle: 60", b"settle: 0")
    )
    await district.drained()
    await district.send([
        rubric(n, 3, learner) | {"id": f"{learner}-{code}-{n}", "competencies": [f"lv:{code}"]}
        for learner in ("ada", "ben") for code in "AB" for n in (1, 2)
    ])  # fmt: skip
    await district.drained()
    ada, ben = [await district.learner(name) for name in ("ada", "ben")]
    queue = await district.get("progression", "/v1/sign-offs?role=teacher")
    one, other = [await district.get("progression", f"/v1/sign-offs{query}") for query in
                  (f"?limit=1&learner={ada}", "?role=counsellor")]  # fmt: skip
    paged = await district.get("progression", "/v1/sign-offs?limit=1")
    rest = await district.get("progression", f"/v1/sign-offs?after={paged['next']}")
    items = [{"learner": item["learner"], "competency": item["id"]} for item in queue["items"]]
    await district.post("progression", "/v1/sign-offs", {"items": items})
    await district.drained()
    levels = (await district.get("progression", "/v1/sign-offs"))["items"]
    wrong = {"role": "counsellor", "items": [{"learner": ada, "level": "lv#math/1"}]}
    counsellor = issue(stack.token_key_file, tenant=district.tenant, scope="decisions:write", roles="counsellor")
    url, headers = f"{stack.urls['progression']}/v1/sign-offs", {"Authorization": f"Bearer {counsellor}"}
    refused = await district.http.post(url, json=wrong, headers=headers)
    signed = [{"learner": item["learner"], "level": item["id"]} for item in levels]
    await district.post("progression", "/v1/sign-offs", {"items": signed})
    verified = await district.verify()
    told = [event["type"].removeprefix("attain.") for event in await district.advancements()]

    assert sorted((item["learner"], item["id"]) for item in queue["items"]) == sorted(
        (learner, f"lv:{code}") for learner in (ada, ben) for code in "AB"
    )
    assert {(item["kind"], *item["roles"], item["late"]) for item in queue["items"]} == {
        ("competency", "teacher", False)
    }
    assert ({item["learner"] for item in one["items"]}, other["items"]) == ({ada}, [])
    assert sorted(item["learner"] for item in paged["items"] + rest["items"]) == sorted([ada, ada, ben, ben])
    assert {(item["kind"], item["id"]) for item in levels} == {("level", "lv#math/1")}
    assert (refused.status_code, refused.json()["detail"]) == (
        403, "lv#math/1 is signed off by a teacher, not by a counsellor",
    )  # fmt: skip
    assert told.count("competency.mastered.v1") == 4
    assert told.count("level.advanced.v1") == 2
    assert (await district.get("progression", "/v1/sign-offs"))["items"] == []
    assert [verified[name] for name in ZERO] == [0] * len(ZERO)
    await district.close()


def _before(instant: str) -> str:
    moment = datetime.datetime.fromisoformat(instant) - datetime.timedelta(milliseconds=1)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _soon() -> str:
    return (datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=1)).isoformat()


async def test_a_refusal_is_reviewed_within_twenty_school_days(stack: Stack):
    """A month is about what twenty school days take; a year is refused, and without a day it is the last of them."""
    district = await District(stack, "refusal").open("lv", "code,title,level,subject\nA,A,1,math\n")
    await district.send([
        {"id": "1", "source": SOURCE, "learner": "ada", "competencies": ["lv:A"], "score": {"raw": 1, "max": 1},
         "occurred_at": "2026-03-02T10:00:00Z"}
    ])  # fmt: skip
    refusal = {"learner": await district.learner("ada"), "level": "lv#math/1", "kind": "withhold", "reason": "not yet"}
    today = datetime.datetime.now(datetime.UTC).date()
    late = await district.http.post(
        f"{stack.urls['progression']}/v1/level-decisions",
        json=refusal | {"review_at": str(today + datetime.timedelta(days=365))},
    )
    await district.post("progression", "/v1/level-decisions", refusal)
    await district.until(lambda told: told == ["level.withheld"])
    [told] = await district.advancements()

    assert (late.status_code, late.json()["pointer"]) == (422, "/review_at")
    assert told["data"]["review_at"] == school_day_after(today, 20, "").isoformat()
    await district.close()
