"""
What keeps a consumer in its group, as aiokafka does it, but for two things.

A slot (static membership) that several processes were given is that of the one which came last, and the others wait until it is
gone. A broker gives a slot to whoever asks for it last, and refuses the id of the one before meanwhile (FENCED_INSTANCE_ID).
aiokafka does not know that refusal and asks under the same id again; where the broker says instead that it does not know the id,
aiokafka asks for another one, and so takes the slot back, by turns. Source: KIP-345, "Fencing".

And a Kafka that hangs does not keep it from ending.
"""

import asyncio
import contextlib
import logging

from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import Subscription
from aiokafka.errors import KafkaError, UnknownError
from aiokafka.protocol.group import JoinGroupRequest

from shared.group_members import DescribeGroup, member_ids

log = logging.getLogger(__name__)
UUID_CHARS = 36
CLOSE_S = 3.0
"""For so long it waits for an answer that is under way, and for Kafka to hear that a member without a slot leaves."""


class Coordinator(GroupCoordinator):  # type: ignore[misc]  # it has no types
    """
    A process that begins takes its slot; one that has lost it takes it back only once no other process has it, within a session
    of that one's end.
    """

    gives_way = False
    """Whether another process has the slot, so that nothing comes here."""
    _former_id = ""
    """The id under which this process was a member last; empty until it has lost one."""

    async def close(self) -> None:
        """End for good, within `CLOSE_S`: a member that Kafka does not hear of any more is forgotten with its session."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await super().close()
        for task in (self._coordination_task, self._heartbeat_task, self._commit_refresh_task):
            if task is not None:
                task.cancel()

    def reset_generation(self) -> None:
        """Forget the member id, which is not known any more, or refused."""
        if self.member_id != JoinGroupRequest.UNKNOWN_MEMBER_ID:
            self._former_id = self.member_id
        super().reset_generation()

    async def _do_rejoin_group(self, subscription: Subscription) -> bool:
        if self._group_instance_id and self._former_id and self.member_id == JoinGroupRequest.UNKNOWN_MEMBER_ID:
            await self._look_for_another()
        if self.gives_way:
            return await self._later(f"the slot {self._group_instance_id} is another's")
        try:
            joined: bool = await super()._do_rejoin_group(subscription)
        except KafkaError as error:
            # So aiokafka calls a refusal that it does not know; others are for whoever polls.
            if UnknownError.__name__ not in str(error):
                raise
            self.reset_generation()
            return await self._later(f"group {self.group_id} refuses this member")
        return joined

    async def _later(self, why: str) -> bool:
        """Rest before the next try. Who polls is told, who would wait for an assignment and be taken for stuck."""
        self._subscription.abort_waiters(KafkaError(why))
        await asyncio.wait([self._closing], timeout=self._heartbeat_interval_ms / 1000)
        return False

    async def _look_for_another(self) -> None:
        """Find out whether another process has the slot, and say so where that has changed."""
        try:
            members = member_ids(await self._send_req(DescribeGroup(self.group_id)))
        except KafkaError as error:
            if error.retriable:
                self.coordinator_dead()
            return
        # A broker makes the id of such a member of its slot and a UUID.
        others = [id for id in members if id[: -UUID_CHARS - 1] == self._group_instance_id and id != self._former_id]
        if others and not self.gives_way:
            log.warning(
                "%s: another process was given the slot %s later, so this one folds nothing until that one is gone;"
                " each replica needs a slot (ATTAIN_SLOT) of its own",
                self.group_id,
                self._group_instance_id,
            )
        elif self.gives_way and not others:
            log.warning(
                "%s: the other process is gone, and the slot %s is taken back", self.group_id, self._group_instance_id
            )
        self.gives_way = bool(others)
