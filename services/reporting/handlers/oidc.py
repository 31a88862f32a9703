"""
Signing in by an identity provider: OpenID Connect's authorization code flow with PKCE.

OpenID Connect Core 1.0, 3.1; RFC 7636 (PKCE, S256); RFC 9207 (`iss` in the answer); RFC 9700 (best current practice).
"""

import base64
import hashlib
import secrets
import time
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote_plus, urlencode, urlsplit

import httpx
import msgspec

from services.reporting.handlers.id_tokens import KEPT_S, KeySet, verified
from shared.errors import Unauthorized, Unavailable
from shared.sealing import seal, unseal
from shared.settings import Settings

CALLBACK = "/sign-in/callback"
FLOW = "sign-in"
FLOW_S = 600
"""How long a person may take at the provider."""
TIMEOUT_S = 10


class Flow(NamedTuple):
    """A sign-in that has begun: where to send the browser, and what it has to bring back."""

    url: str
    sealed: str


class Claimed(NamedTuple):
    """What came of a sign-in: the claims of the ID token, where to go on, and the state, which is used up by this."""

    claims: dict[str, Any]
    to: str
    state: str


class Provider:
    """One identity provider, found by its issuer; close it after use."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = httpx.AsyncClient(timeout=TIMEOUT_S)
        self._found: tuple[float, dict[str, Any]] | None = None
        self._keys = KeySet(self._fetch_keys)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def begin(self, to: str) -> Flow:
        """Return where the browser goes to sign in; raises `Unavailable` where the provider does not answer."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code", "client_id": self._settings.oidc_client_id, "redirect_uri": self._callback,
            "scope": "openid email profile", "state": state, "nonce": nonce, "code_challenge": challenge,
            "code_challenge_method": "S256",
        }  # fmt: skip
        endpoint = (await self._document())["authorization_endpoint"]
        kept = {"state": state, "nonce": nonce, "verifier": verifier, "to": to}
        return Flow(with_query(endpoint, query), seal(self._settings, FLOW, kept, FLOW_S))

    async def finish(self, sealed: str, answer: Mapping[str, str]) -> Claimed:
        """
        Return who has signed in, from what the browser kept and what the provider sent it back with.

        Raises:
            Unauthorized: the provider refuses, or something does not fit together.
            Unavailable: the provider does not answer.
        """
        kept = unseal(self._settings, FLOW, sealed)
        if not secrets.compare_digest(str(kept["state"]).encode(), answer.get("state", "").encode()):
            raise Unauthorized("this sign-in was not begun in this browser")
        if answer.get("iss", self._settings.oidc_issuer) != self._settings.oidc_issuer:
            raise Unauthorized("the answer is of another provider")
        if not answer.get("code"):
            raise Unauthorized("the provider has not signed anybody in")
        token, access = await self._redeem(answer["code"], kept["verifier"])
        claims = await verified(
            token, self._keys, issuer=self._settings.oidc_issuer, client=self._settings.oidc_client_id
        )
        if claims.get("nonce") != kept["nonce"]:
            raise Unauthorized("the ID token is of another sign-in")
        if access and self._needed - claims.keys():
            claims = await self._told_besides(access, claims["sub"]) | claims
        return Claimed(claims, str(kept["to"]), str(kept["state"]))

    async def ends_at(self) -> str | None:
        """
        Return where people end their session at the provider, which asks them there; None where it names no such place.

        No page to come back to is named: the provider would refuse one that is not registered, and end nothing.
        Source: OpenID Connect RP-Initiated Logout 1.0, 2 and 2.1.

        Raises:
            Unavailable: the provider does not answer.
        """
        endpoint = (await self._document()).get("end_session_endpoint")
        return endpoint and with_query(endpoint, {"client_id": self._settings.oidc_client_id})

    @property
    def _callback(self) -> str:
        return f"{self._settings.public_url}{CALLBACK}"

    @property
    def _needed(self) -> set[str]:
        """The claims without which nobody can be told from another."""
        claim = self._settings.oidc_subject_claim
        needed = {claim, "email_verified"} if claim == "email" else {claim}
        return needed if self._settings.oidc_tenant else needed | {"tenant"}

    async def _redeem(self, code: str, verifier: str) -> tuple[str, str | None]:
        """Return the ID token that a code is good for, and the access token with it."""
        secret = self._settings.oidc_client_secret.get_secret_value()
        body = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": self._callback, "code_verifier": verifier,
            "client_id": self._settings.oidc_client_id,
        }  # fmt: skip
        # Both are form-encoded before they are joined: RFC 6749, 2.3.1.
        basic = httpx.BasicAuth(quote_plus(self._settings.oidc_client_id), quote_plus(secret)) if secret else None
        endpoint = (await self._document())["token_endpoint"]
        try:
            answer = await self._client.post(endpoint, data=body, auth=basic or httpx.USE_CLIENT_DEFAULT)
            tokens = answer.json() if answer.status_code == 200 else {}
            token, access = tokens.get("id_token"), tokens.get("access_token")
        except (httpx.HTTPError, ValueError, AttributeError) as error:
            raise Unavailable(f"the identity provider does not answer: {type(error).__name__}") from error
        if not isinstance(token, str):
            raise Unauthorized("the provider does not take the code")
        return token, access if isinstance(access, str) else None

    async def _told_besides(self, access: str, subject: str) -> dict[str, Any]:
        """
        Return the claims that a provider does not put into ID tokens, such as those of the scope `email`; none where it has none.

        OpenID Connect Core 1.0, 5.3 and 5.4; raises `Unauthorized` where they are of another subject.
        """
        endpoint = (await self._document()).get("userinfo_endpoint")
        if not endpoint:
            return {}
        told = await self._json(endpoint, {"Authorization": f"Bearer {access}"})
        if told.get("sub") != subject:
            raise Unauthorized("what the provider tells is of another person than the ID token")
        return told

    async def _fetch_keys(self) -> dict[str, Any]:
        return await self._json((await self._document())["jwks_uri"])

    async def _document(self) -> dict[str, Any]:
        """Return what the provider says of itself: OpenID Connect Discovery 1.0, 4."""
        if self._found is None or time.monotonic() - self._found[0] > KEPT_S:
            issuer = self._settings.oidc_issuer
            document = await self._json(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
            missing = {"authorization_endpoint", "token_endpoint", "jwks_uri"} - document.keys()
            if document.get("issuer") != issuer or missing:
                raise Unavailable("what is at ATTAIN_OIDC_ISSUER does not describe that issuer")
            self._found = (time.monotonic(), document)
        return self._found[1]

    async def _json(self, url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        try:
            answer = await self._client.get(url, headers=headers)
            answer.raise_for_status()
            return msgspec.json.decode(answer.content, type=dict[str, Any])
        except (httpx.HTTPError, msgspec.MsgspecError) as error:
            raise Unavailable(f"the identity provider does not answer: {type(error).__name__}") from error


def with_query(url: str, query: Mapping[str, str]) -> str:
    """Return an address that may have a query with more behind it."""
    return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(query)}"
