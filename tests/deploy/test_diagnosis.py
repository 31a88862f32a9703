"""What `attain doctor` finds wrong, each with what to do."""

import asyncio
import datetime
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from deploy.local import diagnosis
from deploy.local.commands.doctor import doctor
from deploy.local.options import Context
from shared.auth import issue_token
from shared.settings import Settings
from tests.support.certificates import certificate_pem


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Context:
    for service in ("EVIDENCE", "PROGRESSION", "REPORTING"):
        monkeypatch.setenv(f"ATTAIN_{service}_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("ATTAIN_TOKEN", "x")
    return Context(tmp_path, "demo")


def _answering(
    monkeypatch: pytest.MonkeyPatch, context: Context, answer: Callable[[httpx.Request], httpx.Response]
) -> None:
    client = httpx.Client(transport=httpx.MockTransport(answer), base_url="http://test")
    monkeypatch.setattr(context, "client", lambda *_, **__: client)


def _service(*, seconds: float = 0.0, skew_s: float = 0.0) -> Callable[[httpx.Request], httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        at = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=skew_s)
        stages = [{"name": "progression", "behind_events": 3, "behind_seconds": seconds}]
        headers = {"Date": at.strftime("%a, %d %b %Y %H:%M:%S GMT")}
        return httpx.Response(200, json={"stages": stages}, headers=headers)

    return answer


def test_servers_that_do_not_answer_are_named() -> None:
    url = "postgresql://a@127.0.0.1:9/x"
    settings = Settings(kafka="127.0.0.1:9", evidence_database=url)
    (database,) = asyncio.run(diagnosis.check_database("evidence", url, settings))
    (kafka,) = asyncio.run(diagnosis.check_kafka(settings))

    assert (database.ok, database.advice) == (False, "look at ATTAIN_EVIDENCE_DATABASE")
    assert (kafka.ok, kafka.name) == (False, "Kafka")


@pytest.mark.parametrize(("days", "ok"), [(3, False), (60, True)])
def test_a_certificate_that_ends_soon_is_bad(tmp_path: Path, days: int, ok: bool) -> None:
    (tmp_path / "ca.pem").write_bytes(certificate_pem("authority", days=days))
    (check,) = diagnosis.check_certificates(Settings(kafka_ca_file=tmp_path / "ca.pem"))

    assert (check.ok, check.detail) == (ok, f"valid for {days - 1} days")


def test_a_file_that_is_no_certificate_is_bad(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("x")
    (check,) = diagnosis.check_certificates(Settings(kafka_ca_file=tmp_path / "ca.pem"))

    assert (check.ok, check.advice) == (False, "look at ATTAIN_KAFKA_CA_FILE")


@pytest.mark.parametrize(
    ("answer", "bad"),
    [
        (_service(), []),
        (_service(seconds=90), ["stages of progression"]),
        (_service(skew_s=-120), ["clock of progression"]),
        (lambda request: httpx.Response(503, json={"detail": "away"}), ["progression"]),
    ],
)
def test_a_service_is_looked_at(
    remote: Context, monkeypatch: pytest.MonkeyPatch, answer: Callable[[httpx.Request], httpx.Response], bad: list[str]
) -> None:
    _answering(monkeypatch, remote, answer)

    assert [check.name for check in diagnosis.check_service(remote, "progression") if not check.ok] == bad


def test_doctor_ends_with_failure_and_says_what_to_do(remote: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.settings.settings", lambda: Settings(kafka="127.0.0.1:9"))
    done = CliRunner().invoke(doctor, ["--before"])

    assert done.exit_code == 1
    assert done.output == (
        "BAD  Kafka: 127.0.0.1:9: KafkaConnectionError\n     → look at ATTAIN_KAFKA and its security\n"
    )


def test_no_piece_is_sent_into_the_tenant_of_a_given_token(remote: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    token = issue_token(bytes(32), subject="me", tenant="district", scope="admin", expires_s=60)
    monkeypatch.setenv("ATTAIN_TOKEN", token)
    check = diagnosis.check_round_trip(remote)

    assert check.ok
    assert check.detail.startswith("not looked at: the token is for tenant district")
