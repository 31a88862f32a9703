"""Which school a learner goes to, asked of the service that keeps the roster."""

import msgspec

from services.progression.analysis.comparison import NO_SCHOOL
from shared.peer import Peer
from shared.settings import Settings

TIMEOUT_S = 60.0


async def schools_of(settings: Settings, tenant: str) -> dict[str, str]:
    """
    Return the school of every enrolled learner; the first by id where there are several.

    Raises:
        Unavailable: the service does not answer.
    """
    evidence = Peer(settings.evidence_url, settings, timeout_s=TIMEOUT_S)
    try:
        answer = await evidence.ask("/v1/roster/schools", {"tenant": tenant})
    finally:
        await evidence.close()
    return msgspec.json.decode(answer.content, type=dict[str, str])


def school_in(schools: dict[str, str], learner: str) -> str:
    """Return a learner's school, `NO_SCHOOL` where the roster has none."""
    return schools.get(learner, NO_SCHOOL)
