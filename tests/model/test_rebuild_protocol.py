"""Rebuilds under every interleaving of builders, folding processes and readers; and that each rule of theirs is needed."""

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from services.reporting.handlers import rebuilding
from services.reporting.handlers.folds import FOLDS
from services.reporting.handlers.rebuilding import Rebuilder
from services.reporting.tables import rebuilds
from services.reporting.tables.rebuilds import Attempt
from shared import consumer, folding, ownership
from tests.model.rebuilding import MODEL, STATEMENTS, RebuildProtocol, Shown, Statements


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for time to pass; what the machine puts in the place of statements is taken back."""
    monkeypatch.setattr(folding, "RETRY_S", 0.0)
    monkeypatch.setattr(consumer, "RETRY_S", 0.0)
    monkeypatch.setattr(rebuilding, "FEED_PATIENCE", 1)
    monkeypatch.setattr(rebuilding, "CLOSE_EVENTS", 3)
    monkeypatch.setitem(FOLDS, MODEL, Shown)
    for module, names in ((rebuilds, STATEMENTS), (ownership, ("claim", "places", "move"))):
        for name in names:
            monkeypatch.setattr(module, name, getattr(module, name))


def test_readers_and_versions_agree_with_the_log_in_every_interleaving() -> None:
    profile = settings(
        max_examples=max(150, settings().max_examples if settings().max_examples > 1000 else 0),
        stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    run_state_machine_as_test(RebuildProtocol, settings=profile)


# Other seeds find the rarest of the mutants half a minute later.
@seed(4)
class _Seeded(RebuildProtocol):
    pass


async def _nothing(*arguments: Any, **named: Any) -> str:
    return ""


def the_model_is_switched_first_and_filled_then(patch: pytest.MonkeyPatch) -> None:
    real = Statements.begin

    async def begin(self: Statements, connection: Any, model: str) -> Attempt:
        attempt = await real(self, connection, model)
        await self.switch(connection, attempt, "", Shown.edition)
        connection.change(lambda: setattr(self.model, "building", True))
        return attempt

    patch.setattr(Statements, "begin", begin)


def it_switches_once_it_is_close(patch: pytest.MonkeyPatch) -> None:
    real = Rebuilder._catch_up

    async def catch_up(self: Rebuilder, attempt: Any, fold: Any, shard: Any, within: Any = None) -> None:
        if within is None:
            await real(self, attempt, fold, shard)

    patch.setattr(Rebuilder, "_catch_up", catch_up)
    patch.setattr(Rebuilder, "_compared", _nothing)


def the_live_consumers_go_on_during_the_switch(patch: pytest.MonkeyPatch) -> None:
    real = Statements.progress

    async def progress(self: Statements, connection: Any, attempt: Any, *, stop_live: bool = False) -> Any:
        return await real(self, connection, attempt)

    patch.setattr(Statements, "progress", progress)
    patch.setattr(Rebuilder, "_compared", _nothing)


def two_attempts_write_the_same_version(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Statements, "hold", _nothing)
    patch.setattr(Statements, "agrees", lambda self, connection, row, old: True)


@pytest.mark.parametrize(
    "mutant",
    [
        the_model_is_switched_first_and_filled_then,
        it_switches_once_it_is_close,
        the_live_consumers_go_on_during_the_switch,
        two_attempts_write_the_same_version,
    ],
    ids=lambda mutant: mutant.__name__,
)
def test_without_a_rule_a_promise_breaks(mutant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant(monkeypatch)
    profile = settings(
        max_examples=2500, stateful_step_count=50, deadline=None, database=None, print_blob=False,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
    )  # fmt: skip
    with pytest.raises(AssertionError):
        run_state_machine_as_test(_Seeded, settings=profile)
