"""The ledger of erasures: on the disk before anything is erased, and applied again to what a restore brings back."""

import asyncio
import json
from pathlib import Path

from services.evidence.handlers.ledger import Erasure, Ledger
from tests.evidence.builders import SOURCE, item
from tests.evidence.running import Running, running_service
from tests.support.producer import free_port


def entry(learner: str) -> Erasure:
    return Erasure("demo", learner, f"certificate of {learner}", "2026-03-04T10:15:00.000000Z", "registrar")


async def test_lines_of_several_writers_are_whole_and_a_cut_off_one_names_nobody(tmp_path: Path) -> None:
    file = tmp_path / "erasures.ndjson"
    one, other = Ledger(file), Ledger(file)
    await asyncio.gather(*(ledger.add(entry(f"l{n}")) for n, ledger in enumerate([one, other] * 20)))
    await one.add(entry("l0"))
    with file.open("ab") as cut_off:
        cut_off.write(b'{"tenant":"demo","learner":"l99"')

    assert {found.learner for found in await one.entries()} == {f"l{n}" for n in range(40)}
    assert len(await other.entries()) == 40
    assert file.stat().st_mode & 0o777 == 0o600


async def test_without_a_file_nothing_is_kept() -> None:
    ledger = Ledger(None)
    await ledger.add(entry("l1"))
    assert (await ledger.entries(), ledger.is_kept) == ([], False)


async def test_who_a_restore_brings_back_is_erased_again_before_anything_is_served(
    service: Running, tmp_path: Path
) -> None:
    """The database is as of before the erasure, which only the ledger remembers."""
    await service.publish_framework("r", "1")
    await service.submit(
        item("r1", learner="rae", competencies=["r:1"]), item("s1", learner="sam", competencies=["r:1"])
    )
    client = service.client()
    rae, sam = [
        (await client.get("/v1/learners", params={"source": SOURCE, "source_id": name})).json()["learner"]
        for name in ("rae", "sam")
    ]
    ledger = tmp_path / "erasures.ndjson"
    await Ledger(ledger).add(entry(rae))
    config = service.config.model_copy(update={"port": free_port(), "erasure_ledger": ledger})

    async with running_service(config, install=False) as restored:
        shown = [(await restored.client().get(f"/v1/learners/{learner}")).status_code for learner in (rae, sam)]
        [again] = await restored.submit(item("r1", learner="rae", competencies=["r:1"]))
        listed = (await restored.client("service").get("/v1/erasures")).json()
        erased = (await restored.client().delete(f"/v1/learners/{sam}")).json()
    async with running_service(config, install=False) as once_more:
        told = [event for event in await once_more.feed() if event["type"] == "attain.evidence.learner_erased.v1"]

    assert shown == [404, 200]
    assert again["reason"] == "erased"
    assert [(one["learner"], one["by"]) for one in listed if one["learner"] == rae] == [(rae, "registrar")]
    assert erased["in_ledger"] is True
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert [line["learner"] for line in lines] == [rae, sam]
    assert sorted(event["subject"] for event in told) == sorted([rae, sam]), "each is told once"
