"""
Situations in which other systems differ from each other, each with what Attain promises in it; on the running stack.

Sources: the code and documents of Canvas, Moodle, Open edX, CaSS and lrsql, read for how each behaves.
"""

import datetime
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from deploy.local.stack import Stack
from tests.progression.curriculum.builders import case_edge, case_item, package
from tests.system.district import SOURCE, ZERO, District, Item

CLEAN = [0] * len(ZERO)


@pytest.fixture
async def district(stack: Stack) -> AsyncIterator[District]:
    """A tenant with a framework `math` and three in a row, audited at the end."""
    opened = await District(stack, "versus").open()
    yield opened
    verified = await opened.verify()
    await opened.close()
    assert [verified[name] for name in ZERO] == CLEAN


def answer(n: int, correct: int = 1, *, at: str = "", **more: Any) -> Item:
    return {
        "id": f"w{n}", "source": SOURCE, "learner": "ada", "competencies": ["math:c1"],
        "score": {"raw": correct, "max": 1}, "occurred_at": at or f"2026-03-02T10:00:{n:02}Z", **more,
    }  # fmt: skip


def retraction(target: int) -> Item:
    return {"id": f"r{target}", "source": SOURCE, "retracts": f"w{target}", "occurred_at": "2026-03-03T10:00:00Z"}


async def told(district: District) -> list[str]:
    """Return the short names of all that was told."""
    await district.drained()
    return [each["type"].removeprefix("attain.").removesuffix(".v1") for each in await district.advancements()]


async def state(district: District) -> Item:
    """Return the mastery of the one competency there is evidence of."""
    await district.drained()
    [item] = (await district.get("progression", f"/v1/learners/{await district.learner('ada')}/mastery"))["items"]
    return dict(item)


async def duplicates(district: District) -> float:
    """Return how many duplicates the intake by HTTP has counted."""
    metrics = (await district.http.get(f"{district.stack.urls['evidence']}/metrics")).text
    found = re.search(r'^attain\w*\{status="duplicate",way="http"\} ([\d.]+)$', metrics, re.MULTILINE)
    return float(found.group(1)) if found else 0.0


async def test_1_the_same_evidence_delivered_three_times_has_one_effect_and_is_counted(district: District):
    work = [answer(n) for n in (1, 2, 3)]
    before = await duplicates(district)
    statuses = [[item["status"] for item in await district.send(work)] for _ in range(3)]

    assert statuses == [["accepted"] * 3, ["duplicate"] * 3, ["duplicate"] * 3]
    assert await told(district) == ["competency.mastered"]
    assert (await state(district))["evidence_count"] == 3
    assert await duplicates(district) == before + 6


async def test_2_a_score_corrected_down_after_mastery_is_computed_anew_and_withdrawn_at_once(district: District):
    await district.send([answer(n) for n in (1, 2, 3)])
    await told(district)
    [corrected] = await district.send([answer(4, 0, at="2026-03-02T10:00:02Z", supersedes="w2")])
    after = await state(district)

    assert corrected["status"] == "corrected"
    assert await told(district) == ["competency.mastered", "competency.withdrawn"]
    assert (after["status"], after["score"], after["evidence_count"]) == ("not_yet", pytest.approx(1 / 3), 3)


async def test_3_what_is_voided_before_it_arrives_never_counts(district: District):
    voided = await district.send([retraction(2)])
    await district.send([answer(n) for n in (1, 2, 3)])
    after = await state(district)

    assert voided[0]["status"] in ("accepted", "corrected")
    assert await told(district) == []
    assert after["evidence_count"] == 2


async def test_4_work_of_the_second_week_that_is_graded_in_the_sixth_counts_where_it_was_done(district: District):
    """A decaying average of 1, 0 and 1 in their order: 0.65 on each newer one."""
    policy = b'{"id": "decaying", "method": {"type": "sda", "weight": 0.65}, "decision": {"at_least": 0.9}}'
    await district.post("progression", "/v1/policies?framework=math", policy)
    weeks = {2: answer(2, 0, at="2026-01-12T10:00:00Z"), 1: answer(1, at="2026-01-05T10:00:00Z"),
             5: answer(5, at="2026-02-02T10:00:00Z")}  # fmt: skip
    for week in (1, 5, 2):
        await district.send([weeks[week]])
        await district.drained()
    ada = await district.learner("ada")
    explained = await district.get("progression", f"/v1/learners/{ada}/competencies/math:c1/explanation")

    assert [piece["occurred_at"][:10] for piece in explained["evidence"]] == ["2026-01-05", "2026-01-12", "2026-02-02"]
    assert explained["score"] == pytest.approx(0.65 * 1 + 0.35 * (0.65 * 0 + 0.35 * 1))
    assert (await state(district))["last_evidence_at"].startswith("2026-02-02")


def bar(at_least: float) -> Item:
    return {"id": "bar", "method": {"type": "mean"}, "rationale": "the board decided",
            "decision": {"at_least": at_least, "latch": "first_crossing"}}  # fmt: skip


async def test_5_a_threshold_that_rises_from_75_to_80_after_results_does_what_compare_says_and_a_fresh_system_has(
    stack: Stack, district: District
):
    """Forty learners at 70, 75, 80 and 85 of 100: ten stand between the two bars."""
    marks = [
        answer(n, 70 + n % 4 * 5, learner=f"l{n}") | {"score": {"raw": 70 + n % 4 * 5, "max": 100}} for n in range(40)
    ]
    await district.post("progression", "/v1/policies?framework=math", bar(0.75))
    await district.send(marks)
    await district.drained()
    said = await district.post("progression", "/v1/policies/compare?framework=math", bar(0.8))
    await district.post("progression", "/v1/policies?framework=math", bar(0.8))
    await district.drained()
    grandfathered = [state[0] for state in district.shown().values()]
    fresh = await District(stack, "fresh").open()
    await fresh.post("progression", "/v1/policies?framework=math", bar(0.8))
    await fresh.send(marks)
    await fresh.drained()
    shown = [state[0] for state in fresh.shown().values()]
    await fresh.close()

    assert (said["pairs"], said["lost"], said["gained"]) == (40, 10, 0)
    assert grandfathered.count("mastered") == 30, "what is on the record stays"
    assert shown.count("mastered") == 30 - said["lost"] + said["gained"]
    assert {(move["from"], move["to"]): move["pairs"] for move in said["moves"]} == {("mastered", "not_yet"): 10}


async def test_6_a_standard_replaced_by_two_is_a_migration_that_names_both_and_can_be_undone(district: District):
    """One that follows one is credited by itself; of a split each half is a person's to credit. History stays."""

    async def publish(*edges: Any, ended: tuple[str, ...] = ()) -> Item:
        items = [case_item(i, i.upper(), **({"statusEndDate": "2026-01-01"} if i in ended else {})) for i in "abcxy"]
        content = package(items, [case_edge(origin, "replacedBy", to) for origin, to in edges]).decode()
        body = {"id": "std", "format": "case", "package": content}
        answered = await district.post("progression", "/v1/frameworks", body)
        await district.drained()
        return dict(answered["migration"])

    async def statuses() -> dict[str, str]:
        await district.drained()
        items = (await district.get("progression", f"/v1/learners/{ada}/mastery"))["items"]
        return {item["competency"]: item["status"] for item in items}

    await publish()
    await district.send([
        answer(n, competencies=[f"std:{code}"]) for n, code in enumerate("AAAXXX", start=1)
    ])  # fmt: skip
    ada = await district.learner("ada")
    before = await statuses()
    split = await publish(("a", "b"), ("a", "c"), ("x", "y"), ended=("a", "x"))
    after = await statuses()
    body = {
        "learner": ada,
        "competency": "std:B",
        "basis": "substitution",
        "reason": "the same skill",
        "provenance": "A",
    }
    credit = (await district.post("progression", "/v1/credits", body))["items"][0]
    credited = await statuses()
    undone = {"learner": ada, "competency": "std:B", "reason": "the split is undone"}
    await district.post("progression", f"/v1/decisions/{credit['id']}/lift", undone)
    back = await publish()

    assert before == {"std:A": "mastered", "std:X": "mastered"}
    assert [(move["origin"], move["destination"], move["strength"]) for move in split["moves"]] == [
        ("std:A", "std:B", "partial"), ("std:A", "std:C", "partial"), ("std:X", "std:Y", "full"),
    ]  # fmt: skip
    assert after == before | {"std:Y": "credited"}
    assert credited == after | {"std:B": "credited"}
    assert (back["retired"], back["moved"]) == (0, 0)
    assert await statuses() == before | {"std:Y": "no_evidence", "std:B": "no_evidence"}


async def test_7_an_override_stands_until_newer_evidence_contests_it_and_its_author_is_asked(district: District):
    await district.send([answer(1, 0)])
    ada = await district.learner("ada")
    body = {"learner": ada, "competency": "math:c1", "status": "mastered", "reason": "shown at the science fair"}
    await district.post("progression", "/v1/overrides", body)
    # What was done before is not newer, however late it comes.
    await district.send([answer(n, 0, at=f"2026-03-1{n}T10:00:00Z") for n in (2, 3)])
    before = await told(district)
    now = datetime.datetime.now(datetime.UTC)
    await district.send([answer(n, 0, at=(now + datetime.timedelta(seconds=n)).isoformat()) for n in (4, 5)])
    after = await told(district)
    contested = (await district.advancements())[-1]["data"]

    assert before == ["competency.mastered"]
    assert after == ["competency.mastered", "competency.override_contested"]
    assert contested["override"] == {"status": "mastered", "by": {"role": "teacher", "ref": "laptop"}}
    assert contested["computed"] == "not_yet"
    assert (await state(district))["status"] == "overridden", "nothing but a person takes it back"
