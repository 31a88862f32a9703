"""
Opening the pages from a learning platform: the launch of LTI 1.3, which the platform begins.

The browser brings one cookie, which says that it is the same; the state says which launch, so several may be under way at once.

1EdTech Security Framework 1.0, 5.1 (OpenID Connect's third-party initiated login, implicit flow by form post); LTI Core 1.3, 5.
"""

import asyncio
import functools
import hashlib
import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple

import httpx
import msgspec

from services.reporting.domain.lti import Launch, launch_of, person_in
from services.reporting.handlers.id_tokens import KeySet, verified
from services.reporting.handlers.oidc import FLOW_S, TIMEOUT_S, with_query
from shared.errors import Unauthorized, Unavailable
from shared.lti_platforms import LtiDeployment, LtiPlatform
from shared.outgoing import address_of, request_to
from shared.sealing import seal, unseal
from shared.settings import Settings

LOGIN = "/sign-in/lti"
LAUNCH = "/sign-in/lti/launch"
FLOW = "launch"
HINT_CHARS_MAX = 8192
"""A platform's hints go back to it in an address; Canvas' have about a thousand characters."""
KEYS_BYTES_MAX = 1 << 18


class Launched(NamedTuple):
    """What came of a launch: who, as the roster would have it; at which deployment; of what; the nonce, which this uses up."""

    person: str | None
    deployment: LtiDeployment
    launch: Launch
    nonce: str


class Platforms:
    """The learning platforms that are registered here; close it after use."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # Neither a proxy nor a netrc of this machine has any business here.
        self._client = httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False, follow_redirects=False)
        self._keys = {
            each.jwks_url: KeySet(functools.partial(self._fetch_keys, each.jwks_url)) for each in settings.lti_platforms
        }

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def begin(self, browser: str, asked: Mapping[str, str]) -> str:
        """
        Return where a browser goes to be launched, as a platform asks for it; `browser` is what it keeps until it is back.

        Raises:
            Unauthorized: no platform is registered here that asks so, or it is not clear which.
        """
        platform, hints = self._platform_that_asks(asked), ("login_hint", "lti_message_hint")
        if not asked.get("login_hint") or any(len(asked.get(hint, "")) > HINT_CHARS_MAX for hint in hints):
            raise Unauthorized("the platform says nothing, or too much, of whom it launches")
        nonce = secrets.token_urlsafe(32)
        kept = {
            "browser": _digest(browser), "nonce": nonce, "issuer": platform.issuer, "client": platform.client_id,
            "deployment": asked.get("lti_deployment_id", ""),
        }  # fmt: skip
        query = {
            "scope": "openid", "response_type": "id_token", "response_mode": "form_post", "prompt": "none",
            "client_id": platform.client_id, "redirect_uri": f"{self._settings.public_url}{LAUNCH}",
            "state": seal(self._settings, FLOW, kept, FLOW_S), "nonce": nonce,
            **{hint: asked[hint] for hint in hints if asked.get(hint)},
        }  # fmt: skip
        return with_query(platform.authorization_url, query)

    async def finish(self, browser: str, answer: Mapping[str, str]) -> Launched:
        """
        Return what is launched for whom, as the platform lets a browser bring it.

        Raises:
            Unauthorized: the platform refuses, or something does not fit together.
            Unavailable: the platform's keys do not come.
        """
        kept = unseal(self._settings, FLOW, answer.get("state", ""))
        if not secrets.compare_digest(str(kept["browser"]), _digest(browser)):
            raise Unauthorized("this launch was not begun in this browser, or it keeps no cookie")
        platform = self._platform(kept["issuer"], kept["client"])
        if platform is None or not answer.get("id_token"):
            raise Unauthorized("the platform has not launched anything")
        keys = self._keys[platform.jwks_url]
        claims = await verified(answer["id_token"], keys, issuer=platform.issuer, client=platform.client_id)
        if claims.get("nonce") != kept["nonce"]:
            raise Unauthorized("the ID token is of another launch")
        launch = launch_of(claims)
        deployment = platform.deployment(launch.deployment_id)
        if deployment is None or kept["deployment"] not in ("", launch.deployment_id):
            raise Unauthorized(
                "the launch is of a deployment that is not registered here, or of another than was begun"
            )
        return Launched(person_in(claims, launch, deployment.person), deployment, launch, str(kept["nonce"]))

    def _platform(self, issuer: str, client: str) -> LtiPlatform | None:
        registered = self._settings.lti_platforms
        return next((each for each in registered if (each.issuer, each.client_id) == (issuer, client)), None)

    def _platform_that_asks(self, asked: Mapping[str, str]) -> LtiPlatform:
        """Return the one platform that what is asked fits: hosted Canvas is one issuer for all of its customers."""
        client, deployment = asked.get("client_id"), asked.get("lti_deployment_id")
        found = [
            each
            for each in self._settings.lti_platforms
            if each.issuer == asked.get("iss")
            and (not client or each.client_id == client)
            and (not deployment or each.deployment(deployment) is not None)
        ]
        if len(found) != 1:
            raise Unauthorized("no platform is registered that asks so" if not found else "several platforms ask so")
        return found[0]

    async def _fetch_keys(self, url: str) -> dict[str, Any]:
        """Return what is at the address of a platform's keys; raises `Unavailable` where there are none, or too much."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                address = await address_of(url, None, private=self._settings.lti_private_addresses)
                request = request_to(self._client, "GET", url, address, {"Accept-Encoding": "identity"})
                response = await self._client.send(request, stream=True)
                try:
                    return await _json(response)
                finally:
                    await response.aclose()
        except (TimeoutError, httpx.HTTPError, OSError, ValueError, msgspec.MsgspecError) as error:
            raise Unavailable(
                f"the keys of a learning platform do not come: {str(error) or type(error).__name__}"
            ) from error


async def _json(response: httpx.Response) -> dict[str, Any]:
    if response.status_code != 200:
        raise ValueError(f"{response.request.url.host} answered {response.status_code}")
    body = b""
    async for part in response.aiter_raw():
        body += part
        if len(body) > KEYS_BYTES_MAX:
            raise ValueError(f"more than {KEYS_BYTES_MAX} bytes came")
    return msgspec.json.decode(body, type=dict[str, Any])


def _digest(browser: str) -> str:
    return hashlib.sha256(browser.encode()).hexdigest()
