"""Which consumer groups have members, as Kafka sees it."""

from collections.abc import Collection

from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.errors import for_code
from aiokafka.protocol.admin import DescribeGroupsRequest_v2, DescribeGroupsResponse_v2
from aiokafka.protocol.api import Request

from shared.kafka_security import client_options
from shared.settings import Settings


class DescribeGroup(Request[DescribeGroupsRequest_v2]):  # type: ignore[misc]  # aiokafka has no types here
    """
    The request for a group's members, in the last version whose answer aiokafka 0.14 decodes: it takes that of version 3 for one
    of version 2.
    """

    API_KEY = 15

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, request_struct_class: type[DescribeGroupsRequest_v2]) -> DescribeGroupsRequest_v2:
        return request_struct_class([self._group])


def member_ids(answer: DescribeGroupsResponse_v2) -> list[str]:
    """Return the ids of the members in an answer; raises `KafkaError` where it is none."""
    [(code, _, _, _, _, members)] = answer.groups
    if code:
        raise for_code(code)
    return [member[0] for member in members]


async def with_members(settings: Settings, groups: Collection[str]) -> list[str]:
    """
    Return those of the groups that have members; a static one that was stopped is a member until its session ends.

    Raises:
        KafkaError: nobody could say.
    """
    client = AIOKafkaClient(**client_options(settings))
    await client.bootstrap()
    try:
        return [group for group in sorted(groups) if await _members(client, f"{group}{settings.topic_suffix}")]
    finally:
        await client.close()


async def _members(client: AIOKafkaClient, group: str) -> int:
    node = await client.coordinator_lookup(CoordinationType.GROUP, group)
    return len(member_ids(await client.send(node, DescribeGroup(group))))
