"""What is held of a tenant beside its learners: where each part is asked for."""

from collections.abc import Iterator
from typing import Any

from deploy.local.client.asking import all_pages, patiently, told
from deploy.local.options import Context

WHOLE = {
    "settings.json": ("progression", "/v1/settings"),
    "frameworks.json": ("progression", "/v1/frameworks?versions=all"),
    "policies.json": ("progression", "/v1/policies"),
    "webhooks.json": ("progression", "/v1/webhooks"),
    "subscribers.json": ("progression", "/v1/subscribers"),
    "disclosures.json": ("progression", "/v1/disclosures?days=366"),
    "keys.json": ("evidence", "/v1/keys"),
    "classes.json": ("evidence", "/v1/roster/classes"),
    "staff_names.json": ("evidence", "/v1/staff"),
    "alignments.json": ("evidence", "/v1/alignments"),
    "sources.json": ("evidence", "/v1/sources/completeness"),
    "quarantine.json": ("evidence", "/v1/quarantine"),
    "parked.json": ("evidence", "/v1/quarantine?status=parked"),
    "erasures.json": ("evidence", "/v1/erasures"),
    "sent_and_exported.json": ("evidence", "/v1/accesses"),
    "expired_in_evidence.json": ("evidence", "/v1/expiries"),
    "expired_in_progression.json": ("progression", "/v1/expiries"),
    "expired_in_reporting.json": ("reporting", "/v1/expiries"),
    "proposals.json": ("progression", "/v1/policies/proposals"),
    "shadows.json": ("progression", "/v1/policies/shadows"),
    "terms.json": ("reporting", "/v1/terms"),
    "limits_of_evidence.json": ("evidence", "/v1/limits"),
    "limits_of_progression.json": ("progression", "/v1/limits"),
    "limits_of_reporting.json": ("reporting", "/v1/limits"),
    **{f"{table}.json": ("reporting", f"/v1/exports/{table}")
       for table in ("school", "class_change", "staff", "enrolment_change", "assignment", "term_record", "term_snapshot",
                     "term_amendment", "merged")},
}  # fmt: skip
"""What an export has beside its learners: the service that answers, and where."""


def parts_of(context: Context) -> Iterator[tuple[str, Any]]:
    """Yield each part with its name in an export."""
    for name, (service, path) in WHOLE.items():
        with context.client(service, scope="admin records:read policy:write service") as client:
            yield name, _own(all_pages(client, path), context.tenant)


def framework_ids(context: Context) -> list[str]:
    """Return the ids of the tenant's frameworks."""
    with context.client("progression") as client:
        return [framework["id"] for framework in told(patiently(client.get, "/v1/frameworks")).json()["items"]]


def is_something(content: Any) -> bool:
    """Tell whether a part of an export has anything that is the tenant's own."""
    if isinstance(content, list):
        return bool(content)
    return bool(content.get("items") or content.get("own")) or content.get("time_zone", "UTC") != "UTC"


def _own(content: Any, tenant: str) -> Any:
    """Return a list without what is of other tenants, which some are told of to an operator."""
    if not isinstance(content, list):
        return content
    return [each for each in content if not isinstance(each, dict) or each.get("tenant", tenant) == tenant]
