"""Reading another service's feed: what Kafka lost, or never had, comes by HTTP in the same bytes."""

from collections.abc import Mapping

import msgspec

from shared.errors import Unavailable
from shared.event_log import Head
from shared.events import NO_EVENT, Envelope, decode_envelope
from shared.peer import Peer
from shared.settings import Settings


class FeedClient:
    """A client of one producer's `/v1/feed` and `/v1/heads`."""

    def __init__(self, base_url: str, settings: Settings) -> None:
        self._peer = Peer(base_url, settings)

    async def read(self, log: str, shard: int, after: int, limit: int) -> list[Envelope]:
        """
        Return up to `limit` events behind `after`, in position order; fewer where they are large.

        Raises:
            Unavailable: the producer does not answer, or not with a feed.
        """
        parameters: dict[str, str | int] = {"log": log, "shard": shard, "after": after, "limit": limit}
        body = await self._get("/v1/feed", parameters)
        try:
            return [decode_envelope(line) for line in body.split(b"\n") if line]
        except NO_EVENT as error:
            raise Unavailable(f"feed {self._peer.url} sent no events: {error}") from error

    async def heads(self, log: str) -> dict[int, Head]:
        """Return the producer's head of every shard; raises `Unavailable` as `read` does."""
        body = await self._get("/v1/heads", {"log": log})
        try:
            heads = msgspec.json.decode(body, type=dict[int, tuple[int, int]])
        except msgspec.MsgspecError as error:
            raise Unavailable(f"feed {self._peer.url} sent no heads: {error}") from error
        return {shard: Head(*head) for shard, head in heads.items()}

    async def counts(self, log: str, positions: Mapping[int, int]) -> dict[str, int]:
        """Return how many events of a log each tenant has up to the position of each shard; raises as `read` does."""
        at = ",".join(str(positions[shard]) for shard in sorted(positions))
        body = await self._get("/v1/counts", {"log": log, "at": at})
        try:
            return msgspec.json.decode(body, type=dict[str, int])
        except msgspec.MsgspecError as error:
            raise Unavailable(f"feed {self._peer.url} sent no counts: {error}") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._peer.close()

    async def _get(self, path: str, parameters: dict[str, str | int]) -> bytes:
        return (await self._peer.ask(path, parameters)).content
