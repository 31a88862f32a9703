"""Signed Canvas events: taken where one of the published keys made the signature, and refused with the reason otherwise."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from services.evidence.handlers.signatures import Signatures
from shared.errors import Unauthorized, Unavailable
from shared.settings import Settings

KEY, OTHER = (rsa.generate_private_key(65537, 2048) for _ in range(2))
EVENT = {"metadata": {"event_name": "grade_change"}, "body": {"score": 3}}
PLAIN = json.dumps(EVENT).encode()


def published(key: rsa.RSAPrivateKey, kid: str) -> dict[str, str]:
    public: dict[str, str] = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    return public | {"kid": kid, "use": "sig", "alg": "RS256"}


@pytest.fixture
def keys() -> list[dict[str, str]]:
    """What is published: the public key, under the id `one`; a test may change it."""
    return [published(KEY, "one")]


@pytest.fixture
def keys_at(keys: list[dict[str, str]]) -> Iterator[str]:
    """Where the keys are."""

    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"keys": keys}).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Keys) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/keys"
        server.shutdown()


def signed(key: rsa.RSAPrivateKey = KEY, kid: str = "one", **claims: float) -> bytes:
    return jwt.encode(EVENT | claims, key, algorithm="RS256", headers={"kid": kid}).encode()


async def test_a_signed_event_is_the_event(keys_at: str) -> None:
    signatures = Signatures(Settings(canvas_jwks_url=keys_at))

    assert json.loads(await signatures.verified(signed())) == EVENT
    assert json.loads(await signatures.verified(b'"' + signed() + b'"\n')) == EVENT, "as a JSON text"
    assert json.loads(await signatures.verified(signed(exp=time.time() + 60)))["body"] == EVENT["body"]


async def test_a_key_that_is_withdrawn_signs_nothing_after_five_minutes(
    keys_at: str, keys: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    signatures = Signatures(Settings(canvas_jwks_url=keys_at))
    await signatures.verified(signed())
    keys[:] = [published(OTHER, "two")]
    later = time.monotonic() + 301
    monkeypatch.setattr(time, "monotonic", lambda: later)

    assert json.loads(await signatures.verified(signed(OTHER, "two"))) == EVENT
    with pytest.raises(Unauthorized):
        await signatures.verified(signed())


async def test_without_keys_what_is_not_signed_is_taken_as_it_is() -> None:
    assert await Signatures(Settings()).verified(PLAIN) == PLAIN


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (PLAIN, "unsigned"),
        (signed(exp=time.time() - 60), "expired_signature"),
        (signed(nbf=time.time() + 3600), "bad_signature"),
        (signed(OTHER), "bad_signature"),
        (signed(kid="two"), "bad_signature"),
        (signed()[:-8] + b"AAAAAAAA", "bad_signature"),
        (jwt.encode(EVENT, "s" * 32, algorithm="HS256", headers={"kid": "one"}).encode(), "bad_signature"),
        (jwt.encode(EVENT, "", algorithm="none", headers={"kid": "one"}).encode(), "bad_signature"),
    ],
    ids=["unsigned", "expired", "not yet", "another key", "unknown key", "changed", "HS256", "none"],
)
async def test_what_the_keys_did_not_sign_is_refused(keys_at: str, payload: bytes, reason: str) -> None:
    with pytest.raises(Unauthorized) as refusal:
        await Signatures(Settings(canvas_jwks_url=keys_at)).verified(payload)

    assert refusal.value.members["reason"] == reason


async def test_a_signed_event_where_no_keys_are_set_is_refused() -> None:
    with pytest.raises(Unauthorized) as refusal:
        await Signatures(Settings()).verified(signed())

    assert refusal.value.members["reason"] == "signature_not_configured"


async def test_while_the_keys_are_away_the_event_is_to_be_sent_again() -> None:
    with pytest.raises(Unavailable):
        await Signatures(Settings(canvas_jwks_url="http://127.0.0.1:1/keys")).verified(signed())
