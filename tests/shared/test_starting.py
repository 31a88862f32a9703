"""What stops a service at its start: one line that names the setting, or says what to do with the schema."""

import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from shared.migrate import configuration
from shared.revisions import Schema, revisions, schema_fault
from shared.settings import Settings, settings
from shared.shards import shards_fault
from shared.starting import fault_of, settings_of

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
        ({"lti_platforms": ("x",)}, "ATTAIN_LTI_PLATFORMS is set: give ATTAIN_PUBLIC_URL"),
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


@contextmanager
def as_nobody() -> Iterator[None]:
    """Have the rights of an ordinary user, whoever runs the tests: an administrator may write anywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize(
    ("ledger", "fault"),
    [
        ("open/new", ""),
        ("open/kept", ""),
        ("gone/new", "its folder is not there, or is closed"),
        ("open/kept/new", "its folder is not there, or is closed"),
        ("secret/new", "its folder is not there, or is closed"),
        ("closed/new", "its folder cannot be written"),
        ("closed/kept", ""),
        ("open/others", "is no file that can be read and written"),
        ("open", "is no file that can be read and written"),
    ],
)
def test_a_ledger_that_cannot_be_kept_stops_evidence_at_its_start(ledger: str, fault: str) -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "key").write_text("ab" * 32)
        for name, mode in {".": 0o755, "open": 0o777, "closed": 0o555, "secret": 0o000}.items():
            (folder / name).mkdir(exist_ok=True)
            for file, rights in {"kept": 0o666, "others": 0o000}.items():
                (folder / name / file).touch()
                (folder / name / file).chmod(rights)
            (folder / name).chmod(mode)
        url = "postgresql://attain@127.0.0.1:1/attain"
        read = Settings(
            evidence_database=url, reporting_database=url, token_key_file=folder / "key", erasure_ledger=folder / ledger
        )
        with as_nobody():
            found, elsewhere = fault_of(read, "evidence"), fault_of(read, "reporting")
        for name in ("closed", "secret"):
            (folder / name).chmod(0o700)

    assert found.startswith(f"ATTAIN_ERASURE_LEDGER: {folder / ledger}") if fault else not found
    assert found.endswith(fault)
    assert elsewhere == ""


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
    secrets = {name: value.format("opensesame") for name, value in SECRETS.items() if not name.endswith("DATABASE")}
    said = said_by([[f"services.{service}.app"] for service in SERVICES], variables | secrets)

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


def _lay_out(folder: Path, service: str) -> dict[str, str]:
    """Write files with secrets in them; return the variables with which a service would start."""
    files = {
        "token_key": "ab" * 32, "page_key": "cd" * 32, "service_token": "open-sesame-service", "garbage": "open-sesame-key",
        "short": b"open-sesame-key".hex(), "pem": "-----BEGIN PRIVATE KEY-----\nopen-sesame-key\n-----END PRIVATE KEY-----",
    }  # fmt: skip
    for name, text in files.items():
        (folder / name).write_text(text)
    return {
        f"ATTAIN_{service.upper()}_DATABASE": f"postgresql://attain:open-sesame-db@127.0.0.1:1/attain_{service}",
        "ATTAIN_TOKEN_KEY_FILE": f"{folder}/token_key", "ATTAIN_PAGE_KEY_FILE": f"{folder}/page_key",
        "ATTAIN_KAFKA_PASSWORD": "open-sesame-kafka", "ATTAIN_OIDC_CLIENT_SECRET": "open-sesame-oidc",
        "ATTAIN_CREDENTIAL_KEYS": str(folder),
    }  # fmt: skip


def test_what_the_secrets_are_laid_out_for_would_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for service in SERVICES:
        assert _said(_lay_out(tmp_path, service), service, monkeypatch) == ""


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    ("broken", "named"),
    [
        ({"{DATABASE}": "postgresql://attain:open-sesame-db/x@127.0.0.1:1/attain"}, "{DATABASE}: not postgresql://"),
        ({"{DATABASE}": "postgresql://attain:open-sesame-db@[127.0.0.1/attain"}, "{DATABASE}: not postgresql://"),
        ({"ATTAIN_KAFKA_USERNAME": "attain"}, "ATTAIN_KAFKA_USERNAME is set"),
        ({"ATTAIN_KAFKA_SECURITY": "SASL_SSL"}, "ATTAIN_KAFKA_USERNAME is not set"),
        ({"ATTAIN_KAFKA_PASSWORD": "", "ATTAIN_KAFKA_USERNAME": "a", "ATTAIN_KAFKA_SECURITY": "SASL_SSL"},
         "ATTAIN_KAFKA_PASSWORD is not set"),
        ({"ATTAIN_OIDC_ISSUER": "open-sesame-issuer"}, "ATTAIN_OIDC_ISSUER: "),
        ({"ATTAIN_OIDC_ISSUER": "https://id.example.edu"}, "ATTAIN_OIDC_ISSUER is set: give ATTAIN_OIDC_CLIENT_ID"),
        ({"ATTAIN_TOKEN_KEY_FILE": "{folder}/garbage"}, "ATTAIN_TOKEN_KEY_FILE: {folder}/garbage does not hold keys"),
        ({"ATTAIN_TOKEN_KEY_FILE": "{folder}/short"}, "ATTAIN_TOKEN_KEY_FILE: a key has 15 bytes"),
        ({"ATTAIN_PAGE_KEY_FILE": "{folder}/garbage"}, "ATTAIN_PAGE_KEY_FILE: {folder}/garbage does not hold keys"),
        ({"ATTAIN_PAGE_KEY_FILE": "{folder}/short"}, "ATTAIN_PAGE_KEY_FILE: a key has 15 bytes"),
        ({"ATTAIN_SERVICE_TOKEN_FILE": "{folder}"}, "ATTAIN_SERVICE_TOKEN_FILE: {folder} cannot be read"),
        ({"ATTAIN_CREDENTIAL_KEYS": "{folder}/pem"}, "ATTAIN_CREDENTIAL_KEYS: {folder}/pem is no folder"),
        ({"ATTAIN_KAFKA_SECURITY": "SSL", "ATTAIN_KAFKA_CERTIFICATE_FILE": "{folder}/pem",
          "ATTAIN_KAFKA_KEY_FILE": "{folder}/pem"}, "ATTAIN_KAFKA_CA_FILE or ATTAIN_KAFKA_CERTIFICATE_FILE: not usable"),
    ],
)  # fmt: skip
def test_no_secret_setting_is_shown_by_a_service_that_cannot_start(
    tmp_path: Path, service: str, broken: dict[str, str], named: str,
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    places = {"DATABASE": f"ATTAIN_{service.upper()}_DATABASE", "folder": str(tmp_path)}
    changed = {name.format(**places): value.format(**places) for name, value in broken.items()}
    with caplog.at_level(logging.DEBUG):
        line = _said(_lay_out(tmp_path, service) | changed, service, monkeypatch)
    written = capfd.readouterr()

    assert line.startswith(f"{service}: {named.format(**places)}")
    assert "\n" not in line
    for secret in ("sesame", b"open-sesame".hex(), "ab" * 8, "cd" * 8):
        assert secret not in line + caplog.text + written.out + written.err


def _said(variables: dict[str, str], service: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the line with which a service that is given these variables stops; empty where it would go on."""
    for name in [name for name in os.environ if name.startswith("ATTAIN_")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    try:
        settings_of(service)
    except SystemExit as stopped:
        return str(stopped)
    finally:
        settings.cache_clear()
    return ""


def test_no_program_shows_a_part_of_a_secret_and_each_says_in_a_line_what_it_cannot_use(tmp_path: Path) -> None:
    secret = "opensesame"
    given = {name: value.format(secret) for name, value in SECRETS.items()} | {"ATTAIN_HOME": str(tmp_path)}

    for program, (code, text) in zip(PROGRAMS, said_by(PROGRAMS, given), strict=True):
        assert code == 1, program
        assert text.count("ATTAIN_EVIDENCE_DATABASE") == text.count("\n") == 1, (program, text)
        assert secret not in text, program


def test_schema_of_this_version_is_right() -> None:
    assert schema_fault("evidence", Schema(revisions("evidence")[-1]), allow_newer=False) == ""


@pytest.mark.parametrize(
    ("there", "allow_newer", "fault"),
    [
        (Schema(), True, "its database has no schema: run `migrate evidence` first"),
        (Schema("0001"), True, "its database has schema 0001, this version needs"),
        (Schema("9999"), False, "its database has schema 9999, which is newer than this version"),
        (Schema("9999"), True, ""),
        (Schema("9999", "9998"), False, "its database has schema 9999, which is newer than this version"),
        (Schema("9999", revisions("evidence")[-1]), False, ""),
        (Schema("0001", "0001"), True, "its database has schema 0001, this version needs"),
    ],
)
def test_another_schema_is_refused_with_what_to_do(there: Schema, allow_newer: bool, fault: str) -> None:
    found = schema_fault("evidence", there, allow_newer=allow_newer)

    assert found.startswith(fault)
    assert bool(found) == bool(fault)


@pytest.mark.parametrize("service", SERVICES)
def test_migrations_of_a_service_are_one_line_in_the_order_of_their_files(service: str) -> None:
    history = ScriptDirectory.from_config(configuration(service))

    assert len(history.get_heads()) == 1
    assert [script.revision for script in history.walk_revisions()] == revisions(service)[::-1]


def test_another_number_of_shards_than_the_databases_is_refused_by_the_name_of_the_setting():
    has = "its database has"

    assert shards_fault(has, 0, 8) == shards_fault(has, 8, 8) == ""
    assert shards_fault(has, 16, 8) == (
        "ATTAIN_SHARDS is 8, but its database has 16 shards: set it to that, which only `reshard` changes"
    )
