"""PostgreSQL by TLS: services and migrations verify its certificate, and its own name, as the URL says."""

import asyncio
import ssl
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from shared.database import Database
from shared.migrate import migrate_when_there
from tests.support.certificates import write_certificates
from tests.support.servers import new_database
from tests.support.tls_front import tls_front


@pytest_asyncio.fixture
async def secured(postgres: str, tmp_path: Path) -> AsyncIterator[str]:
    """The URL of an empty database that is reached by TLS alone."""
    write_certificates(tmp_path / "ours", ["server"])
    write_certificates(tmp_path / "others", [])
    async with (
        new_database(postgres, f"tls_{uuid.uuid4().hex[:8]}") as url,
        tls_front(url, tmp_path / "ours" / "server.pem") as front,
    ):
        yield front


async def test_a_server_is_verified_by_services_and_migrations(secured: str, tmp_path: Path) -> None:
    url = f"{secured}?sslmode=verify-full&sslrootcert={tmp_path}/ours/ca.pem"
    await asyncio.to_thread(migrate_when_there, "evidence", url)
    database = await Database.connect(url)
    async with database.connection() as connection:
        version = await connection.fetchval("select version_num from alembic_version")
    await database.close()

    assert version


async def test_a_server_that_somebody_else_vouches_for_is_not_talked_to(secured: str, tmp_path: Path) -> None:
    url = f"{secured}?sslmode=verify-full&sslrootcert={tmp_path}/others/ca.pem"

    with pytest.raises(ssl.SSLCertVerificationError):
        await Database.connect(url)
    with pytest.raises(SystemExit, match=r"ATTAIN_EVIDENCE_DATABASE: .*certificate verify failed"):
        await asyncio.to_thread(migrate_when_there, "evidence", url)


async def test_a_server_without_tls_is_not_talked_to_where_it_is_asked_for(postgres: str, tmp_path: Path) -> None:
    write_certificates(tmp_path / "ours", [])

    with pytest.raises(SystemExit, match="ATTAIN_EVIDENCE_DATABASE"):
        await asyncio.to_thread(
            migrate_when_there, "evidence", f"{postgres}?sslmode=verify-full&sslrootcert={tmp_path}/ours/ca.pem", 0.0
        )
