"""Which splits are made, and that no table with shards is forgotten."""

import pytest
import sqlalchemy as sa

from deploy.reshard import CannotReshard, Installed, plan
from services.evidence.tables import resharding as of_evidence
from services.evidence.tables.schema import metadata as evidence
from services.progression.tables import resharding as of_progression
from services.progression.tables.schema import metadata as progression
from services.reporting.tables import resharding as of_reporting
from services.reporting.tables.schema import metadata as reporting
from shared import resharding
from shared.restored import Folded, Head
from shared.shards import shard_of


def installed(shards: int, generation: int = 1, pos: int = 7, folded: int = 7) -> dict[str, Installed]:
    """An installation of three databases with one log each that counts here, and a consumer behind it."""

    def each(log: str, consumer: str, of: str) -> Installed:
        heads = [Head(log, shard, generation, pos) for shard in range(shards)]
        return Installed(heads, [Folded(consumer, of, shard, folded) for shard in range(shards)])

    return {
        "evidence": each("evidence", "parked", "curriculum"),
        "progression": each("progression", "progression", "evidence"),
        "reporting": each("none", "reporting-mastery-v1", "progression")._replace(heads=[]),
    }


@pytest.mark.parametrize("to", [8, 12, 1024])
def test_a_multiple_is_split_in_a_higher_generation(to: int) -> None:
    planned = plan(installed(4, generation=3), to)

    assert (planned.split, planned.services) == ((4, to, 4), ("evidence", "progression", "reporting"))


@pytest.mark.parametrize("to", [1, 2, 3, 6, 1028, 2048])
def test_anything_else_is_refused_in_one_line(to: int) -> None:
    with pytest.raises(
        CannotReshard, match=f"^{to} is no multiple of the 4 shards that are there, of at most 1024: 8, 12 ... are$"
    ):
        plan(installed(4), to)


def test_what_is_split_already_is_left_alone_and_the_generation_stays() -> None:
    whole, begun = installed(4), installed(8, generation=2)
    planned = plan(whole | {"evidence": begun["evidence"]}, 8)

    assert (planned.split, planned.services) == ((4, 8, 2), ("progression", "reporting"))
    assert plan(begun, 8).services == ()


def test_what_was_split_may_have_gone_on_before_the_rest_is() -> None:
    begun = installed(8, generation=2, pos=9)["evidence"]

    assert plan(installed(4) | {"evidence": begun}, 8).services == ("progression", "reporting")


def test_decisions_are_to_be_folded_even_then() -> None:
    mixed = installed(4) | {"evidence": installed(8, generation=2)["evidence"]}
    heads, folded, _ = mixed["progression"]
    mixed["progression"] = Installed(
        [*heads, *(Head("decisions", shard, 1, 2) for shard in range(4))],
        [*folded, *(Folded("progression", "decisions", shard, 1) for shard in range(4))],
    )

    with pytest.raises(CannotReshard, match="progression has folded decisions shard 0 up to 1 of 2"):
        plan(mixed, 8)


def test_another_number_waits_for_the_run_that_was_cut_off() -> None:
    mixed = installed(4) | {"evidence": installed(8, generation=2)["evidence"]}

    with pytest.raises(CannotReshard, match="an earlier run to 8 shards was cut off: finish it with --to 8"):
        plan(mixed, 16)


def test_a_consumer_that_is_behind_is_named() -> None:
    with pytest.raises(CannotReshard, match="progression has folded evidence shard 0 up to 6 of 7"):
        plan(installed(2, folded=6), 4)


def test_an_activation_that_is_not_everywhere_yet_is_waited_for() -> None:
    found = installed(2)
    found["progression"] = found["progression"]._replace(unswept=1)

    with pytest.raises(CannotReshard, match="1 activations have not reached all states yet"):
        plan(found, 4)


def test_a_database_that_was_never_used_is_named() -> None:
    with pytest.raises(CannotReshard, match="reporting was not started yet"):
        plan(installed(2) | {"reporting": Installed([], [])}, 4)


@pytest.mark.parametrize("names", [("evidence", of_evidence, evidence), ("progression", of_progression, progression),
                                   ("reporting", of_reporting, reporting)], ids=lambda one: one[0])  # fmt: skip
def test_every_table_with_shards_is_handled(names) -> None:
    _, module, metadata = names
    tables: list[sa.Table] = metadata.sorted_tables
    with_shards = {table.name.rpartition("_v1")[0] or table.name for table in tables if "shard" in table.columns}

    assert with_shards <= {*resharding.HANDLED, *module.HANDLED}
    assert with_shards >= set(module.HANDLED)


def test_a_name_of_a_shard_is_in_one_of_the_shards_that_become_of_it() -> None:
    for name in map(str, range(500)):
        assert shard_of("t", name, 12) % 4 == shard_of("t", name, 4)
