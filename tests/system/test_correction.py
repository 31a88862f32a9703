"""The correction drill on the running stack: dry run, then the same for real, verified."""

import base64
import datetime
import gzip
import json
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest

from deploy.local.stack import Stack
from tests.system.conftest import Attain
from tests.system.district import SOURCE, ZERO, District, Item
from tests.system.drill import FAULTY, Drill, Learner


async def badges_of(district: District, name: str) -> dict[str, Item]:
    """Return a learner's signed record, by "", and the badges in it by what they are of."""
    record = await district.get("reporting", f"/v1/learners/{await district.learner(name)}/credential")
    badges = record["credentialSubject"]["verifiableCredential"]
    return {"": record} | {scope_of(badge["credentialSubject"]["achievement"]["id"]): badge for badge in badges}


def scope_of(achievement: str) -> str:
    return unquote(achievement.removeprefix("urn:attain:scope:"))


def revoked(signed: Item) -> bool:
    """Tell whether a signed record or badge is revoked, as anybody can see."""
    status = signed["credentialStatus"]
    document = httpx.get(status["statusListCredential"], trust_env=False).raise_for_status().json()
    text = document["credentialSubject"]["encodedList"][1:]
    bits = gzip.decompress(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    index = int(status["statusListIndex"])
    return bool(bits[index // 8] & 0x80 >> index % 8)


@pytest.mark.parametrize("learners", [400, pytest.param(10_000, marks=[pytest.mark.long, pytest.mark.timeout(600)])])
async def test_the_report_of_a_drill_equals_what_then_happens(
    stack: Stack, attain: Attain, tmp_path: Path, learners: int
):
    """Of levels advanced by themselves, signed off, and waiting for it; l1 and l3 lose what a level stands on, l2 nothing."""
    drill = await Drill(stack, "drill", learners).open()
    district, foreseen = drill.district, drill.report()
    position = await district.position()
    badges = {name: await badges_of(district, name) for name in ("l1", "l2", "l3")}
    file = tmp_path / "l1.json"
    written = attain("learner", SOURCE, "l1", "--credential", str(file), "--transcript", str(tmp_path / "t.pdf"),
                     tenant=district.tenant)  # fmt: skip
    said = attain("correct", "--source", SOURCE, "--activity", FAULTY, tenant=district.tenant)
    whole = attain("correct", "--source", SOURCE, tenant=district.tenant)
    then = datetime.datetime.now(datetime.UTC).isoformat()
    unchanged = await district.advancements(position)
    done = attain("correct", "--source", SOURCE, "--activity", FAULTY, "--apply", tenant=district.tenant)
    await district.drained()
    told = await district.advancements(position)
    again = attain("correct", "--source", SOURCE, "--activity", FAULTY, "--apply", tenant=district.tenant)
    was, now = (
        attain("learner", SOURCE, "l1", *when, tenant=district.tenant)["items"] for when in (("--as-of", then), ())
    )
    tables = attain("export", "tables", str(tmp_path / "tables"), tenant=district.tenant)
    gone = {name: {what for what, badge in held.items() if revoked(badge)} for name, held in badges.items()}
    shown, standings = district.shown(), await drill.standings()
    verified = await district.verify()

    assert unchanged == []
    assert {name: said[name] for name in foreseen} == {name: done[name] for name in foreseen} == foreseen
    assert (whole["pieces"], whole["applied"]) == (sum(len(each.faulty) for each in drill.learners.values()), False)
    assert drill.told(told) == drill.consequences()
    assert all(each["data"]["after"] == "review_required" for each in told if "review" in each["type"])
    assert {name: standings[name, each.level] for name, each in drill.learners.items()} == {
        name: each.standing for name, each in drill.learners.items()
    }
    assert {(name, code): state[0] for (_, name, code), state in shown.items()} == {
        (name, code): each.status for name, each in drill.learners.items() for code in each.competencies
    }
    assert done["sent"]["corrected"] + done["sent"]["accepted"] == said["pieces"]
    assert (again["pieces"], again["events"]) == (0, {})
    assert {drill.names[each["learner"]] for each in said["credentials"]} == {"l1", "l3"}
    assert gone == {"l1": {"", "math:c1"}, "l2": set(), "l3": {"", "math:c2", "math:c3"}}, "of a level that stays none"
    assert revoked(json.loads(file.read_text()))
    assert drill.names[written["learner"]] == "l1"
    assert (tmp_path / "t.pdf").read_bytes().startswith(b"%PDF-")
    assert [item["status"] for item in was] == ["mastered"]
    assert [item["status"] for item in now] != ["mastered"]
    assert tables["rows"]["mastery"] == len(shown)
    assert len((tmp_path / "tables" / "mastery.csv").read_text().splitlines()) == len(shown) + 1
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
    await district.send([item for number in range(2) for item in Learner(number).work()])
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
