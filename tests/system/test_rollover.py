"""A school year begins: said first, asked about where it is much, and undone; mastery and decisions stay."""

import csv
from pathlib import Path
from typing import Any

from deploy.local.stack import Stack
from tests.system.conftest import Attain
from tests.system.district import SOURCE, District

LEVELS = "code,title,level,subject\nc0,Zero,1,Number\nc1,One,2,Number\n"


def write(folder: Path, **files: list[dict[str, str]]) -> str:
    folder.mkdir(exist_ok=True)
    for name, rows in files.items():
        with (folder / f"{name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    return str(folder)


async def members(district: District, class_id: str) -> set[str]:
    shown = await district.get("reporting", f"/v1/classes/{class_id}/mastery")
    return {one if isinstance(one, str) else one["learner"] for one in shown["learners"]}


async def test_a_new_year_ends_what_does_not_go_on_and_can_be_undone(
    stack: Stack, attain: Attain, tmp_path: Path
) -> None:
    district = await District(stack, "year").open(nodes=LEVELS)
    old = write(
        tmp_path / "old",
        classes=[{"class": "y-5a", "title": "Five A"}, {"class": "y-club", "title": "Club"}],
        staff=[{"class": "y-5a", "staff": "t-1"}],
        learners=[{"source_id": name, "source": SOURCE} for name in ("ada", "bob")],
        enrolments=[{"class": c, "learner": name} for c in ("y-5a", "y-club") for name in ("ada", "bob")],
    )
    new = write(
        tmp_path / "new",
        classes=[{"class": "y-6a", "title": "Six A"}, {"class": "y-club", "title": "Club"}],
        staff=[{"class": "y-6a", "staff": "t-2"}],
        learners=[{"source_id": "ada", "source": SOURCE}],
        enrolments=[{"class": "y-6a", "learner": "ada"}],
        placements=[{"learner": "ada", "level": "math#Number/2", "source": SOURCE, "reason": "moved up"}],
    )
    attain("roster", "import", old, tenant=district.tenant)
    await district.send([
        {"id": f"e{n}", "source": SOURCE, "learner": "bob", "competencies": ["math:c0"], "score": {"raw": 1, "max": 1},
         "occurred_at": f"2026-03-0{n + 1}T10:00:00Z"}
        for n in range(3)
    ])  # fmt: skip
    await district.drained()
    ada, bob = await district.learner("ada"), await district.learner("bob")
    url = f"{stack.urls['evidence']}/v1/roster/rollovers"
    unasked = await district.http.post(url, json={"session": "2026-27", "goes_on": ["y-club"]})

    would = attain("rollover", new, "--session", "2026-27", "--dry-run", tenant=district.tenant)
    await district.drained()
    before: dict[str, Any] = {"5a": await members(district, "y-5a")}
    open_still = attain("term", "list", tenant=district.tenant)["items"]
    refused = attain("rollover", new, "--session", "2026-27", tenant=district.tenant)
    did = attain("rollover", new, "--session", "2026-27", "--yes", tenant=district.tenant)
    twice = attain("rollover", new, "--session", "2026-27", "--yes", tenant=district.tenant)
    await district.until(lambda told: "level.placed_with_gaps" in told)
    await district.drained()
    after = {name: await members(district, f"y-{name}") for name in ("5a", "6a", "club")}
    mastery = await district.get("progression", f"/v1/learners/{bob}/mastery")
    frozen = await district.get("reporting", f"/v1/terms/2025-26/learners/{bob}")
    of_class = await district.get("reporting", "/v1/terms/2025-26/classes/y-5a")
    undone = attain("rollover", "--session", "2026-27", "--undo", tenant=district.tenant)
    await district.drained()

    assert (unasked.status_code, unasked.json()["reason"], unasked.json()["share"]) == (409, "large_change", 0.5)
    assert (would["enrolments"], would["of_enrolments"], would["staff"], would["classes"], would["done"]) == (
        2,
        4,
        1,
        1,
        False,
    )
    assert (would["ends"], open_still) == ({"term": "2025-26", "closed_at": None}, [])
    assert refused["exit"] != 0, "a term is not closed unasked"
    assert before == {"5a": {ada, bob}}
    assert did["ends"] == {"term": "2025-26", "closed_at": frozen["closed_at"]}
    assert set(of_class["mastery"]["learners"]) == {ada, bob}, "the class has ended, its closed term not"
    assert [(item["competency"], item["status"]) for item in frozen["items"]] == [("math:c0", "mastered")]
    assert (did["enrolments"], did["staff"], did["done"], did["placements"]) == (2, 1, True, 1)
    assert twice["exit"] == 1
    assert "has begun already" in twice["error"]
    assert after == {"5a": set(), "6a": {ada}, "club": {ada, bob}}
    assert [item["status"] for item in mastery["items"]] == ["mastered"], "what is shown goes with the learner"
    assert (undone["enrolments"], undone["staff"]) == (2, 1)
    assert await members(district, "y-5a") == {ada, bob}
    await district.close()


async def test_a_year_does_not_begin_where_a_file_could_not_be_taken_whole(
    stack: Stack, attain: Attain, tmp_path: Path
) -> None:
    """It begins once only, so what was not sent would have to be sent by hand."""
    district = await District(stack, "half").open(nodes=LEVELS)
    learner = [{"source_id": "ada", "source": SOURCE}]
    old = write(tmp_path / "old", classes=[{"class": "h-5a", "title": "5A"}], learners=learner,
                enrolments=[{"class": "h-5a", "learner": "ada"}])  # fmt: skip
    # The source of a learner is that of the roster, as it is for enrolments.
    right = {"classes": [{"class": "h-6a", "title": "6A"}], "learners": learner,
             "placements": [{"learner": "ada", "level": "math#Number/2"}]}  # fmt: skip
    faults = {
        "row 1: there is no learner 'nobody' of source": {
            "placements": [{"learner": "nobody", "level": "math#Number/2"}]
        },
        "row 1: no framework has the level 'math#Number/3'": {
            "placements": [{"learner": "ada", "level": "math#Number/3"}]
        },
        "the roster would be refused": {"learners": [{"source_id": "ada" * 99, "source": SOURCE}]},
    }

    def begun(**files: list[dict[str, str]]) -> dict[str, Any]:
        folder = write(tmp_path / "new", **files)
        return attain("rollover", folder, "--session", "2026-27", "--ends", "", "--yes", tenant=district.tenant)

    attain("roster", "import", old, tenant=district.tenant)
    tried = {said: begun(**right | fault) for said, fault in faults.items()}
    done = begun(**right)
    await district.close()

    assert [said for said, answer in tried.items() if answer["exit"] != 1 or said not in answer["error"]] == []
    assert (done["enrolments"], done["placements"]) == (1, 1)
