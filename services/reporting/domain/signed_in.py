"""Who has signed in, as an identity provider's claims and the settings say."""

from collections.abc import Collection, Mapping
from typing import Any

from shared.auth import SCOPES, TENANT, Identity
from shared.errors import Unauthorized

NEVER = frozenset(("service", "admin", "records:read", "policy:write"))
"""What no session of the pages can do: rows come from the roster, and the rest is not done on pages."""


def identity_of(claims: Mapping[str, Any], *, subject_claim: str, tenant: str, scopes: Collection[str]) -> Identity:
    """
    Return the identity of a session; `tenant` is that of all who sign in, or empty where the claim `tenant` says it.

    Raises:
        Unauthorized: the claims name no person, or no tenant of its form.
    """
    subject, of = claims.get(subject_claim), tenant or claims.get("tenant")
    if not isinstance(subject, str) or not 1 <= len(subject) <= 256:
        raise Unauthorized(f"the provider names nobody in the claim {subject_claim}")
    if subject_claim == "email" and claims.get("email_verified") is not True:
        raise Unauthorized("the provider has not verified this address")
    if not isinstance(of, str) or not TENANT.fullmatch(of):
        raise Unauthorized("the provider names no tenant")
    return Identity(subject=subject, tenant=of, scopes=(frozenset(scopes) & SCOPES) - NEVER)
