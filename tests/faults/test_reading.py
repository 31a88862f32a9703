"""What is read of topics after faults: nothing is missed where retention has taken all, everything where a topic is new."""

import secrets

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from deploy.local.home import SHARDS
from shared.events import encode_json, envelope, now, placed
from tests.faults.reading import _records
from tests.support.disposable import Topics
from tests.support.servers import Servers


async def test_a_partition_that_retention_has_emptied_is_left_out_and_an_empty_one_is_not(
    server_addresses: Servers,
) -> None:
    topics, topic = Topics(server_addresses.kafka, SHARDS), f"emptied-{secrets.token_hex(3)}"
    body = envelope(id="1", source="s", type="t", tenant="t", subject="s", time=now(), data=encode_json({}))
    await topics.create(topic)
    for shard in (0, 1):
        await topics.send(topic, shard, [placed(body, 1, shard, 1)])
    admin = AIOKafkaAdminClient(bootstrap_servers=server_addresses.kafka)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=1)})
    finally:
        await admin.close()
    found = await _records(server_addresses.kafka, [topic])
    await topics.delete(topic)

    assert {place.partition: len(rows) for place, rows in found.items()} == {1: 1} | dict.fromkeys(range(2, SHARDS), 0)
