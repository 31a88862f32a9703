"""Canvas both ways: taken over with the same numbers, standings passed back, and what comes back of them recognised."""

import csv
import datetime
import json
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local.stack import Stack
from tests.support.ags_platform import CLIENT, AgsPlatform, ags_platform
from tests.system.conftest import Attain
from tests.system.district import SOURCE, STREAK_3, ZERO, District

LEARNERS = [f"sis-{n}" for n in range(8)]
NAME = "Wilhelmina Featherstone"
METHODS = (
    ("decaying_average", "65"), ("standard_decaying_average", "65"), ("n_mastery", "3"), ("highest", ""), ("latest", ""),
    ("average", ""),
)  # fmt: skip
REPORT = (
    "student name", "student id", "student sis id", "assessment title", "assessment id", "assessment type",
    "submission date", "submission score", "learning outcome name", "learning outcome id", "attempt", "outcome score",
    "assessment question", "assessment question id", "course name", "course id", "course sis id",
)  # fmt: skip
LEVELS = "code,title,level,subject\nc0,Zero,1,Number\nc1,One,2,Number\n"
LEVEL_1 = "math#Number/1"


def write(folder: Path, name: str, header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    with (folder / f"{name}.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def export(folder: Path, seed: int) -> None:
    """Write what a small district takes out of Canvas."""
    chance = random.Random(seed)
    write(
        folder,
        "users",
        ("user_id", "login_id", "full_name", "status"),
        [*((learner, learner, f"{NAME} {learner}", "active") for learner in LEARNERS), ("t-1", "t-1", NAME, "active")],
    )
    write(folder, "courses", ("course_id", "account_id", "status"), [("c1", "north", "active")])
    write(folder, "sections", ("section_id", "course_id", "name", "status"), [("s1", "c1", "Five A", "active")])
    write(
        folder,
        "enrollments",
        ("course_id", "user_id", "role", "section_id", "status"),
        [
            *(("c1", learner, "student", "s1", "active") for learner in LEARNERS),
            ("c1", "t-1", "teacher", "s1", "active"),
        ],
    )
    ratings = (4, "Exceeds", 3, "Mastery", 2, "Near", 1, "Below")
    write(
        folder,
        "outcomes",
        (
            "vendor_guid",
            "object_type",
            "title",
            "calculation_method",
            "calculation_int",
            "workflow_state",
            "parent_guids",
            "mastery_points",
            "ratings",
            *("",) * 7,
        ),
        [
            ("g", "group", "Number", "", "", "active", "", "", *("",) * 8),
            *(
                (f"canvas_outcome:{n}", "outcome", f"Outcome {n}", *METHODS[n], "active", "g", 3, *ratings)
                for n in range(6)
            ),
        ],
    )
    rows: list[tuple[Any, ...]] = []
    for learner in LEARNERS:
        who = (f"{NAME} {learner}", learner.removeprefix("sis-"), learner)
        for n in range(6):
            for k in range(chance.randint(1, 5)):
                score = chance.choice((0, 1, 2, 2.5, 3, 3.5, 4))
                rows.append(
                    (
                        *who,
                        f"Task {k}",
                        f"{n}{k}",
                        "assignment",
                        f"2026-03-{k + 1:02}T10:00:00Z",
                        "",
                        f"Outcome {n}",
                        n,
                        1,
                        score,
                        "",
                        "",
                        "Maths",
                        7,
                        "c1",
                    )
                )
        rows.append(
            (
                *who,
                "Gone",
                "99",
                "assignment",
                "2026-03-09T10:00:00Z",
                "",
                "Not taken out",
                55,
                1,
                2,
                "",
                "",
                "Maths",
                7,
                "c1",
            )
        )
        rows.append((*who, "Open", "98", "assignment", "", "", "Outcome 0", 0, "", "", "", "", "Maths", 7, "c1"))
    write(folder, "outcome-results", REPORT, rows)  # fmt: skip


async def test_a_district_comes_over_from_canvas_with_the_same_numbers(
    stack: Stack, attain: Attain, tmp_path: Path
) -> None:
    district = District(stack, "canvas")
    export(tmp_path, 7)

    dry = attain("onboard", "canvas", str(tmp_path), "--dry-run", tenant=district.tenant)
    found = attain("onboard", "canvas", str(tmp_path), tenant=district.tenant)
    again = attain("onboard", "canvas", str(tmp_path), tenant=district.tenant)
    write(tmp_path, "rollups", ("Student name", "Student SIS ID", "Outcome 4 result", "Outcome 4 mastery points"),
          [(NAME, LEARNERS[0], "1.23", "3")])  # fmt: skip
    changed = attain("onboard", "canvas", str(tmp_path), tenant=district.tenant)
    report = tmp_path / "outcome-results.csv"
    report.write_text(report.read_text().replace("2026-03-09T10:00:00Z", "2999-03-09T10:00:00Z"))
    refused = attain("onboard", "canvas", str(tmp_path), tenant=district.tenant)
    names = await district.http.get(f"{stack.urls['evidence']}/v1/learners", params={"q": NAME})
    verified = await district.verify()
    await district.close()

    assert (dry["sent"], dry["pairs"]) == (False, found["pairs"])
    assert (found["learners"], found["classes"], found["enrolments"], found["outcomes"]) == (8, 1, 8, 6)
    assert found["unaligned"] == {"55": 8}
    assert (found["accepted"], found["parked"], found["rejected"]) == (found["results"] - 8, 8, 0)
    assert found["unscored"] == 8
    assert found["parity"] == {"same": 48, "different": 0, "by_cause": {}, "differences": []}
    assert sum(found["pieces_per_pair"].values()) == found["pairs"] == 48
    assert (again["accepted"], again["duplicate"], again["parity"]["same"]) == (0, found["accepted"], 48)
    assert [(one["learner"], one["outcome"], one["canvas"]) for one in changed["parity"]["differences"]] == [
        (LEARNERS[0], "canvas_outcome:4", 1.23)
    ]
    assert changed["parity"]["differences"][0]["cause"].startswith(
        "Canvas counts results that the report does not have"
    )
    assert [(each["exit"], each["rejected"]) for each in (found, again, changed, refused)] == [(0, 0)] * 3 + [(1, 8)]
    assert names.json() == [], "names are dropped at the edge"
    assert {name: verified[name] for name in ZERO} == dict.fromkeys(ZERO, 0), verified


@pytest.fixture
def platform() -> Iterator[AgsPlatform]:
    with ags_platform() as platform:
        yield platform


@pytest.fixture
async def leveled(stack: Stack) -> AsyncIterator[District]:
    """A tenant where one learner of three advances a level."""
    district = await District(stack, "ags").open(nodes=LEVELS)
    for learner, rights in (("ada", 3), ("bob", 3), ("cy", 1)):
        await district.send([
            {"id": f"{learner}-{n}", "source": SOURCE, "learner": learner, "competencies": ["math:c0"],
             "score": {"raw": 1, "max": 1}, "occurred_at": f"2026-03-0{n + 1}T10:00:00Z"}
            for n in range(rights)
        ])  # fmt: skip
    await district.until(lambda told: told.count("level.advanced") == 2)
    await district.drained()
    yield district
    await district.close()


def target(tmp_path: Path, platform: AgsPlatform, **more: Any) -> str:
    (tmp_path / "tool.pem").write_text(platform.private_key())
    content = {
        "line_items": f"{platform.url}/line_items", "token_url": f"{platform.url}/token", "client_id": CLIENT,
        "key_file": "tool.pem", "source": SOURCE, "levels": [LEVEL_1], **more,
    }  # fmt: skip
    (tmp_path / "target.json").write_text(json.dumps(content))
    return str(tmp_path / "target.json")


async def test_standings_are_passed_back_once_through_faults_and_again(
    leveled: District, attain: Attain, platform: AgsPlatform, tmp_path: Path
) -> None:
    file = target(tmp_path, platform)
    platform.faults = ["busy", "lost", "none", "refuses"]

    dry = attain("passback", file, "--dry-run", tenant=leveled.tenant)
    first = attain("passback", file, tenant=leveled.tenant)
    second = attain("passback", file, tenant=leveled.tenant)
    third = attain("passback", file, tenant=leveled.tenant)

    assert (dry["posted"], dry["exit"], len(platform.line_items)) == (2, 0, 1)
    # The first is tried again after 503 and after the lost answer; the next is refused, which a later run makes good.
    assert (first["posted"], first["failed"], first["exit"]) == (1, 1, 1)
    assert (second["posted"], second["failed"], second["unchanged"], second["exit"]) == (1, 0, 1, 0)
    assert (third["posted"], third["unchanged"]) == (0, 2)
    assert platform.score_of(f"attain:{LEVEL_1}") == {"ada": 1, "bob": 1}
    [item] = platform.line_items.values()
    assert (item["resourceId"], item["scoreMaximum"]) == (f"attain:{LEVEL_1}", 1)
    assert len(platform.posted) == 3, "the answer that was lost is the only score that came twice"


async def test_a_score_that_was_passed_back_is_taken_back_with_what_it_stood_for(
    leveled: District, attain: Attain, platform: AgsPlatform, tmp_path: Path
) -> None:
    file = target(tmp_path, platform, levels=[LEVEL_1], competencies=["math:c0"])

    async def override(name: str, status: str) -> None:
        until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=3)
        body = {"learner": await leveled.learner(name), "competency": "math:c0", "status": status, "reason": "seen in class",
                "role": "teacher", "until": until.isoformat()}  # fmt: skip
        await leveled.post("progression", "/v1/overrides", body)

    policy = STREAK_3.replace(b"}}", b'}, "override": {"roles": ["teacher"], "may_lower": true}}')
    await leveled.post("progression", "/v1/policies?framework=math", policy)
    await leveled.drained()

    async def passed_back() -> dict[str, float]:
        await leveled.drained()
        attain("passback", file, tenant=leveled.tenant)
        return platform.score_of("attain:math:c0")

    await override("cy", "not_yet")
    held = await passed_back()
    await leveled.send(
        [{"id": "bob-gone", "source": SOURCE, "retracts": "bob-1", "occurred_at": "2026-03-09T10:00:00Z"}]
    )
    lost = await passed_back()
    await override("bob", "mastered")
    by_hand = await passed_back()
    again = attain("passback", file, tenant=leveled.tenant)

    assert held == {"ada": 1, "bob": 1}, "what a person holds back is not shown"
    assert lost == {"ada": 1, "bob": 0}
    assert by_hand == {"ada": 1, "bob": 1}
    assert again["posted"] == 0


async def test_what_a_merge_leaves_with_nobody_is_no_score_any_more(
    leveled: District, attain: Attain, platform: AgsPlatform, tmp_path: Path
) -> None:
    """Credit is of whom it was given to and is not merged: whoever is one with another has it there no more."""
    file = target(tmp_path, platform, levels=[], competencies=["math:c1"])
    platform_item = platform.add(
        {"resourceId": "attain:math:c1", "scoreMaximum": 1, "label": "math:c1", "tag": "attain"}
    )
    platform.take(platform_item["id"], {"userId": "a stranger", "scoreGiven": 1, "timestamp": "2026-03-01T10:00:00Z"})
    ada, cy = [await leveled.learner(name) for name in ("ada", "cy")]
    body = {"learner": ada, "competency": "math:c1", "basis": "transfer", "reason": "by the former school"}
    await leveled.post("progression", "/v1/credits", body)

    async def passed_back() -> dict[str, float]:
        await leveled.drained()
        assert attain("passback", file, tenant=leveled.tenant)["exit"] == 0
        return platform.score_of("attain:math:c1")

    credited = await passed_back()
    merge = await leveled.post("evidence", f"/v1/learners/{ada}/merge", {"into": cy, "reason": "the same"})
    merged = await passed_back()
    await leveled.post("evidence", f"/v1/merges/{merge['merge']}/undo", {})
    apart = await passed_back()
    await leveled.post(
        "progression", "/v1/frameworks", {"id": "math", "nodes": LEVELS.replace("c1,One,2,Number\n", "")}
    )
    dropped = await passed_back()

    assert credited == {"a stranger": 1, "ada": 1}
    assert merged == {"a stranger": 1, "ada": 0}
    assert apart == dropped == credited, "what the framework has no more stays on the record"
    assert "attain:math#Number/None" not in {each["resourceId"] for each in platform.line_items.values()}


async def test_own_passback_is_no_evidence_in_any_format(
    leveled: District, stack: Stack, attain: Attain, platform: AgsPlatform, tmp_path: Path
) -> None:
    attain(
        "passback",
        target(tmp_path, platform, also={LEVEL_1: ["assignment:77", "lineItem:li-77"]}),
        tenant=leveled.tenant,
    )
    [line_item] = platform.line_items
    entries = [
        {"id": id, "competencies": [{"competency": "math:c1"}]}
        for id in (line_item, "assignment:77", "lineItem:li-77", "assignment:78")
    ]
    await leveled.post("evidence", "/v1/alignments", entries)  # type: ignore[arg-type]
    score = {"userId": "ada", "scoreGiven": 1, "scoreMaximum": 1, "timestamp": "2026-03-05T10:00:00Z", "lineItem": line_item,
             "activityProgress": "Completed", "gradingProgress": "FullyGraded"}  # fmt: skip

    def grade(assignment: str) -> dict[str, Any]:
        return {
            "metadata": {"event_name": "grade_change", "event_time": "2026-03-05T10:00:00Z", "root_account_uuid": "r"},
            "body": {"submission_id": f"sub-{assignment}", "assignment_id": assignment, "student_id": "ada", "score": 1,
                     "points_possible": 1, "grader_id": None},
        }  # fmt: skip

    result = {
        "results": [{"sourcedId": "r1", "status": "active", "dateLastModified": "2026-03-05T10:00:00Z", "score": 1,
                     "lineItem": {"sourcedId": "li-77"}, "student": {"sourcedId": "ada"}, "scoreStatus": "fully graded",
                     "scoreDate": "2026-03-05"}],
        "lineItems": [{"sourcedId": "li-77", "resultValueMax": 1}],
    }  # fmt: skip
    answers = {}
    for form, message in (
        ("ags", score),
        ("canvas", grade("77")),
        ("oneroster", result),
        ("canvas-other", grade("78")),
    ):
        url = f"{stack.urls['evidence']}/v1/intake/{form.partition('-')[0]}"
        answer = await leveled.http.post(url, params={"source": SOURCE}, json=message)
        answers[form] = [(item["status"], item["reason"]) for item in answer.json()["items"]]
    await leveled.drained()
    mastery = await leveled.get("progression", f"/v1/learners/{await leveled.learner('ada')}/mastery")

    assert answers["ags"] == [("acknowledged", "own_passback")]
    assert answers["canvas"] == [("acknowledged", "own_passback")]
    assert answers["oneroster"] == [("acknowledged", "own_passback")]
    assert answers["canvas-other"] == [("accepted", None)], "another assignment's grade is evidence"
    counts = {item["competency"]: item["evidence_count"] for item in mastery["items"]}
    assert counts == {"math:c0": 3, "math:c1": 1}
