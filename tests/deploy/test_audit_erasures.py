"""The audit of who is forgotten: what it says of tenants that are ended."""

import httpx

from deploy.local.audit.erasures import look_for_erased
from deploy.local.audit.findings import Findings
from deploy.local.audit.sources import Sources
from services.evidence.handlers.ledger import Erasure
from shared.events import encode_json

AT = "2026-03-04T10:15:00.000000Z"


def test_what_is_left_of_an_ended_tenant_is_found() -> None:
    """No learner is looked for on account of such a line, which names nobody."""
    gone, back = (Erasure.of_tenant(tenant, "certificate", AT, "operator") for tenant in ("gone", "back"))
    body = encode_json([gone, Erasure("back", back.learner, "certificate", AT, "operator", ended=True, left=3)])
    told = httpx.Client(
        base_url="http://evidence", transport=httpx.MockTransport(lambda _: httpx.Response(200, content=body))
    )
    sources, findings = Sources(told, told, told, lambda _: told), Findings()
    look_for_erased(sources, None, [("back", back.learner)], findings)

    assert (findings.erased, findings.erased_found) == (0, 3)
    assert not findings.ok
    look_for_erased(sources, "gone", [], only_gone := Findings())
    assert only_gone.erased_found == 0
