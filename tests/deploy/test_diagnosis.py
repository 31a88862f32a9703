"""What `attain doctor` finds wrong, each with what to do."""

import asyncio
import datetime
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from deploy.local import diagnosis
from deploy.local.commands.doctor import doctor
from deploy.local.diagnosis import (
    Installed,
    check_disk,
    check_settings,
    check_versions,
    judge_database,
    judge_kafka,
    version_of,
)
from deploy.local.options import Context
from deploy.local.stack import Stack
from shared.auth import issue_token
from shared.revisions import Schema, revisions
from shared.settings import Settings
from shared.topics import TOPICS
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


def _service(
    *, seconds: float = 0.0, skew_s: float = 0.0, blocked: int = 0
) -> Callable[[httpx.Request], httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        at = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=skew_s)
        stages = [{"name": "progression", "behind_events": 3, "behind_seconds": seconds}]
        headers = {"Date": at.strftime("%a, %d %b %Y %H:%M:%S GMT")}
        return httpx.Response(200, json={"stages": stages, "blocked_learners": blocked}, headers=headers)

    return answer


def test_servers_that_do_not_answer_are_named() -> None:
    url = "postgresql://a@127.0.0.1:9/x"
    settings = Settings(kafka="127.0.0.1:9", evidence_database=url)
    (database,) = asyncio.run(diagnosis.check_database("evidence", url, settings))
    (kafka,) = asyncio.run(diagnosis.check_kafka(settings))

    assert (database.ok, database.advice) == (False, "look at ATTAIN_EVIDENCE_DATABASE")
    assert (kafka.ok, kafka.name) == (False, "Kafka")


WELL = Installed(18, "18.4", "1 GB", 0.2, Schema(revisions("evidence")[-1]), 8)


@pytest.mark.parametrize(
    ("there", "bad", "advice"),
    [
        ({}, "", ""),
        ({"version": 14}, "database of evidence", "use PostgreSQL 15 or newer"),
        ({"schema": Schema("0001")}, "schema of evidence", "run `migrate evidence` of this version first"),
        ({"schema": Schema()}, "schema of evidence", "run `migrate evidence` first"),
        ({"schema": Schema("9999")}, "schema of evidence", "run the newer version"),
        ({"shards": 4}, "shards of evidence", "set ATTAIN_SHARDS to what was installed, which only `attain reshard` changes"),
        ({"skew_s": 7.0}, "clock of the database of evidence", "synchronise the clocks (NTP)"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_database_is_said_with_what_to_do(there: dict[str, Any], bad: str, advice: str) -> None:
    checks = judge_database("evidence", WELL._replace(**there), Settings())

    wrong = [check for check in checks if not check.ok]
    assert [check.name for check in wrong] == ([bad] if bad else [])
    assert all(advice in f"{check.detail}, {check.advice}" for check in wrong)


def _topics(**changed: Any) -> dict[str, list[dict[str, list[int]]]]:
    """Return the topics as Kafka describes them, three replicas each, the evidence topic as changed."""
    partition = {"replicas": [1, 2, 3], "isr": [1, 2, 3]}
    found = {topic.name(): [partition] * 8 for topic in TOPICS}
    return found | {"attain.evidence": [partition | changed.get("partition", {})] * changed.get("count", 8)}


@pytest.mark.parametrize(
    ("brokers", "changed", "bad"),
    [
        (3, {}, []),
        (3, {"count": 0}, ["topics"]),
        (3, {"count": 16}, ["topics"]),
        (2, {}, ["Kafka"]),
        (3, {"partition": {"replicas": [1], "isr": [1]}}, ["replicas of topics"]),
        (3, {"partition": {"isr": [1, 2]}}, ["replicas in step"]),
    ],
)
def test_what_is_wrong_with_kafka_is_said(brokers: int, changed: dict[str, Any], bad: list[str]) -> None:
    checks = judge_kafka(brokers, _topics(**changed), Settings(replication_factor=3, shards=8))

    assert [check.name for check in checks if not check.ok] == bad
    assert all("attain.evidence" in check.detail for check in checks if not check.ok and check.name != "Kafka")


def test_settings_that_do_not_agree_and_keys_that_cannot_be_used_are_bad(tmp_path: Path) -> None:
    (tmp_path / "issuer.pem").write_text("x")
    url = "postgresql://a@127.0.0.1:9/x"
    settings = Settings(evidence_database=url, token_key_file=tmp_path / "none", credential_keys=tmp_path)
    (own, keys) = check_settings(settings)

    assert (own.ok, own.detail) == (False, f"ATTAIN_TOKEN_KEY_FILE: {tmp_path}/none cannot be read (FileNotFoundError)")
    assert (keys.ok, keys.detail) == (False, "issuer.pem holds no key")


@pytest.mark.parametrize(
    ("public", "signs", "ok", "detail"),
    [
        ("https://records.example.edu", True, True, "https://records.example.edu"),
        ("http://127.0.0.1:8103", True, True, "http://127.0.0.1:8103, which this machine alone reaches"),
        ("", True, False, "none: no record is signed, and links of exports are relative"),
        ("", False, True, "none: no record is signed, and links of exports are relative"),
    ],
)
def test_an_installation_that_signs_says_where_others_reach_it(
    tmp_path: Path, public: str, signs: bool, ok: bool, detail: str
) -> None:
    url = "postgresql://a@127.0.0.1:9/x"
    settings = Settings(reporting_database=url, public_url=public, credential_keys=tmp_path if signs else None)
    (found,) = (check for check in check_settings(settings) if check.name == "public address")

    assert (found.ok, found.detail) == (ok, detail)
    assert "ATTAIN_PUBLIC_URL" in found.advice


def test_a_disk_that_is_nearly_full_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full, roomy = (SimpleNamespace(free=free) for free in (1 << 30, 50 << 30))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    bad = check_disk(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: roomy)

    assert (bad.ok, bad.detail) == (False, f"1.0 GiB left in {tmp_path}")
    assert check_disk(tmp_path).ok


def test_services_of_another_version_are_named(remote: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    def says(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text='# HELP attain_build_info x\nattain_build_info{version="1.1"} 1.0\n')

    assert version_of(remote, "evidence") is None
    _answering(monkeypatch, remote, says)
    assert version_of(remote, "evidence") == "1.1"
    found = check_versions(Settings(version="1.2"), {"evidence": "1.1", "reporting": "1.2"})

    assert (found.ok, found.detail) == (False, "this command 1.2; evidence 1.1")
    assert check_versions(Settings(version="1.1"), {"evidence": "1.1"}).ok


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
        (_service(blocked=3), ["learners of progression"]),
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


def test_that_kafka_is_away_is_said_in_our_words_alone(tmp_path: Path) -> None:
    """As a process of its own: here logging is set up, so that the client's line would go elsewhere."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ATTAIN_")}
    done = subprocess.run(
        [sys.executable, "-m", "deploy.local", "doctor", "--before", "--home", tmp_path],
        capture_output=True, text=True, timeout=60, check=False, env=environment | {"ATTAIN_KAFKA": "127.0.0.1:9"},
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("BAD  Kafka: 127.0.0.1:9: KafkaConnectionError\n")


@pytest.mark.parametrize(("named", "asked"), [("", "127.0.0.1:7"), ("127.0.0.1:8", "127.0.0.1:8")])
def test_before_looks_at_the_local_stack_that_runs_where_no_servers_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, named: str, asked: str
) -> None:
    running = Stack(tmp_path, "127.0.0.1:7", None, {}, {"reporting": "http://127.0.0.1:9"}, {}, tmp_path / "token.key")
    running.token_key_file.write_text("0" * 64)
    monkeypatch.setattr("deploy.local.stack.running", lambda _: running)
    monkeypatch.delenv("ATTAIN_KAFKA", raising=False)
    if named:
        monkeypatch.setenv("ATTAIN_KAFKA", named)
    monkeypatch.setattr("shared.settings.settings", lambda: Settings(kafka="127.0.0.1:8"))
    done = CliRunner().invoke(doctor, ["--before", "--home", str(tmp_path)])

    assert f"BAD  Kafka: {asked}: KafkaConnectionError" in done.output


def test_no_piece_is_sent_into_the_tenant_of_a_given_token(remote: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    token = issue_token(bytes(32), subject="me", tenant="district", scope="admin", expires_s=60)
    monkeypatch.setenv("ATTAIN_TOKEN", token)
    check = diagnosis.check_round_trip(remote)

    assert check.ok
    assert check.detail.startswith("not looked at: the token is for tenant district")
