"""A small identity provider on loopback: whoever comes is signed in as the person it is told; it can be told to misbehave."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from typing import Any
from urllib.parse import parse_qs, urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from jwt.algorithms import RSAAlgorithm

CLIENT, SECRET = "attain-pages", "not-so-secret"


class OidcProvider:
    """Its application is `app`; `claims` are added to ID tokens, None takes one away."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.key = rsa.generate_private_key(65537, 2048)
        self.other_key = rsa.generate_private_key(65537, 2048)
        self.app = self._make()
        self.reset()

    def reset(self) -> None:
        """Behave again."""
        self.claims: dict[str, Any] = {"sub": "tea"}
        self.algorithm = "RS256"
        self.signs_with: Any = self.key
        self.signs_by_public_key = False
        self.header: dict[str, Any] = {"kid": "one"}
        self.publishes = {"one": self.key}
        self.names_itself = self.issuer
        self.is_away = False
        self.ends_at: str | None = None
        self.asked: list[dict[str, str]] = []
        self._codes: dict[str, dict[str, str]] = {}

    def key_set(self) -> dict[str, Any]:
        """Return the JSON Web Key Set that is published."""
        found = {kid: json.loads(RSAAlgorithm.to_jwk(key.public_key())) for kid, key in self.publishes.items()}
        return {"keys": [key | {"kid": kid, "use": "sig", "alg": "RS256"} for kid, key in found.items()]}

    def _make(self) -> FastAPI:
        app = FastAPI()

        @app.get("/.well-known/openid-configuration")
        async def document() -> Response:
            if self.is_away:
                return Response(status_code=503)
            ends = {} if self.ends_at is None else {"end_session_endpoint": self.ends_at}
            return JSONResponse(ends | {
                "issuer": self.names_itself, "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/keys",
            })  # fmt: skip

        @app.get("/keys")
        async def keys() -> Response:
            return JSONResponse(self.key_set())

        @app.get("/end")
        async def end() -> Response:
            return HTMLResponse("<h1>Ended</h1>")

        @app.get("/authorize")
        async def authorize(request: Request) -> Response:
            asked = dict(request.query_params)
            self.asked.append(asked)
            code = secrets.token_urlsafe(8)
            self._codes[code] = asked
            return RedirectResponse(
                f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}", 303
            )

        @app.post("/token")
        async def token(request: Request) -> Response:
            form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
            asked = self._codes.pop(form.get("code", ""), None)
            basic = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
            proof = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
            challenge = base64.urlsafe_b64encode(proof).rstrip(b"=").decode()
            if (
                asked is None
                or request.headers.get("authorization") != basic
                or challenge != asked["code_challenge"]
                or form["redirect_uri"] != asked["redirect_uri"]
            ):
                return JSONResponse({"error": "invalid_grant"}, 400)
            return JSONResponse(
                {"id_token": self._id_token(asked["nonce"]), "access_token": "-", "token_type": "Bearer"}
            )

        return app

    def _id_token(self, nonce: str) -> str:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 60, "nonce": nonce} | self.claims
        body = {name: value for name, value in claims.items() if value is not None}
        if self.signs_by_public_key:
            return self._signed_by_public_key(body)
        key: Any = None if self.algorithm == "none" else self.signs_with
        return jwt.encode(body, key, algorithm=self.algorithm, headers=self.header)

    def _signed_by_public_key(self, body: dict[str, Any]) -> str:
        """Return a token by HS256 whose secret is the public key, which the library refuses to sign with."""
        pem = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        parts = [_unpadded(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"} | self.header, body)]
        return ".".join([*parts, _unpadded(hmac.digest(pem, ".".join(parts).encode(), "sha256"))])


def _unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
