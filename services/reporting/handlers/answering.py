"""Answering suggested support: what an adult did about it, said in the name of the caller."""

from urllib.parse import quote

from services.reporting.handlers.access import AccessLog, check_learner
from services.reporting.handlers.on_behalf import OnBehalf, acts_as, key_of
from services.reporting.tables.reads import snapshot
from shared.auth import Identity
from shared.database import Database

REASON_MAX = 2000


class Answering:
    """Closes suggestions in the name of the caller."""

    def __init__(self, database: Database, *, in_progression: OnBehalf, log: AccessLog) -> None:
        self._database = database
        self._in_progression = in_progression
        self._log = log

    async def close(
        self, caller: Identity, *, learner: str, scope: str, cause: str, outcome: str, reason: str, once: str = ""
    ) -> None:
        """
        Close what is suggested on a competency or level, with an outcome of progression's `SupportOutcome`; without a cause
        what was suggested first.

        What is asked again with the same `once` was done, and is not done again.

        Raises:
            NotFound: there is no such learner, or nothing is suggested there any more.
            Forbidden: the caller does not answer for the learner.
            InvalidEvent: there is no such outcome.
            Unavailable: progression does not answer, or is of a version that would not know which suggestion is meant.
        """
        async with snapshot(self._database) as view:
            role = await check_learner(view, caller, learner, "answer")
        await self._log.note_each(caller, role, "support", learner, [learner])
        await self._in_progression.ask(
            caller, f"/v1/learners/{quote(learner, safe='')}/support/close", "decisions:write", role=role,
            body={
                "scope": scope, "cause": cause, "outcome": outcome, "role": acts_as(role), "reason": reason[:REASON_MAX],
            },
            key=key_of(once, learner, scope, cause),
            newer=["cause"],
        )  # fmt: skip
