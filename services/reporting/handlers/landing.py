"""Who a person is here whom another system vouches for, as identities and roster have it, and on which page a launch ends."""

from collections.abc import Sequence

import msgspec

from services.reporting.domain.page_paths import page_of
from services.reporting.handlers.access import check_class, is_staff
from services.reporting.handlers.on_behalf import OnBehalf
from services.reporting.tables.reads import Snapshot, snapshot
from services.reporting.tables.rights import learners_of, roles_held
from shared.auth import Identity
from shared.database import Database
from shared.errors import Forbidden, NotFound


class Landing:
    """Asks evidence for learners, and the roster for everybody."""

    def __init__(self, database: Database, in_evidence: OnBehalf) -> None:
        self._database = database
        self._in_evidence = in_evidence

    async def with_learner(self, identity: Identity, source: str) -> Identity:
        """Return the identity with the learner that the person is at a source; as it is where that knows none, or is empty."""
        if not source:
            return identity
        query = {"source": source, "source_id": identity.subject}
        try:
            found = await self._in_evidence.ask(identity, "/v1/learners", "records:read", query=query)
        except NotFound:
            return identity
        return msgspec.structs.replace(identity, learner=found["learner"])

    async def is_known(self, caller: Identity) -> bool:
        """Tell whether the person is a learner, or has a role today by the roster."""
        if caller.learner is not None:
            return True
        async with snapshot(self._database) as view:
            return bool(await roles_held(view, caller.tenant, caller.today, caller.subject))

    async def page_of(self, caller: Identity, classes: Sequence[str]) -> str:
        """
        Return where a launch from a course ends: at the class, of those that it may be, which the person sees; for who is no
        staff at the own record, or that of the only child; else, as with several classes, at the start.
        """
        async with snapshot(self._database) as view:
            seen = [each for each in classes if await _sees(view, caller, each)]
            if len(seen) == 1:
                return page_of("class", seen[0])
            if await is_staff(view, caller):
                return "/"
            children = await learners_of(view, caller.tenant, caller.today, caller.subject)
        own = children if caller.learner is None else [caller.learner]
        return page_of("learner", own[0]) if len(own) == 1 else "/"


async def _sees(view: Snapshot, caller: Identity, class_id: str) -> bool:
    try:
        await check_class(view, caller, class_id)
    except (NotFound, Forbidden):
        return False
    return True
