"""A tenant is begun, taken along and ended by commands; its neighbours do not notice."""

import json
import zipfile
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path

import asyncpg
import httpx

from deploy.local.client.tenant_parts import WHOLE
from deploy.local.commands.privacy import HELD
from deploy.local.stack import Stack
from tests.support.servers import administrator_url
from tests.system.conftest import Attain
from tests.system.district import SOURCE
from tests.system.isolation.victim import BY_PARENT, OF_TENANTS, digest_of, settle, settled

PERSONAL = ("Beatrix Beacon", "Bertram Birch", "beehive-activity", "beehive-l1", "beehive-e")
LEFT = {
    # Positions of the logs stay dense: tombstones in place of what was said of learners, whole only what is of no person.
    "evidence.event_log", "evidence.event_log_rows", "evidence.evidence", "evidence.evidence_rows", "progression.event_log",
    "progression.event_log_rows", "progression.journal", "progression.journal_rows",
    # What certifies that learners are forgotten, who did what here, and which systems were told.
    "evidence.erased_learner", "evidence.access_log", "reporting.access_log", "reporting.credential",
    "progression.disclosure", "progression.standing_disclosure", "progression.subscriber",
    # That ids were merged, and ids that stay taken, without what was said.
    "evidence.learner_merge", "evidence.identity_move", "evidence.xapi_statement", "evidence.kept_event",
    # What the tenant has set: entries of the alignment map, limits, its own activities, when a session began.
    "evidence.alignment", "evidence.alignment_head", "evidence.tenant_limit", "evidence.own_activity", "evidence.rollover",
    "progression.tenant_limit", "reporting.tenant_limit",
    # Rules, and what they are rules of.
    "evidence.competency", "progression.activation", "progression.framework", "progression.policy",
    "progression.policy_proposal", "reporting.competency_v1", "reporting.framework_v1", "reporting.association_v1",
    # Classes, schools and terms by their names, and ids of staff; keys that are revoked, by their digests.
    "evidence.roster_fact", "reporting.class_v1", "reporting.class_change_v1", "reporting.school_v1", "reporting.staff_v1",
    "reporting.term_v1", "evidence.api_key",
    # Numbers of pieces, by source and day, and by shard.
    "evidence.intake_count", "evidence.source_day", "reporting.folded_count", "evidence.counted_block",
    "progression.counted_block",
}  # fmt: skip
"""What stays of a tenant that is ended, and why."""
NONE_OF = {
    "evidence.expiry_log", "progression.expiry_log", "reporting.expiry_log", "reporting.term_amendment_v1",
    "reporting.term_record_v1",
}  # fmt: skip
"""What is exported, and the tenant of the test has nothing of."""


OF_LEARNERS = "learners/*/evidence.json"
EXPORTED = {
    "evidence.access_log": ("sent_and_exported.json", "no"),
    "evidence.alignment": ("alignments.json", "id"),
    "evidence.api_key": ("keys.json", "key_id"),
    "evidence.erased_learner": ("erasures.json", "learner"),
    "evidence.evidence": (OF_LEARNERS, "evidence_id"),
    "evidence.handed_in": (OF_LEARNERS, "activity"),
    "evidence.kept_event": (OF_LEARNERS, "event_key"),
    "evidence.learner_identity": (OF_LEARNERS, "source_id"),
    "evidence.learner_merge": (OF_LEARNERS, "merge_id"),
    "evidence.quarantine": ("[pq]*.json", "quarantine_id"),
    "evidence.roster_group": (OF_LEARNERS, "group_id"),
    "evidence.source_day": ("sources.json", "source"),
    "evidence.staff_name": ("staff_names.json", "name"),
    "evidence.tenant_limit": ("limits_of_evidence.json", "name"),
    "evidence.xapi_statement": (OF_LEARNERS, "learner_source_id"),
    "evidence.expiry_log": ("expired_in_evidence.json", "no"),
    "progression.expiry_log": ("expired_in_progression.json", "no"),
    "progression.tenant_limit": ("limits_of_progression.json", "name"),
    "progression.framework": ("frameworks.json", "id"),
    "progression.learner_standing": ("learners/*/mastery.json", "learner"),
    "progression.mastery": ("learners/*/mastery.json", "competency"),
    "progression.policy": ("policies.json", "hash"),
    "progression.policy_proposal": ("proposals.json", "id"),
    "progression.shadow_policy": ("shadows.json", "policy"),
    "progression.subscriber": ("subscribers.json", "id"),
    "progression.disclosure": ("disclosures.json", "reader"),
    "progression.standing_disclosure": ("disclosures.json", "reader"),
    "progression.webhook": ("webhooks.json", "id"),
    "reporting.advancement_v1": ("learners/*/advancements.json", "id"),
    "reporting.assignment_v1": ("assignment.json", "person"),
    "reporting.class_v1": ("classes.json", "class"),
    "reporting.class_change_v1": ("class_change.json", "at"),
    "reporting.enrolment_v1": (OF_LEARNERS, "class"),
    "reporting.enrolment_change_v1": ("enrolment_change.json", "at"),
    "reporting.expiry_log": ("expired_in_reporting.json", "no"),
    "reporting.merged_v1": ("merged.json", "learner"),
    "reporting.mastery_v1": ("learners/*/record.json", "competency"),
    "reporting.review_request": ("learners/*/review_requests.json", "id"),
    "reporting.school_v1": ("school.json", "school"),
    "reporting.staff_v1": ("staff.json", "staff"),
    "reporting.tenant_limit": ("limits_of_reporting.json", "name"),
    "reporting.term_amendment_v1": ("term_amendment.json", "id"),
    "reporting.term_record_v1": ("term_record.json", "competency"),
    "reporting.term_snapshot_v1": ("term_snapshot.json", "digest"),
    "reporting.term_v1": ("terms.json", "term"),
}
"""Where the export has a table of the tenant, and the column whose every value is in it."""
KEPT_BACK = {
    "positions, counts and marks by which services go on": [
        "evidence.alignment_head", "evidence.counted_block", "evidence.identity_move", "evidence.intake_count",
        "evidence.own_activity", "evidence.revision_group", "progression.blocked_learner",
        "progression.counted_block", "progression.shadow_cursor", "progression.webhook_cursor", "progression.webhook_held",
        "reporting.folded_count", "reporting.unfolded",
    ],
    "logs and journal: what they say is in what is folded from them": [
        "evidence.event_log", "evidence.roster_fact", "evidence.rollover", "progression.event_log", "progression.journal",
    ],
    "which policy held from when: each event says by which it was decided": ["progression.activation"],
    "parts of frameworks, of records and of districts' numbers as they are shown": [
        "evidence.competency", "reporting.association_v1", "reporting.competency_v1", "reporting.framework_v1",
        "reporting.told_daily", "reporting.waiting_v1",
    ],
    "told to few, by routes that ask for a role: support, who looked at more than a learner, what a shadow policy would say": [
        "reporting.access_log", "reporting.suggestion_v1", "progression.shadow_difference",
    ],
    "of deliveries and of signed records, which are with whom they were sent to": [
        "progression.webhook_delivery", "reporting.credential",
    ],
}  # fmt: skip
"""What an export leaves out, by the reason."""


async def test_a_tenant_is_begun_with_a_key_that_writes(stack: Stack, attain: Attain) -> None:
    create = "tenant", "create", "--time-zone", "America/Chicago"
    begun = attain(*create, "--source", SOURCE, tenant="begun")
    again = attain(*create, "--source", SOURCE, "--source", "urn:new", tenant="begun")
    piece = {
        "id": "one", "source": SOURCE, "learner": "l", "competencies": ["math:c1"], "score": {"raw": 1, "max": 1},
        "occurred_at": "2026-03-02T10:00:00Z",
    }  # fmt: skip
    nobodys = piece | {"id": "wasp-1", "learner": "wasp"}
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {begun['keys'][SOURCE]}"}) as client:
        answer = await client.post(f"{stack.urls['evidence']}/v1/evidence", json=piece)
        await client.post(f"{stack.urls['evidence']}/v1/evidence", json=nobodys)
        # A piece that waits for its competency makes nobody a learner yet; a roster does.
        await client.post(
            f"{stack.urls['evidence']}/v1/roster",
            json={"source": SOURCE, "learners": [{"source_id": "l"}]},
            headers={"Authorization": f"Bearer {stack.token('begun', 'admin')}"},
        )
    shown = attain("tenant", "show", tenant="begun")
    late = attain("tenant", "create", "--time-zone", "UTC", tenant="begun")
    held = await held_of(stack, "begun")
    ended, repeated = (attain("tenant", "delete", "--yes", tenant="begun") for _ in range(2))

    assert answer.status_code == 202
    assert (shown["time_zone"], shown["learners"], shown["keys"]) == ("America/Chicago", 1, 2)
    # A script that was cut off is run again: who has a key is given no second one.
    assert (list(begun["keys"]), list(again["keys"]), list(again["had_keys"])) == ([SOURCE], ["urn:new"], [SOURCE])
    assert late["exit"] == 1
    assert "has learners already" in late["error"]
    assert "wasp" in held["evidence.quarantine"]
    assert (ended["learners"], ended["quarantined"]) == (1, 1)
    assert (repeated["exit"], repeated["learners"]) == (0, 0)
    assert [table for table, text in (await held_of(stack, "begun")).items() if "wasp" in text] == []


def test_a_tenant_of_which_nothing_is_held_is_neither_deleted_nor_exported(attain: Attain, tmp_path: Path) -> None:
    file = tmp_path / "none.zip"
    for command in (["delete", "--yes"], ["export", "--output", str(file)]):
        refused = attain("tenant", *command, tenant="mistyped")

        assert (refused["exit"], "nothing is held of a tenant mistyped" in refused["error"]) == (1, True)
    assert not file.exists()


async def test_a_tenant_is_exported_whole_and_then_forgotten(stack: Stack, attain: Attain, tmp_path: Path) -> None:
    victim, neighbour = await settle(stack, "leaving"), await settle(stack, "staying")
    before = await settled(neighbour)
    tables, rows = await _tables(stack), await _values(stack, victim.tenant)
    exported = attain("tenant", "export", "--output", str(tmp_path / "all.zip"), tenant=victim.tenant)
    with zipfile.ZipFile(tmp_path / "all.zip") as bundle:
        texts = {name: bundle.read(name).decode() for name in bundle.namelist()}
    ended = attain("tenant", "delete", "--yes", tenant=victim.tenant)
    left = attain("tenant", "show", tenant=victim.tenant)
    held = await held_of(stack, victim.tenant)
    verified = attain("verify", tenant=victim.tenant)

    assert exported["learners"] == 4
    assert {name for name in texts if "/" not in name} == WHOLE.keys()
    left_out = {table for tables in KEPT_BACK.values() for table in tables}
    assert tables == EXPORTED.keys() | left_out
    assert not EXPORTED.keys() & left_out
    missing = [(table, value) for table, (file, column) in EXPORTED.items() for value in rows[table]
               if not any(json.dumps(value)[1:-1] in text for name, text in texts.items() if fnmatch(name, file))]  # fmt: skip
    assert missing == []
    assert {table for table in EXPORTED if not rows[table]} == NONE_OF
    assert neighbour.tenant not in "".join(texts.values())
    assert len(json.loads(texts["proposals.json"])["items"]) == len(json.loads(texts["shadows.json"])["items"]) == 1
    folder, third = f"learners/{victim.values['other_learner']}", victim.values["merged"]
    assert {name for name in texts if name.startswith(f"{folder}/merged/")} == {
        f"{folder}/merged/{third}/{name}" for name in (*HELD, "terms.json") if name != "evidence.json"
    }
    assert "attain.learner.merged.v1" in texts[f"{folder}/merged/{third}/advancements.json"]
    [ended_with] = json.loads(texts[f"learners/{victim.values['learner']}/terms.json"])
    assert ended_with["term"] == "beehive term"
    assert "beemath:c0" in [each["competency"] for each in ended_with["items"]]
    assert json.loads(texts[f"learners/{victim.values['learner']}/looks.json"])["items"]
    assert "Beatrix Beacon" in texts[f"learners/{victim.values['learner']}/evidence.json"]
    assert {key["name"] for key in json.loads(texts["keys.json"])["items"]} == {"beehive-key"}
    # What was quarantined names a learner, and went with that one.
    expected = {
        "learners": 4, "evidence": 14, "keys": 1, "webhooks": 1, "shadows": 1, "quarantined": 0, "staff_names": 1,
    }  # fmt: skip
    assert {what: ended[what] for what in expected} == expected
    assert (left["learners"], left["webhooks"]) == (0, 0)
    told = [(table, secret) for table, text in held.items() for secret in PERSONAL if secret in text]
    assert told == []
    assert held.keys() <= LEFT, sorted(held.keys() - LEFT)
    assert verified["ok"], verified
    assert await digest_of(stack, neighbour.tenant) == before


async def _tables(stack: Stack) -> set[str]:
    """Return every table that has a tenant, by itself or by the table that it refers to."""
    found = set()
    for service in stack.databases:
        connection = await asyncpg.connect(administrator_url(stack, service))
        for query in (OF_TENANTS, BY_PARENT):
            found |= {f"{service}.{row[0]}" for row in await connection.fetch(query)}
        await connection.close()
    return found


async def _values(stack: Stack, tenant: str) -> dict[str, list[str]]:
    """Return the values of the columns by which rows of a tenant are to be found in an export."""
    found = {}
    for table, (_, column) in EXPORTED.items():
        service, _, name = table.partition(".")
        connection = await asyncpg.connect(administrator_url(stack, service))
        rows = await connection.fetch(f'select distinct "{column}"::text from {name} where tenant = $1', tenant)
        found[table] = [row[0] for row in rows if row[0] is not None]
        await connection.close()
    return found


async def held_of(stack: Stack, tenant: str) -> dict[str, str]:
    """Return all that the three databases hold of a tenant, as text by `service.table`; log bodies are read as text too."""
    held = {}
    for service in stack.databases:
        connection = await asyncpg.connect(administrator_url(stack, service))
        tables = await connection.fetch(
            "select c.table_name from information_schema.columns c join information_schema.tables t"
            " using (table_schema, table_name) where c.column_name = 'tenant' and c.table_schema = 'public'"
            " and t.table_type = 'BASE TABLE' order by 1"
        )
        for (table,) in tables:
            rows = await connection.fetch(f"select to_jsonb(t) as whole, t.* from {table} t where tenant = $1", tenant)
            texts = [
                row["whole"] + "".join(value.decode(errors="replace") for value in row.values() if isinstance(value, bytes))
                for row in rows
            ]  # fmt: skip
            if texts:
                held[f"{service}.{table}"] = "\n".join(texts)
        await connection.close()
    return held


async def test_limits_of_one_tenant_are_set_by_a_command_and_hold_for_it_alone(stack: Stack, attain: Attain) -> None:
    given = (
        "--requests-per-s",
        "2",
        "--small-number",
        "15",
        "--keep-statements",
        "all",
        "--keep-originals-days",
        "400",
        "--keep-accesses-days",
        "730",
        "--keep-deliveries-days",
        "90",
        "--time-zone",
        "America/Denver",
    )
    done = attain("tenant", "set", *given, tenant="limited")
    shown, other = attain("tenant", "show", tenant="limited"), attain("tenant", "show", tenant="unlimited")
    asked = {name: await _ask_often(stack, name) for name in ("limited", "unlimited")}
    back = attain("tenant", "set", "--requests-per-s", "default", tenant="limited")
    wrong = attain("tenant", "set", "--small-number", "1", tenant="limited")
    own = await _set_by_itself(stack, "limited")

    wanted = {
        "requests_per_s": 2, "small_number": 15, "statements_kept": "all", "time_zone": "America/Denver",
        "originals_kept_days": 400, "accesses_kept_days": 730, "deliveries_kept_days": 90,
    }  # fmt: skip
    assert {name: done[name] for name in wanted} == {name: shown[name] for name in wanted} == wanted
    assert set(done["own"]) == wanted.keys() - {"time_zone"}
    assert (other["requests_per_s"], other["small_number"], other["own"]) == (1000, 10, [])
    assert asked["limited"][429] > 0
    assert asked["unlimited"] == {200: 30}
    assert (back["requests_per_s"], set(back["own"])) == (1000, wanted.keys() - {"time_zone", "requests_per_s"})
    assert wrong["exit"] == 1
    assert "small_number" in wrong["error"]
    assert own == 403


async def _ask_often(stack: Stack, tenant: str) -> Counter[int]:
    """Return what a tenant's token is answered in each service, ten times."""
    answered = Counter[int]()
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {stack.token(tenant, 'admin')}"}) as client:
        for url in stack.urls.values():
            for _ in range(10):
                answered[(await client.get(f"{url}/v1/limits")).status_code] += 1
    return answered


async def _set_by_itself(stack: Stack, tenant: str) -> int:
    headers = {"Authorization": f"Bearer {stack.token(tenant, 'admin')}"}
    async with httpx.AsyncClient(headers=headers) as client:
        return (await client.put(f"{stack.urls['evidence']}/v1/limits", json={"requests_per_s": 0})).status_code
