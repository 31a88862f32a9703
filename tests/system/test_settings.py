"""A tenant's time zone on the running stack: decided once, for what is not on the record, and never before it was set."""

import datetime

from deploy.local.stack import Stack
from services.progression.domain.policy.templates import template
from tests.system.conftest import Attain
from tests.system.district import SOURCE, ZERO, District, Item


def rubric(n: int, at: str) -> Item:
    return {
        "id": f"p{n}", "source": SOURCE, "learner": "ada", "competencies": ["math:c1"],
        "activity": {"id": f"task-{n}"}, "score": {"level": 3, "scale": "rubric"}, "kind": "performance",
        "occurred_at": at,
    }  # fmt: skip


async def test_an_evening_in_chicago_is_one_school_day_once_the_district_says_so(stack: Stack, attain: Attain):
    """Monday 22:00 and Tuesday 02:00 UTC are two days in UTC and one Monday in Chicago."""
    district = await District(stack, "zone").open()
    await district.post("progression", "/v1/policies?framework=math", template("classroom"))
    await district.send([rubric(1, "2026-03-02T22:00:00Z"), rubric(2, "2026-03-03T02:00:00Z")])
    await district.drained()
    ada = await district.learner("ada")
    path = f"/v1/learners/{ada}/competencies/math:c1/explanation"
    at_first = await district.get("progression", path)
    told = [event["time"] for event in await district.advancements()]
    shown = [attain("settings", *options, tenant=district.tenant) for options in
             ((), ("--time-zone", "America/Chicago"), ("--time-zone", "America/Chicago"), ())]  # fmt: skip
    await district.drained()
    now, then = await district.get("progression", path), await district.get("progression", f"{path}?as_of={told[0]}")
    out = attain("settings", "--break", "2026-06-10/2026-08-20", tenant=district.tenant)
    none = attain("settings", "--no-breaks", tenant=district.tenant)
    backwards = attain("settings", "--break", "2026-08-20/2026-06-10", tenant=district.tenant)
    unknown = [
        attain("settings", "--time-zone", zone, tenant=district.tenant) for zone in ("Mars/Olympus", "localtime")
    ]
    verified = await district.verify()

    assert [each["time_zone"] for each in shown] == ["UTC"] + ["America/Chicago"] * 3
    assert (out["time_zone"], out["breaks"]) == ("America/Chicago", [{"first": "2026-06-10", "last": "2026-08-20"}])
    assert none["breaks"] == []
    assert (backwards["exit"], "/breaks/0" in backwards["error"]) == (1, True)
    assert [(each["exit"], "(/time_zone)" in each["error"]) for each in unknown] == [(1, True)] * 2
    assert (at_first["status"], then["status"], now["status"]) == (
        "provisional",
        "provisional",
        "insufficient_evidence",
    )
    assert now["missing"] == ["1 more other day"]
    assert len(await district.advancements()) == 1, "what provisional has opened stays open"
    assert [verified[name] for name in ZERO] == [0] * len(ZERO)

    await district.send([rubric(3, "2026-03-04T02:00:00Z")])
    await district.drained()
    for service, what in (("progression", "mastery"), ("reporting", "record")):
        [item] = (await district.get(service, f"/v1/learners/{ada}/{what}"))["items"]
        assert item["why"].startswith("Shown on 2026-03-03 "), item
    await district.close()


async def test_what_is_due_by_age_is_not_while_school_is_out(stack: Stack):
    """Shown twenty days ago under a policy of ten: due at once; a break since then clears it."""
    district = await District(stack, "break").open()
    policy = {"id": "ages", "method": {"type": "streak", "n": 1}, "decision": {"latch": "first_crossing"},
              "upkeep": {"reverify_after_days": 10}}  # fmt: skip
    await district.post("progression", "/v1/policies?framework=math", policy)
    today = datetime.datetime.now(datetime.UTC)
    shown = (today - datetime.timedelta(days=20)).isoformat()
    await district.send([rubric(1, shown) | {"score": {"raw": 1, "max": 1}}])
    await district.until(lambda told: told == ["competency.mastered", "competency.reverify_due"])
    first, last = (today - datetime.timedelta(days=15)).date(), (today + datetime.timedelta(days=5)).date()
    answer = await district.http.put(
        f"{stack.urls['progression']}/v1/settings", json={"breaks": [{"first": str(first), "last": str(last)}]}
    )
    assert answer.is_success, answer.text
    await district.until(lambda told: told[2:] == ["competency.reverified"])
    verified = await district.verify()

    assert [verified[name] for name in ZERO] == [0] * len(ZERO)
    await district.close()
