"""`attain plan`: the numbers are those of the published table and of what is deployed, and grow with the load."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.capacity import (
    SERVICES,
    SIZES,
    SMALL_GIB,
    SMALL_LEARNERS,
    SMALL_LOG_GB,
    SMALL_VCPU,
    Load,
    Plan,
    learners,
    measured,
    plan,
)
from deploy.local.commands.plan import AVAILABLE, NOT_AVAILABLE, NOT_SMALL, SMALL
from tests.support.command import attain_here
from tests.system import test_small_profile as small_profile

TREE = Path(__file__).parents[2]
CHART, EXAMPLES = TREE / "deploy/kubernetes/attain", TREE / "deploy/kubernetes/examples"
LOADS = st.builds(Load, st.integers(1, 100_000_000), st.floats(0.1, 100))


@pytest.fixture
def planned(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Run `attain plan` where no stack is; return what it prints with `--json` and without."""
    monkeypatch.setenv("ATTAIN_HOME", str(tmp_path / "no-home"))

    def run(*arguments: str) -> tuple[dict[str, Any], str]:
        code, out, _ = attain_here(capsys, "plan", *arguments, "--json")
        assert code == 0
        return json.loads(out), attain_here(capsys, "plan", *arguments)[1]

    return run


def test_a_plan_says_what_the_published_table_says(planned: Any) -> None:
    section = (TREE / "docs/performance.md").read_text().split("## Capacity", 1)[1].split("## ", 1)[0]
    rows = re.findall(r"^\| (?:district|state|nation) \| (.*) \|$", section, re.MULTILINE)

    assert len(rows) == 3
    for row in rows:
        number, *published = row.split(" | ")
        told, _ = planned("--learners", number.replace(",", ""))
        assert published == [
            f"{told['mean_per_s']:,.0f}", f"{told['burst_per_s']:,.0f}", f"{told['cores_at_burst']:,.2f}",
            f"{told['postgres_gb_a_year']:,.0f} GB",
        ]  # fmt: skip
    cost = measured()
    assert f"from {sum(cost.us.values()):.0f} µs of CPU" in section
    assert f"{cost.postgres_bytes:,} bytes a piece" in section
    assert f"Kafka's {cost.kafka_bytes:,} bytes" in section


def test_the_small_profile_is_what_compose_and_the_chart_have_and_what_is_tested(planned: Any) -> None:
    compose = yaml.safe_load((TREE / "deploy/compose/compose.yaml").read_text())["services"]
    chart = yaml.safe_load((CHART / "values.yaml").read_text())
    limits = [_gib(compose[part]["deploy"]["resources"]["limits"]["memory"] + "i") for part in SIZES]
    told, text = planned("--learners", f"{SMALL_LEARNERS}", "--years", "2")
    beyond, _ = planned("--learners", f"{SMALL_LEARNERS + 1}")
    busy, busy_text = planned("--learners", f"{SMALL_LEARNERS}", "--pieces", "24")

    assert sum(limits) <= told["gib"] == SMALL_GIB == small_profile.MEMORY_MAX / 2**30
    assert sum(_cpu(chart[part]["resources"]["requests"]["cpu"]) for part in SERVICES) < told["vcpu"] == SMALL_VCPU
    assert (small_profile.LEARNERS, small_profile.CORES) == (SMALL_LEARNERS, SMALL_VCPU)
    assert "max_wal_size=2GB" in compose["postgres"]["command"]
    assert told["disk_gb"] == pytest.approx(2 * 43.92 + 0.7 + SMALL_LOG_GB, abs=0.05)
    assert (told["profile"], beyond["profile"], busy["profile"]) == ("small", "production", "production")
    assert (SMALL in told["notes"], NOT_SMALL in busy["notes"], NOT_AVAILABLE in told["notes"]) == (True, True, True)
    assert re.search(r"^machine +1 +2\.00 +4 +91$", text, re.MULTILINE)
    assert max(map(len, busy_text.splitlines())) <= 130


def test_what_an_instance_has_at_least_is_what_the_chart_and_its_examples_give_it() -> None:
    chart = yaml.safe_load((CHART / "values-production.yaml").read_text())
    pool = next(yaml.safe_load_all((EXAMPLES / "strimzi.yaml").read_text()))["spec"]
    cluster = next(yaml.safe_load_all((EXAMPLES / "cloudnative-pg.yaml").read_text()))["spec"]
    given_ = {part: chart[part]["resources"] for part in SERVICES} | {
        "kafka": pool["resources"], "postgres": cluster["resources"],
    }  # fmt: skip

    for part, size in SIZES.items():
        assert size.vcpu == _cpu(given_[part]["requests"]["cpu"]), part
        assert size.gib == _gib(given_[part]["limits"]["memory"]), part
    assert SIZES["postgres"].log_gb == float(cluster["walStorage"]["size"].removesuffix("Gi"))
    assert {pool["replicas"], cluster["instances"], *(chart[part]["replicas"] for part in SERVICES)} == {3}


@pytest.mark.parametrize(("replicas", "available"), [(1, False), (2, False), (3, True), (5, True)])
def test_high_availability_begins_at_three_of_everything(planned: Any, replicas: int, available: bool) -> None:
    told, text = planned("--learners", "1000", "--replicas", str(replicas))

    assert told["highly_available"] == available
    assert {AVAILABLE, NOT_AVAILABLE} & {*told["notes"]} == {AVAILABLE if available else NOT_AVAILABLE}
    assert ("High availability begins at --replicas 3" in " ".join(text.split())) is not available
    assert told["vcpu"] == pytest.approx(sum(part["instances"] * part["vcpu"] for part in told["parts"]))


@given(load=LOADS, years=st.floats(0.1, 20), replicas=st.integers(1, 9))
def test_what_is_planned_carries_the_burst_and_with_high_availability_without_any_one(
    load: Load, years: float, replicas: int
) -> None:
    cost = measured()
    found = plan(load, cost, years=years, replicas=replicas)
    kept = load.evidence_a_year * years * cost.postgres_bytes / 1e9

    assert all(part.instances >= replicas for part in found.parts)
    for part in found.parts:
        if part.part == "machine":
            assert part.vcpu >= load.cores(sum(cost.us.values()))
            assert part.disk_gb >= kept
            continue
        alone = part.part in ("postgres", "kafka")
        left = 1 if alone else part.instances - found.highly_available
        assert left * part.vcpu >= load.cores(cost.us[part.part])
        assert part.part != "postgres" or part.disk_gb >= kept
        assert alone or part.vcpu <= 1, "a replica is one process, and uses no more than a core"


@given(load=LOADS, years=st.floats(0.1, 20), replicas=st.integers(1, 9))
def test_more_of_anything_never_needs_less(load: Load, years: float, replicas: int) -> None:
    cost = measured()

    def needs(found: Plan) -> tuple[float, float, float]:
        return found.vcpu, found.gib, found.disk_gb

    here = needs(plan(load, cost, years=years, replicas=replicas))
    for more in (
        plan(Load(load.learners * 2, load.pieces_a_day), cost, years=years, replicas=replicas),
        plan(load, cost, years=years + 1, replicas=replicas),
        plan(load, cost, years=years, replicas=replicas + 1),
    ):
        assert all(now >= before for now, before in zip(needs(more), here, strict=True))


def test_cores_carry_the_learners_whose_burst_needs_them() -> None:
    us = sum(measured().us.values())

    assert Load(learners(2, us)).cores(us) == pytest.approx(2, rel=1e-5)


def _gib(size: str) -> float:
    number, unit = size[:-2], size[-2:]
    return float(number) * {"Mi": 1 / 1024, "Gi": 1.0}[unit]


def _cpu(size: str) -> float:
    return float(size[:-1]) / 1000 if size.endswith("m") else float(size)
