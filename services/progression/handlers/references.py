"""A receiver's own ids of learners, asked of the service that alone knows them."""

from collections.abc import Collection

import httpx
import msgspec

from shared.auth import service_token
from shared.errors import Unavailable
from shared.settings import Settings

TIMEOUT_S = 10.0


class References:
    """A client of the identity table; close it after use."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = httpx.AsyncClient(base_url=settings.evidence_url, timeout=TIMEOUT_S, trust_env=False)

    async def of(self, tenant: str, source: str, learners: Collection[str]) -> dict[str, list[dict[str, str]]]:
        """
        Return the `refs` of learners at one source: none where it does not know the learner, or `source` is empty.

        Raises:
            Unavailable: the service does not answer.
        """
        refs: dict[str, list[dict[str, str]]] = {learner: [] for learner in learners}
        if not source or not refs:
            return refs
        body = msgspec.json.encode({"tenant": tenant, "source": source, "learners": sorted(refs)})
        headers = {"Authorization": f"Bearer {service_token(self._settings)}", "Content-Type": "application/json"}
        try:
            answer = await self._client.post("/v1/learners/references", content=body, headers=headers)
        except (httpx.HTTPError, OSError) as error:
            raise Unavailable(f"identities: {type(error).__name__}") from error
        if answer.status_code != 200:
            raise Unavailable(f"identities answered {answer.status_code}")
        for learner, ids in msgspec.json.decode(answer.content, type=dict[str, list[str]]).items():
            refs[learner] = [{"source": source, "id": id} for id in ids]
        return refs

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
