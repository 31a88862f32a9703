"""Which school a learner goes to, and which groups they are in, asked of the service that keeps the roster."""

from typing import NamedTuple

import msgspec

from services.progression.domain.analysis.comparison import SCHOOL
from services.progression.domain.analysis.small_groups import UNKNOWN
from shared.peer import Peer
from shared.settings import Settings

TIMEOUT_S = 60.0
GROUPS_PAGE = 1000


async def schools_of(settings: Settings, tenant: str) -> dict[str, str]:
    """
    Return the school of every enrolled learner; the first by id where there are several.

    Raises:
        Unavailable: the service does not answer.
    """
    async with Peer(settings.evidence_url, settings, timeout_s=TIMEOUT_S) as evidence:
        answer = await evidence.ask("/v1/roster/schools", {"tenant": tenant})
    return msgspec.json.decode(answer.content, type=dict[str, str])


class _Member(msgspec.Struct):
    learner: str
    group: str
    value: str


class _Members(msgspec.Struct):
    items: list[_Member]
    next: str


async def groups_of(settings: Settings, tenant: str) -> dict[str, dict[str, str]]:
    """
    Return the groups of every learner that is in any, by their names, with the value in each.

    Raises:
        Unavailable: the service does not answer.
    """
    groups: dict[str, dict[str, str]] = {}
    after = ""
    async with Peer(settings.evidence_url, settings, timeout_s=TIMEOUT_S) as evidence:
        while True:
            query: dict[str, str | int] = {"tenant": tenant, "after": after, "limit": GROUPS_PAGE}
            page = msgspec.json.decode((await evidence.ask("/v1/roster/groups", query)).content, type=_Members)
            if not page.items:
                return groups
            for member in page.items:
                groups.setdefault(member.learner, {})[member.group] = member.value
            after = page.next


class Places(NamedTuple):
    """The school, and the groups by name, of every learner of a tenant."""

    schools: dict[str, str]
    groups: dict[str, dict[str, str]]

    def of(self, learner: str) -> dict[str, str]:
        """Return a learner's school and groups by name; the school is the roster's, whatever a group is called."""
        return self.groups.get(learner, {}) | {SCHOOL: school_in(self.schools, learner)}

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The names of the groups that learners are in."""
        return tuple(sorted({name for named in self.groups.values() for name in named} - {SCHOOL}))


async def places_of(settings: Settings, tenant: str) -> Places:
    """Return what `schools_of` and `groups_of` do; raises as they do."""
    return Places(await schools_of(settings, tenant), await groups_of(settings, tenant))


def school_in(schools: dict[str, str], learner: str) -> str:
    """Return a learner's school, `UNKNOWN` where the roster has none."""
    return schools.get(learner, UNKNOWN)
