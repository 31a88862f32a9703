"""Every setting of the services: environment name (prefix `ATTAIN_`), default and reason in one place."""

import functools
import importlib.metadata
import os
import re
import zoneinfo
from pathlib import Path
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, StringConstraints, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.lti_platforms import LtiPlatforms

SECRETS_DIR = "/run/secrets"
SERVICES = ("evidence", "progression", "reporting")


def _database_url(url: str) -> str:
    """Refuse what the driver would read otherwise than it was meant; what is wrong is told without a part of the password."""
    if url and not _readable(url):
        raise ValueError(
            "not postgresql://USER:PASSWORD@HOST:PORT/NAME; a password's own signs are written as %2F and so on"
        )
    return url


def _readable(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        # Its message quotes what stands before the host, the password too.
        return False
    hosts = parts.netloc.rpartition("@")[2].split(",")
    odd = "@" in parts.path + parts.query or parts.fragment or not all(map(_HOST.fullmatch, hosts))
    return parts.scheme in ("postgresql", "postgres") and not odd


def _brokers(addresses: str) -> str:
    if not all(map(_HOST.fullmatch, addresses.split(","))):
        raise ValueError("not HOST:PORT, or several with commas between them and no spaces")
    return addresses


def _time_zone(name: str) -> str:
    if name not in zoneinfo.available_timezones():
        raise ValueError("not the name of a time zone, such as America/Chicago")
    return name


def _installed() -> str:
    try:
        return importlib.metadata.version("attain")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


_HOST = re.compile(r"([^\s:,\[\]]+|\[[0-9a-fA-F:.]+\])(:(6553[0-5]|655[0-2]\d|65[0-4]\d\d|6[0-4]\d{3}|[1-5]?\d{1,4}))?")
DatabaseUrl: TypeAlias = Annotated[str, AfterValidator(_database_url)]
ServiceUrl: TypeAlias = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$")]
Brokers: TypeAlias = Annotated[str, AfterValidator(_brokers)]
TimeZone: TypeAlias = Annotated[str, AfterValidator(_time_zone)]
LogLevel: TypeAlias = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(str.upper)]


class Settings(BaseSettings):
    """What a service reads from its environment; the same class in all three."""

    model_config = SettingsConfigDict(env_prefix="ATTAIN_", frozen=True, extra="ignore")

    kafka: Brokers = Field("127.0.0.1:9092", description="Kafka bootstrap servers, comma-separated")
    kafka_security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="how brokers are reached; SSL verifies their certificate"
    )
    kafka_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="of SASL; PLAIN shows the broker the password"
    )
    kafka_username: str = Field("", description="of SASL; one a service, so that ACLs can be")
    kafka_password: SecretStr = Field(SecretStr(""), description="of SASL")
    kafka_ca_file: Path | None = Field(None, description="who signs the brokers' certificates, PEM; else the system's")
    kafka_certificate_file: Path | None = Field(None, description="this client's certificate, PEM, for mutual TLS")
    kafka_key_file: Path | None = Field(None, description="its key, PEM, where it is not in the same file")
    evidence_database: DatabaseUrl = Field("", repr=False, description="PostgreSQL URL of the evidence service")
    progression_database: DatabaseUrl = Field("", repr=False, description="PostgreSQL URL of the progression service")
    reporting_database: DatabaseUrl = Field("", repr=False, description="PostgreSQL URL of the reporting service")
    evidence_owner_database: DatabaseUrl = Field(
        "", repr=False, description="the same as its owner, to migrate it; else the service's own"
    )
    progression_owner_database: DatabaseUrl = Field("", repr=False, description="the same as its owner, to migrate it")
    reporting_owner_database: DatabaseUrl = Field("", repr=False, description="the same as its owner, to migrate it")
    evidence_url: ServiceUrl = Field("http://127.0.0.1:8101", description="where the other services find evidence")
    progression_url: ServiceUrl = Field(
        "http://127.0.0.1:8102", description="where the other services find progression"
    )
    reporting_url: ServiceUrl = Field(
        "http://127.0.0.1:8103", description="where evidence asks whether a piece is shown"
    )
    allow_newer_schema: bool = Field(
        False,
        description="run on a newer schema than the next version's: to roll back further, since migrations only add",
    )
    host: str = Field("127.0.0.1", description="address to listen on; loopback unless told otherwise")
    port: int = Field(8100, ge=0, le=65535, description="port to listen on")
    slot: str = Field("", description="stable consumer slot (Kafka static membership); unique per replica")
    shards: int = Field(8, ge=1, le=1024, description="shards = Kafka partitions; only `reshard` changes them")
    topic_suffix: str = Field("", description="appended to every topic name, so that installations can share a cluster")
    replication_factor: int = Field(1, ge=1, description="of the topics that `shared.topics create` makes")

    token_key_file: Path | None = Field(
        None, description="file with HS256 keys, hex, one a line; the first signs, all verify"
    )
    jwks_url: str = Field("", description="where the signing keys of an identity provider are; instead of a key file")
    page_key_file: Path | None = Field(
        None,
        description="with a JWKS: HS256 keys by which the pages sign sessions and act for people; the same for all",
    )
    jwks_issuer: str = Field("attain", description="`iss` of the tokens that the provider signs")
    jwks_audience: str = Field("attain", description="`aud` of the tokens that the provider signs")
    service_token_file: Path | None = Field(None, description="token for calls between services, with a JWKS")
    token_cache_s: int = Field(60, ge=0, description="a verified token is believed this long; bounds revocation")

    public_url: str = Field(
        "",
        pattern=r"^(https?://[^/?#]+)?$",
        description="where browsers reach the pages and verifiers what is revoked; without it no record is signed; https makes"
        " cookies secure",
    )
    oidc_issuer: str = Field(
        "", pattern=r"^(https://.+|http://(127\.0\.0\.1|localhost)(:[0-9]+)?(/.*)?)?$",
        description="the identity provider that people sign in by to the pages; empty for none",
    )  # fmt: skip
    oidc_client_id: str = Field("", description="as what the pages are registered there; `aud` of its ID tokens")
    oidc_client_secret: SecretStr = Field(SecretStr(""), description="empty for a public client; PKCE is used anyway")
    oidc_subject_claim: str = Field("sub", description="the claim with the id by which the roster lists a person")
    oidc_tenant: str = Field("", description="the tenant of all who sign in; empty: the claim `tenant` says it")
    oidc_learner_source: str = Field("", description="the source that knows learners by the same ids; empty for none")
    oidc_scope: str = Field(
        "records:read:classes records:read:self evidence:write decisions:write",
        description="what a session may do at most; to whose rows, the roster says",
    )
    lti_platforms: LtiPlatforms = Field(
        (), validate_default=False,
        description="the learning platforms that open the pages by LTI 1.3, as JSON; empty for none",
    )  # fmt: skip
    lti_private_addresses: bool = Field(
        False, description="let the keys of platforms be fetched from private addresses"
    )
    session_s: float = Field(8 * 3600, gt=0, description="a session of the pages ends after so long")

    session_timeout_s: float = Field(
        15, gt=0, description="Kafka session; recovery after kill -9 waits at most this long"
    )
    batch_records: int = Field(16000, gt=0, description="records a poll; half a second of work, well below the session")
    batch_wait_ms: int = Field(
        500, gt=0, description="how long a poll waits for the first record; it returns when one comes"
    )
    batch_gap_ms: int = Field(
        15,
        ge=0,
        description="small batches begin at least so far apart, those of intake four times; bounds what little traffic costs",
    )
    cache_keys: int = Field(50_000, gt=0, description="learner-competency states kept in memory; about 1.5 KiB each")
    cache_identities: int = Field(100_000, gt=0, description="source ids kept in memory; about 0.3 KiB each")
    relay_poll_ms: int = Field(
        40, gt=0, description="how often the relay looks for rows it was not handed; a quarter as often where none come"
    )
    relay_rows: int = Field(4000, gt=0, description="rows a relay round; bounds memory and the run a restart repeats")
    tail_check_s: float = Field(
        60, gt=0, description="how often the relay compares its cursor with the partition's tail"
    )
    head_check_s: float = Field(5, gt=0, description="how often an idle consumer asks for the producer's head")
    inbox_poll_ms: int = Field(
        50,
        gt=0,
        description="how often the owner of a shard looks for decisions; a quarter as often where nothing comes",
    )
    reconcile_s: float = Field(15, gt=0, description="how often the stages are held against each other; about 50 ms")
    blocked_learners_max: int = Field(
        100,
        ge=0,
        description="learners blocked in an hour that stop the shard (code is wrong), but for one of several tenants",
    )
    clock_apart_s_max: float = Field(60, gt=0, description="seconds that this clock and the database's may be apart")
    clock_gap_days_max: float = Field(120, gt=0, description="days since the last tick after which a clock is doubted")

    webhooks_max: int = Field(50, ge=0, description="webhooks a tenant; each is sent one event at a time a shard")
    webhook_private_addresses: bool = Field(False, description="let webhooks lead to private addresses, by http too")
    webhook_timeout_s: float = Field(10, gt=0, description="how long a receiver may take for one event, names and all")
    webhook_poll_ms: int = Field(250, gt=0, description="how often the log is looked at for what to send")
    webhook_attempts_max: int = Field(10, gt=0, description="failures of one event after which its learner is parked")
    webhook_failures_max: int = Field(16, gt=0, description="failures in a row, of any event, that park a webhook")
    webhook_backoff_s: float = Field(2, ge=0, description="the first wait after a failure; doubles up to the longest")
    webhook_backoff_s_max: float = Field(3600, ge=0, description="the longest wait; 16 failures are about 4 hours")
    webhook_log_rows: int = Field(10_000, ge=0, description="deliveries kept in a webhook's log")
    streams_max: int = Field(
        400, ge=0, description="open event streams a process, of a tenant no more than are free; each looks at the log"
    )

    body_bytes_max: int = Field(8 << 20, gt=0, description="request body; a batch of 10,000 items is about 4 MiB")
    body_s: float = Field(
        60, gt=0, description="how long a request body may take, with a second more for each part of it:"
    )
    body_bytes_per_s: int = Field(
        4096, gt=0, description="so many bytes; whoever sends more slowly is answered with 408"
    )
    body_inflated_bytes_max: int = Field(64 << 20, gt=0, description="body after gzip; refuses decompression bombs")
    batch_items_max: int = Field(10_000, gt=0, description="items a request; bounds one transaction")
    bad_items_max: int = Field(1000, ge=1, description="refused items of a source in a minute that may stop it")
    bad_share_max: float = Field(0.5, ge=0, le=1, description="share of refused items above which they do stop it")
    bad_pause_s: float = Field(60, ge=0, description="how long a source is stopped; it gets 429 with the reason")
    item_bytes_max: int = Field(256 << 10, gt=0, description="one native object; well below Kafka's 1 MiB record limit")
    requests_per_s: float = Field(
        1000, ge=0, description="requests a second of one tenant and source, a process; 0 is no limit"
    )
    clock_skew_s: int = Field(300, ge=0, description="how far occurred_at may lie ahead of this machine's clock")
    statements_kept: Literal["none", "scored", "all"] = Field(
        "scored",
        description="which xAPI statements are kept whole, of the others an id and a digest; `all` keeps Caliper events that"
        " are no evidence as well, once whole by their id, else only counts them",
    )
    originals_kept_days: int = Field(
        0,
        ge=0,
        description="days that originals are kept which became no evidence: quarantined, statements, events; 0: for good",
    )
    accesses_kept_days: int = Field(
        0, ge=0, description="days that it is kept who looked at, sent or took out what; 0: for good"
    )
    deliveries_kept_days: int = Field(
        0, ge=0, description="days that lines of a webhook's delivery log are kept; 0: until there are too many of them"
    )
    canvas_jwks_url: str = Field(
        "", description="where Canvas' signing keys are; set, unsigned live events are refused"
    )
    caliper_strict: bool = Field(
        True, description="refuse whole numbers where Caliper 1.2 has decimals; producers in JavaScript need False"
    )
    time_zone: TimeZone = Field(
        "UTC", description="zone of times that a format gives without one (OneRoster, Ed-Fi, CSV)"
    )
    erasure_ledger: Path | None = Field(
        None,
        description="file of erased learners, kept outside every backup; a restore is made to forget them again",
    )
    page_rows_max: int = Field(10_000, gt=0, description="rows a page of feeds and lists")
    wait_s_max: float = Field(30, ge=0, description="the longest `?wait=` waits before 503")

    small_number: int = Field(10, ge=2, description="counts of people below this, the usual minimum, are not told")
    aggregate_s: float = Field(
        300,
        ge=0,
        description="for so long a replica gives a district's numbers before it looks for those of another day",
    )
    aggregate_daily: bool = Field(
        True, description="a district's numbers stay all of a tenant's day, against differencing; False is for tests"
    )

    credential_keys: Path | None = Field(
        None, description="folder of Ed25519 keys, PEM: <tenant>.pem, else issuer.pem; in a file the first signs"
    )
    credential_did: str = Field(
        "", description="did:web of the installation, to which the tenant is added; without one a did:key"
    )
    credential_days: int = Field(0, ge=0, description="how long a signed record is valid; 0 is without an end")
    transcript_font: Path | None = Field(
        None,
        description="TrueType font of transcripts; else DejaVu Sans where it is installed, else Latin letters only",
    )
    status_list_s: int = Field(
        300, ge=0, description="a list of revoked records is made at most so often, and may be kept so long"
    )

    trace_endpoint: str = Field(
        "", pattern=r"^(https?://.+)?$",
        description="where traces are sent, OTLP by HTTP, as http://collector:4318; empty for none",
    )  # fmt: skip
    trace_share: float = Field(
        0.01, ge=0, le=1, description="share of the evidence that is traced; a traced piece costs about ten spans"
    )
    version: str = Field(default_factory=_installed, description="what runs; the image sets it")
    log_level: LogLevel = Field("INFO", description="logging level of our own; libraries log warnings at least")
    log_format: Literal["text", "json"] = Field("text", description="JSON is one object a line, for log collectors")

    @property
    def own_key_file(self) -> Path | None:
        """The file of the keys that the installation signs with: of all tokens, or with a JWKS of what it says itself."""
        return self.token_key_file or self.page_key_file


@functools.cache
def settings() -> Settings:
    """
    Return the settings of this process, read once.

    A setting may also be a file named as its variable in lower case, in the folder `ATTAIN_SECRETS_DIR`, which is where
    compose and Kubernetes mount secrets. The environment wins.
    """
    folder = Path(os.environ.get("ATTAIN_SECRETS_DIR", SECRETS_DIR))
    return Settings(_secrets_dir=folder if folder.is_dir() else None)


def settings_or_exit(program: str) -> Settings:
    """Return the settings of this process; raises `SystemExit` with a line that names the one that cannot be read."""
    try:
        return settings()
    except ValidationError as error:
        # Never the value: it may be a secret.
        first = error.errors(include_input=False, include_url=False)[0]
        name = variable(str(first["loc"][0])) if first["loc"] else "settings"
        within = "".join(f"/{part}" for part in first["loc"][1:])
        raise SystemExit(
            f"{program}: {' at '.join(filter(None, (name, within)))}: {first['msg'].removeprefix('Value error, ')}"
        ) from None


def variable(name: str) -> str:
    """Return a setting's name in the environment."""
    return f"ATTAIN_{name.upper()}"
