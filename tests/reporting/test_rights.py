"""Rights: the rows that the roster gives to each role, and the log of who looked."""

import pytest

from tests.reporting.builders import assignment, class_, enrolment, mastery, school, staff
from tests.reporting.running import Running


@pytest.fixture(scope="module", autouse=True)
async def roster(reporting: Running) -> None:
    """Tell of two schools with a class each, and of people around them."""
    await reporting.told(
        "roster", school("north", "d1"), school("south", "d1"), class_("c1", "north"), class_("c2", "south"),
        enrolment("c1", "ada"), enrolment("c2", "bo"),
        staff("c1", "tea"), staff("c1", "sub-now", "substitute", starts="2020-01-01", ends="2999-01-01"),
        staff("c1", "sub-over", "substitute", starts="2020-01-01", ends="2020-02-01"),
        staff("c1", "sub-later", "substitute", starts="2999-01-01"),
        assignment("mum", "guardian", "learner", "ada"), assignment("was", "guardian", "learner", "ada", active=False),
        assignment("case", "case_manager", "learner", "ada"), assignment("head", "leader", "school", "north"),
        assignment("couns", "counsellor", "school", "north"), assignment("reg", "registrar", "district", "d1"),
        assignment("boss", "leader", "district", "d1"), assignment("odd", "gardener", "school", "north"),
    )  # fmt: skip
    await reporting.told("progression", mastery("ada", "m:a"), mastery("bo", "m:a"))


RECORD, TIMELINE, ACCESSES = ("/v1/learners/ada/record", "/v1/learners/ada/timeline", "/v1/learners/ada/accesses")
CLASS, QUEUES, DISTRICT = "/v1/classes/c1/mastery", "/v1/queues?class_id=c1", "/v1/districts/d1/mastery"
ROWS = "records:read:classes"


@pytest.mark.parametrize(
    "asked",
    [
        ("tea", ROWS, RECORD, 200), ("tea", ROWS, CLASS, 200), ("tea", ROWS, QUEUES, 200), ("tea", ROWS, DISTRICT, 403),
        ("tea", ROWS, "/v1/learners/bo/record", 404), ("tea", ROWS, ACCESSES, 403),
        ("sub-now", ROWS, RECORD, 200), ("sub-now", ROWS, TIMELINE, 403), ("sub-now", ROWS, CLASS, 200),
        ("sub-over", ROWS, RECORD, 404), ("sub-over", ROWS, CLASS, 403), ("sub-later", ROWS, RECORD, 404),
        ("mum", "records:read:self", RECORD, 200), ("mum", "records:read:self", TIMELINE, 200),
        ("mum", "records:read:self", "/v1/learners/bo/record", 404), ("mum", "records:read:self", CLASS, 403),
        ("was", "records:read:self", RECORD, 404),
        ("case", ROWS, RECORD, 200), ("case", ROWS, CLASS, 403), ("case", "records:read:self", RECORD, 404),
        ("head", ROWS, RECORD, 200), ("head", ROWS, CLASS, 200), ("head", ROWS, "/v1/queues?school=north", 200),
        ("head", ROWS, "/v1/queues?school=south", 403), ("head", ROWS, "/v1/learners/bo/record", 404),
        ("couns", ROWS, RECORD, 200), ("couns", ROWS, "/v1/queues", 403),
        ("reg", ROWS, RECORD, 200), ("reg", ROWS, DISTRICT, 200), ("reg", ROWS, CLASS, 403),
        ("boss", ROWS, DISTRICT, 200), ("boss", ROWS, "/v1/learners/bo/record", 200),
        ("odd", ROWS, RECORD, 404), ("odd", ROWS, CLASS, 403),
        ("stranger", ROWS, RECORD, 404), ("stranger", ROWS, "/v1/learners/nobody/record", 404),
    ],
)  # fmt: skip
async def test_the_roster_gives_the_rows(reporting: Running, asked: tuple[str, str, str, int]) -> None:
    """Rows are (person, scope, path, status)."""
    person, scope, path, status = asked
    answer = await reporting.get(path, scope, subject=person)

    assert answer.status_code == status, answer.text


async def test_unknown_and_foreign_learners_look_the_same(reporting: Running) -> None:
    foreign = await reporting.get("/v1/learners/bo/record", ROWS, subject="tea")
    unknown = await reporting.get("/v1/learners/xx/record", ROWS, subject="tea")

    assert foreign.json() == unknown.json() | {"detail": "no learner 'bo'"}


async def test_a_learner_sees_who_looked_and_an_auditor_sees_all(reporting: Running) -> None:
    for _ in range(2):
        await reporting.get(RECORD, ROWS, subject="head")
    await reporting.get(CLASS, ROWS, subject="tea")
    await reporting.get("/v1/learners/bo/record", subject="boss")
    own = (await reporting.get(ACCESSES, "records:read:self", learner="ada")).json()["items"]
    every = await reporting.get("/v1/accesses", "records:read", subject="aud", roles=["auditor"])
    refused = await reporting.get("/v1/accesses", "records:read", subject="x", roles=["teacher"])

    assert [item["person"] for item in own if item["view"] == "record" and item["person"] == "head"] == ["head"]
    assert ("tea", "teacher", "class", "c1") in {
        (item["person"], item["role"], item["view"], item["target"]) for item in own
    }
    assert not [item for item in own if item["target"] == "bo"]
    assert {item["person"] for item in every.json()["items"]} >= {"head", "tea", "boss"}
    assert refused.status_code == 403


async def test_the_log_of_looks_is_paged(reporting: Running) -> None:
    seen, after = [], ""
    while after is not None:
        page = (
            await reporting.get(
                "/v1/accesses", subject="aud", roles=["auditor"], parameters={"after": after, "limit": 2}
            )
        ).json()
        seen += [item["id"] for item in page["items"]]
        after = page["next"]

    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) > 2
