"""The correction drill on the running stack: dry run, then the same for real, verified."""

import base64
import datetime
import gzip
import json
from collections import Counter
from pathlib import Path

import httpx
import pytest

from deploy.local.stack import Stack
from tests.system.conftest import Attain
from tests.system.district import SOURCE, ZERO, District, Item


def work(number: int) -> list[Item]:
    """Three right answers; of every second learner one is of the faulty quiz, of every tenth all are."""
    return [
        {
            "id": f"l{number}-{n}", "source": SOURCE, "learner": f"l{number}", "competencies": ["math:c1"],
            "activity": {"id": "faulty" if number % 10 == 0 or (n == 2 and number % 2) else f"quiz-{n}"},
            "score": {"raw": 1, "max": 1}, "occurred_at": f"2026-03-02T10:0{n}:00Z",
        }
        for n in range(3)
    ]  # fmt: skip


def revoked(file: Path) -> bool:
    """Tell whether a signed record is revoked, as anybody can see."""
    status = json.loads(file.read_text())["credentialStatus"]
    document = httpx.get(status["statusListCredential"], trust_env=False).raise_for_status().json()
    text = document["credentialSubject"]["encodedList"][1:]
    bits = gzip.decompress(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    index = int(status["statusListIndex"])
    return bool(bits[index // 8] & 0x80 >> index % 8)


@pytest.mark.parametrize("learners", [400, pytest.param(10_000, marks=[pytest.mark.long, pytest.mark.timeout(600)])])
async def test_the_report_of_a_drill_equals_what_then_happens(
    stack: Stack, attain: Attain, tmp_path: Path, learners: int
):
    district = await District(stack, "drill").open()
    items = [item for number in range(learners) for item in work(number)]
    for start in range(0, len(items), 5000):
        await district.send(items[start : start + 5000])
    await district.drained()
    before = await district.advancements()
    files = {number: tmp_path / f"l{number}.json" for number in (1, 2)}
    written = {
        number: attain("learner", SOURCE, f"l{number}", "--credential", str(file), "--transcript",
                       str(tmp_path / "t.pdf"), tenant=district.tenant)
        for number, file in files.items()
    }  # fmt: skip
    said = attain("correct", "--source", SOURCE, "--activity", "faulty", tenant=district.tenant)
    whole = attain("correct", "--source", SOURCE, tenant=district.tenant)
    then = datetime.datetime.now(datetime.UTC).isoformat()
    unchanged = await district.advancements()
    done = attain("correct", "--source", SOURCE, "--activity", "faulty", "--apply", tenant=district.tenant)
    await district.drained()
    known = {event["id"] for event in before}
    told = Counter(event["type"] for event in await district.advancements() if event["id"] not in known)
    again = attain("correct", "--source", SOURCE, "--activity", "faulty", "--apply", tenant=district.tenant)
    was, now = (
        attain("learner", SOURCE, "l1", *when, tenant=district.tenant)["items"] for when in (("--as-of", then), ())
    )
    tables = attain("export", "tables", str(tmp_path / "tables"), tenant=district.tenant)
    gone = {number: revoked(file) for number, file in files.items()}
    statuses = Counter(state[0] for state in district.shown().values())
    verified = await district.verify()

    assert unchanged == before
    assert {name: said[name] for name in ("pieces", "learners", "events")} == {
        name: done[name] for name in ("pieces", "learners", "events")
    }
    assert (whole["pieces"], whole["applied"]) == (3 * learners, False)
    assert said["pieces"] == learners // 2 + 3 * learners // 10
    assert said["events"] == dict(told) == {"attain.competency.withdrawn.v1": learners * 6 // 10}
    assert done["sent"]["corrected"] + done["sent"]["accepted"] == said["pieces"]
    assert (again["pieces"], again["events"]) == (0, {})
    assert {each["learner"] for each in said["credentials"]} == {written[1]["learner"]}
    assert sorted(each["whole_record"] for each in said["credentials"]) == [False, True]
    assert gone == {1: True, 2: False}
    assert (tmp_path / "t.pdf").read_bytes().startswith(b"%PDF-")
    assert [item["status"] for item in was] == ["mastered"]
    assert [item["status"] for item in now] != ["mastered"]
    assert tables["rows"]["mastery"] == learners
    assert len((tmp_path / "tables" / "mastery.csv").read_text().splitlines()) == learners + 1
    assert statuses["no_evidence"] == learners // 10
    assert [verified[name] for name in ZERO] == [0] * len(ZERO), verified["examples"]
    await district.close()


async def test_what_a_piece_had_superseded_comes_back_only_where_that_is_foreseen(stack: Stack, attain: Attain):
    """A faulty test of which each result was corrected: taken back as a test both versions go, as an item one of them."""
    district = await District(stack, "superseded").open()
    right, wrong = {"raw": 1, "max": 1}, {"raw": 0, "max": 1}
    items: list[Item] = [
        {
            "id": f"l{number}-{n}", "source": SOURCE, "learner": f"l{number}", "competencies": ["math:c1"],
            "activity": {"id": "faulty" if n == 2 else f"quiz-{n}"}, "score": right,
            "occurred_at": f"2026-03-02T10:0{n}:00Z",
        }
        for number in range(4)
        for n in range(3)
    ]  # fmt: skip
    await district.send(items)
    await district.send(
        [one | {"id": f"{one['id']}-b", "supersedes": one["id"], "score": wrong} for one in items[2::3]]
    )
    await district.drained()

    async def take_back(*which: str) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
        known = {event["id"] for event in await district.advancements()}
        done = attain("correct", "--source", SOURCE, *which, "--apply", tenant=district.tenant)
        await district.drained()
        told = Counter(event["type"] for event in await district.advancements() if event["id"] not in known)
        return done["events"], dict(told), done["sent"]

    item_said, item_told, _ = await take_back("--item", "l0-2-b")
    said, told, sent = await take_back("--activity", "faulty")
    _, told_again, sent_again = await take_back("--activity", "faulty")
    counts = Counter(state[2] for state in district.shown().values())
    verified = await district.verify()

    assert item_said == item_told == {"attain.competency.reinstated.v1": 1}
    assert said == told == {"attain.competency.withdrawn.v1": 1}
    assert sent["corrected"] == 7, "four that count, and three that these had superseded"
    assert (told_again, sum(sent_again.values())) == ({}, 0)
    assert counts == {2: 4}, "of each the two of other quizzes"
    assert [verified[name] for name in ZERO] == [0] * len(ZERO), verified["examples"]
    await district.close()


async def test_new_scores_supersede_and_what_is_foreseen_is_what_happens(stack: Stack, attain: Attain, tmp_path: Path):
    """
    A wrong key: forty have a wrong answer that was right, and are now shown; ten the other way round. What equals the
    competency is credited and taken back with it.
    """
    district = await District(stack, "rescored").open(edges="from,to,type\nc1,c5,exactMatchOf\n")
    right = {"raw": 1, "max": 1}
    items = [
        {
            "id": f"l{number}-{n}", "source": SOURCE, "learner": f"l{number}", "competencies": ["math:c1"],
            "activity": {"id": f"quiz-{n}", "name": "Fractions"}, "accommodations": ["extra_time"],
            "score": right if n != 1 or number >= 40 else {"raw": 0, "max": 1}, "occurred_at": f"2026-03-02T10:0{n}:00Z",
        }
        for number in range(50)
        for n in range(3)
    ]  # fmt: skip
    await district.send(items)
    await district.drained()
    before = {event["id"] for event in await district.advancements()}
    file = tmp_path / "scores.csv"
    rows = [f"l{number}-1,{1 if number < 40 else 0},1" for number in range(50)]
    file.write_text("\n".join(["id,raw,max", *rows]) + "\n")
    said = attain("correct", "--source", SOURCE, "--scores", str(file), tenant=district.tenant)
    done = attain("correct", "--source", SOURCE, "--scores", str(file), "--apply", tenant=district.tenant)
    await district.drained()
    told = Counter(event["type"] for event in await district.advancements() if event["id"] not in before)
    again = attain("correct", "--source", SOURCE, "--scores", str(file), "--apply", tenant=district.tenant)
    now = Counter(state[0] for state in district.shown().values())
    learner = await district.learner("l0")
    explained = await district.get("progression", f"/v1/learners/{learner}/competencies/math:c1/explanation")
    new = next(each for each in explained["evidence"] if each["counted"] and each["value"] == 1.0
               and each["occurred_at"].startswith("2026-03-02T10:01"))  # fmt: skip
    content = (await district.get("evidence", f"/v1/evidence/{new['evidence_id']}"))["content"]
    verified = await district.verify()

    assert (said["pieces"], said["learners"], said["applied"]) == (50, 50, False)
    assert said["events"] == done["events"] == dict(told)
    assert told == {
        "attain.competency.mastered.v1": 40, "attain.competency.credited.v1": 40, "attain.competency.withdrawn.v1": 20,
    }  # fmt: skip
    moved = {(row["from"], row["to"]): row["pairs"] for row in said["statuses"]}
    assert moved == {("not_yet", "mastered"): 40, ("no_evidence", "credited"): 40, ("mastered", "not_yet"): 10,
                     ("credited", "no_evidence"): 10}  # fmt: skip
    assert now == {"mastered": 40, "credited": 40, "not_yet": 10, "no_evidence": 10}
    assert done["sent"]["corrected"] == 50
    assert (again["pieces"], again["events"]) == (0, {})
    assert (content["accommodations"], content["activity"], content["activity_name"]) == (
        ["extra_time"],
        "quiz-1",
        "Fractions",
    )
    assert [verified[name] for name in ZERO] == [0] * len(ZERO), verified["examples"]
    await district.close()


async def test_what_corrections_are_foreseen_to_do_is_as_the_document_describes_it(stack: Stack):
    district = await District(stack, "foreseen").open()
    await district.send([item for number in range(2) for item in work(number)])
    await district.drained()
    one, other = [await district.learner(f"l{number}") for number in range(2)]
    piece = {"source": SOURCE, "id": "l0-0"}
    path = f"/v1/learners/{one}/corrections/preview"

    back = await district.post("progression", "/v1/corrections/preview", {"source": SOURCE, "activity": "faulty"})
    scores = {"source": SOURCE, "scores": [{"id": "l0-0", "raw": 0, "max": 1}]}
    anew = await district.post("progression", "/v1/corrections/preview", scores)
    away = await district.post("progression", path, piece)
    moved = await district.post("progression", path, piece | {"to": other})
    again = await district.post("progression", f"/v1/learners/{one}/redrive", {})

    assert (back["pieces"], back["learners"]) == (4, 2)
    assert anew["items"][0]["score"]["raw"] == 0
    assert moved["to"]["pieces"] == moved["pieces"] == away["pieces"]
    assert len(again["positions"]) == 1
    await district.close()
