"""What comes in by other formats and is aligned: sent until it is answered, and found recorded once."""

import asyncio
from collections.abc import Mapping

from shared.contracts.handed_in import UNGRADED
from tests.faults.stimuli import SOURCE, Side
from tests.faults.target import ANSWERS_S_MAX


async def send_grade(side: Side) -> None:
    """A grade of Canvas, which a later one would revise."""
    number = await _aligned(side, "assignment:")
    body = {"submission_id": number, "student_id": "5", "score": 3, "points_possible": 4, "assignment_id": number}
    metadata = {"event_name": "grade_change", "event_time": "2026-03-05T10:00:00Z", "root_account_uuid": number}
    await _send(side, "canvas", {"metadata": metadata, "body": body})
    await _recorded(side, f'"activity":"assignment:{number}"', 1)


async def hand_in(side: Side) -> None:
    """Work that waits for a grade, and its grade: each is told once, however often it is said."""
    line = await _aligned(side, "line-")
    said = {"userId": f"handed-{line}", "lineItem": f"line-{line}", "activityProgress": "Completed"}
    waits = said | {"timestamp": "2026-03-05T10:00:00Z", "gradingProgress": "PendingManual"}
    graded = said | {"timestamp": "2026-03-06T10:00:00Z", "gradingProgress": "FullyGraded"}
    for message, told in ((waits, [True]), (graded | {"scoreGiven": 3, "scoreMaximum": 4}, [True, False])):
        answer = await side.ask("POST", "evidence", "/v1/intake/ags", params={"source": SOURCE}, json=message)
        assert answer.is_success, answer.text
        async with asyncio.timeout(ANSWERS_S_MAX):
            while len(found := await _waits(side, f"line-{line}")) < len(told):
                await asyncio.sleep(0.1)
        assert found == told


async def align_anew(side: Side) -> None:
    """A piece by the alignment of its activity, and another alignment after it: it is recorded anew, once."""
    id = await _aligned(side, "quiz-")
    piece = {
        "id": id, "source": SOURCE, "learner": "ada", "activity": {"id": f"quiz-{id}"}, "score": {"raw": 3, "max": 4},
        "occurred_at": "2026-03-04T10:15:00Z",
    }  # fmt: skip
    (await side.ask("POST", "evidence", "/v1/evidence", json=piece)).raise_for_status()
    await _recorded(side, f'"id":"{id}"', 1)
    await _align(side, f"quiz-{id}", await side.new_framework())
    await _recorded(side, f'"id":"{id}"', 2)


async def _waits(side: Side, activity: str) -> list[bool]:
    """Return what the evidence log tells of handed-in work: whether it waits for a grade, each time that is told."""
    events = [event for event in await side.events("evidence", "evidence") if event["type"] == UNGRADED]
    return [event["data"]["waits"] for event in events if event["data"]["activity"] == activity]


async def _aligned(side: Side, prefix: str) -> str:
    """Align a new activity, whose id is a prefix and what this returns, to a new competency."""
    framework = await side.new_framework()
    await _align(side, prefix + framework, framework)
    return framework


async def _align(side: Side, activity: str, framework: str) -> None:
    entry = {"id": activity, "source": "", "competencies": [{"competency": f"{framework}:c0"}]}
    (await side.ask("POST", "evidence", "/v1/alignments", json=entry)).raise_for_status()


async def _send(side: Side, form: str, message: Mapping[str, object]) -> None:
    answer = await side.ask("POST", "evidence", f"/v1/intake/{form}", params={"source": SOURCE}, json=message)
    answer.raise_for_status()
    [item] = answer.json()["items"]
    # Where the first answer was lost, or the competency is not known yet.
    assert item["status"] in ("accepted", "duplicate", "parked"), item


async def _recorded(side: Side, text: str, times: int) -> None:
    """Wait until the evidence log has a text so often, and see that it stays so."""
    async with asyncio.timeout(ANSWERS_S_MAX):
        while await side.recorded(text) < times:
            await asyncio.sleep(0.2)
    await asyncio.sleep(0.5)
    assert await side.recorded(text) == times
