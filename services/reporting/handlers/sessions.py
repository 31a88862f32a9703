"""Sessions of the pages: who has signed in by an identity provider, sealed into a cookie, and ended for good."""

import secrets

from services.reporting.tables.spent import is_spent, spend
from shared.auth import Identity
from shared.database import Database
from shared.errors import Unauthorized
from shared.sealing import seal, unseal
from shared.settings import Settings

SESSION = "session"


class Sessions:
    """
    Begins, knows and ends sessions.

    A session is no token: no service takes it as one, so what it may do is done through the pages alone, where the roster is
    asked first.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    def begin(self, identity: Identity, *, by_provider: bool = False) -> str:
        """Return a new session as the text that the browser keeps; `by_provider` where the identity provider has one too."""
        data = {
            "id": secrets.token_urlsafe(16), "sub": identity.subject, "tenant": identity.tenant,
            "scopes": sorted(identity.scopes), "learner": identity.learner,
            "by_provider": by_provider,
        }  # fmt: skip
        return seal(self._settings, SESSION, data, self._settings.session_s)

    async def identify(self, text: str) -> Identity:
        """Return whose session this is; raises `Unauthorized` where it is none, or over."""
        data = unseal(self._settings, SESSION, text)
        async with self._database.connection() as connection:
            if await is_spent(connection, data["id"]):
                raise Unauthorized("this session was ended")
        return Identity(data["sub"], data["tenant"], frozenset(data["scopes"]), learner=data["learner"])

    async def end(self, text: str) -> bool:
        """
        End a session, also for whoever has a copy of it; one that is none is ended already.

        Return whether the person may still be signed in at the identity provider.
        """
        try:
            data = unseal(self._settings, SESSION, text)
        except Unauthorized:
            return False
        await self.use_up(data["id"], self._settings.session_s)
        # Of an earlier version it does not say.
        return bool(data.get("by_provider"))

    async def use_up(self, id: str, for_s: float) -> bool:
        """Use an id up for a time; return False where it was used up before."""
        async with self._database.transaction() as connection:
            return await spend(connection, id, for_s)
