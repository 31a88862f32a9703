"""Every route of the services, and the request with which somebody would reach into a tenant by it."""

from typing import Any, NamedTuple

Case = tuple[Any, str]
"""A body (None: no body) and a query, with the names of `Victim.values` in braces."""

OPEN = (
    frozenset(
        f"{service} GET {path}"
        for service in ("evidence", "progression", "reporting")
        for path in ("/livez", "/readyz", "/metrics", "/asyncapi", "/asyncapi.json")
    )
    | {"evidence GET /xapi/about", "reporting GET /favicon.ico", "reporting GET /web/{name}"}
    | {f"reporting {method} /sign-out" for method in ("GET", "POST")}
)
"""They say nothing of any tenant."""
FOR_VERIFIERS = frozenset(
    {"reporting GET /v1/credentials/status/{tenant}/{issuer}/{number}", "reporting GET /{tenant}/did.json"}
)
"""What a signed record is verified by, wherever it is shown: public keys, and bits that say of an index that it is revoked."""

NONE: Case = (None, "")
EMPTY: Case = ({}, "")
_PIECE = {
    "id": "taken", "source": "{source}", "learner": "{source_id}", "retracts": "{piece}",
    "occurred_at": "2026-03-05T10:00:00Z",
}  # fmt: skip
_STATEMENT = {
    "actor": {"account": {"homePage": "{source}", "name": "taken"}},
    "verb": {"id": "http://adlnet.gov/expapi/verbs/voided"},
    "object": {"objectType": "StatementRef", "id": "{statement}"},
}
_ON = {"learner": "{learner}", "competency": "{competency}"}
_ON_LEVEL = {"learner": "{learner}", "level": "{level}"}
_POLICY = {"id": "taken", "method": {"type": "streak", "n": 1}}
_WEBHOOK = {"name": "taken", "url": "http://127.0.0.1:9/", "purpose": "reading of others", "start": "beginning"}

EVIDENCE: dict[str, Case] = {
    "GET /v1/limits": NONE,
    "GET /v1/expiries": NONE,
    "PUT /v1/limits": ({"requests_per_s": 1}, ""),
    "POST /v1/evidence": (_PIECE, ""),
    "GET /v1/evidence/{evidence_id}": NONE,
    "GET /v1/evidence/{evidence_id}/trace": NONE,
    "POST /v1/retractions/preview": ({"tenant": "{tenant}", "source": "{source}", "ids": ["{piece}"]}, ""),
    "GET /v1/learners": (None, "source={source}&source_id={source_id}"),
    "DELETE /v1/learners": (None, "source={source}&source_id={source_id}"),
    "GET /v1/learners/{learner}": NONE,
    "GET /v1/learners/{learner}/holdings": NONE,
    "DELETE /v1/learners/{learner}": NONE,
    "POST /v1/names": ({"tenant": "{tenant}", "learners": ["{learner}"]}, ""),
    "POST /v1/learners/references": (
        {"tenant": "{tenant}", "source": "{source}", "learners": ["{learner}"], "placed": True}, "",
    ),
    "POST /v1/learners/references/former": (
        {"tenant": "{tenant}", "source": "{source}", "learners": ["{learner}"]}, "",
    ),
    "POST /v1/learners/named-by-id": ({"tenant": "{tenant}", "source": "{source}", "learners": ["{learner}"]}, ""),
    "GET /v1/holdings": (None, "source={source}&source_id={source_id}"),
    "GET /v1/identities": (None, "tenant={tenant}"),
    "POST /v1/learners/{learner}/merge": ({"into": "{other_learner}", "reason": "taken"}, ""),
    "POST /v1/merges/{merge}/undo": NONE,
    "POST /v1/alignments": EMPTY,
    "GET /v1/alignments": NONE,
    "GET /v1/alignments/missing": NONE,
    "GET /v1/sources/completeness": NONE,
    "GET /v1/quarantine": NONE,
    "DELETE /v1/quarantine": (None, "ended=true"),
    "GET /v1/quarantine/reasons": NONE,
    "GET /v1/quarantine/{quarantine_id}": NONE,
    "POST /v1/quarantine/{quarantine_id}/redrive": EMPTY,
    "POST /v1/roster": (
        {"source": "{source}", "classes": [{"class": "{class_id}", "title": "taken"}],
         "learners": [{"source_id": "{source_id}", "name": "taken"}],
         "people": [{"person": "{person}", "name": "taken"}]}, "",
    ),
    "POST /v1/staff/names": ({"tenant": "{tenant}", "people": ["{person}"]}, ""),
    "GET /v1/staff": NONE,
    "DELETE /v1/staff/{person}": NONE,
    "POST /v1/roster/rollovers": ({"session": "taken", "goes_on": [], "share_max": 1}, ""),
    "POST /v1/roster/rollovers/{session}/undo": NONE,
    "POST /v1/own-activities": ({"activities": ["beehive-activity-0"]}, ""),
    "GET /v1/erasures": NONE,
    "GET /v1/accesses": NONE,
    "GET /v1/roster/classes": NONE,
    "GET /v1/roster/schools": NONE,
    "GET /v1/roster/groups": (None, "tenant={tenant}"),
    "POST /v1/keys": ({"source": "{source}"}, ""),
    "GET /v1/keys": NONE,
    "POST /v1/keys/{key_id}/rotate": EMPTY,
    "DELETE /v1/keys/{key_id}": NONE,
    "POST /v1/intake/{form}": EMPTY,
    "POST /caliper/v1p1/events": EMPTY,
    "POST /caliper/v1p2/events": EMPTY,
    "POST /canvas/events": EMPTY,
    "POST /lti/lineitems/{line_item}/scores": EMPTY,
    "POST /oneroster/v1p2/results": EMPTY,
    "PUT /oneroster/v1p2/results/{sourced_id}": EMPTY,
    "POST /edfi/studentAssessments": EMPTY,
    "POST /xapi/statements": (_STATEMENT, ""),
    "PUT /xapi/statements": (_STATEMENT, "statementId={statement}"),
    "GET /xapi/statements": (None, "statementId={statement}"),
    "GET /xapi/counts": NONE,
    "GET /v1/feed": (None, "log=evidence&shard={shard}"),
    "GET /v1/heads": (None, "log=evidence"),
    "GET /v1/lag": NONE,
    "GET /v1/reconciliation": NONE,
    "POST /v1/reconciliation": NONE,
    "GET /v1/counts": (None, "log=evidence&at=0,0,0,0,0,0,0,0"),
}  # fmt: skip
PROGRESSION: dict[str, Case] = {
    "GET /v1/limits": NONE,
    "GET /v1/expiries": NONE,
    "PUT /v1/limits": ({"requests_per_s": 1}, ""),
    "GET /v1/learners/{learner}/decisions": NONE,
    "GET /v1/learners/{learner}/mastery": NONE,
    "GET /v1/learners/{learner}/frontier": NONE,
    "GET /v1/learners/{learner}/support": NONE,
    "GET /v1/learners/{learner}/plans": NONE,
    "GET /v1/learners/{learner}/next-evidence": NONE,
    "POST /v1/learners/{learner}/support/close": ({"scope": "{supported}", "outcome": "dismissed"}, ""),
    "GET /v1/support": NONE,
    "GET /v1/learners/{learner}/advancements": NONE,
    "GET /v1/learners/{learner}/competencies/{competency}/explanation": NONE,
    "POST /v1/learners/{learner}/redrive": NONE,
    "POST /v1/redrive": NONE,
    "GET /v1/advancements": NONE,
    "GET /v1/learners/{learner}/disclosures": NONE,
    "GET /v1/disclosures": (None, "tenant={tenant}"),
    "GET /v1/subscribers": NONE,
    "POST /v1/subscribers": ({"via": "kafka", "name": "taken", "purpose": "reading of others"}, ""),
    "DELETE /v1/subscribers/{id}": NONE,
    "GET /v1/advancements/stream": NONE,
    "GET /v1/standings": NONE,
    "GET /v1/states": (None, "tenant={tenant}"),
    "GET /v1/learner-states": (None, "tenant={tenant}"),
    "GET /v1/journal": (None, "shard={shard}"),
    "POST /v1/frameworks": ({"id": "{framework}", "nodes": "code,title\nc0,taken\n"}, ""),
    "POST /v1/frameworks/{framework}/levels": ({"levels": []}, ""),
    "GET /v1/frameworks": NONE,
    "POST /v1/policies": (_POLICY, ""),
    "POST /v1/policies/check": (_POLICY, ""),
    "GET /v1/policies": NONE,
    "POST /v1/policies/compare": (_POLICY, ""),
    "POST /v1/policies/reach": (_POLICY, ""),
    "GET /v1/policies/audit": NONE,
    "GET /v1/policies/in-force": (None, "tenant={tenant}"),
    "POST /v1/policies/proposals": (_POLICY, "mode=retroactive&reason=taken"),
    "GET /v1/policies/proposals": NONE,
    "POST /v1/policies/proposals/{id}/approve": NONE,
    "POST /v1/policies/shadows": (_POLICY, ""),
    "GET /v1/policies/shadows": NONE,
    "GET /v1/policies/shadows/{policy}/differences": NONE,
    "GET /v1/policies/shadows/{policy}/levels": NONE,
    "DELETE /v1/policies/shadows/{policy}": NONE,
    "POST /v1/corrections/preview": ({"source": "{source}", "item": "{piece}"}, ""),
    "POST /v1/learners/{learner}/corrections/preview": ({"source": "{source}", "id": "{piece}"}, "tenant={tenant}"),
    "GET /v1/settings": NONE,
    "PUT /v1/settings": ({"time_zone": "Europe/Madrid"}, ""),
    "POST /v1/terms": ({"name": "taken"}, ""),
    "POST /v1/sign-offs": ({"items": [_ON], "reason": "taken"}, ""),
    "GET /v1/sign-offs": (None, "learner={learner}"),
    "POST /v1/overrides": (_ON | {"status": "not_yet", "reason": "taken"}, ""),
    "POST /v1/credits": (_ON | {"basis": "transfer", "reason": "taken"}, ""),
    "POST /v1/decisions/{id}/lift": (_ON | {"reason": "taken"}, ""),
    "POST /v1/plans": (_ON | {"kind": "exempt", "code": "other", "review_at": "2099-01-01"}, ""),
    "POST /v1/plans/{id}/end": (_ON, ""),
    "POST /v1/placements": (_ON_LEVEL | {"reason": "taken"}, ""),
    "POST /v1/level-decisions": (_ON_LEVEL | {"kind": "withdraw", "reason": "taken"}, ""),
    "POST /v1/goals": (_ON_LEVEL, ""),
    "POST /v1/webhooks": (_WEBHOOK, ""),
    "GET /v1/webhooks": NONE,
    "DELETE /v1/webhooks/{id}": NONE,
    "POST /v1/webhooks/{id}/test": NONE,
    "POST /v1/webhooks/{id}/replay": ({"start": "beginning"}, ""),
    "POST /v1/webhooks/{id}/rotate": NONE,
    "GET /v1/webhooks/{id}/deliveries": NONE,
    "GET /v1/webhooks/{id}/waiting": NONE,
    "POST /v1/webhooks/{id}/{change}": NONE,
    "GET /v1/positions": (None, "shard={shard}"),
    "GET /v1/feed": (None, "log=progression&shard={shard}"),
    "GET /v1/heads": (None, "log=progression"),
    "GET /v1/lag": NONE,
    "GET /v1/reconciliation": NONE,
    "POST /v1/reconciliation": NONE,
    "GET /v1/counts": (None, "log=told&at=0,0,0,0,0,0,0,0"),
}
REPORTING: dict[str, Case] = {
    "GET /v1/limits": NONE,
    "GET /v1/expiries": NONE,
    "PUT /v1/limits": ({"requests_per_s": 1}, ""),
    "GET /v1/learners/{learner}/record": NONE,
    "GET /v1/learners/{learner}/plans": NONE,
    "GET /v1/learners/{learner}/timeline": NONE,
    "GET /v1/learners/{learner}/growth": NONE,
    "GET /v1/learners/{learner}/accesses": NONE,
    "GET /v1/learners/{learner}/disclosures": NONE,
    "GET /v1/disclosures": NONE,
    "GET /v1/learners/{learner}/review-requests": NONE,
    "POST /v1/learners/{learner}/review-requests": ({"competency": "{competency}", "text": "taken"}, ""),
    "POST /v1/learners/{learner}/review-requests/{id}/done": ({"done": "taken"}, ""),
    "POST /v1/learners/{learner}/review-requests/{id}/statement": ({"statement": "taken"}, ""),
    "DELETE /v1/learners/{learner}/review-requests/{id}/statement": NONE,
    "POST /v1/learners/{learner}/evidence/{evidence_id}/move/preview": ({"to": "{other_learner}"}, ""),
    "POST /v1/learners/{learner}/evidence/{evidence_id}/move": ({"to": "{other_learner}", "reason": "taken"}, ""),
    "GET /v1/learners/{learner}/credential": NONE,
    "GET /v1/learners/{learner}/transcript": NONE,
    "POST /v1/credentials/affected": ({"items": [{"learner": "{learner}", "scope": "{competency}"}]}, ""),
    "GET /v1/exports": NONE,
    "GET /v1/exports/oneroster/assessmentResults": (None, "source={source}"),
    "GET /v1/exports/{table}": NONE,
    "GET /v1/accesses": NONE,
    "GET /v1/advancements": NONE,
    "GET /v1/terms": NONE,
    "GET /v1/terms/{term}/learners/{learner}": NONE,
    "GET /v1/terms/{term}/classes/{class_id}": NONE,
    "GET /v1/terms/{term}/districts/{district}": NONE,
    "GET /v1/terms/{term}/schools/{school}": NONE,
    "GET /v1/classes": NONE,
    "GET /v1/classes/{class_id}/mastery": NONE,
    "GET /v1/classes/{class_id}/needs": NONE,
    "GET /v1/queues": NONE,
    "GET /v1/digest": NONE,
    "GET /v1/queues/{queue}": NONE,
    "GET /v1/districts": NONE,
    "GET /v1/districts/{district}/mastery": NONE,
    "GET /v1/districts/{district}/levels": NONE,
    "GET /v1/districts/{district}/testing": NONE,
    "GET /v1/districts/{district}/watch": NONE,
    "GET /v1/districts/{district}/completeness": NONE,
    "GET /v1/districts/{district}/equity": (None, "group=grade"),
    "GET /v1/districts/{district}/growth": NONE,
    "GET /v1/schools/{school}/growth": NONE,
    "GET /v1/schools/{school}/growth/learners": NONE,
    "GET /v1/schools/{school}/mastery": NONE,
    "GET /v1/schools/{school}/levels": NONE,
    "GET /v1/people": (None, "q={source_id}"),
    "GET /v1/people/{learner}": NONE,
    "GET /v1/states": (None, "tenant={tenant}"),
    "GET /v1/rows/{table}": (None, "tenant={tenant}"),
    "POST /v1/rebuild/{model}": EMPTY,
    "POST /v1/rebuild/{model}/rollback": EMPTY,
    "GET /v1/rebuild/{model}": NONE,
    "POST /v1/decisions/{kind}": (_ON | {"basis": "transfer", "reason": "taken"}, ""),
    "POST /v1/decisions/{id}/lift": (_ON | {"reason": "taken"}, ""),
    "POST /v1/plans/{id}/end": (_ON, ""),
    "GET /v1/positions": (None, "shard={shard}"),
    "GET /v1/lag": NONE,
    "GET /v1/reconciliation": NONE,
    "POST /v1/reconciliation": NONE,
    "GET /live": (None, "class={class_id}"),
    "GET /": NONE,
    "GET /learners/{learner}": NONE,
    "GET /learners/{learner}/why/{competency}": NONE,
    "GET /learners/{learner}/evidence/{evidence_id}": NONE,
    "POST /learners/{learner}/evidence/{evidence_id}": EMPTY,
    "POST /learners/{learner}/evidence/{evidence_id}/move": EMPTY,
    "GET /terms/{term}/learners/{learner}": NONE,
    "GET /terms/{term}/classes/{class_id}": NONE,
    "GET /terms/{term}/districts/{district}": NONE,
    "GET /terms/{term}/schools/{school}": NONE,
    "GET /classes/{class_id}": NONE,
    "GET /classes/{class_id}/capture": (None, "competency={competency}"),
    "POST /classes/{class_id}/capture": EMPTY,
    "POST /classes/{class_id}/capture/undo": EMPTY,
    "GET /classes/{class_id}/sign-offs": NONE,
    "POST /learners/{learner}/review-requests": EMPTY,
    "POST /learners/{learner}/review-requests/{id}/done": EMPTY,
    "POST /learners/{learner}/review-requests/{id}/statement": EMPTY,
    "POST /learners/{learner}/support": EMPTY,
    "POST /classes/{class_id}/sign-offs": EMPTY,
    "POST /classes/{class_id}/sign-offs/undo": EMPTY,
    "GET /digest": NONE,
    "GET /policies": NONE,
    "GET /districts/{district}": NONE,
    "GET /schools/{school}": NONE,
    "GET /schools/{school}/growth": NONE,
    "GET /find": (None, "q={source_id}"),
    "POST /sign-in": EMPTY,
    "GET /sign-in/provider": NONE,
    "GET /sign-in/callback": (None, "state=taken&code=taken"),
    "GET /sign-in/lti": (None, "iss=taken&login_hint=taken&target_link_uri=/learners/{learner}"),
    "POST /sign-in/lti": EMPTY,
    "POST /sign-in/lti/launch": EMPTY,
}


def _halves(name: str) -> tuple[str, str]:
    method, _, path = name.partition(" ")
    return method, path


class Route(NamedTuple):
    """A route with the case that attacks it."""

    service: str
    method: str
    path: str
    body: Any
    query: str

    @property
    def name(self) -> str:
        """How the tables above call it, behind its service."""
        return f"{self.service} {self.method} {self.path}"

    @property
    def is_page(self) -> bool:
        """Whether it is for browsers: who is nobody is sent to sign in."""
        return self.service == "reporting" and not self.path.startswith("/v1/")


CASES = {
    f"{service} {name}": Route(service, *_halves(name), *case)
    for service, cases in (("evidence", EVIDENCE), ("progression", PROGRESSION), ("reporting", REPORTING))
    for name, case in cases.items()
}


def named(path: str) -> str:
    """Return a route's path without the kinds of its parameters."""
    return path.replace(":path}", "}")


def filled(given: Any, values: dict[str, str]) -> Any:
    """Return a body or text with the victim's ids in the places of their names."""
    if isinstance(given, dict):
        return {key: filled(value, values) for key, value in given.items()}
    if isinstance(given, list):
        return [filled(value, values) for value in given]
    if not isinstance(given, str):
        return given
    for name, value in values.items():
        given = given.replace("{" + name + "}", value)
    return given
