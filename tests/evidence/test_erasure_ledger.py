"""The ledger of erasures: on the disk before anything is erased, and applied again to what a restore brings back."""

import asyncio
import contextlib
import json
import resource
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncpg
import msgspec
import pytest

from services.evidence.handlers.ledger import NOBODY, OF_MAX, Erasure, Ledger
from services.evidence.tables.people import LEARNERS_LOCK
from tests.evidence.builders import SOURCE, item
from tests.evidence.running import Running, running_service
from tests.support.producer import free_port
from tests.support.servers import Servers, migrated_database, new_database
from tests.support.waiting import until

WREN = f"{SOURCE}|wren"
"""An id as xAPI makes it of an account."""


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


async def test_a_line_that_a_full_disk_cuts_off_is_told_and_takes_none_with_it(tmp_path: Path) -> None:
    file = tmp_path / "erasures.ndjson"
    ledger = Ledger(file)
    await ledger.add(entry("l1"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 20, hard))
    try:
        with pytest.raises(OSError, match="cut off"):
            await ledger.add(entry("l2"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await ledger.add(entry("l3"))

    assert [found.learner for found in await ledger.entries()] == ["l1", "l3"]


async def test_a_line_that_was_cut_off_makes_way_and_nothing_else_does(tmp_path: Path) -> None:
    """A cut-off line names nobody; whatever else a file ends in may be someone's, who has named the wrong one."""
    ledger, other = tmp_path / "erasures.ndjson", tmp_path / "token.key"
    await Ledger(ledger).add(entry("l1"))
    with ledger.open("ab") as cut_off:
        cut_off.write(b'{"tena')
    await Ledger(ledger).add(entry("l2"))
    other.write_text("0123456789abcdef")
    with pytest.raises(OSError, match="no line of a ledger"):
        await Ledger(other).add(entry("l2"))

    assert [json.loads(line)["learner"] for line in ledger.read_text().splitlines()] == ["l1", "l2"]
    assert other.read_text() == "0123456789abcdef"


async def test_a_line_in_between_that_cannot_be_read_is_not_passed_over(tmp_path: Path) -> None:
    ledger = tmp_path / "erasures.ndjson"
    await Ledger(ledger).add(entry("l1"))
    with ledger.open("ab") as broken:
        broken.write(b'{"tenant":"demo","learner":"l2"\n')
    await Ledger(ledger).add(entry("l3"))

    with pytest.raises(msgspec.DecodeError):
        await Ledger(ledger).entries()


async def test_names_of_staff_are_lines_of_their_own(tmp_path: Path) -> None:
    """A version that knows of learners only reads such a line as that of a learner whom nobody has."""
    ledger = Ledger(tmp_path / "erasures.ndjson")
    await ledger.add(entry("l1"))
    for at in ("2026-03-04T10:15:00.000000Z", "2026-03-05T10:15:00.000000Z"):
        await ledger.add(Erasure.of_staff("demo", "t-12", "certificate", at, "registrar"))

    assert [one.learner for one in await ledger.entries()] == ["l1"]
    assert [(one.person, one.learner, one.erased_at[:10]) for one in await ledger.of_staff()] == [
        ("t-12", NOBODY, "2026-03-05")
    ]


async def test_a_tenant_is_a_line_of_its_own_and_what_waited_is_in_as_many_as_it_takes(tmp_path: Path) -> None:
    """A version that knows of learners only reads them as lines on a learner whom nobody has, and on one."""
    file = tmp_path / "erasures.ndjson"
    ledger, ids = Ledger(file), tuple(f"id {n}" for n in range(2 * OF_MAX + 1))
    await ledger.add(msgspec.structs.replace(entry("l1"), of=ids))
    await ledger.add(Erasure.of_tenant("demo", "certificate", "2026-03-05T10:15:00.000000Z", "operator"))
    await ledger.add(entry("l1"))

    assert [(one.learner, one.of) for one in await ledger.entries()] == [("l1", ids)]
    assert [(one.tenant, one.learner, one.ended) for one in await ledger.of_tenants()] == [("demo", NOBODY, True)]
    assert [json.loads(line)["learner"] for line in file.read_text().splitlines()] == ["l1"] * 3 + [NOBODY, "l1"]


async def test_a_merge_that_a_restore_brings_back_takes_nobody_along_and_hides_nobody(
    service: Running, server_addresses: Servers, tmp_path: Path
) -> None:
    """Both were undone after the backup, and then one of each pair was erased: the one merged, and the one it was merged into."""
    suffix = f"-{secrets.token_hex(5)}"
    ids = ("sue", "sue-2", "tom", "tom-2")
    name = f"ev{suffix[1:]}"
    ledger = {"erasure_ledger": tmp_path / "erasures.ndjson", "topic_suffix": suffix}
    async with migrated_database(server_addresses.postgres, name, "evidence") as url:
        config = service.config.model_copy(update=ledger | {"evidence_database": url, "port": free_port()})
        async with running_service(config) as first:
            client = first.client()
            await client.post("/v1/roster", json={"source": SOURCE, "learners": [{"source_id": id} for id in ids]})
            await first.submit(*(item(f"{id}:1", learner=id, competencies=["nothing:yet"]) for id in ids))
            found = [await client.get("/v1/learners", params={"source": SOURCE, "source_id": id}) for id in ids]
            people = {id: one.json()["learner"] for id, one in zip(ids, found, strict=True)}
            merges = [
                (await client.post(f"/v1/learners/{people[id]}/merge", json={"into": people[f"{id}-2"], "reason": "x"})).json()
                for id in ("sue", "tom")
            ]  # fmt: skip
        async with new_database(server_addresses.postgres, f"{name}_backup", name) as backup:
            async with running_service(config, install=False) as later:
                client = later.client()
                for merge in merges:
                    assert (await client.post(f"/v1/merges/{merge['merge']}/undo")).is_success
                for id in ("sue", "tom-2"):
                    assert (await client.delete(f"/v1/learners/{people[id]}")).is_success
            restored = config.model_copy(update={"evidence_database": backup})
            async with running_service(restored, install=False) as back:
                there = [(await back.client().get(f"/v1/learners/{people[id]}")).status_code for id in ids]
                waits = await back.rows("select item_id from quarantine order by 1")

    assert there == [404, 200, 200, 404]
    assert [row["item_id"] for row in waits] == ["sue-2:1", "tom:1"]


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
    people = [{"person": person, "name": person.title()} for person in ("t-old", "t-anew")]
    await client.post("/v1/roster", json={"source": SOURCE, "people": people})
    await Ledger(ledger).add(entry(rae))
    for person, at in (("t-old", "2999-01-01T00:00:00.000000Z"), ("t-anew", "2026-03-04T10:15:00.000000Z")):
        await Ledger(ledger).add(Erasure.of_staff("demo", person, "certificate", at, "registrar"))
    config = service.config.model_copy(update={"port": free_port(), "erasure_ledger": ledger})

    async with running_service(config, install=False) as restored:
        shown = [(await restored.client().get(f"/v1/learners/{learner}")).status_code for learner in (rae, sam)]
        [again] = await restored.submit(item("r1", learner="rae", competencies=["r:1"]))
        staff = (await restored.client("admin").get("/v1/staff")).json()["items"]
        listed = (await restored.client("service").get("/v1/erasures")).json()
        erased = (await restored.client().delete(f"/v1/learners/{sam}")).json()
    async with running_service(config, install=False) as once_more:
        told = [event for event in await once_more.feed() if event["type"] == "attain.evidence.learner_erased.v1"]

    assert shown == [404, 200]
    assert staff == [{"person": "t-anew", "name": "T-Anew"}], "what a roster has told since is believed"
    assert again["reason"] == "erased"
    assert [(one["learner"], one["by"]) for one in listed if one["learner"] == rae] == [(rae, "registrar")]
    assert erased["in_ledger"] is True
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert [line["learner"] for line in lines] == [rae, NOBODY, NOBODY, sam]
    assert sorted(event["subject"] for event in told) == sorted([rae, sam]), "each is told once"


async def test_what_a_backup_has_of_nobody_of_the_merged_and_of_an_ended_tenant_is_gone_again_after_its_restore(
    service: Running, server_addresses: Servers, tmp_path: Path
) -> None:
    """The backup is of a time before the merge, and when whose pieces waited was no learner; the ledger is as it was later."""
    suffix = f"-{secrets.token_hex(5)}"
    ledger = {"erasure_ledger": tmp_path / "erasures.ndjson", "topic_suffix": suffix}
    said = {
        "actor": {"account": {"homePage": SOURCE, "name": "wren"}},
        "verb": {"id": "x:y"},
        "object": {"id": "x:wren"},
    }
    name = f"ev{suffix[1:]}"
    async with migrated_database(server_addresses.postgres, name, "evidence") as url:
        config = service.config.model_copy(update=ledger | {"evidence_database": url, "port": free_port()})
        async with running_service(config) as first:
            client = first.client("admin service evidence:write", source=SOURCE)
            await client.put("/v1/limits", json={"statements_kept": "all"})
            await client.post("/v1/intake/xapi", json=said)
            await client.post("/v1/keys", json={"source": SOURCE})
            await first.submit(
                *(item(f"{id[-4:]}-1", learner=id, competencies=["nothing:yet"]) for id in (WREN, "owl"))
            )
            twins = {"source": SOURCE, "learners": [{"source_id": id, "name": "Zephyrine"} for id in ("kim", "kim-2")]}
            await client.post("/v1/roster", json=twins)
            await first.submit(item("owl-1", learner="owl", competencies=["nothing:yet"]), tenant="ends")
            await first.client("admin", tenant="ends").post("/v1/keys", json={"source": SOURCE})
        async with new_database(server_addresses.postgres, f"{name}_backup", name) as backup:
            async with running_service(config, install=False) as later:
                everything = later.client()
                kim, other = [
                    (await everything.get("/v1/learners", params={"source": SOURCE, "source_id": id})).json()["learner"]
                    for id in ("kim", "kim-2")
                ]
                await everything.post(f"/v1/learners/{kim}/merge", json={"into": other, "reason": "same person"})
                await everything.delete(f"/v1/learners/{other}")
                await everything.delete("/v1/learners", params={"source": SOURCE, "source_id": WREN})
                await later.client("admin", tenant="ends").delete("/v1/quarantine", params={"ended": True})
                # Who begins it anew keeps what comes from then on.
                await later.submit(item("owl-2", learner="owl", competencies=["nothing:yet"]), tenant="ends")
            async with running_service(config, install=False) as once_more:
                kept = await once_more.rows("select item_id from quarantine where tenant = 'ends'")
            restored = config.model_copy(update={"evidence_database": backup})
            async with running_service(restored, install=False) as back:
                rows = await back.rows(
                    "select tenant, to_jsonb(q)::text said from quarantine q"
                    " union all select tenant, to_jsonb(e)::text from evidence e where state <> 3"
                    " union all select tenant, to_jsonb(s)::text from xapi_statement s"
                    " union all select tenant, to_jsonb(i)::text from learner_identity i"
                )
                keys = await back.rows("select tenant from api_key where revoked_at is null")
                listed = (await back.client("service").get("/v1/erasures")).json()

    assert [row["item_id"] for row in kept] == ["owl-2"]
    assert [row["tenant"] for row in keys] == ["demo"]
    assert {row["tenant"] for row in rows if "owl" in row["said"]} == {"demo"}
    assert [row["said"] for row in rows if any(mark in row["said"] for mark in ("wren", "kim", "Zephyrine"))] == []
    assert [one["tenant"] for one in listed if one.get("ended")] == ["ends"]
    assert [one for one in listed if one.get("left")] == []
    assert {kim, other} < {one["learner"] for one in listed}


@pytest.mark.parametrize(
    ("first", "erased", "status", "named"),
    [("merge", "lin-2", 200, {"lin", "lin-2"}), ("merge", "lin", 404, set()), ("undo", "lin-2", 200, {"lin-2"})],
)
async def test_the_ledger_names_who_is_erased_and_nobody_who_was_merged_or_parted_meanwhile(
    service: Running, tmp_path: Path, first: str, erased: str, status: int, named: set[str]
) -> None:
    """Whoever it names falsely would be erased at the next start, and whoever it does not name come back with a restore."""
    ledger = tmp_path / "erasures.ndjson"
    config = service.config.model_copy(update={"port": free_port(), "erasure_ledger": ledger})
    async with running_service(config, install=False) as running:
        tenant = f"{first}-{erased}"
        client, ids = running.client(tenant=tenant), ["lin", "lin-2"]
        await client.post("/v1/roster", json={"source": SOURCE, "learners": [{"source_id": id} for id in ids]})
        found = [await client.get("/v1/learners", params={"source": SOURCE, "source_id": id}) for id in ids]
        people = {id: one.json()["learner"] for id, one in zip(ids, found, strict=True)}
        merging = f"/v1/learners/{people['lin']}/merge", {"into": people["lin-2"], "reason": "x"}
        if first == "undo":
            merge = (await client.post(merging[0], json=merging[1])).json()["merge"]
            merging = f"/v1/merges/{merge}/undo", {}
        async with locked(running, LEARNERS_LOCK, tenant) as waiting:
            before = asyncio.create_task(client.post(merging[0], json=merging[1]))
            await waiting(1)
            erasing = asyncio.create_task(running.client(tenant=tenant).delete(f"/v1/learners/{people[erased]}"))
            await waiting(2)
        answers = (await before).status_code, (await erasing).status_code
        there = {
            id for id in people if (await client.get(f"/v1/learners/{people[id]}", follow_redirects=True)).is_success
        }
        lines = await Ledger(ledger).entries()
    async with running_service(config, install=False) as again:
        client = again.client(tenant=tenant)
        still = {
            id for id in people if (await client.get(f"/v1/learners/{people[id]}", follow_redirects=True)).is_success
        }

    assert answers == (200, status)
    assert {line.learner for line in lines} == {people[id] for id in named}
    assert there == still == people.keys() - named


@contextlib.asynccontextmanager
async def locked(running: Running, lock: int, tenant: str) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
    """Hold a lock of a tenant; yields what waits until so many sessions wait for it, who get it in the order they came in."""
    connection = await asyncpg.connect(running.config.evidence_database)
    try:
        await connection.execute("begin")
        await connection.execute("select pg_advisory_xact_lock($1, hashtext($2))", lock, tenant)

        async def waiting(sessions: int) -> None:
            query = "select count(*) >= $2 from pg_locks where locktype = 'advisory' and classid::bigint = $1 and not granted"
            await until(lambda: connection.fetchval(query, lock, sessions))

        yield waiting
    finally:
        await connection.close()
