"""Which school a learner goes to, asked of the service that keeps the roster."""

import httpx
import msgspec

from services.progression.analysis.comparison import NO_SCHOOL
from shared.auth import service_token
from shared.errors import Unavailable
from shared.settings import Settings

TIMEOUT_S = 60.0


async def schools_of(settings: Settings, tenant: str) -> dict[str, str]:
    """
    Return the school of every enrolled learner; the first by id where there are several.

    Raises:
        Unavailable: the service does not answer.
    """
    headers = {"Authorization": f"Bearer {service_token(settings)}"}
    try:
        async with httpx.AsyncClient(base_url=settings.evidence_url, timeout=TIMEOUT_S, trust_env=False) as client:
            answer = await client.get("/v1/roster/schools", params={"tenant": tenant}, headers=headers)
    except (httpx.HTTPError, OSError) as error:
        raise Unavailable(f"roster: {type(error).__name__}") from error
    if answer.status_code != 200:
        raise Unavailable(f"roster answered {answer.status_code}")
    return msgspec.json.decode(answer.content, type=dict[str, str])


def school_in(schools: dict[str, str], learner: str) -> str:
    """Return a learner's school, `NO_SCHOOL` where the roster has none."""
    return schools.get(learner, NO_SCHOOL)
