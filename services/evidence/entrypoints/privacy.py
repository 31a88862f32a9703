"""What a learner, or who answers for one, may ask of this service: everything held, to be forgotten, and who did what."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from services.evidence.entrypoints.answered_holdings import Holdings
from services.evidence.entrypoints.answered_people import AccessLog
from services.evidence.entrypoints.answers import After, Id, Limit, Text, answer, as_uuid
from services.evidence.handlers.accesses import Accesses
from services.evidence.handlers.ending import Ending
from services.evidence.handlers.erasure import Certificate, Erasing
from services.evidence.handlers.holdings import holdings_of, holdings_of_named
from services.evidence.handlers.ledger import Erasure, Ledger
from shared.database import Database
from shared.described import answered
from shared.web import Caller


def privacy_router(
    database: Database, erasing: Erasing, ending: Ending, ledger: Ledger, accesses: Accesses
) -> APIRouter:
    """Return the routes on what is held of a learner."""
    router = APIRouter(tags=["learners"])

    @router.get("/v1/learners/{learner}/holdings", responses=answered(Holdings))
    async def holdings(learner: Id, caller: Caller) -> Response:
        """Everything that this service holds of a learner: for a learner's request to see it. It is noted who asked."""
        caller.require("admin")
        learner = as_uuid(learner, "learner")
        held = await holdings_of(database, caller.tenant, learner)
        await accesses.note(caller.tenant, caller.subject, "export", learner)
        return answer(held)

    @router.get("/v1/holdings", responses=answered(Holdings))
    async def holdings_named(source: Text, source_id: Text, caller: Caller) -> Response:
        """
        The same of whom a source knows by its own id, also of somebody of whom there is nothing but statements, or pieces that
        wait or could not be used. Such a person has no opaque id.
        """
        caller.require("admin")
        held = await holdings_of_named(database, caller.tenant, source, source_id)
        await accesses.note(caller.tenant, caller.subject, "export", held["learner"])
        return answer(held)

    @router.delete("/v1/learners/{learner}", responses=answered(Certificate))
    async def erase(learner: Id, caller: Caller) -> Response:
        """Forget a learner for good; positions stay, bodies go. The answer certifies it, and it is noted who asked."""
        caller.require("admin")
        certificate = await erasing.erase(caller.tenant, as_uuid(learner, "learner"), by=caller.subject)
        await accesses.note(caller.tenant, caller.subject, "erasure", certificate.certificate)
        return answer(certificate)

    @router.delete("/v1/learners", responses=answered(Certificate))
    async def erase_named(source: Text, source_id: Text, caller: Caller) -> Response:
        """
        Forget for good whom a source knows by its own id, also somebody of whom there is nothing but statements, or pieces that
        wait or could not be used. Such a person gets an opaque id for the certificate.
        """
        caller.require("admin")
        certificate = await erasing.erase_named(caller.tenant, source, source_id, by=caller.subject)
        await accesses.note(caller.tenant, caller.subject, "erasure", certificate.certificate)
        return answer(certificate)

    @router.get("/v1/erasures", responses=answered(list[Erasure]))
    async def erasures(
        caller: Caller, ended: Annotated[bool, Query(description="tenants alone, and not what is left of them")] = False
    ) -> Response:
        """
        Who was erased, of all tenants, by opaque id, and which tenants are `ended`: for the audit, which looks that nothing of
        them is left, and for the services that end what a restore has brought back of those.
        """
        caller.require("service")
        if ended:
            return answer(await ledger.of_tenants())
        return answer([*await erasing.erasures(), *await ending.ended()])

    @router.get("/v1/accesses", responses=answered(AccessLog))
    async def log(caller: Caller, after: After = 0, limit: Limit = 100) -> Response:
        """Who sent evidence, took a learner's data out, or had a learner forgotten: `{items, next}` in order of time."""
        caller.require("admin")
        items = await accesses.page(caller.tenant, after, limit)
        return answer({"items": items, "next": items[-1]["no"] if items else after})

    return router
