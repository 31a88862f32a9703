import http.server
import io
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from shared.auth import KEY_PREFIX, Authenticator, Identity, delegated_token, issue_token, service_token
from shared.errors import Forbidden, Unauthorized, Unavailable
from shared.sealing import seal, unseal
from shared.settings import Settings
from tests.support.producer import free_port

KEY = bytes(32)
GOOD: dict[str, Any] = {"iss": "attain", "aud": "attain", "sub": "me", "exp": 4_000_000_000, "tenant": "t-1",
                        "scope": "records:read admin nonsense"}  # fmt: skip


def signed(**changes: Any) -> str:
    """Return a token with claims changed, or left out where they are None."""
    claims = {name: value for name, value in (GOOD | changes).items() if value is not None}
    return jwt.encode(claims, KEY, algorithm="HS256")


def test_a_good_token_says_who_and_what_for(local: Settings) -> None:
    identity = Authenticator(local).identify(f"Bearer {signed(source='urn:lms', learner='l')}")

    assert identity == Identity("me", "t-1", frozenset({"records:read", "admin"}), "urn:lms", "l")
    identity.require("policy:write", "admin")
    with pytest.raises(Forbidden, match="policy:write or service"):
        identity.require("policy:write", "service")


def test_who_names_roles_sees_of_the_tenant_what_these_see() -> None:
    def reader(*roles: str, scope: str = "records:read") -> Identity:
        return Identity("r", "t", frozenset({scope}), roles=roles)

    assert [reader(*roles).sees("record") for roles in ((), ("auditor",), ("auditor", "registrar"))] == [
        True,
        False,
        True,
    ]
    assert [reader(*roles).sees("support") for roles in ((), ("registrar",), ("school_leader",))] == [
        False,
        False,
        True,
    ]
    assert not reader("teacher", scope="records:read:classes").sees("record")
    reader("registrar").require_sight("names")
    with pytest.raises(Forbidden, match=r"do not see this \(names\)"):
        reader("auditor").require_sight("names")
    with pytest.raises(Forbidden, match="needs scope records:read"):
        reader("leader", scope="policy:write").require_sight("names")


def test_a_tenant_that_is_named_is_for_services_and_ones_own_takes_a_scope() -> None:
    service, reader = Identity("s", "attain", frozenset({"service"})), Identity("r", "t", frozenset({"records:read"}))

    assert service.tenant_asked("other", "records:read") == "other"
    assert reader.tenant_asked(None, "records:read", "admin") == "t"
    for caller, tenant in ((reader, "other"), (reader, "t"), (service, None)):
        with pytest.raises(Forbidden):
            caller.tenant_asked(tenant, "records:read")


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1}, {"exp": None}, {"aud": "other"}, {"aud": None}, {"iss": "other"}, {"iss": None}, {"sub": None},
        {"tenant": None}, {"tenant": ""}, {"tenant": "UPPER"}, {"tenant": "a|b"}, {"tenant": "a" * 64}, {"tenant": 7},
        {"tenant": "t\n"}, {"scope": ["admin"]}, {"nbf": 4_000_000_000},
    ],
    ids=str,
)  # fmt: skip
def test_a_token_that_is_not_of_the_form_is_refused(local: Settings, changes: dict[str, Any]) -> None:
    with pytest.raises(Unauthorized):
        Authenticator(local).identify(f"Bearer {signed(**changes)}")


@pytest.mark.parametrize(
    "header",
    [
        None, "", "Bearer", "Bearer ", f"Basic {signed()}", signed(), "Bearer a.b.c", "Bearer é",
        f"Bearer {signed()[:-4]}AAAA",
        f"Bearer {jwt.encode(GOOD, bytes(31) + b'1', algorithm='HS256')}",
        f"Bearer {jwt.encode(GOOD, None, algorithm='none')}",  # type: ignore[arg-type]
        f"Bearer {jwt.encode(GOOD, KEY * 2, algorithm='HS512')}",
    ],
    ids=range(12),
)  # fmt: skip
def test_what_is_no_token_of_ours_is_refused(local: Settings, header: str | None) -> None:
    with pytest.raises(Unauthorized):
        Authenticator(local).identify(header)


def test_a_verified_token_is_not_believed_beyond_its_end(local: Settings) -> None:
    end = int(time.time()) + 2
    authenticator, header = Authenticator(local), f"Bearer {signed(exp=end)}"
    assert authenticator.identify(header) is authenticator.identify(header)
    time.sleep(end - time.time())
    with pytest.raises(Unauthorized, match="token refused: it has expired"):
        authenticator.identify(header)


def test_services_call_each_other_with_a_token_that_holds(local: Settings) -> None:
    identity = Authenticator(local).identify(f"Bearer {service_token(local)}")
    assert identity.scopes == {"service"}


def test_a_service_without_a_key_refuses_everyone() -> None:
    with pytest.raises(Unauthorized, match="neither"):
        Authenticator(Settings(token_key_file=None)).identify(f"Bearer {signed()}")


def test_optional_claims_are_left_out() -> None:
    token = issue_token(KEY, subject="s", tenant="t", scope="", expires_s=9, source=None, learner="l")
    claims = jwt.decode(token, KEY, algorithms=["HS256"], audience="attain")
    assert ("source" in claims, claims["learner"]) == (False, "l")


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def published(key: rsa.RSAPrivateKey, kid: str) -> dict[str, Any]:
    """Return the public half of a key as a provider shows it."""
    public: dict[str, Any] = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    return public | {"kid": kid, "use": "sig"}


@pytest.fixture
def jwks(key: rsa.RSAPrivateKey) -> list[dict[str, Any]]:
    """The keys that the identity provider shows; a test may change them."""
    return [published(key, "one")]


@pytest.fixture
def jwks_url(jwks: list[dict[str, Any]]) -> Iterator[str]:
    """An identity provider's key server."""

    class Keys(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"keys": jwks}).encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Keys)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/keys"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_identity_providers_key_is_found_by_its_id(jwks_url: str, key: rsa.RSAPrivateKey) -> None:
    authenticator = Authenticator(Settings(jwks_url=jwks_url))
    good = jwt.encode(GOOD, key, algorithm="RS256", headers={"kid": "one"})
    assert authenticator.identify(f"Bearer {good}").tenant == "t-1"


def test_a_provider_that_does_not_answer_is_asked_once_in_a_while_whoever_sends_what(
    key: rsa.RSAPrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    def silent(*_: Any, **__: Any) -> None:
        nonlocal asked
        asked += 1
        raise TimeoutError

    monkeypatch.setattr("urllib.request.OpenerDirector.open", silent)
    authenticator = Authenticator(Settings(jwks_url="https://idp.example.edu/keys"))
    tokens = [jwt.encode(GOOD, key, algorithm="RS256", headers={"kid": kid}) for kid in ("one", "two", "three")]
    for token in tokens:
        with pytest.raises(Unavailable):
            authenticator.identify(f"Bearer {token}")
    assert asked == 1

    monkeypatch.setattr("shared.provider_keys.AGAIN_S", -1.0)
    later = Authenticator(authenticator.settings)
    for token in tokens:
        with pytest.raises(Unavailable):
            later.identify(f"Bearer {token}")
    assert asked == 4


def test_a_key_that_an_identity_provider_withdraws_is_believed_for_five_minutes(
    jwks_url: str, jwks: list[dict[str, Any]], key: rsa.RSAPrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    authenticator = Authenticator(Settings(jwks_url=jwks_url, token_cache_s=0))
    other = rsa.generate_private_key(65537, 2048)
    old, new = (
        f"Bearer {jwt.encode(GOOD, one, algorithm='RS256', headers={'kid': kid})}"
        for one, kid in ((key, "one"), (other, "two"))
    )
    authenticator.identify(old)
    jwks[:] = [published(other, "two")]
    assert authenticator.identify(old).tenant == "t-1", "what was fetched holds"
    later = time.monotonic() + 301
    monkeypatch.setattr(time, "monotonic", lambda: later)

    assert authenticator.identify(new).tenant == "t-1"
    with pytest.raises(Unauthorized):
        authenticator.identify(old)


def test_an_identity_provider_that_is_away_is_no_fault_of_the_token(key: rsa.RSAPrivateKey) -> None:
    authenticator = Authenticator(Settings(jwks_url=f"http://127.0.0.1:{free_port()}/jwks"))
    token = jwt.encode(GOOD, key, algorithm="RS256", headers={"kid": "one"})

    with pytest.raises(Unavailable, match="identity provider"):
        authenticator.identify(f"Bearer {token}")


@pytest.mark.parametrize("answer", [b"<html>come back later</html>", b"[]", b'{"keys": []}', ConnectionResetError()])
def test_what_a_proxy_says_in_the_providers_place_is_no_fault_of_the_token(
    key: rsa.RSAPrivateKey, answer: bytes | Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Answer(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            if isinstance(answer, Exception):
                raise answer
            return answer

    monkeypatch.setattr("urllib.request.OpenerDirector.open", lambda *_, **__: Answer())
    authenticator = Authenticator(Settings(jwks_url="https://idp.example.edu/keys"))
    token = jwt.encode(GOOD, key, algorithm="RS256", headers={"kid": "one"})

    with pytest.raises(Unavailable, match="identity provider"):
        authenticator.identify(f"Bearer {token}")


def test_with_an_identity_provider_nothing_else_is_believed(jwks_url: str, key: rsa.RSAPrivateKey) -> None:
    """Not another key, not an unknown one, and not the public key as a shared secret."""
    authenticator = Authenticator(Settings(jwks_url=jwks_url))
    other = rsa.generate_private_key(65537, 2048)
    for token in (
        jwt.encode(GOOD, other, algorithm="RS256", headers={"kid": "one"}),
        jwt.encode(GOOD, key, algorithm="RS256", headers={"kid": "two"}),
        jwt.encode(GOOD, KEY, algorithm="HS256", headers={"kid": "one"}),
        jwt.encode(GOOD, None, algorithm="none", headers={"kid": "one"}),  # type: ignore[arg-type]
    ):
        with pytest.raises(Unauthorized):
            authenticator.identify(f"Bearer {token}")


def test_beside_an_identity_provider_the_page_key_signs_what_is_our_own(
    jwks_url: str, key: rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    file = tmp_path / "page.key"
    file.write_text(KEY.hex())
    settings = Settings(jwks_url=jwks_url, page_key_file=file)
    caller = Identity("tea", "t-1", frozenset(("records:read:classes",)))
    token = delegated_token(settings, caller, "evidence:write", source="urn:attain:pages", role="teacher")
    own = Authenticator(settings).identify(f"Bearer {token}")
    theirs = jwt.encode(GOOD, key, algorithm="RS256", headers={"kid": "one"})
    forged = jwt.encode(GOOD, b"another key of thirty-two bytes!", algorithm="HS256", headers={"kid": "one"})

    assert (own.subject, own.tenant, own.source, own.roles) == ("tea", "t-1", "urn:attain:pages", ("teacher",))
    assert own.scopes == {"evidence:write"}
    assert Authenticator(settings).identify(f"Bearer {theirs}").tenant == "t-1"
    with pytest.raises(Unauthorized):
        Authenticator(settings).identify(f"Bearer {forged}")
    with pytest.raises(Unauthorized):
        Authenticator(Settings(jwks_url=jwks_url)).identify(f"Bearer {token}")


def test_without_a_key_of_its_own_nothing_is_done_on_behalf_of_a_person(jwks_url: str) -> None:
    with pytest.raises(Unavailable):
        delegated_token(Settings(jwks_url=jwks_url), Identity("tea", "t-1", frozenset()), "evidence:write")


def test_a_providers_own_issuer_and_audience_are_a_setting(jwks_url: str, key: rsa.RSAPrivateKey) -> None:
    settings = Settings(jwks_url=jwks_url, jwks_issuer="https://id.example.edu", jwks_audience="records")
    theirs = GOOD | {"iss": "https://id.example.edu", "aud": "records"}
    good, bad = (jwt.encode(body, key, algorithm="RS256", headers={"kid": "one"}) for body in (theirs, GOOD))

    assert Authenticator(settings).identify(f"Bearer {good}").tenant == "t-1"
    with pytest.raises(Unauthorized):
        Authenticator(settings).identify(f"Bearer {bad}")


def test_what_is_sealed_is_read_for_its_purpose_while_it_lasts(tmp_path: Path) -> None:
    file = tmp_path / "token.key"
    file.write_text(KEY.hex())
    settings = Settings(token_key_file=file)
    sealed = seal(settings, "undo", {"a": 1}, 60)

    assert unseal(settings, "undo", sealed) == {"a": 1}
    token = issue_token(KEY, subject="s", tenant="t", scope="", expires_s=9)
    for purpose, text in (("session", sealed), ("undo", seal(settings, "undo", {}, -1)), ("undo", token), ("undo", "")):
        with pytest.raises(Unauthorized):
            unseal(settings, purpose, text)
    with pytest.raises(Unauthorized):
        Authenticator(settings).identify(f"Bearer {sealed}")


@pytest.mark.parametrize("token", ["wrong", "a.b", "a.b.c", "ä.b.c"])
def test_what_is_no_token_is_called_so(settings: Settings, token: str) -> None:
    with pytest.raises(Unauthorized, match="it is no JSON Web Token"):
        Authenticator(settings).identify(f"Bearer {token}")


def test_an_api_key_where_there_are_none_is_called_so(settings: Settings) -> None:
    with pytest.raises(Unauthorized, match="it is an API key, which is for evidence only"):
        Authenticator(settings).identify(f"Bearer {KEY_PREFIX}0123456789abcdef_{'0' * 64}")


def test_every_key_of_the_file_verifies_and_the_first_signs(tmp_path: Path) -> None:
    old, new, foreign = (bytes([number]) * 32 for number in (1, 2, 3))
    file = tmp_path / "keys"
    file.write_text(f"{new.hex()}\n{old.hex()}\n")
    settings = Settings(token_key_file=file)
    authenticator = Authenticator(settings)

    for key in (old, new):
        assert authenticator.identify(f"Bearer {jwt.encode(GOOD, key, algorithm='HS256')}").subject == "me"
    with pytest.raises(Unauthorized, match="not signed with a key that is known here"):
        authenticator.identify(f"Bearer {jwt.encode(GOOD, foreign, algorithm='HS256')}")
    with pytest.raises(Unauthorized, match="expired"):
        authenticator.identify(f"Bearer {jwt.encode(GOOD | {'exp': 1}, old, algorithm='HS256')}")
    assert jwt.decode(service_token(settings), new, ["HS256"], audience="attain")["scope"] == "service"
