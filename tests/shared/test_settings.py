import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from shared.settings import Settings, settings, settings_or_exit


def test_every_setting_says_what_it_is_for() -> None:
    undescribed = [name for name, field in Settings.model_fields.items() if not (field.description or "").strip()]
    assert undescribed == []


def test_a_setting_comes_from_its_environment_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTAIN_RELAY_ROWS", "17")
    assert Settings().relay_rows == 17


def test_settings_do_not_change_and_can_be_keys() -> None:
    one = Settings(slot="a")
    with pytest.raises(ValueError, match="frozen"):
        one.slot = "b"  # type: ignore[misc]
    assert hash(one) == hash(Settings(slot="a"))


def test_a_secret_may_be_a_file_and_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "attain_evidence_database").write_text("postgresql://of-the-file\n")
    monkeypatch.setenv("ATTAIN_SECRETS_DIR", str(tmp_path))
    monkeypatch.delenv("ATTAIN_EVIDENCE_DATABASE", raising=False)

    assert settings.__wrapped__().evidence_database == "postgresql://of-the-file"

    monkeypatch.setenv("ATTAIN_EVIDENCE_DATABASE", "postgresql://of-the-environment")
    assert settings.__wrapped__().evidence_database == "postgresql://of-the-environment"


def test_a_folder_of_secrets_that_is_not_there_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTAIN_SECRETS_DIR", str(tmp_path / "none"))

    assert settings.__wrapped__().kafka


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("log_level", "LOUD"), ("port", "-1"), ("port", "65536"), ("session_timeout_s", "0"), ("batch_records", "0"),
        ("kafka", ""), ("kafka", "k:notaport"), ("kafka", "k:99999"), ("kafka", "a:9092, b:9092"), ("kafka", "http://a:1"),
        ("time_zone", "America/Chikago"), ("time_zone", "../../etc/passwd"), ("body_bytes_max", "-5"), ("page_rows_max", "0"),
        ("bad_share_max", "1.5"), ("wait_s_max", "-1"), ("evidence_url", "evidence:8101"), ("reporting_url", "http://"),
        ("evidence_database", "mysql://a@b/c"), ("evidence_database", "attain_evidence"),
        ("evidence_database", "postgresql://u:pa/ss@h:1/d"), ("evidence_database", "postgresql://u:12/34@h:1/d"),
        ("evidence_database", "postgresql://u:pa#ss@h:1/d"), ("evidence_database", "postgresql://u:pa?ss@h:1/d"),
        ("evidence_database", "postgresql://u:p@h:port/d"), ("evidence_owner_database", "postgresql://u:p/p@h/d"),
    ],
)  # fmt: skip
def test_what_no_service_could_use_is_refused_by_name_and_without_its_value(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"ATTAIN_{name.upper()}", value)
    settings.cache_clear()
    with pytest.raises(SystemExit) as stopped:
        settings_or_exit("x")
    settings.cache_clear()

    assert str(stopped.value).startswith(f"x: ATTAIN_{name.upper()}: ")
    assert "\n" not in str(stopped.value)
    assert "database" not in name or value not in str(stopped.value)


@pytest.mark.parametrize(
    "password", ["opensesame[x]", "[opensesame]", "x[opensesame", "opensesame\uff0fx", "opensesame\u2100"]
)
def test_a_password_that_no_url_may_have_is_not_told(password: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTAIN_EVIDENCE_DATABASE", f"postgresql://u:{password}@h:1/d")
    settings.cache_clear()
    with pytest.raises(SystemExit) as stopped:
        settings_or_exit("x")
    settings.cache_clear()

    assert str(stopped.value).startswith("x: ATTAIN_EVIDENCE_DATABASE: not postgresql://")
    assert "opensesame" not in str(stopped.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kafka", "a:9092,b:9093,[::1]:9092"), ("kafka", "kafka"), ("log_level", "debug"), ("time_zone", "America/Chicago"),
        ("evidence_database", "postgresql://u:p%2Fa%40@h:5432/d?sslmode=verify-full&sslrootcert=/ca.pem"),
        ("evidence_database", "postgres://u@a:5432,b:5432/d"), ("batch_gap_ms", "0"), ("port", "0"),
        ("evidence_url", "https://attain.example.edu/evidence"),
    ],
)  # fmt: skip
def test_what_can_be_used_is_read(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"ATTAIN_{name.upper()}", value)

    assert str(getattr(Settings(), name)) == (value.upper() if name == "log_level" else value)


PLATFORM: dict[str, Any] = {
    "issuer": "https://canvas.instructure.com", "client_id": "7", "authorization_url": "https://sso.example.org/authorize",
    "jwks_url": "https://sso.example.org/keys", "deployments": [{"id": "1", "tenant": "demo"}],
}  # fmt: skip


def test_platforms_are_read_with_the_tenant_of_each_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTAIN_LTI_PLATFORMS", json.dumps([PLATFORM, PLATFORM | {"client_id": "8"}]))
    read = Settings()

    assert [(each.client_id, each.deployments[0].tenant) for each in read.lti_platforms] == [
        ("7", "demo"),
        ("8", "demo"),
    ]
    assert hash(read) == hash(Settings())


def test_the_platforms_of_the_document_are_read() -> None:
    text = (Path(__file__).parents[2] / "docs" / "sign-in.md").read_text()
    [example] = re.findall(r"```json\n(\[.*?)```", text, re.DOTALL)

    assert Settings(lti_platforms=example).lti_platforms[0].deployments[0].person == "person_sourcedid"


@pytest.mark.parametrize(
    ("platforms", "fault"),
    [
        ([PLATFORM, PLATFORM], ": a platform stands there twice"),
        ([PLATFORM | {"deployments": [{"id": "1", "tenant": "demo"}, {"id": "1", "tenant": "other"}]}],
         " at /0/deployments: a deployment stands there twice"),
        ([PLATFORM | {"deployments": [{"id": "1", "tenant": "No Tenant"}]}], " at /0/deployments/0/tenant: "),
        ([PLATFORM | {"deployments": []}], " at /0/deployments: "),
        ([PLATFORM | {"jwks_url": "http://sso.example.org/keys"}], " at /0/jwks_url: "),
        ([PLATFORM | {"secret": "opensesame"}], " at /0/secret: "),
        ([{}], " at /0/issuer: Field required"),
        ("[{", ": "),
    ],
    ids=str,
)  # fmt: skip
def test_platforms_that_cannot_be_meant_are_refused_at_their_place(
    platforms: object, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTAIN_LTI_PLATFORMS", platforms if isinstance(platforms, str) else json.dumps(platforms))
    settings.cache_clear()
    with pytest.raises(SystemExit) as stopped:
        settings_or_exit("x")
    settings.cache_clear()

    assert str(stopped.value).startswith(f"x: ATTAIN_LTI_PLATFORMS{fault}")
    assert "opensesame" not in str(stopped.value)


def test_no_secret_is_shown_by_settings_that_are_printed() -> None:
    url = "postgresql://u:opensesame@h:5432/d"
    shown = repr(Settings(evidence_database=url, reporting_owner_database=url, kafka_password=SecretStr("opensesame")))

    assert "opensesame" not in shown
