"""What should have come of each school's learners, and did: the arithmetic, the answer, the page, and who sees it."""

import datetime
import re
from typing import Any

import pytest

from services.reporting.domain.completeness import (
    SCHOOL_DAYS,
    DistrictCompleteness,
    SchoolCompleteness,
    by_school,
    first_day,
    of_school,
)
from services.reporting.handlers.on_behalf import OnBehalf
from shared.errors import Unavailable
from tests.reporting.builders import assignment, authorization, class_, enrolment, mastery, school, staff
from tests.reporting.running import Running

NORTH, SOUTH = [f"n{n:02}" for n in range(40)], [f"s{n:02}" for n in range(20)]
PATH = "/v1/districts/d/completeness"


@pytest.mark.parametrize(
    ("today", "breaks", "first"),
    # March 2026 begins on a Sunday: four weeks end with a Friday, and with the weekend after it. A week of break is not counted.
    [("2026-03-27", "", "2026-03-02"), ("2026-03-29", "", "2026-03-02"), ("2026-03-30", "", "2026-03-03"),
     ("2026-03-27", "2026-03-09/2026-03-13", "2026-02-23"), ("2026-03-31", "2026-03-28/2026-04-06", "2026-03-02"),
     ("2026-03-27", "2026-02-20/2026-03-01", "2026-03-02"), ("2026-03-30", "2026-02-20/2026-03-02", "2026-03-03"),
     ("2026-03-26", "2026-02-20/2026-03-01", "2026-02-19")],
)  # fmt: skip
def test_the_window_is_of_school_days(today: str, breaks: str, first: str) -> None:
    assert SCHOOL_DAYS == 20
    assert str(first_day(datetime.date.fromisoformat(today), breaks)) == first


def test_a_school_is_told_its_row_of_the_districts_table_and_no_more() -> None:
    rows = by_school({"n": (40, 30), "s": (20, 15)}, 60, {"n": "North", "s": "South"}, 10)
    found = DistrictCompleteness("d", "", 10, 20, "", "America/Chicago", "2026-03-02", rows)

    shown = of_school(found, "s")
    assert shown is not None
    assert (shown.row, shown.since, shown.time_zone) == (rows[1], "2026-03-02", "America/Chicago")
    assert shown.row.with_evidence is None
    assert of_school(found, "elsewhere") is None


def test_few_learners_are_not_told_and_none_is_told_as_none() -> None:
    counts = {"all": (30, 30), "few": (30, 21), "many": (30, 12), "tiny": (4, 0), "small": (7, 7)}

    found = by_school(counts, 131, {school: school.title() for school in (*counts, "empty")}, 10)

    assert found == [
        SchoolCompleteness("all", "All", 30, 30, 0), SchoolCompleteness("few", "Few", 30, None, None),
        SchoolCompleteness("many", "Many", 30, 12, 18), SchoolCompleteness("tiny", "Tiny", None, None, None),
        SchoolCompleteness("small", "Small", None, None, None), SchoolCompleteness("empty", "Empty", 0, 0, 0),
    ]  # fmt: skip


@pytest.fixture(scope="module", autouse=False)
async def told(reporting: Running) -> None:
    """Tell of two schools: evidence came lately of 30 of the 40 in one, and of 15 of the 20 in the other."""
    now = datetime.datetime.now(datetime.UTC)
    lately, before = (f"{now - datetime.timedelta(days=days):%Y-%m-%dT%H:%M:%S.000000Z}" for days in (3, 40))
    await reporting.told(
        "roster", school("north", "d"), school("south", "d"), class_("c1", "north"), class_("c2", "south"),
        *(enrolment("c1", learner) for learner in NORTH), *(enrolment("c2", learner) for learner in SOUTH),
        assignment("boss", "leader", "district", "d"), assignment("aud", "auditor", "district", "d"),
        assignment("head", "leader", "school", "north"), staff("c1", "tea"),
    )  # fmt: skip
    await reporting.told(
        "progression", *(mastery(x, "m:a", last_evidence_at=lately) for x in (*NORTH[:30], *SOUTH[:15])),
        *(mastery(x, "m:a", last_evidence_at=before) for x in NORTH[30:35]),
    )  # fmt: skip


@pytest.mark.usefixtures("told")
async def test_a_district_is_told_of_how_many_evidence_came(reporting: Running) -> None:
    body = (await reporting.get(PATH, "records:read:classes", subject="boss")).json()

    assert [(row["school"], row["learners"], row["with_evidence"], row["without_evidence"]) for row in body["schools"]] == [
        ("north", 40, 30, 10), ("south", 20, None, None),
    ]  # fmt: skip
    assert (body["school_days"], body["suppressed_below"]) == (20, 10)


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    ("person", "status"), [("boss", 200), ("aud", 200), ("head", 403), ("tea", 403), ("nobody", 403)]
)
async def test_leaders_and_auditors_of_the_district_see_it(reporting: Running, person: str, status: int) -> None:
    assert (await reporting.get(PATH, "records:read:classes", subject=person)).status_code == status


@pytest.mark.usefixtures("told")
async def test_the_page_joins_what_evidence_tells_the_person_and_stays_without_it(
    reporting: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = authorization(reporting.config, "records:read:classes", subject="boss")["Authorization"]
    cookies = {"Cookie": f"attain={token.removeprefix('Bearer ')}"}
    joined = await reporting.client.get("/districts/d", headers=cookies)

    async def away(*_: object, **__: object) -> None:
        raise Unavailable("evidence does not answer")

    monkeypatch.setattr(OnBehalf, "ask", away)
    alone = await reporting.client.get("/districts/d", headers=cookies)

    assert (joined.status_code, alone.status_code) == (200, 200)
    assert "lms of boss" in joined.text
    assert "The sources cannot be asked" in alone.text
    assert "lms of boss" not in alone.text


@pytest.mark.usefixtures("told")
async def test_a_break_is_not_counted_and_the_school_page_has_the_schools_row(reporting: Running) -> None:
    """Evidence of 40 days ago is of the last 20 school days, where a break lies between."""
    today = datetime.datetime.now(datetime.UTC).date()
    out = [{"first": str(today - datetime.timedelta(days=38)), "last": str(today - datetime.timedelta(days=1))}]
    reporting.producer.calendars["calm"] = {"time_zone": "America/Chicago", "breaks": out}
    before = f"{today - datetime.timedelta(days=40)}T18:00:00.000000Z"
    await reporting.told(
        "roster", school("north", "d"), class_("c1", "north"), *(enrolment("c1", learner) for learner in NORTH),
        assignment("head", "leader", "school", "north"), tenant="calm",
    )  # fmt: skip
    await reporting.told(
        "progression", *(mastery(x, "m:a", last_evidence_at=before) for x in NORTH[:30]), tenant="calm"
    )
    body = (await reporting.get(PATH, "records:read", tenant="calm")).json()
    claims: dict[str, Any] = {"subject": "head", "tenant": "calm"}
    token = authorization(reporting.config, "records:read:classes", **claims)["Authorization"].removeprefix("Bearer ")
    shown = await reporting.client.get("/schools/north", headers={"Cookie": f"attain={token}"})

    assert (body["time_zone"], [row["with_evidence"] for row in body["schools"]]) == ("America/Chicago", [30])
    assert shown.status_code == 200
    assert "America/Chicago" in shown.text
    assert re.findall(r"<td>(\d+)</td>", shown.text.partition('id="completeness"')[2]) == ["40", "30", "10"]
