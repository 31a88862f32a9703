import pytest
from aiokafka.partitioner import murmur2

from shared.shards import shard_of, stable_id


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_hash_is_the_one_of_kafkas_own_clients(key: bytes, expected: int) -> None:
    """The values of Kafka's UtilsTest; signed there, as Java has it."""
    assert expected & 0xFFFFFFFF == murmur2(key) & 0xFFFFFFFF


@pytest.mark.parametrize(
    ("tenant", "learner", "of_8", "of_64"),
    [
        ("demo", "learner-1", 6, 46),
        ("demo", "learner-2", 6, 30),
        ("springfield", "5f0c6d1e-2b7a-5d0c-9f43-5f1d6a1f7a11", 7, 39),
        ("t", "é", 1, 41),
        ("t", "", 0, 16),
        ("demo", "checkpoint", 1, 17),
        ("a-b-c", "日本", 3, 43),
    ],
)
def test_a_learner_stays_in_the_shard_it_is_in(tenant: str, learner: str, of_8: int, of_64: int) -> None:
    """Golden numbers from a hash written for them from the definition of murmur2; a change would split learners."""
    assert (of_8, of_64) == (shard_of(tenant, learner, 8), shard_of(tenant, learner, 64))


def test_the_same_parts_give_the_same_id_and_others_another() -> None:
    assert stable_id("a", "b") == "561bad05-ece2-5249-805f-220fafb75581"
    assert stable_id("a", "b") != stable_id("ab")
