"""Exports: every table in every format, page by page; results that another system, and our own intake, can read."""

import csv
import datetime
import io
import json
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema_rs
import pyarrow
import pytest
from pyarrow import parquet

from services.evidence.formats import oneroster as intake
from services.evidence.formats.reading import Origin
from services.reporting.domain.oneroster import State, Student, results
from services.reporting.entrypoints.examples import ONEROSTER
from services.reporting.tables.read_models import MODELS
from shared.contracts.internal_events import Competency, Status
from shared.shards import stable_id
from tests.reporting.builders import (
    SHOWN_AT,
    assignment,
    class_of,
    closings,
    framework,
    happened,
    identified,
    mastery,
    snapshot_amended,
    snapshot_closed,
    staff,
)
from tests.reporting.running import Running
from tests.support.shared_data import shared_file

ADA = "0b9c6e0e-6f0c-5d0a-9e57-3c1d0a1f2b3c"
BO = "1c9c6e0e-6f0c-5d0a-9e57-3c1d0a1f2b3c"
CY = "2d9c6e0e-6f0c-5d0a-9e57-3c1d0a1f2b3c"
DEE = "3e9c6e0e-6f0c-5d0a-9e57-3c1d0a1f2b3c"
NOTHING: dict[str, Any] = {"score": None, "evidence_count": 0, "last_evidence_at": None, "mastered_at": None}
"""What progression tells of a competency without any valid piece."""
SIS = "https://sis.example.org"
IDENTIFIER = "6b9f2a3e-0d6c-11e8-ba89-0ed5f89f718b"
TABLES = [table for model, tables in MODELS.items() if model != "support" for table in tables]


@pytest.fixture(scope="module", autouse=True)
async def told(reporting: Running) -> None:
    codes = [
        Competency("a", "Unit fractions", 1, "3", "Mathematics", identifier=IDENTIFIER),
        Competency("b", "Area", 2, "3"),
    ]
    await reporting.told("curriculum", *framework("m", codes, [("a", "b")]))
    await reporting.told("roster", *class_of(ADA, BO), staff("k", "t-1"))
    await reporting.told(
        "progression", mastery(ADA, "m:a", score=3.25), mastery(ADA, "m:b", "not_yet", score=None), mastery(BO, "m:a"),
        mastery(BO, "m:b", "no_evidence", **NOTHING),
    )  # fmt: skip
    over = closings([ADA], "spring", reporting.config.shards)
    await reporting.told("progression", *over, mastery(ADA, "m:a", score=3.25))
    await reporting.told(
        "advancement", happened(ADA, "competency.mastered", "m:a"), snapshot_closed(ADA, "spring"),
        snapshot_amended(ADA, "spring", "m:a"), identified("old", BO), identified("odd", BO),
        identified("odd", BO, undone=True),
    )  # fmt: skip
    await reporting.told("progression", mastery("elsewhere", "m:a"), tenant="other")
    reporting.producer.references = {SIS: {ADA: ["17"], BO: ["18", "0018"]}}


async def pages(reporting: Running, path: str, **parameters: Any) -> list[Any]:
    """Return the answers of all pages."""
    found, after = [], ""
    while True:
        answer = await reporting.get(path, parameters=parameters | {"after": after})
        assert answer.status_code == 200, answer.text
        found.append(answer)
        after = answer.headers.get("Attain-Next", "")
        if not after:
            return found


@pytest.mark.parametrize("table", TABLES)
async def test_every_table_is_exported_whole_page_by_page_in_json_and_csv(reporting: Running, table: str) -> None:
    rows = [row for page in await pages(reporting, f"/v1/exports/{table}", limit=1) for row in page.json()["items"]]
    lines = [
        row
        for page in await pages(reporting, f"/v1/exports/{table}", limit=2, format="csv")
        for row in csv.DictReader(io.StringIO(page.text))
    ]
    audit = await reporting.get(f"/v1/rows/{table}", "service", parameters={"tenant": "demo"})
    held = [json.loads(line) for line in audit.text.splitlines()]

    assert [row | {"tenant": "demo"} for row in rows] == held
    assert [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows] == lines
    assert rows or table in ("assignment", "waiting")


@pytest.mark.parametrize("table", TABLES)
async def test_every_table_is_exported_as_parquet_with_its_types(reporting: Running, table: str) -> None:
    [answer] = await pages(reporting, f"/v1/exports/{table}", format="parquet")
    rows = (await reporting.get(f"/v1/exports/{table}")).json()["items"]
    read = parquet.read_table(io.BytesIO(answer.content))

    assert read.to_pylist() == rows
    if table == "mastery":
        assert read.schema.field("score").type == pyarrow.float64()


async def test_an_export_is_a_look_at_everybody_whom_its_rows_are_of(reporting: Running) -> None:
    await reporting.told(
        "roster", assignment("g-1", "guardian", "learner", CY), assignment("p-1", "leader", "school", "s")
    )
    await reporting.told("progression", mastery(CY, "m:a"))
    await reporting.get("/v1/exports/assignment", subject="warehouse")
    looks = await reporting.get(f"/v1/learners/{CY}/accesses", "records:read:self", learner=CY)
    given = await reporting.get(f"/v1/learners/{CY}/accesses", "admin", subject="operator")
    every = (await reporting.get("/v1/accesses", subject="aud", roles=["auditor"])).json()["items"]

    assert [(each["person"], each["target"]) for each in looks.json()["items"]] == [("warehouse", "assignment")]
    assert given.json() == looks.json()
    assert ("warehouse", "assignment") in [(each["person"], each["target"]) for each in every]


async def test_without_the_package_parquet_says_what_is_missing(
    reporting: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    answer = await reporting.get("/v1/exports/school", parameters={"format": "parquet"})

    assert answer.status_code == 409
    assert "extra `parquet`" in answer.json()["detail"]


async def test_a_page_that_is_known_is_not_sent_again(reporting: Running) -> None:
    first = await reporting.get("/v1/exports/school")
    again = await reporting.get("/v1/exports/school", headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.content) == (304, b"")


async def test_who_may_not_read_the_tenant_exports_nothing_and_what_is_not_there_is_not_found(
    reporting: Running,
) -> None:
    for path in ("/v1/exports/mastery", "/v1/exports/oneroster/assessmentResults?source=x"):
        assert (await reporting.get(path, "records:read:classes", subject="t-1")).status_code == 403
    assert (await reporting.get("/v1/exports/access_log")).status_code == 404
    assert (await reporting.get("/v1/exports/mastery", parameters={"after": "%%"})).status_code == 422


async def test_results_have_the_receivers_ids_and_what_is_gone_is_to_be_deleted(reporting: Running) -> None:
    answers = await pages(reporting, "/v1/exports/oneroster/assessmentResults", source=SIS, limit=1)
    results = [one for answer in answers for one in answer.json()["assessmentResults"]]
    elsewhere = await pages(reporting, "/v1/exports/oneroster/assessmentResults", source="https://nobody.example")

    assert [(one["student"]["sourcedId"], one["assessmentLineItem"]["sourcedId"], one["textScore"], one["status"])
            for one in results] == [
        ("17", "m:a", "mastered", "active"), ("17", "m:b", "not_yet", "active"), ("18", "m:a", "mastered", "active"),
        ("0018", "m:a", "mastered", "active"), ("18", "m:b", "no_evidence", "tobedeleted"),
        ("0018", "m:b", "no_evidence", "tobedeleted"),
    ]  # fmt: skip
    assert results[0]["learningObjectiveSet"][0]["source"] == "case"
    assert results[0]["learningObjectiveSet"][0]["learningObjectiveResults"][0]["learningObjectiveId"] == IDENTIFIER
    assert set(results[0]) == set(ONEROSTER["assessmentResults"][0])
    assert results[0]["student"]["href"] == "/v1/exports/oneroster/users/17"
    assert len({one["sourcedId"] for one in results}) == len(results), "each of several ids of a learner has its own"
    assert elsewhere[0].json() == {"assessmentLineItems": [], "assessmentResults": []}


async def test_credit_is_a_result_and_what_is_taken_back_is_the_later_one(reporting: Running) -> None:
    """Neither needs evidence; by its date a receiver knows that a result is newer than the one that it has."""
    at, source = "2026-03-05T10:15:00.000000Z", "https://other.example"
    await reporting.told(
        "progression", mastery(CY, "m:a", "credited", **NOTHING), mastery(CY, "m:b", "no_evidence", **NOTHING),
        mastery(CY, "m:c", "presumed", **NOTHING), mastery(CY, "m:d", "overridden", **NOTHING),
    )  # fmt: skip
    await reporting.told(
        "advancement", happened(CY, "competency.credited", "m:a"), happened(CY, "competency.mastered", "m:b"),
        happened(CY, "competency.withdrawn", "m:b", decided_at=at),
    )  # fmt: skip
    reporting.producer.references[source] = {CY: ["19"]}
    [answer] = await pages(reporting, "/v1/exports/oneroster/assessmentResults", source=source)
    told = {one["assessmentLineItem"]["sourcedId"]: one for one in answer.json()["assessmentResults"]}

    assert {code: (one["status"], one["textScore"]) for code, one in told.items()} == {
        "m:a": ("active", "credited"), "m:b": ("tobedeleted", "no_evidence"), "m:d": ("tobedeleted", "overridden"),
    }  # fmt: skip
    assert [told[code]["scoreDate"] for code in ("m:a", "m:b")] == [SHOWN_AT[:10], at[:10]]


async def test_every_change_bears_a_later_date_than_what_a_receiver_has(reporting: Running) -> None:
    """Also one that no event tells: where the newest piece is taken back, what is left is older."""
    source, dates = "https://later.example", []
    changes: list[tuple[str, Status]] = [
        ("2026-03-06", "not_yet"), ("2026-03-04", "insufficient_evidence"), ("2026-03-04", "not_yet")
    ]  # fmt: skip
    reporting.producer.references[source] = {DEE: ["20"]}
    for last, status in changes:
        await reporting.told("progression", mastery(DEE, "m:a", status, last_evidence_at=f"{last}T10:15:00.000000Z"))
        [answer] = await pages(reporting, "/v1/exports/oneroster/assessmentResults", source=source)
        [one] = answer.json()["assessmentResults"]
        dates.append((one["dateLastModified"], one["textScore"], one["scoreDate"]))

    assert dates == sorted(dates)
    assert len({at for at, _, _ in dates}) == 3
    assert [rest for _, *rest in dates] == [
        ["not_yet", "2026-03-06"], ["insufficient_evidence", "2026-03-04"], ["not_yet", "2026-03-04"]
    ]  # fmt: skip


async def test_what_a_receiver_has_of_who_was_merged_away_is_to_be_deleted_since_then(reporting: Running) -> None:
    source, since = "https://merged.example", "2126-06-05T10:15:00.000000Z"
    reporting.producer.references[source] = {ADA: ["17"]}
    reporting.producer.former[source] = {BO: [{"id": "18", "since": since}], ADA: [{"id": "16", "since": since}]}
    answers = await pages(reporting, "/v1/exports/oneroster/assessmentResults", source=source)
    told = [one for answer in answers for one in answer.json()["assessmentResults"]]

    assert [(one["student"]["sourcedId"], one["status"]) for one in told if one["sourcedId"] in (
        stable_id(ADA, "m:a"), stable_id(ADA, "m:a", "16"), stable_id(BO, "m:a")
    )] == [("17", "active"), ("16", "tobedeleted"), ("18", "tobedeleted")]  # fmt: skip
    gone = [one for one in told if one["status"] == "tobedeleted" and one["assessmentLineItem"]["sourcedId"] == "m:a"]
    assert [one["dateLastModified"] for one in gone] == [f"{since[:19]}.000Z"] * 2


async def test_what_comes_back_by_a_merge_or_its_undoing_is_newer_than_that_it_was_to_be_deleted(
    reporting: Running,
) -> None:
    """What rests on a decision alone is no other state by either, and bears the date of what was moved."""
    source, since = "https://again.example", "2126-06-05T10:15:00.000000Z"
    reporting.producer.references[source] = {ADA: ["17", "18"]}
    reporting.producer.former[source] = {ADA: [{"id": "18", "since": since, "returned": True}]}
    answers = await pages(reporting, "/v1/exports/oneroster/assessmentResults", source=source)
    told = {one["sourcedId"]: one for answer in answers for one in answer.json()["assessmentResults"]}
    own, back = told[stable_id(ADA, "m:a")], told[stable_id(ADA, "m:a", "18")]

    assert (back["student"]["sourcedId"], back["status"], back["dateLastModified"]) == (
        "18", "active", f"{since[:19]}.000Z"
    )  # fmt: skip
    assert own["dateLastModified"] < since


def test_the_date_of_a_result_is_the_local_day() -> None:
    at = "2026-03-05T03:00:00.000000Z"
    state = State(ADA, "m:a", "mastered", at, 1, at, at, "A", None)
    days = {
        zone: next(results(state, [Student("17")], "", zone))["scoreDate"] for zone in ("UTC", "America/Los_Angeles")
    }

    assert days == {"UTC": "2026-03-05", "America/Los_Angeles": "2026-03-04"}


async def test_results_are_valid_by_the_published_schema_and_our_own_intake_reads_them(reporting: Running) -> None:
    [answer] = await pages(reporting, "/v1/exports/oneroster/assessmentResults", source=SIS)
    now = datetime.datetime.now(datetime.UTC)
    for one in intake.split(answer.content):
        assert intake.read(one, Origin("demo", SIS, now, now, ZoneInfo("UTC"))) is not None
    schema = json.loads(
        shared_file("data/formats/oneroster/openapi_v1p2/onerosterv1p2gradebookservice_openapi3_v1p0.json").read_text()
    )
    for name, of in (
        ("assessmentResults", "AssessmentResultDType"),
        ("assessmentLineItems", "AssessmentLineItemDType"),
    ):
        for one in answer.json()[name]:
            jsonschema_rs.Draft202012Validator(schema | {"$ref": f"#/components/schemas/{of}"}).validate(one)


async def test_results_as_csv_have_the_columns_of_the_binding(reporting: Running) -> None:
    [answer] = await pages(reporting, "/v1/exports/oneroster/assessmentResults", source=SIS, format="csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    columns = json.loads(shared_file("data/formats/oneroster/oat_sample_v1p1/config/v1.1/results.json").read_text())

    assert [column["columnId"] for column in columns] == list(rows[0])
    assert (rows[0]["studentSourcedId"], rows[0]["score"], rows[0]["scoreDate"]) == ("17", "mastered", "2026-03-04")
