"""The OpenAPI documents of the running stack: what is asked from outside says what it answers."""

import httpx
import pytest

from deploy.local.stack import Stack
from tests.support.described import undescribed

EVERYWHERE = {
    "GET /v1/expiries", "GET /v1/limits", "PUT /v1/limits", "GET /v1/reconciliation", "POST /v1/reconciliation",
}  # fmt: skip
NOT_DESCRIBED = {
    "evidence": EVERYWHERE | {
        "DELETE /v1/quarantine", "GET /v1/accesses", "GET /v1/erasures", "GET /v1/identities", "GET /v1/staff",
        "GET /v1/learners/{learner}/holdings", "GET /v1/roster/groups", "GET /v1/roster/schools", "GET /xapi/about",
        "GET /xapi/counts", "GET /xapi/statements", "POST /v1/learners/named-by-id", "POST /v1/learners/references",
        "POST /v1/names", "POST /v1/own-activities", "POST /v1/retractions/preview", "POST /v1/staff/names",
    },
    "progression": EVERYWHERE | {
        "GET /v1/policies/audit", "GET /v1/policies/proposals", "GET /v1/policies/shadows", "POST /v1/policies/shadows",
        "GET /v1/policies/shadows/{policy}/differences", "GET /v1/policies/shadows/{policy}/levels",
        "POST /v1/corrections/preview", "POST /v1/learners/{learner}/corrections/preview", "POST /v1/policies/compare",
        "POST /v1/learners/{learner}/redrive", "POST /v1/policies/proposals",
    },
    "reporting": EVERYWHERE | {
        "GET /v1/rebuild/{model}", "POST /v1/rebuild/{model}", "POST /v1/rebuild/{model}/rollback",
        "GET /v1/rows/{table}", "GET /v1/states",
    },
}  # fmt: skip
"""What operators and the other services ask, and analyses for who writes policies."""


@pytest.mark.parametrize("service", NOT_DESCRIBED)
async def test_whoever_asks_from_outside_finds_every_answer_described(stack: Stack, service: str) -> None:
    async with httpx.AsyncClient() as client:
        document = (await client.get(f"{stack.urls[service]}/openapi.json")).json()

    assert undescribed(document) == NOT_DESCRIBED[service]
