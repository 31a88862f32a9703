"""What the topics command asks of Kafka."""

import pytest

from shared.settings import Settings
from shared.topics import _new_topic


@pytest.mark.parametrize(("replicas", "in_step"), [(1, None), (2, None), (3, "2"), (5, "2")])
def test_what_kafka_acknowledges_survives_a_broker_where_three_keep_it(replicas: int, in_step: str | None) -> None:
    """A cluster's own default is one: the leader alone acknowledges, and takes what was submitted with it when it dies."""
    topic = _new_topic("attain.evidence.submitted", Settings(replication_factor=replicas))

    assert topic.topic_configs.get("min.insync.replicas") == in_step
