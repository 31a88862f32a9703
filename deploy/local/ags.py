"""
A platform's LTI Assignment and Grade Services, as a tool uses them: line items, results, scores.

What fails for a while is tried again; a score may be posted twice, which leaves the same result.
Source: LTI AGS 2.0; IMS Security Framework 1.0, 4.1 (client credentials with a signed assertion).
"""

import random
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import jwt

from deploy.local.errors import StackError

LINE_ITEM = "application/vnd.ims.lis.v2.lineitem+json"
LINE_ITEMS = "application/vnd.ims.lis.v2.lineitemcontainer+json"
RESULTS = "application/vnd.ims.lis.v2.resultcontainer+json"
SCORE = "application/vnd.ims.lis.v1.score+json"
SCOPES = " ".join(
    f"https://purl.imsglobal.org/spec/lti-ags/scope/{name}" for name in ("lineitem", "result.readonly", "score")
)
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_S = 300
TOKEN_MARGIN_S = 60
TRIES = 6
WAIT_S, WAIT_S_MAX = 0.5, 30.0
RETRIED = frozenset((408, 425, 429, 500, 502, 503, 504))


class Credentials:
    """Gives bearer tokens of a platform for a tool that is registered there with a public key; a token is used until it ends."""

    def __init__(self, token_url: str, client_id: str, key_file: Path, key_id: str = "", audience: str = "") -> None:
        self._token_url = token_url
        self._client_id = client_id
        self._key = key_file.read_text()
        self._key_id = key_id
        self._audience = audience or token_url
        self._token, self._until = "", 0.0

    def token(self, client: httpx.Client) -> str:
        """Return a token, a new one where the last has ended."""
        now = time.time()
        if now < self._until:
            return self._token
        claims = {
            "iss": self._client_id, "sub": self._client_id, "aud": self._audience, "iat": int(now),
            "exp": int(now) + ASSERTION_S, "jti": secrets.token_hex(16),
        }  # fmt: skip
        headers = {"kid": self._key_id} if self._key_id else None
        form = {
            "grant_type": "client_credentials", "client_assertion_type": ASSERTION, "scope": SCOPES,
            "client_assertion": jwt.encode(claims, self._key, "RS256", headers),
        }  # fmt: skip
        answer = client.post(self._token_url, data=form)
        answer.raise_for_status()
        given = answer.json()
        self._token, self._until = given["access_token"], now + float(given.get("expires_in", 3600)) - TOKEN_MARGIN_S
        return self._token


class Platform:
    """The line items of one context of a platform; `line_items` is the address of their container."""

    def __init__(
        self,
        client: httpx.Client,
        credentials: Credentials,
        line_items: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._credentials = credentials
        self._line_items = line_items
        self._sleep = sleep

    def line_item(self, resource_id: str, label: str) -> str:
        """Return the address of the line item of a resource, which is made where there is none; raises `StackError`."""
        query = {"resource_id": resource_id}
        for found in self._pages(self._line_items, LINE_ITEMS, query):
            if found.get("resourceId") == resource_id:
                return str(found["id"])
        made = {"scoreMaximum": 1, "label": label, "resourceId": resource_id, "tag": "attain"}
        answer = self._ask("POST", self._line_items, {"Content-Type": LINE_ITEM, "Accept": LINE_ITEM}, json=made)
        return str(answer.json()["id"])

    def results(self, line_item: str) -> dict[str, float]:
        """Return the score of each user who has one."""
        return {
            str(one["userId"]): float(one["resultScore"]) / float(one.get("resultMaximum") or 1)
            for one in self._pages(_under(line_item, "results"), RESULTS, {})
            if one.get("resultScore") is not None
        }

    def post_score(self, line_item: str, user: str, score: float, at: str) -> None:
        """Post a score of 0..1; raises `StackError` where the platform refuses it, or stays away."""
        body = {
            "userId": user, "scoreGiven": score, "scoreMaximum": 1, "timestamp": at, "activityProgress": "Completed",
            "gradingProgress": "FullyGraded",
        }  # fmt: skip
        self._ask("POST", _under(line_item, "scores"), {"Content-Type": SCORE}, json=body)

    def _pages(self, url: str, accept: str, query: dict[str, str]) -> Iterator[dict[str, Any]]:
        following: str | None = str(httpx.URL(url).copy_merge_params(query))
        while following:
            answer = self._ask("GET", following, {"Accept": accept})
            yield from answer.json()
            following = answer.links.get("next", {}).get("url")

    def _ask(self, method: str, url: str, headers: dict[str, str], json: Any = None) -> httpx.Response:
        failed = ""
        for tried in range(TRIES):
            wait = min(WAIT_S_MAX, WAIT_S * 2**tried) * random.uniform(0.5, 1)
            try:
                token = self._credentials.token(self._client)
                answer = self._client.request(
                    method, url, headers=headers | {"Authorization": f"Bearer {token}"}, json=json
                )
            except httpx.HTTPError as error:
                failed = f"{type(error).__name__}: {error}"
            else:
                if answer.is_success:
                    return answer
                failed = f"{answer.status_code} {answer.text[:200]}"
                if answer.status_code not in RETRIED:
                    break
                wait = max(wait, min(WAIT_S_MAX, _seconds(answer.headers.get("Retry-After", ""))))
            if tried + 1 < TRIES:
                self._sleep(wait)
        raise StackError(f"{method} {url}: {failed}")


def _seconds(text: str) -> float:
    return float(text) if text.isdecimal() else 0.0


def _under(line_item: str, name: str) -> str:
    """Return the address of a service of a line item, whose own may have a query (AGS 2.0, 3.3.1)."""
    parts = urlsplit(line_item)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{name}"))
