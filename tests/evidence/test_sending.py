"""The examples of docs/sending.md, sent as they stand."""

import csv
import json
import re
from pathlib import Path
from typing import Any

from services.evidence.formats.alignments import read_csv
from shared.topics import SUBMITTED
from tests.evidence.running import Running
from tests.support.waiting import until

PAGE = (Path(__file__).parents[2] / "docs/sending.md").read_text(encoding="utf-8")
SOURCE = "https://lms.example.edu"
HEADERS = {"X-Experience-API-Version": "1.0.3"}


def examples() -> list[tuple[str, dict[str, Any]]]:
    """Return each JSON example of the page with the route that its section names."""
    found = []
    for section in PAGE.split("\n## ")[1:]:
        route = re.search(r"`POST (/[^`]+)`", section)
        for block in re.findall(r"```json\n(.*?)```", section, re.DOTALL):
            assert route is not None, section
            found.append((route.group(1).replace("LINE_ITEM", "li-7"), json.loads(block)))
    return found


def alignment() -> str:
    """Return the alignment of the page."""
    [block] = re.findall(r"```csv\n(.*?)```", PAGE, re.DOTALL)
    return str(block)


async def test_every_example_is_taken_and_counts_by_the_alignment_of_the_page(service: Running) -> None:
    await service.publish_framework("math", "add")
    await service.client("policy:write").post(
        "/v1/alignments", content=alignment(), headers={"Content-Type": "text/csv"}
    )
    sender = service.client("evidence:write", source=SOURCE)
    for route, example in examples():
        answer = await sender.post(route, json=example, headers=HEADERS)

        assert answer.status_code == (200 if route.startswith("/xapi") else 201), (route, answer.text)
        again = await sender.post(route, json=example, headers=HEADERS)
        assert again.status_code == 200, (route, again.text)
    told = [event["data"] for event in await service.feed() if event["data"].get("source") == SOURCE]

    assert len(examples()) == 8
    assert [data["competencies"] for data in told if "score" in data and data.get("relation") != "retracts"] == [
        ["math:add"]
    ] * 7
    assert {entry.id for entry in read_csv(alignment())} == {
        row["id"] for row in csv.DictReader(alignment().splitlines())
    }


async def test_the_producer_of_the_page_sends_to_kafka(service: Running) -> None:
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    [piece] = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)[:1]]
    topic = SUBMITTED.name(service.config.topic_suffix)
    await names["send"](service.config.kafka, topic, "by-kafka", [piece])

    asking = service.client("admin records:read", tenant="by-kafka")

    async def parked() -> bool:
        return bool((await asking.get("/v1/quarantine", params={"status": "parked"})).json()["items"])

    assert await until(parked)
