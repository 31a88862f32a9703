"""Whom an identity provider's claims make of somebody."""

from typing import Any

import pytest

from services.reporting.domain.signed_in import identity_of
from shared.errors import Unauthorized

PERSON = {"sub": "t-1", "email": "t@example.edu", "email_verified": True, "tenant": "north", "scope": "admin"}
SCOPES = [
    "records:read:classes",
    "records:read:self",
    "evidence:write",
    "records:read",
    "admin",
    "service",
    "policy:write",
    "nonsense",
]


def person(claim: str = "sub", tenant: str = "demo", **changes: Any) -> Any:
    return identity_of(PERSON | changes, subject_claim=claim, tenant=tenant, scopes=SCOPES)


def test_a_session_never_has_the_tenant_or_what_is_not_done_on_pages() -> None:
    assert person().scopes == {"records:read:classes", "records:read:self", "evidence:write"}
    assert (person().learner, person().roles, person().source) == (None, (), None)


def test_the_tenant_is_the_installations_or_else_the_claim() -> None:
    assert (person().tenant, person(tenant="").tenant) == ("demo", "north")


@pytest.mark.parametrize("changes", [{"tenant": None}, {"tenant": "North!"}, {"tenant": ["north"]}])
def test_without_a_tenant_nobody_is_signed_in(changes: dict[str, Any]) -> None:
    with pytest.raises(Unauthorized):
        identity_of(PERSON | changes, subject_claim="sub", tenant="", scopes=SCOPES)


@pytest.mark.parametrize("subject", [None, "", 7, ["t-1"], "x" * 257])
def test_without_a_subject_nobody_is_signed_in(subject: Any) -> None:
    with pytest.raises(Unauthorized):
        person(sub=subject)


def test_an_address_counts_once_it_is_verified() -> None:
    assert person("email").subject == "t@example.edu"
    for verified in (False, None, "true"):
        with pytest.raises(Unauthorized):
            person("email", email_verified=verified)
