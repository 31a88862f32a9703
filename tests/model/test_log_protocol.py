"""Thousands of interleavings of the shard log's protocol, with the product's own consumer; and that each rule is needed."""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from shared import consumer, folding, ownership
from tests.model import mutants
from tests.model.machine import LogProtocol

EXAMPLES = 400
STEPS = 60


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for time to pass; what the machine puts in the place of statements is taken back."""
    monkeypatch.setattr(folding, "RETRY_S", 0.0)
    monkeypatch.setattr(consumer, "RETRY_S", 0.0)
    for name in ("claim", "places", "move"):
        monkeypatch.setattr(ownership, name, getattr(ownership, name))


def test_every_promise_holds_in_every_interleaving() -> None:
    profile = settings(
        max_examples=max(EXAMPLES, settings().max_examples if settings().max_examples > 1000 else 0),
        stateful_step_count=STEPS, deadline=None, suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    run_state_machine_as_test(LogProtocol, settings=profile)


@pytest.mark.parametrize("mutant", mutants.ALL, ids=lambda mutant: mutant.__name__)
def test_without_a_rule_a_promise_breaks(mutant: mutants.Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant(monkeypatch)
    profile = settings(
        max_examples=2500, stateful_step_count=STEPS, deadline=None, database=None, derandomize=True, print_blob=False,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
    )  # fmt: skip
    with pytest.raises(AssertionError) as found:
        run_state_machine_as_test(LogProtocol, settings=profile)
    print(mutant.__name__, "→", str(found.value).splitlines()[0])
