"""A CASE package on the running stack: imported, mastered, shown, put on levels, succeeded by a version without a standard."""

import csv
import json
from pathlib import Path
from typing import Any

from deploy.local.stack import Stack
from tests.progression.curriculum.builders import case_edge, case_item, package
from tests.support.shared_data import shared_file
from tests.system.conftest import Attain
from tests.system.district import ZERO, District, right

ITEMS = [
    case_item("d", "MATH", fullStatement="Mathematics"), case_item("k1", "K.1", educationLevel=["KG"]),
    case_item("k2", "K.2", educationLevel=["KG"]), case_item("g1", "1.1", educationLevel=["01"]),
]  # fmt: skip
EDGES = [
    case_edge("d", "isChildOf", "doc"), *(case_edge(child, "isChildOf", "d") for child in ("k1", "k2", "g1")),
    case_edge("k1", "precedes", "g1"), case_edge("k2", "precedes", "k2"), case_edge("k2", "precedes", "nowhere"),
]  # fmt: skip


async def test_a_case_package_is_seen_in_reporting_and_a_retired_standard_waits(
    stack: Stack, attain: Attain, tmp_path: Path
):
    district = await District(stack, "case").open()

    def imported(content: bytes, *options: str) -> dict[str, Any]:
        (tmp_path / "package.json").write_bytes(content)
        return attain("framework", "import", str(tmp_path / "package.json"), "--id", "std", "--format", "case",
                      "--prerequisites", "precedes", *options, tenant=district.tenant)  # fmt: skip

    first = imported(package(ITEMS, EDGES, subject=["Maths"]))
    sent = await district.send([right("ada", n, "std:K.1") for n in range(3)])
    await district.drained()
    ada = await district.learner("ada")
    record = await district.get("reporting", f"/v1/learners/{ada}/record")
    frontier = await district.get("progression", f"/v1/learners/{ada}/frontier")
    (tmp_path / "credits.csv").write_text("level,code,value\nMATH,MATH-1,0.5\n")
    levels = attain("framework", "levels", "std", "--by", "domain", "--credits", str(tmp_path / "credits.csv"),
                    tenant=district.tenant)  # fmt: skip
    versions = (await district.get("progression", "/v1/frameworks?versions=all"))["items"]
    second = imported(package(ITEMS[:2] + ITEMS[3:], EDGES[:2] + EDGES[3:5]))
    [parked] = await district.send([right("ada", competency="std:K.2")])
    verified = await district.verify()

    assert first["problems"] == [
        "/CFAssociations/5: precedes from k2 to itself, left out",
        "/CFAssociations/6: precedes, and no item is nowhere, left out",
    ]
    assert [first[name] for name in ("competencies", "associations", "prerequisites")] == [4, 5, 1]
    assert {item["status"] for item in sent} == {"accepted"}
    assert [(i["title"], i["subject"], i["level"], i["status"]) for i in record["items"]] == [
        ("Can do k1", "Maths", "K", "mastered")
    ]
    assert [(step["competency"], step["level"]) for step in record["next"]] == [("std:K.2", "K"), ("std:1.1", "1")]
    ready = [(each["competency"], each["prerequisites"]) for each in frontier["ready"]]
    assert [each for each in ready if each[0].startswith("std:")] == [("std:K.2", []), ("std:1.1", ["std:K.1"])]
    assert frontier["review_first"] == ["std:K.1"]
    assert levels["levels"] == {"std#Maths/MATH": 3}
    assert [each["credits"] for each in versions if "credits" in each] == [
        {"std#Maths/MATH": {"code": "MATH-1", "value": 0.5}}
    ]
    assert levels["version"] != first["version"] != second["version"]
    assert second["migration"]["retired_codes"] == ["std:K.2"]
    assert (parked["status"], parked["reason"], parked["pointer"]) == (
        "parked",
        "retired_competency",
        "/competencies/0",
    )
    assert parked["detail"] == "std:K.2 is retired: the framework version in force does not have it"
    assert [verified[name] for name in ZERO] == [0] * len(ZERO)
    await district.close()


async def test_the_map_of_mathematics_standards_opens_eight_after_kindergarten(
    stack: Stack, attain: Attain, tmp_path: Path
):
    folder = "data/frameworks/coherence_map"
    with shared_file(f"{folder}/standards.csv").open() as file:
        standards = list(csv.DictReader(file))
    with shared_file(f"{folder}/prerequisite_edges.csv").open() as file:
        edges = [(row["from_code"], row["to_code"]) for row in csv.DictReader(file)]
    with (tmp_path / "nodes.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [("code", "title", "level"), *((s["code"], s["statement"], s["grade"]) for s in standards)]
        )
    with (tmp_path / "edges.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("from", "to"), *edges])
    district = await District(stack, "map").open()
    result = attain("framework", "import", str(tmp_path / "nodes.csv"), "--id", "ccss", "--format", "csv",
                    tenant=district.tenant)  # fmt: skip
    found = {}
    for grades in ("K", "K1", "K12"):
        codes = [s["code"] for s in standards if s["grade"] in set(grades)]
        await district.send([right(grades, n, f"ccss:{code}") for code in codes for n in range(3)])
        await district.drained()
        frontier = await district.get("progression", f"/v1/learners/{await district.learner(grades)}/frontier")
        found[grades] = sum(bool(each["prerequisites"]) for each in frontier["ready"])

    assert [result[name] for name in ("competencies", "prerequisites", "problems")] == [480, 757, []]
    assert found == {"K": 8, "K1": 10, "K12": 9}
    await district.close()


async def test_real_packages_are_imported_by_command_with_their_counts(stack: Stack, attain: Attain):
    district = await District(stack, "real").open()
    folder = shared_file("data/frameworks/opensalt")
    for name in ("Ordering", "SmartLevelFramework", "Utf8TestFramework", "EmptyExternalFramework"):
        held = json.loads((folder / f"{name}.json").read_bytes())
        result = attain("framework", "import", str(folder / f"{name}.json"), "--id", name, "--format", "case",
                        tenant=district.tenant)  # fmt: skip

        assert (result["exit"], result["competencies"]) == (0, len(held["CFItems"]))
        assert result["associations"] == len(held["CFAssociations"])
    mock = shared_file("data/frameworks/sbac/mockELAPackage.json.gz")
    result = attain("framework", "import", str(mock), "--id", "sbac", "--format", "case", tenant=district.tenant)

    assert (result["exit"], result["competencies"]) == (0, 646)
    await district.close()
