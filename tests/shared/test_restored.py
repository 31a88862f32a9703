import pytest

from shared.restored import Folded, Head, ahead, databases_of, next_generation
from shared.settings import Settings

HEADS = [Head("evidence", 0, 1, 10), Head("evidence", 1, 1, 5), Head("progression", 0, 1, 7)]


def test_consumers_at_or_behind_their_logs_may_go_on() -> None:
    assert ahead(HEADS, [Folded("progression", "evidence", 0, 10), Folded("reporting", "progression", 0, 3)]) == []


def test_a_consumer_that_knows_what_the_log_has_lost_is_named() -> None:
    (fault,) = ahead(HEADS, [Folded("progression", "evidence", 0, 9), Folded("progression", "evidence", 1, 6)])

    assert fault == "progression has folded evidence shard 1 up to 6, the log ends at 5"


def test_all_three_databases_are_needed() -> None:
    with pytest.raises(SystemExit, match="ATTAIN_PROGRESSION_DATABASE and ATTAIN_REPORTING_DATABASE not set"):
        databases_of(Settings(evidence_database="postgresql://x"))


def test_a_generation_that_ran_after_the_backup_is_not_given_again() -> None:
    backed_up = [Head("evidence", 0, 1, 7), Head("progression", 0, 2, 3)]

    assert next_generation([], 0) == 1
    assert next_generation(backed_up, 0) == 3
    assert next_generation(backed_up, 5) == 6
    assert next_generation(backed_up, 1) == 3
