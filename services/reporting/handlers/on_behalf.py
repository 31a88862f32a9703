"""What a person does through the pages, asked of the other services in the person's name once the right is checked here."""

from collections.abc import Collection, Mapping
from http import HTTPStatus
from typing import Any

from shared.auth import Identity, delegated_token
from shared.errors import AttainError, Forbidden, Gone, InvalidEvent, NotFound, Refused, Unavailable
from shared.peer import Peer, Query
from shared.permissions import Role
from shared.settings import Settings
from shared.shards import stable_id

OWN_SOURCE = "urn:attain:pages"
"""The source of what is observed on the pages; it names learners by their opaque ids."""
NO_ROUTE = HTTPStatus.NOT_FOUND.phrase
"""How the framework calls it; what is not in a tenant has a title of ours."""
_REFUSALS: dict[int, type[AttainError]] = {403: Forbidden, 404: NotFound, 409: Refused, 410: Gone, 422: InvalidEvent}


def acts_as(role: Role) -> str:
    """Return what progression calls a role."""
    return "school_leader" if role == "leader" else role


def key_of(once: str, *about: str) -> str:
    """Return the key of what a form asks for, by what it was shown with, so that a form sent twice asks once."""
    return stable_id("form", once, *about) if once else ""


class OnBehalf:
    """Asks one of the other services in the name of a person."""

    def __init__(self, peer: Peer, settings: Settings) -> None:
        self._peer = peer
        self._settings = settings

    async def ask(
        self, caller: Identity, path: str, scope: str, *, query: Query | None = None, body: object = None,
        source: str | None = None, role: Role | None = None, key: str = "", newer: Collection[str] = (),
    ) -> Any:  # fmt: skip
        """
        Return the answer as plain data; with `role` the person acts in it, by progression's name.

        `key` is what the person names the request by: asked again under it, there is no second effect. `newer` are members of
        the body that the version before does not know, which may still answer while an installation is upgraded.

        Raises:
            Forbidden, NotFound, Gone, Refused, InvalidEvent: the other service refuses; with its reason.
            Unavailable: it does not answer, is of that version, or the installation has no key for this.
        """
        named = None if role is None else acts_as(role)
        token = delegated_token(self._settings, caller, scope, source=source, role=named)
        expected = (200, 201, 202, *_REFUSALS)
        answer = await self._peer.ask(path, query, body=body, expected=expected, token=token, key=key)
        try:
            told = answer.json()
        except ValueError as error:
            raise Unavailable(f"{path} did not answer JSON") from error
        if _is_earlier(answer.status_code, told, newer):
            raise Unavailable(f"{path}: an earlier version answers, until all of the installation is upgraded")
        refusal = _REFUSALS.get(answer.status_code)
        if refusal is not None:
            raise refusal(str(told.get("detail") or told.get("reason") or "refused"))
        return told


def _is_earlier(status: int, told: Mapping[str, Any], newer: Collection[str]) -> bool:
    """Tell by an answer whether a version gave it that does not have the route, or does not know one of the newer members."""
    no_route = status == NotFound.status and told.get("title") == NO_ROUTE
    return no_route or (status == InvalidEvent.status and told.get("pointer") in {f"/{name}" for name in newer})
