"""Support on the running stack: suggested, read by staff alone, told on its own topic, closed by work and by a person."""

import datetime
import json

from deploy.local.stack import Stack
from shared.auth import issue_token, read_keys
from tests.system.district import SOURCE, ZERO, District, Item

POLICY: Item = {
    "id": "supported", "scale": {"min": 1, "max": 4, "mastery": 3},
    "method": {"type": "mean_of_last", "k": 3, "at_or_above": 3}, "sufficiency": {"min_evidence": 3},
    "decision": {"latch": "first_crossing"}, "upkeep": {"check_in_by_use": True},
    "support": {"class_work": {"pieces": 5, "below": 3}, "year_ends": "12-31"},
}  # fmt: skip
EDGES = "from,to\nc0,c2\nc1,c2\n"
NODES = "code,title\nc0,Zero\nc1,One\nc2,Two\n"


def marked(learner: str, n: int, mark: int, competency: str = "math:c2") -> Item:
    """A piece of this calendar year's last days, in the order of `n`."""
    at = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=60 - n)
    return {
        "id": f"{learner}-{n}", "source": SOURCE, "learner": learner, "competencies": [competency],
        "score": {"level": mark, "scale": "rubric"}, "kind": "formative", "occurred_at": at.isoformat(),
    }  # fmt: skip


async def hand_in(district: District, activity: str) -> None:
    """Let ada hand in work on c2 that nobody has graded."""
    entry = {"id": activity, "source": SOURCE, "competencies": [{"competency": "math:c2"}]}
    assert (
        await district.http.post(f"{district.stack.urls['evidence']}/v1/alignments", json=[entry])
    ).status_code == 200
    score = {
        "userId": "ada", "lineItem": activity, "timestamp": datetime.datetime.now(datetime.UTC).isoformat(),
        "activityProgress": "Completed", "gradingProgress": "PendingManual",
    }  # fmt: skip
    await district.post("evidence", f"/v1/intake/ags?source={SOURCE}", score)
    await district.drained()


async def told(district: District) -> list[Item]:
    """Return what was told of the tenant on the restricted log, in order by shard."""
    found: list[Item] = []
    for shard in range(64):
        answer = await district.http.get(
            f"{district.stack.urls['progression']}/v1/feed", params={"log": "support", "shard": shard, "after": 0}
        )
        if answer.status_code != 200:
            break
        events = map(json.loads, answer.text.splitlines())
        found += [event for event in events if event["tenant"] == district.tenant]
    return found


async def test_support_is_suggested_read_by_staff_and_closed_by_work_and_by_a_person(stack: Stack):
    district = District(stack, "support")
    url = stack.urls["progression"]
    await district.post("progression", "/v1/frameworks", {"id": "math", "nodes": NODES, "edges": EDGES})
    await district.post("progression", "/v1/policies", POLICY)
    await district.drained()
    await district.send([marked(who, n, 2, "math:c0") for who in ("ada", "bob") for n in range(2)])
    await district.send([marked(who, n, 2) for who in ("ada", "bob") for n in range(10, 15)])
    await district.drained()
    ada, bob = [await district.learner(who) for who in ("ada", "bob")]
    read = await district.get("progression", f"/v1/learners/{ada}/support")
    queue = await district.get("progression", "/v1/support?owner=teacher")
    family = stack.token(district.tenant, "records:read records:read:self")
    refused = await district.http.get(f"{url}/v1/learners/{ada}/support", headers={"Authorization": f"Bearer {family}"})
    of_a_class = stack.token(district.tenant, "decisions:write records:read:classes")
    unseen = await district.http.get(f"{url}/v1/support", headers={"Authorization": f"Bearer {of_a_class}"})
    [open_] = read["suggestions"]

    await hand_in(district, "essay")
    why = f"/v1/learners/{ada}/competencies/math:c2/explanation"
    explained = await district.get("progression", f"{why}?language=es")
    unasked = await district.http.get(f"{url}{why}", headers={"Authorization": f"Bearer {family}"})
    key = read_keys(stack.token_key_file.read_text())[0]
    of_learner, of_registrar = (
        issue_token(key, subject="x", tenant=district.tenant, expires_s=600, scope=f"decisions:write {reads}", **claims)
        for reads, claims in (("records:read:self", {"learner": ada}), ("records:read", {"roles": ["registrar"]}))
    )
    chosen = await district.http.get(f"{url}{why}", headers={"Authorization": f"Bearer {of_learner}"})
    others = [
        await district.http.get(f"{url}{path}", headers={"Authorization": f"Bearer {of_registrar}"})
        for path in ("/v1/support", f"/v1/learners/{ada}/support")
    ]

    [work] = explained["ungraded"]
    assert (work["activity"], "espera una calificación" in work["text"]) == ("essay", True)
    assert "ungraded" not in unasked.json()
    assert (chosen.status_code, "ungraded" in chosen.json()) == (200, False), (
        "support is for staff, whatever a learner may choose"
    )
    assert [other.status_code for other in others] == [403, 403]
    assert (open_["scope"], open_["cause"], open_["owner"]) == ("math:c2", "work_below_the_cut", "teacher")
    assert (open_["weakest"], len(open_["tried"])) == ("math:c0", 3)
    assert {item["learner"] for item in queue["items"]} == {ada, bob}
    assert (refused.status_code, unseen.status_code) == (403, 403)
    own = await district.get("progression", f"/v1/learners/{ada}/next-evidence?language=es")
    assert (own["enough"], own["next"][0]["competency"]) == (read["enough"], read["next"][0]["competency"])
    assert read["next"], "the smallest next evidence that could settle what is open"
    assert "evidencia" in own["next"][0]["shows"]

    await district.send([marked("ada", 20, 3)])
    teacher = stack.token(district.tenant, "decisions:write", subject="t-1")
    closed = await district.http.post(
        f"{url}/v1/learners/{bob}/support/close", json={"scope": "math:c2", "outcome": "plan_changed"},
        headers={"Authorization": f"Bearer {teacher}"},
    )  # fmt: skip
    await district.drained()
    again = await district.http.post(
        f"{url}/v1/learners/{bob}/support/close", json={"scope": "math:c2", "outcome": "plan_changed"},
        headers={"Authorization": f"Bearer {teacher}"},
    )  # fmt: skip
    events = await told(district)
    await _checked_in_by_use(district)
    outcomes = sorted(e["data"]["outcome"] for e in events if e["type"] == "attain.support.closed.v1")
    verified = await district.verify()

    assert (closed.status_code, again.status_code) == (201, 404)
    assert outcomes == ["plan_changed", "progress"]
    assert sum(e["type"] == "attain.support.suggested.v1" for e in events) == 2
    assert not [e for e in await district.advancements() if "support" in e["type"]], "not among public events"
    assert (await district.get("progression", "/v1/support"))["items"] == []
    assert [verified[name] for name in ZERO] == [0] * len(ZERO), verified["examples"]
    await district.close()


async def _checked_in_by_use(district: District) -> None:
    """Who has shown something and begins low on what builds on it is to show it again, until a low piece is taken back."""
    await district.send([marked("eve", n, 3, "math:c0") for n in range(3)])
    await district.send([marked("eve", n, 2) for n in (30, 31)])
    await district.until(lambda kinds: kinds[-1:] == ["competency.reverify_due"])
    last = (await district.advancements())[-1]["data"]
    retracted = marked("eve", 32, 1) | {"retracts": "eve-31"}
    await district.send([{name: retracted[name] for name in ("id", "source", "learner", "occurred_at", "retracts")}])
    await district.until(lambda kinds: kinds[-1:] == ["competency.reverified"])

    assert (last["scope"]["id"], last["by_use"], last["cause"]["kind"]) == ("math:c0", True, "decision")
    assert last["reason"]["text"] == "The first two pieces on math:c2 are below the cut."
