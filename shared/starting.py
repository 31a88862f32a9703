"""
What must hold before a service serves: its settings are whole and agree, and its schema is the one of this version.

Where it does not, the process ends with one line that names the setting or says what to do.
"""

import asyncio
import contextlib
import logging
import math
import os
from pathlib import Path

import asyncpg

from shared.auth import read_keys
from shared.database import MISCONFIGURED, Connection, Database
from shared.errors import Unavailable
from shared.kafka_security import security
from shared.not_ready import not_ready
from shared.observability import configure_logging
from shared.revisions import Schema, newer_schema, schema_fault, schema_of
from shared.row_security import SERVICE_ROLE, TENANT_ROLE
from shared.settings import Settings, settings_or_exit, variable
from shared.shards import shards_fault

log = logging.getLogger(__name__)
KEY_BYTES_MIN = 32
AT_ONCE_S = 1.0
"""So long the port of a service that waits for its database is not opened for that alone."""
FILES = (
    "token_key_file",
    "page_key_file",
    "service_token_file",
    "kafka_ca_file",
    "kafka_certificate_file",
    "kafka_key_file",
)
LIMITS = (("item_bytes_max", "body_bytes_max"), ("body_bytes_max", "body_inflated_bytes_max"))
"""The first is of what the second is of as a whole."""


def settings_of(service: str) -> Settings:
    """Return the settings of this process; raises `SystemExit` with the line to read where they cannot be used."""
    read = settings_or_exit(service)
    fault = fault_of(read, service)
    if fault:
        raise SystemExit(f"{service}: {fault}")
    return read


def fault_of(read: Settings, service: str) -> str:
    """Return what is missing or contradicts itself, by the name of the setting; empty where a service can start."""
    if not getattr(read, f"{service}_database"):
        return f"{variable(f'{service}_database')} is not set: give the URL of its PostgreSQL database"
    if read.jwks_url and read.token_key_file is not None:
        return "ATTAIN_JWKS_URL and ATTAIN_TOKEN_KEY_FILE are both set: tokens are signed by one or by the other"
    if not read.jwks_url and read.token_key_file is None:
        return "ATTAIN_TOKEN_KEY_FILE is not set: give it, or an identity provider in ATTAIN_JWKS_URL"
    if read.jwks_url and read.service_token_file is None:
        return "ATTAIN_SERVICE_TOKEN_FILE is not set: with ATTAIN_JWKS_URL the services need a token of that provider"
    fault = _fault_of_signing_in(read)
    if fault:
        return fault
    named = {"kafka_username": read.kafka_username, "kafka_password": read.kafka_password.get_secret_value()}
    sasl = read.kafka_security.startswith("SASL")
    for name, value in named.items():
        if sasl and not value:
            return f"{variable(name)} is not set: ATTAIN_KAFKA_SECURITY is {read.kafka_security}"
    if read.kafka_username and not sasl:
        return f"ATTAIN_KAFKA_USERNAME is set, but ATTAIN_KAFKA_SECURITY is {read.kafka_security}, which has no users"
    if read.kafka_certificate_file is not None and not read.kafka_security.endswith("SSL"):
        return f"ATTAIN_KAFKA_CERTIFICATE_FILE is set, but ATTAIN_KAFKA_SECURITY is {read.kafka_security}, without TLS"
    for name, other in LIMITS:
        if getattr(read, name) > getattr(read, other):
            return f"{variable(name)} is {getattr(read, name)}, more than {variable(other)}, which is {getattr(read, other)}"
    return _fault_of_files(read) or (_fault_of_ledger(read.erasure_ledger) if service == "evidence" else "")


def _fault_of_signing_in(read: Settings) -> str:
    if read.oidc_issuer and not (read.oidc_client_id and read.public_url):
        return "ATTAIN_OIDC_ISSUER is set: give ATTAIN_OIDC_CLIENT_ID and ATTAIN_PUBLIC_URL too"
    if read.lti_platforms and not read.public_url:
        return "ATTAIN_LTI_PLATFORMS is set: give ATTAIN_PUBLIC_URL too"
    if (read.oidc_issuer or read.lti_platforms) and read.own_key_file is None:
        return "ATTAIN_PAGE_KEY_FILE is not set: the pages sign their sessions with it"
    return ""


def _fault_of_ledger(ledger: Path | None) -> str:
    """Return why erasures could not be kept: found when a learner is to be forgotten, it would come too late."""
    if ledger is None:
        return ""
    place = f"{variable('erasure_ledger')}: {ledger}"
    if not os.access(ledger.parent, os.F_OK | os.X_OK, effective_ids=True) or not ledger.parent.is_dir():
        return f"{place}: its folder is not there, or is closed"
    if ledger.exists() and not (ledger.is_file() and os.access(ledger, os.R_OK | os.W_OK, effective_ids=True)):
        return f"{place} is no file that can be read and written"
    if not ledger.exists() and not os.access(ledger.parent, os.W_OK, effective_ids=True):
        return f"{place}: its folder cannot be written"
    return ""


def _fault_of_files(read: Settings) -> str:
    for name in FILES:
        path: Path | None = getattr(read, name)
        try:
            text = "" if path is None else path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            return f"{variable(name)}: {path} cannot be read ({type(error).__name__})"
        if name in ("token_key_file", "page_key_file") and path is not None:
            try:
                shortest = min(len(key) for key in read_keys(text))
            except ValueError:
                return f"{variable(name)}: {path} does not hold keys in hexadecimal, one a line"
            if shortest < KEY_BYTES_MIN:
                return f"{variable(name)}: a key has {shortest} bytes, fewer than {KEY_BYTES_MIN}"
    if read.credential_keys is not None and not read.credential_keys.is_dir():
        return f"ATTAIN_CREDENTIAL_KEYS: {read.credential_keys} is no folder"
    if read.transcript_font is not None and not read.transcript_font.is_file():
        return f"ATTAIN_TRANSCRIPT_FONT: {read.transcript_font} is no file"
    try:
        security(read)
    except OSError as error:
        return f"ATTAIN_KAFKA_CA_FILE or ATTAIN_KAFKA_CERTIFICATE_FILE: not usable for TLS ({error})"
    return ""


def check_schema(service: str, read: Settings) -> None:
    """
    Wait for the service's database, and raise `SystemExit` unless its schema and shards are those of this version and setting.

    While it is away the port says that the service is alive and not ready: who is restarted waits no shorter.
    """
    try:
        fault = asyncio.run(fault_once_there(service, read))
    except (asyncpg.PostgresError, *MISCONFIGURED) as error:
        raise SystemExit(f"{service}: {variable(f'{service}_database')}: {error}") from None
    if fault:
        raise SystemExit(f"{service}: {fault}")


async def fault_once_there(service: str, read: Settings) -> str:
    """Return what is wrong with the service's database once it answers, however long that takes; empty where nothing is."""
    with contextlib.suppress(Unavailable):
        return await _fault_of_schema(service, read, AT_ONCE_S)
    configure_logging(read.log_level, read.log_format, service)
    async with not_ready(read, "PostgreSQL"):
        while True:
            # It may go away again between two statements.
            with contextlib.suppress(Unavailable):
                return await _fault_of_schema(service, read, math.inf)
            await asyncio.sleep(AT_ONCE_S)


async def _fault_of_schema(service: str, read: Settings, within_s: float) -> str:
    database = await Database.connect(getattr(read, f"{service}_database"), connections=2, within_s=within_s)
    try:
        async with database.connection() as connection:
            there, shards = Schema(), 0
            fault = await _fault_of_roles(connection)
            if not fault:
                there = await schema_of(connection)
            if there.revision is not None:
                shards = await connection.fetchval("select count(distinct shard) from consumer_shard")
    finally:
        await database.close()
    fault = (
        fault
        or schema_fault(service, there, allow_newer=read.allow_newer_schema)
        or shards_fault("its database has", shards, read.shards)
    )
    newer = newer_schema(service, there)
    if newer and not fault:
        configure_logging(read.log_level, read.log_format, service)
        log.warning("begins beside %s", newer)
    return fault


async def _fault_of_roles(connection: Connection) -> str:
    """Return what keeps this user from serving requests of tenants; empty where it is a member of both roles."""
    user = await connection.fetchval("select current_user")
    for role in (SERVICE_ROLE, TENANT_ROLE):
        if not await connection.fetchval("select 1 from pg_roles where rolname = $1", role):
            return f"its database has no role {role}: run `migrate` of this version first"
        if not await connection.fetchval("select pg_has_role($1, 'member')", role):
            return f"its user {user} is no member of {role}: have an administrator run `grant {role} to {user}`"
    return ""
