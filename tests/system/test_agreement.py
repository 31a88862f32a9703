"""docs/agreement.md: what it says is held is what the databases have, no column is left out, and names stand where it says."""

import asyncio
from collections import Counter
from pathlib import Path

import asyncpg
import msgspec
import pytest

from deploy.agreement.elements import ELEMENTS, EXHIBIT_B, NO_PERSON
from deploy.agreement.page import page
from deploy.agreement.tables import COMMON, ENDS, INVENTORY, MEMBERS, TOPICS
from deploy.local.stack import Stack
from services.evidence.formats.native import Native
from services.progression.tables.erasing import OF_LEARNER
from services.reporting.tables.read_models import FIRST_VERSION, OF_LEARNERS, table_name
from shared.migrate import migrate
from shared.topics import TOPICS as KNOWN_TOPICS
from tests.support.servers import SERVICES, Servers, administrator_url, columns_of, new_database
from tests.system.isolation.victim import CALLED, LEARNER, NAMES, OF_TENANTS, OTHER, TEACHER, settle
from tests.system.test_tenants import LEFT

TREE = Path(__file__).parents[2]
MARKS = {
    "name": NAMES[:1],
    "source id": (LEARNER, OTHER),
    "staff": (TEACHER, CALLED),
    "family": ("beehive-guardian",),
    "evidence": ("beehive-activity",),
}
"""Words of the district of the test that nobody has elsewhere, by what they are."""


def test_the_page_is_made_of_the_inventory() -> None:
    assert (TREE / "docs/agreement.md").read_text(encoding="utf-8") == page(), (
        "python -m deploy.agreement > docs/agreement.md"
    )


@pytest.mark.parametrize("service", SERVICES)
async def test_every_column_of_the_migrated_schema_is_described_and_none_besides(
    server_addresses: Servers, service: str
) -> None:
    async with new_database(server_addresses.postgres, f"agreed_{service}") as url:
        await asyncio.to_thread(migrate, service, url)
        there = await columns_of(url)
    described = {
        (name, column)
        for name, table in INVENTORY[service].items()
        for column in {*COMMON}.union(*table.held().values())
    }
    common = {(name, column) for name in INVENTORY[service] for column in COMMON}

    assert there - described == set(), "say in deploy/agreement/tables.py what these hold"
    assert described - there - common == set(), "these are no more"


def test_what_is_said_of_tables_and_elements_is_of_the_words_that_are_known() -> None:
    tables = [table for held in INVENTORY.values() for table in held.values()]
    used = {element for table in tables for element in table.columns} | {
        key for carried in TOPICS.values() for key in carried
    }

    assert used - {NO_PERSON} == ELEMENTS.keys()
    assert {table.ends for table in tables} == ENDS.keys()
    assert all(name in EXHIBIT_B[category] for element in ELEMENTS.values() for category, name in element.exhibit_b)
    assert all(element.exhibit_b for element in ELEMENTS.values())
    assert TOPICS.keys() == {topic.log for topic in KNOWN_TOPICS}
    assert sorted(" ".join(MEMBERS.values()).split()) == sorted(
        msgspec.structs.fields(Native)[n].name for n in range(17)
    )


def test_a_table_with_rows_of_learners_is_said_to_lose_them_by_the_erasure_that_does_so() -> None:
    reporting = {table_name(name, FIRST_VERSION) for name, _ in OF_LEARNERS}
    for service, name in [
        *(("progression", name) for name in OF_LEARNER),
        *(("reporting", name) for name in reporting),
    ]:
        assert INVENTORY[service][name].ends in ("deleted", "support"), name
        assert "opaque" in INVENTORY[service][name].columns, name


def test_what_stays_of_a_tenant_that_left_is_nowhere_said_to_be_deleted() -> None:
    """The other test knows which tables have rows left; those of learners it has found empty of what was said."""
    for service, tables in INVENTORY.items():
        stays = {
            name
            for name, table in tables.items()
            if f"{service}.{name}" in LEFT and table.ends in ("deleted", "support")
        }
        # Of classes and staff, which are no learner's, and of disclosures that name no learner.
        assert stays <= {"roster_fact", "disclosure"}


def test_nothing_of_a_person_is_said_to_be_of_none() -> None:
    """A column that is of a learner in one table is in every table that has it."""
    columns = {"learner": "opaque", "learners": "opaque", "learner_source_id": "source id", "source_id": "source id"}
    for service, tables in INVENTORY.items():
        for name, table in tables.items():
            held = table.held()
            for column, element in columns.items():
                if any(column in names for names in held.values()):
                    assert column in held.get(element, set()), (service, name, column)


async def test_words_of_persons_stand_only_where_the_agreement_says_so(stack: Stack) -> None:
    victim = await settle(stack, "agreed")
    marks = MARKS | {"opaque": (victim.values["learner"],)}
    found: Counter[tuple[str, str, str, str]] = Counter()
    for service in stack.databases:
        connection = await asyncpg.connect(administrator_url(stack, service))
        for (name,) in await connection.fetch(OF_TENANTS):
            for row in await connection.fetch(f"select * from {name} where tenant = $1", victim.tenant):
                for column, value in row.items():
                    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
                    found.update(
                        (service, name, column, of) for of, words in marks.items() if any(w in text for w in words)
                    )
        await connection.close()
    undescribed = {
        (service, name, column, of) for service, name, column, of in found
        if column not in INVENTORY[service][name].held().get(of, set())
    }  # fmt: skip

    assert {of for *_, of in found} == marks.keys()
    assert not undescribed, "\n".join(map(str, sorted(undescribed)))
