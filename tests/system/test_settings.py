"""A tenant's time zone on the running stack: decided once, for what is not on the record, and never before it was set."""

from deploy.local.stack import Stack
from services.progression.policy.templates import template
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
    unknown = attain("settings", "--time-zone", "Mars/Olympus", tenant=district.tenant)
    verified = await district.verify()

    assert [each["time_zone"] for each in shown] == ["UTC"] + ["America/Chicago"] * 3
    assert unknown["exit"] == 1
    assert "(/time_zone)" in unknown["error"]
    assert (at_first["status"], then["status"], now["status"]) == (
        "provisional",
        "provisional",
        "insufficient_evidence",
    )
    assert now["missing"] == ["1 more other day"]
    assert len(await district.advancements()) == 1, "what provisional has opened stays open"
    assert [verified[name] for name in ZERO] == [0] * len(ZERO)
    await district.close()
