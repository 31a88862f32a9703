"""
What an installation limits for single tenants, in each service's database; what is not set there, the settings say.

Set by operators (scope `service`), not by a tenant. A process asks every `REFRESH_S`, so all replicas follow in that time.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from fastapi import APIRouter, FastAPI
from pydantic import Field

from shared.database import Database
from shared.described import answered
from shared.errors import InvalidEvent, Unavailable
from shared.settings import Settings
from shared.tasks import Pulse, raise_if_cancelled
from shared.tenancy import bound_to
from shared.web import Caller, Strict, needs

log = logging.getLogger(__name__)
REFRESH_S = 2.0


KeptDays: TypeAlias = Annotated[int, Field(ge=0, le=36_500)]


def _as_set(name: str) -> Any:
    """Return a field that is left out, described as the setting of the same name."""
    return Field(None, description=Settings.model_fields[name].description)


class Limits(Strict):
    """Limits of a tenant: what is left out stays, null goes back to what the installation has set."""

    requests_per_s: Annotated[float, Field(ge=0, le=1e6)] | None = _as_set("requests_per_s")
    small_number: Annotated[int, Field(ge=2, le=1000)] | None = _as_set("small_number")
    statements_kept: Literal["none", "scored", "all"] | None = _as_set("statements_kept")
    originals_kept_days: KeptDays | None = _as_set("originals_kept_days")
    accesses_kept_days: KeptDays | None = _as_set("accesses_kept_days")
    deliveries_kept_days: KeptDays | None = _as_set("deliveries_kept_days")


class LimitsHeld(msgspec.Struct):
    """The limits that this service heeds for a tenant; `own` names those that are set for it alone."""

    own: list[str]
    requests_per_s: float
    small_number: int | msgspec.UnsetType = msgspec.UNSET
    statements_kept: Literal["none", "scored", "all"] | msgspec.UnsetType = msgspec.UNSET
    originals_kept_days: int | msgspec.UnsetType = msgspec.UNSET
    accesses_kept_days: int | msgspec.UnsetType = msgspec.UNSET
    deliveries_kept_days: int | msgspec.UnsetType = msgspec.UNSET


class TenantLimits:
    """The limits that one service heeds, by their names in `Limits`, once they were read; run `run` beside it."""

    def __init__(self, database: Database, settings: Settings, names: Sequence[str]) -> None:
        self._database = database
        self._settings = settings
        self._names = names
        self._own: dict[str, Limits] = {}
        self.pulse = Pulse()

    def of(self, tenant: str, name: str) -> Any:
        """Return a limit of a tenant: its own, else the installation's, and of the small numbers the larger one."""
        common = getattr(self._settings, name)
        own = getattr(self._own[tenant], name) if tenant in self._own else None
        if own is None:
            return common
        return max(own, common) if name == "small_number" else own

    def small_number(self, tenant: str) -> int:
        """Return below which number of people nothing is told in a tenant: its own may ask for more, not for less."""
        return int(self.of(tenant, "small_number"))

    def each(self, name: str) -> tuple[list[str], list[Any], Any]:
        """Return the tenants that have a limit of their own, what it is, and the installation's."""
        own = {tenant: value for tenant, limits in self._own.items() if (value := getattr(limits, name)) is not None}
        return list(own), list(own.values()), getattr(self._settings, name)

    def shown(self, tenant: str) -> dict[str, Any]:
        """Return the limits that hold for a tenant, and under `own` the names of those set for it alone."""
        own = self._own.get(tenant, Limits())
        return {name: self.of(tenant, name) for name in self._names} | {
            "own": [name for name in self._names if getattr(own, name) is not None]
        }

    async def run(self) -> None:
        """Read what is set, again and again, until cancelled; while the database is away what was read last holds."""
        while True:
            raise_if_cancelled()
            self.pulse.beat()
            try:
                await self.read()
            except Unavailable as error:
                log.warning("cannot read the limits of tenants: %s", error)
            await asyncio.sleep(REFRESH_S)

    async def read(self) -> None:
        """Read what is set."""
        with bound_to(None):
            async with self._database.connection() as connection:
                rows = await connection.fetch("select tenant, name, value from tenant_limit")
        own: dict[str, dict[str, str]] = {}
        for row in rows:
            # A later release may have set one that this one does not know.
            if row["name"] in Limits.model_fields:
                own.setdefault(row["tenant"], {})[row["name"]] = row["value"]
        self._own = {tenant: Limits.model_validate(values) for tenant, values in own.items()}

    async def set(self, tenant: str, given: Limits) -> None:
        """
        Set what is given; durable when it returns.

        Raises:
            InvalidEvent: this service does not heed a limit of that name.
        """
        for name in given.model_fields_set:
            if name not in self._names:
                raise InvalidEvent(f"this service has no limit {name}", pointer=f"/{name}")
        async with self._database.transaction() as connection:
            for name in sorted(given.model_fields_set):
                value = getattr(given, name)
                if value is None:
                    await connection.execute("delete from tenant_limit where tenant = $1 and name = $2", tenant, name)
                else:
                    await connection.execute(
                        "insert into tenant_limit values ($1, $2, $3)"
                        " on conflict (tenant, name) do update set value = excluded.value",
                        tenant, name, str(value),
                    )  # fmt: skip
        await self.read()


async def limit_tenants(app: FastAPI, database: Database, settings: Settings, *names: str) -> TenantLimits:
    """
    Return the limits that an application heeds, the rate of requests among them, once its routes have them.

    They are read by then: nothing is served, told or removed by the installation's where a tenant has its own.
    """
    limits = TenantLimits(database, settings, ("requests_per_s", *names))
    await limits.read()
    app.state.rate_limit.per_s_of = lambda tenant: limits.of(tenant, "requests_per_s")
    app.include_router(_router(limits))
    return limits


def _router(limits: TenantLimits) -> APIRouter:
    router = APIRouter(tags=["limits"])

    @router.get("/v1/limits", responses=answered(LimitsHeld))
    async def read(caller: Caller) -> dict[str, Any]:
        """The limits that hold, and which of them are set for this tenant alone."""
        caller.require("admin", "service")
        return limits.shown(caller.tenant)

    @router.put("/v1/limits", responses=answered(LimitsHeld), dependencies=[needs("service")])
    async def put(body: Limits, caller: Caller) -> dict[str, Any]:
        """Set some, as the operator of the installation; other replicas follow within seconds."""
        await limits.set(caller.tenant, body)
        return limits.shown(caller.tenant)

    return router
