"""
Who asks, and what for: bearer tokens (JWT) signed with the installation's HS256 key or by an identity provider's JWKS.

Claims: `iss attain`, `aud attain`, `sub`, `exp`, `tenant`, `scope` (space-separated), optional `source`, `learner`, `roles`.
With a JWKS, the key in `page_key_file` signs what the installation says itself: sessions of the pages, and what they do.
"""

import contextlib
import datetime
import functools
import re
import time
import zoneinfo
from typing import Any, Protocol

import jwt
import msgspec

from shared.errors import Forbidden, Unauthorized, Unavailable
from shared.permissions import View, may, tenant_roles
from shared.provider_keys import ProviderKeys
from shared.settings import Settings

JWKS_S_MAX = 3
"""How long a request may wait for the provider's keys, which are then kept for five minutes: all others wait meanwhile."""
ISSUER = AUDIENCE = "attain"
PROVIDER_ALGORITHMS = ["RS256", "ES256", "EdDSA"]
"""What an identity provider may sign with: never a shared secret, never nothing."""
TENANT = re.compile(r"[a-z0-9-]{1,63}")
SCOPES = frozenset(
    (
        "evidence:write",
        "records:read",
        "records:read:classes",
        "records:read:self",
        "policy:write",
        "decisions:write",
        "admin",
        "service",
    )
)
OF_ROSTER = frozenset(("records:read:classes", "records:read:self"))
"""Scopes that open rows of the roster, which reporting alone knows; they say of whom a person reads, and so writes."""
SERVICE_TOKEN_S = 300
DELEGATED_S = 60
KEY_PREFIX = "atk_"
"""By it an API key is told from a token; a service that has no keys refuses it."""


class Identity(msgspec.Struct, frozen=True):
    """The caller of a request, as the token says."""

    subject: str
    tenant: str
    scopes: frozenset[str]
    source: str | None = None
    learner: str | None = None
    roles: tuple[str, ...] = ()
    day: str | None = None
    """The tenant's local day on which it asks; None where the service that is asked has not looked."""
    time_zone: str = "UTC"
    """Where the tenant's days begin and end, as far as the service that is asked has looked."""

    @property
    def today(self) -> str:
        """The day on which it asks, in UTC where no other is known."""
        return self.day or str(datetime.datetime.now(datetime.UTC).date())

    @property
    def now(self) -> datetime.datetime:
        """The instant by the tenant's clocks."""
        return datetime.datetime.now(zoneinfo.ZoneInfo(self.time_zone))

    def require(self, *scopes: str) -> None:
        """
        Let the caller pass with any one of the scopes; `admin` does not imply others.

        Raises:
            Forbidden: it has none of them.
        """
        if not self.scopes.intersection(scopes):
            raise Forbidden(f"needs scope {' or '.join(scopes)}")

    def require_of_all(self, scope: str) -> None:
        """
        Let the caller pass with a scope that counts for every learner of the tenant.

        Raises:
            Forbidden: the caller does not have it, or reads the rows of the roster only, and so writes only there.
        """
        self.require(scope)
        if self.scopes & OF_ROSTER and "records:read" not in self.scopes:
            raise Forbidden("the roster says for whom this token may write; ask the reporting service, which knows it")

    def sees(self, what: View) -> bool:
        """Tell whether the caller sees something of every learner: by the scope of the tenant, in a role that the token names."""
        return "records:read" in self.scopes and may(tenant_roles(self.roles, what), what) is not None

    def require_sight(self, what: View) -> None:
        """
        Let the caller pass who sees something of every learner of the tenant.

        Raises:
            Forbidden: it has not the scope of the tenant, or the roles that the token names do not see this.
        """
        self.require("records:read")
        if not self.sees(what):
            raise Forbidden(f"in the roles of this token you do not see this ({what.replace('_', ' ')})")

    def tenant_asked(self, tenant: str | None, *scopes: str) -> str:
        """
        Return the tenant that is asked of: the caller's own, which takes one of the scopes, or that which another service names.

        Raises:
            Forbidden: it has none of the scopes, or names a tenant and is no service.
        """
        self.require(*(scopes if tenant is None else ("service",)))
        return tenant or self.tenant


class ApiKeys(Protocol):
    """Who knows the API keys of learning systems."""

    async def identify(self, text: str) -> Identity:
        """Return who sends a key; raises `Unauthorized` where it is not good."""


def api_key_of(authorization: str | None) -> str | None:
    """Return the API key in an `Authorization: Bearer` header; None where it holds anything else."""
    text = _bearer_of(authorization)
    return text if text.startswith(KEY_PREFIX) else None


def _bearer_of(authorization: str | None) -> str:
    scheme, _, text = (authorization or "").partition(" ")
    return text if scheme.lower() == "bearer" else ""


class Authenticator:
    """Verifies bearer tokens; a verified one is believed for `token_cache_s`, never beyond its `exp`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._jwks = ProviderKeys(settings.jwks_url, JWKS_S_MAX) if settings.jwks_url else None
        self._verified: dict[str, tuple[float, Identity]] = {}

    def identify(self, authorization: str | None) -> Identity:
        """
        Return who sent an `Authorization: Bearer` header.

        A key that the provider withdraws verifies nothing once the set of keys that was fetched last is five minutes old.

        Raises:
            Unauthorized: none, malformed, expired, for someone else, or badly signed.
            Unavailable: the provider's keys are needed, and it does not answer.
        """
        token = _bearer_of(authorization)
        if not token:
            raise Unauthorized("send the header Authorization: Bearer <token>")
        if token.startswith(KEY_PREFIX):
            raise Unauthorized("token refused: it is an API key, which is for evidence only")
        known = self._verified.get(token)
        if known is not None and known[0] > time.time():
            return known[1]
        claims = self._claims(token)
        identity = _identity(claims)
        if len(self._verified) > 10_000:
            self._verified.clear()
        self._verified[token] = (min(float(claims["exp"]), time.time() + self.settings.token_cache_s), identity)
        return identity

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            if self._jwks is not None and not self._is_own(token):
                key = self._jwks.get_signing_key_from_jwt(token).key
                return _decoded(token, key, PROVIDER_ALGORITHMS, self.settings.jwks_issuer, self.settings.jwks_audience)
            *others, last = signing_keys(self.settings)
            for key in others:
                with contextlib.suppress(jwt.InvalidSignatureError):
                    return _decoded(token, key, ["HS256"])
            return _decoded(token, last, ["HS256"])
        except jwt.PyJWKClientConnectionError as error:
            raise Unavailable("the identity provider does not answer; send it again") from error
        except jwt.InvalidSignatureError as error:
            raise Unauthorized("token refused: it is not signed with a key that is known here") from error
        except jwt.ExpiredSignatureError as error:
            raise Unauthorized("token refused: it has expired; get another") from error
        except jwt.DecodeError as error:
            raise Unauthorized("token refused: it is no JSON Web Token") from error
        except jwt.PyJWTError as error:
            raise Unauthorized(f"token refused: {error}") from error

    def _is_own(self, token: str) -> bool:
        """Tell whether a token says that the installation signed it; which key verifies it follows from that."""
        return self.settings.page_key_file is not None and jwt.get_unverified_header(token).get("alg") == "HS256"


def _decoded(
    token: str, key: Any, algorithms: list[str], issuer: str = ISSUER, audience: str = AUDIENCE
) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(
        token,
        key,
        algorithms=algorithms,
        audience=audience,
        issuer=issuer,
        options={"require": ["exp", "sub", "iss", "aud", "tenant"]},
    )
    return claims


def _identity(claims: dict[str, Any]) -> Identity:
    tenant, scope = claims["tenant"], claims.get("scope", "")
    roles = claims.get("roles")
    if roles is not None and not isinstance(roles, list):
        raise Unauthorized("token refused: claim roles is not a list")
    if not (isinstance(tenant, str) and TENANT.fullmatch(tenant) and isinstance(scope, str)):
        raise Unauthorized("token refused: claim tenant or scope is not of its form")
    source, learner = claims.get("source"), claims.get("learner")
    return Identity(
        subject=str(claims["sub"]),
        tenant=tenant,
        scopes=frozenset(scope.split()) & SCOPES,
        source=None if source is None else str(source),
        learner=None if learner is None else str(learner),
        roles=tuple(str(role) for role in roles or ()),
    )


def signing_key(settings: Settings) -> bytes:
    """Return the HS256 key that signs: the first of the installation's."""
    return signing_keys(settings)[0]


@functools.lru_cache(maxsize=4)
def signing_keys(settings: Settings) -> tuple[bytes, ...]:
    """Return all HS256 keys of the installation; each verifies, so that they can be rotated."""
    if settings.own_key_file is None:
        raise Unauthorized("this service has neither a token key nor a JWKS URL")
    return read_keys(settings.own_key_file.read_text())


def read_keys(text: str) -> tuple[bytes, ...]:
    """Return the keys in a key file, hexadecimal, one a line; raises `ValueError` where there is none or one is not."""
    keys = tuple(bytes.fromhex(line) for line in text.split())
    if not keys:
        raise ValueError("there is no key in it")
    return keys


def issue_token(
    key: bytes, *, subject: str, tenant: str, scope: str, expires_s: float, **claims: str | list[str] | None
) -> str:
    """Return a signed token; optional claims that are None are left out."""
    now = int(time.time())
    body = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "iat": now,
        "exp": now + int(expires_s),
        "tenant": tenant,
        "scope": scope,
        **{name: value for name, value in claims.items() if value is not None},
    }
    return jwt.encode(body, key, algorithm="HS256")


def delegated_token(
    settings: Settings, caller: Identity, scope: str, *, source: str | None = None, role: str | None = None
) -> str:
    """
    Return a token of one minute, in which this service does at another what it has found the caller may do.

    Raises:
        Unavailable: the installation has no key of its own to sign with.
    """
    if settings.own_key_file is None:
        raise Unavailable("the installation has no page_key_file, so the pages can do nothing on behalf of a person")
    return issue_token(
        signing_key(settings), subject=caller.subject, tenant=caller.tenant, scope=scope, expires_s=DELEGATED_S,
        source=source, roles=None if role is None else [role],
    )  # fmt: skip


def service_token(settings: Settings) -> str:
    """Return a short-lived token with scope `service` for calls to the other services."""
    if settings.service_token_file is not None:
        return settings.service_token_file.read_text().strip()
    return _minted(settings, int(time.time() // (SERVICE_TOKEN_S / 2)))


@functools.lru_cache(maxsize=4)
def _minted(settings: Settings, period: int) -> str:
    key = signing_key(settings)
    return issue_token(key, subject="attain", tenant="attain", scope="service", expires_s=SERVICE_TOKEN_S)
