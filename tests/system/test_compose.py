"""The compose installation: started, used, killed, rolled and taken down as an operator does it."""

import re
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest

from deploy.local.tokens import issue
from tests.support.composed import SERVICES, Composed, composed
from tests.support.engine import docker, need_engine
from tests.support.observed import dashboard, rules
from tests.support.producer import free_port
from tests.support.steady_load import RATE, Load
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]
TENANT = "demo"
SHOWN_WHEN_IT_HAPPENS = {
    "Put into quarantine",
    "Holes, lost fences, failures",
    "Shards furthest behind, in seconds",
    "Shards furthest behind, in events",
}
"""Panels that are empty in health."""


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    need_engine()
    with composed(tmp_path_factory.mktemp("compose")) as running:
        yield running


def test_demo_and_verify_run_inside(installation: Composed) -> None:
    shown = installation.attain("demo", "--small")
    audited = installation.attain("verify")

    assert shown["exit"] == 0
    assert shown["learners"] == 300
    assert shown["mastered_pairs"] > 1000
    _assert_clean(audited, shown["evidence"] - shown["corrected"])


def test_demo_prints_an_address_that_this_machine_reaches(installation: Composed) -> None:
    shown = installation.run("run", "--rm", "--no-deps", "--no-TTY", "attain", "demo", "--small").stdout
    (address,) = re.findall(r"(http://\S+)/#token=", shown)

    assert address == installation.urls["reporting"]
    assert httpx.get(f"{address}/").status_code == 200


def test_doctor_finds_an_installation_well(installation: Composed) -> None:
    found = installation.attain("doctor")

    assert found["ok"], [check for check in found["checks"] if not check["ok"]]
    assert {"topics", "schema of progression", "clock of reporting", "evidence end to end"} <= {
        check["name"] for check in found["checks"]
    }


def test_prometheus_scrapes_every_service_and_answers_what_the_dashboard_asks(installation: Composed) -> None:
    """The server is that of the profile with the project's files; what Grafana shows is what it answers."""
    image = installation.image_of("prometheus")
    if docker("image", "inspect", image, check=False).returncode and docker("pull", image, check=False).returncode:
        pytest.skip(f"needs the image {image}: it is not here and cannot be pulled")
    installation.variables["PROMETHEUS_PORT"] = str(free_port())
    installation.run("up", "--detach", "prometheus")
    try:
        wait_until(lambda: _scraped(installation) == dict.fromkeys(SERVICES, "1"), 60)
        _send(installation, "seen by Prometheus")
        httpx.get(f"{installation.urls['reporting']}/").raise_for_status()
        wait_until(lambda: _unanswered(installation) <= SHOWN_WHEN_IT_HAPPENS, 90)
        groups = _asked(installation, "rules")["groups"]
    finally:
        installation.run("rm", "--force", "--stop", "prometheus")

    assert [rule["name"] for group in groups for rule in group["rules"]] == [
        rule.get("alert", rule.get("record")) for rule in rules()
    ]
    assert {rule["health"] for group in groups for rule in group["rules"]} == {"ok"}


def _scraped(installation: Composed) -> dict[str, str]:
    """Return what Prometheus found of each service that it scraped, "1" where it answered."""
    try:
        found = _asked(installation, "query", query='up{job="attain"}')["result"]
    except httpx.HTTPError:
        return {}
    return {one["metric"]["service"]: one["value"][1] for one in found}


def _unanswered(installation: Composed) -> set[str]:
    """Return the panels of the dashboard for which Prometheus has nothing."""
    return {title for title, query in dashboard() if not _asked(installation, "query", query=query)["result"]}


def _asked(installation: Composed, what: str, **parameters: str) -> Any:
    """Return what Prometheus answers."""
    address = f"http://127.0.0.1:{installation.variables['PROMETHEUS_PORT']}/api/v1/{what}"
    return httpx.get(address, params=parameters, timeout=10).raise_for_status().json()["data"]


def test_all_of_kafka_may_be_lost(installation: Composed) -> None:
    before = installation.attain("verify")
    began = time.monotonic()
    installation.run("rm", "--force", "--stop", "--volumes", "kafka")
    docker("volume", "rm", f"{installation.name}_kafka")
    installation.run("up", "--wait", "--wait-timeout", "120")
    after = installation.attain("verify")
    print(f"all of Kafka lost: verified again after {time.monotonic() - began:.0f} s")

    _assert_clean(after, before["evidence"])
    assert after["state_digest"] == before["state_digest"]
    assert installation.attain("doctor")["ok"]


def test_token_key_is_rotated_without_refusing_anybody(installation: Composed) -> None:
    old, new = installation.token_key.read_text(), "cd" * 32
    of_old = issue(installation.token_key, tenant=TENANT)
    for keys in (f"{old}\n{new}\n", f"{new}\n{old}\n"):
        _rewrite(installation, keys)
        assert _lag_status(installation, of_old) == 200
    of_new = issue(installation.token_key, tenant=TENANT)
    _rewrite(installation, f"{new}\n")

    assert _lag_status(installation, of_new) == 200
    assert _lag_status(installation, of_old) == 401


def test_database_password_is_rotated_as_the_runbook_says(installation: Composed) -> None:
    file, new = installation.secrets / "attain_evidence_database", secrets.token_hex(32)
    old = file.read_text()
    load = Load(installation.urls["evidence"], issue(installation.token_key, tenant=TENANT), name="rotation")
    load.start()
    _sql(installation, f"alter role attain_evidence password '{new}'")
    taken = load.sent
    time.sleep(2)
    still_taken = load.sent
    # In place, as with the token key.
    file.write_text(re.sub(r":[^:@]*@", f":{new}@", old))
    installation.run("restart", "evidence")
    wait_until(lambda: _is_ready(installation, "evidence"), 60)
    time.sleep(2)
    load.stop()

    assert load.sent > still_taken > taken > 0
    assert load.statuses == Counter(accepted=load.sent)
    assert "password authentication failed" in _logged_in(installation, old)
    assert _logged_in(installation, file.read_text()).strip() == "attain_evidence"
    assert new not in installation.run("logs").stdout


def _logged_in(installation: Composed, url: str) -> str:
    """Return who a database's URL logs in as, or why it does not."""
    done = docker(
        "exec", installation.container("postgres"), "psql", url.replace("@postgres:", "@127.0.0.1:"),
        "-Atc", "select current_user", check=False,
    )  # fmt: skip
    return done.stdout or done.stderr


def _rewrite(installation: Composed, keys: str) -> None:
    # In place: compose mounts the file itself, and would not see another of its name.
    installation.token_key.write_text(keys)
    installation.run("restart", *SERVICES)
    wait_until(lambda: all(_is_ready(installation, service) for service in SERVICES), 60)


def _lag_status(installation: Composed, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{installation.urls['evidence']}/v1/lag", headers=headers).status_code


def test_everything_is_locked_down(installation: Composed) -> None:
    for service in (*SERVICES, "migrate", "topics", "postgres", "kafka"):
        found = installation.inspect(service)
        host = found["HostConfig"]
        assert host["CapDrop"] == ["ALL"], service
        assert "no-new-privileges:true" in host["SecurityOpt"], service
        assert host["ReadonlyRootfs"] or service == "kafka", service
        assert not any("postgresql://" in variable or "PASSWORD=" in variable for variable in found["Config"]["Env"])
    for service in SERVICES:
        host = installation.inspect(service)["HostConfig"]
        assert host["RestartPolicy"]["Name"] == "unless-stopped"
        assert 0 < host["Memory"] <= 512 << 20
        assert {binding["HostIp"] for bindings in host["PortBindings"].values() for binding in bindings} == {
            "127.0.0.1"
        }
    assert not any(installation.inspect(service)["HostConfig"]["PortBindings"] for service in ("postgres", "kafka"))


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_its_own_secrets_only(installation: Composed, service: str) -> None:
    seen = docker("exec", installation.container(service), "ls", "/run/secrets").stdout.split()

    assert sorted(seen) == sorted([f"attain_{service}_database", "token_key"])


def test_a_role_reaches_no_other_database(installation: Composed) -> None:
    url = (installation.secrets / "attain_evidence_database").read_text()
    other = url.rpartition("/")[0] + "/attain_reporting"
    postgres = installation.container("postgres")

    refused = docker(
        "exec", postgres, "psql", other.replace("@postgres:", "@127.0.0.1:"), "-c", "select 1", check=False
    )

    assert _logged_in(installation, url).strip() == "attain_evidence"
    assert refused.returncode != 0
    assert "permission denied for database" in refused.stderr


@pytest.mark.parametrize("service", [*SERVICES, "kafka", "postgres"])
def test_what_is_killed_comes_back_by_itself(installation: Composed, service: str) -> None:
    before = installation.inspect(service)["State"]
    # By its process: what is killed by the engine's own command counts as stopped by hand, and stays so.
    docker("run", "--rm", "--pid", "host", "--user", "0", "--entrypoint", "sh", "postgres:18",
           "-c", f"kill -9 {before['Pid']}")  # fmt: skip

    def is_back() -> bool:
        state = installation.inspect(service)["State"]
        return bool(state["StartedAt"] != before["StartedAt"] and state["Health"]["Status"] == "healthy")

    wait_until(is_back, 60)


def test_rolling_restart_under_load_loses_nothing(installation: Composed) -> None:
    load = Load(installation.urls["evidence"], issue(installation.token_key, tenant=TENANT))
    load.start()
    for service in SERVICES:
        time.sleep(2)
        installation.run("restart", service)
        wait_until(lambda service=service: _is_ready(installation, service), 60)  # type: ignore[misc]
    time.sleep(2)
    load.stop()
    audited = installation.attain("verify")

    assert load.sent >= 5 * RATE
    assert load.statuses == Counter(accepted=load.sent)
    assert load.refused == []
    _assert_clean(audited)


def test_twice_the_shards_as_the_runbook_says(installation: Composed) -> None:
    before = installation.attain("verify")
    refused = installation.attain("reshard", "--to", "16")
    installation.run("stop", *SERVICES)
    previewed = installation.attain("reshard", "--to", "16", "--preview")
    done = installation.attain("reshard", "--to", "16")
    again = installation.attain("reshard", "--to", "16")
    installation.variables["ATTAIN_SHARDS"] = "16"
    installation.run("up", "--wait", "--wait-timeout", "120")
    after = installation.attain("verify")

    assert refused["exit"] == 1
    assert previewed["done"][-1] == "all logs go on in generation 2"
    assert done["exit"] == 0
    assert again["done"] == ["there are 16 shards already: nothing to do"]
    _assert_clean(after, before["evidence"])
    assert after["state_digest"] == before["state_digest"]
    assert installation.attain("doctor")["ok"]


def _send(installation: Composed, name: str) -> int:
    """Send some hundred pieces that were not sent before under another name; return how many, all of them taken in."""
    load = Load(installation.urls["evidence"], issue(installation.token_key, tenant=TENANT), name=name)
    load.start()
    wait_until(lambda: load.sent > 0, 60)
    load.stop()
    assert load.statuses == Counter(accepted=load.sent)
    return load.sent


def _sql(installation: Composed, statement: str) -> str:
    """Return what PostgreSQL's administrator is answered."""
    return docker(
        "exec", installation.container("postgres"), "psql", "-U", "postgres", "-Atc", statement
    ).stdout.strip()


def _assert_clean(audited: dict[str, Any], evidence: int | None = None) -> None:
    assert audited["ok"], msgspec.json.encode(audited)
    assert evidence is None or audited["evidence"] == evidence


def _is_ready(installation: Composed, service: str) -> bool:
    try:
        return httpx.get(f"{installation.urls[service]}/readyz", timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def test_restored_to_a_moment_as_the_runbook_says(installation: Composed) -> None:
    """The commands are those of the runbook, read from it."""
    keep, back_up, restore = (installation.runbook("Restore to a moment", block) for block in range(3))
    installation.variables["ATTAIN_ARCHIVE"] = "on"
    keep(base="first")
    _send(installation, "before-the-backup")
    back_up(base="first")
    _send(installation, "before-the-moment")
    installation.attain("drain")
    before = installation.attain("verify")
    time.sleep(1)
    moment = _sql(installation, "select now()")
    _send(installation, "after-the-moment")
    after = installation.attain("verify")
    began = time.monotonic()
    said = restore(base="first", moment=moment)
    print(f"restored to {moment} and verified in {time.monotonic() - began:.0f} s:\n{said}")
    restored = installation.attain("verify")
    again = _send(installation, "after-the-moment")
    whole = installation.attain("verify")
    began = time.monotonic()
    said = restore(base="first", moment=moment, timeline="1", generation="2")
    print(f"once more in {time.monotonic() - began:.0f} s:\n{said}")
    second = installation.attain("verify")

    assert after["evidence"] > restored["evidence"] == before["evidence"]
    assert restored["state_digest"] == second["state_digest"] == before["state_digest"]
    _assert_clean(restored)
    _assert_clean(whole, restored["evidence"] + again)
    _assert_clean(second, before["evidence"])
