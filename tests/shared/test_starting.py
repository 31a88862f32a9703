"""What stops a service at its start: one line that names the setting, or says what to do with the schema."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from shared.migrate import configuration
from shared.settings import Settings
from shared.shards import shards_fault
from shared.starting import fault_of, schema_fault

SERVICES = ("evidence", "progression", "reporting")
DATABASE = "postgresql://attain@127.0.0.1:1/attain_evidence"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_text("ab" * 32)
    return file


@pytest.fixture
def whole(key: Path) -> Settings:
    return Settings(evidence_database=DATABASE, token_key_file=key)


def test_whole_settings_have_no_fault(whole: Settings) -> None:
    assert fault_of(whole, "evidence") == ""


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"evidence_database": ""}, "ATTAIN_EVIDENCE_DATABASE is not set"),
        ({"token_key_file": None}, "ATTAIN_TOKEN_KEY_FILE is not set"),
        ({"jwks_url": "https://id.example.edu/keys"}, "ATTAIN_JWKS_URL and ATTAIN_TOKEN_KEY_FILE are both set"),
        ({"jwks_url": "https://id.example.edu/keys", "token_key_file": None}, "ATTAIN_SERVICE_TOKEN_FILE is not set"),
        ({"oidc_issuer": "https://id.example.edu"}, "ATTAIN_OIDC_ISSUER is set: give ATTAIN_OIDC_CLIENT_ID"),
        (
            {
                "oidc_issuer": "https://id.example.edu",
                "oidc_client_id": "x",
                "public_url": "https://r.example.edu",
                "jwks_url": "https://id.example.edu/keys",
                "token_key_file": None,
                "service_token_file": Path("/x"),
            },
            "ATTAIN_PAGE_KEY_FILE is not set",
        ),
        ({"page_key_file": Path("/nowhere/key")}, "ATTAIN_PAGE_KEY_FILE: /nowhere/key cannot be read"),
        ({"token_key_file": Path("/nowhere/key")}, "ATTAIN_TOKEN_KEY_FILE: /nowhere/key cannot be read"),
        ({"kafka_security": "SASL_SSL"}, "ATTAIN_KAFKA_USERNAME is not set"),
        ({"item_bytes_max": 9 << 20}, "ATTAIN_ITEM_BYTES_MAX is 9437184, more than ATTAIN_BODY_BYTES_MAX"),
        ({"credential_keys": Path("/nowhere")}, "ATTAIN_CREDENTIAL_KEYS: /nowhere is no folder"),
        ({"transcript_font": Path("/nowhere.ttf")}, "ATTAIN_TRANSCRIPT_FONT: /nowhere.ttf is no file"),
        ({"kafka_security": "SASL_SSL", "kafka_username": "attain"}, "ATTAIN_KAFKA_PASSWORD is not set"),
        ({"kafka_username": "attain"}, "ATTAIN_KAFKA_USERNAME is set, but ATTAIN_KAFKA_SECURITY is PLAINTEXT"),
        ({"kafka_certificate_file": Path("/x")}, "ATTAIN_KAFKA_CERTIFICATE_FILE is set, but"),
        ({"kafka_security": "SSL", "kafka_ca_file": Path("/nowhere/ca")}, "ATTAIN_KAFKA_CA_FILE: /nowhere/ca"),
    ],
)
def test_what_is_missing_or_contradicts_itself_is_named(
    whole: Settings, changed: dict[str, object], named: str
) -> None:
    assert fault_of(whole.model_copy(update=changed), "evidence").startswith(named)


@pytest.mark.parametrize(("text", "fault"), [("xyz", "hexadecimal"), ("ab" * 8, "8 bytes, fewer than 32")])
def test_a_weak_or_broken_key_is_refused(whole: Settings, key: Path, text: str, fault: str) -> None:
    key.write_text(text)

    assert fault in fault_of(whole, "evidence")


def test_a_certificate_that_is_none_is_named(whole: Settings, key: Path) -> None:
    changed = whole.model_copy(update={"kafka_security": "SSL", "kafka_ca_file": key})

    assert fault_of(changed, "evidence").startswith("ATTAIN_KAFKA_CA_FILE or ATTAIN_KAFKA_CERTIFICATE_FILE: not usable")


def said_by(programs: Sequence[Sequence[str]], variables: Mapping[str, str]) -> list[tuple[int, str]]:
    """Run modules side by side with these variables and no others of ours; return the exit code and the output of each."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ATTAIN_")} | dict(
        variables
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-m", *program],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for program in programs
    ]
    said = [one.communicate(timeout=60)[0] for one in running]
    return [(one.returncode, text) for one, text in zip(running, said, strict=True)]


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({}, "{service}: ATTAIN_{SERVICE}_DATABASE is not set: give the URL of its PostgreSQL database"),
        ({"ATTAIN_SHARDS": "many"}, "{service}: ATTAIN_SHARDS: Input should be a valid integer, unable to parse string"
                                    " as an integer"),
        ({"ATTAIN_KAFKA_SECURITY": "TLS"}, "{service}: ATTAIN_KAFKA_SECURITY: Input should be 'PLAINTEXT', 'SSL',"
                                           " 'SASL_PLAINTEXT' or 'SASL_SSL'"),
    ],
)  # fmt: skip
def test_a_service_that_cannot_start_says_why_in_one_line(variables: dict[str, str], line: str) -> None:
    said = said_by([[f"services.{service}.app"] for service in SERVICES], variables)

    assert said == [(1, line.format(service=service, SERVICE=service.upper()) + "\n") for service in SERVICES]


PROGRAMS = (
    ["services.evidence.app"], ["shared.migrate"], ["shared.topics", "create"], ["shared.restored"],
    ["deploy.reshard", "--to", "16"], ["deploy.local", "doctor", "--before"],
)  # fmt: skip
SECRETS = {
    "ATTAIN_EVIDENCE_DATABASE": "postgresql://attain:{}/x@127.0.0.1:1/attain_evidence",
    "ATTAIN_KAFKA_PASSWORD": "{}",
    "ATTAIN_OIDC_CLIENT_SECRET": "{}",
}


def test_no_program_shows_a_part_of_a_secret_and_each_says_in_a_line_what_it_cannot_use(tmp_path: Path) -> None:
    secret = "opensesame"
    given = {name: value.format(secret) for name, value in SECRETS.items()} | {"ATTAIN_HOME": str(tmp_path)}

    for program, (code, text) in zip(PROGRAMS, said_by(PROGRAMS, given), strict=True):
        assert code == 1, program
        assert text.count("ATTAIN_EVIDENCE_DATABASE") == text.count("\n") == 1, (program, text)
        assert secret not in text, program


def test_schema_of_this_version_is_right() -> None:
    assert schema_fault("evidence", _newest("evidence"), allow_newer=False) == ""


@pytest.mark.parametrize(
    ("there", "allow_newer", "fault"),
    [
        (None, True, "its database has no schema: run `migrate evidence` first"),
        ("0001", True, "its database has schema 0001, this version needs"),
        ("9999", False, "its database has schema 9999, which is newer than this version"),
        ("9999", True, ""),
    ],
)
def test_another_schema_is_refused_with_what_to_do(there: str | None, allow_newer: bool, fault: str) -> None:
    found = schema_fault("evidence", there, allow_newer=allow_newer)

    assert found.startswith(fault)
    assert bool(found) == bool(fault)


def _newest(service: str) -> str:
    versions = Path(__file__).parents[2] / "services" / service / "migrations" / "versions"
    return max(file.name for file in versions.glob("[0-9]*.py")).partition("_")[0]


@pytest.mark.parametrize("service", SERVICES)
def test_migrations_of_a_service_are_one_line(service: str) -> None:
    history = ScriptDirectory.from_config(configuration(service))

    assert len(history.get_heads()) == 1


def test_another_number_of_shards_than_the_databases_is_refused_by_the_name_of_the_setting():
    has = "its database has"

    assert shards_fault(has, 0, 8) == shards_fault(has, 8, 8) == ""
    assert shards_fault(has, 16, 8) == (
        "ATTAIN_SHARDS is 8, but its database has 16 shards: set it to that, which only `reshard` changes"
    )
