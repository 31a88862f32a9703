"""A learning platform with LTI Assignment and Grade Services for one context, over loopback; it fails as it is told to."""

import contextlib
import dataclasses
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT = "attain-tool"
PAGE = 2
"""Results a page, so that reading them needs several."""
Fault = Literal["busy", "lost", "refuses", "none"]
"""Answers 503; takes the score and breaks off before the answer; answers 422; takes it as it should."""


@dataclasses.dataclass
class AgsPlatform:
    """`faults` are used up one a score that is posted; `posted` are the scores that came, also where the answer was lost."""

    port: int = 0
    faults: list[Fault] = dataclasses.field(default_factory=list)
    line_items: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    results: dict[str, dict[str, dict[str, Any]]] = dataclasses.field(default_factory=dict)
    posted: list[tuple[str, dict[str, Any]]] = dataclasses.field(default_factory=list)
    tokens: int = 0

    def __post_init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def private_key(self) -> str:
        """Return the key of the tool that is registered here."""
        kind = serialization.PrivateFormat.PKCS8
        return self._key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()).decode()

    def grant(self, form: dict[str, list[str]]) -> dict[str, Any]:
        """Return a token for an assertion that the registered key signed; raises `jwt.PyJWTError`."""
        jwt.decode(
            form["client_assertion"][0], self._key.public_key(), ["RS256"], audience=f"{self.url}/token", issuer=CLIENT,
            options={"require": ["exp", "iat", "jti", "sub"]},
        )  # fmt: skip
        self.tokens += 1
        return {"access_token": f"t-{self.tokens}", "token_type": "Bearer", "expires_in": 3600}

    def add(self, item: dict[str, Any]) -> dict[str, Any]:
        """Make a line item; its address has a query, as some platforms' have."""
        made = item | {"id": f"{self.url}/line_items/{len(self.line_items) + 1}?course=7"}
        self.line_items[made["id"]] = made
        self.results[made["id"]] = {}
        return made

    def take(self, line_item: str, score: dict[str, Any]) -> None:
        """Let a score be the result, unless a later one is there (AGS 2.0, 3.4.3)."""
        self.posted.append((line_item, score))
        held = self.results[line_item].get(score["userId"])
        if held is None or held["timestamp"] <= score["timestamp"]:
            self.results[line_item][score["userId"]] = score

    def score_of(self, resource_id: str) -> dict[str, float]:
        """Return the score of each user at a line item."""
        [found] = [id for id, item in self.line_items.items() if item["resourceId"] == resource_id]
        return {user: score["scoreGiven"] for user, score in self.results[found].items()}


class _Handler(BaseHTTPRequestHandler):
    platform: AgsPlatform

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        split = urlsplit(self.path)
        query = parse_qs(split.query)
        if not self._may():
            return
        if split.path == "/line_items":
            wanted = query.get("resource_id", [None])[0]
            self._answer(200, [one for one in self.platform.line_items.values() if wanted in (None, one["resourceId"])])
            return
        line_item = f"{self.platform.url}{split.path.removesuffix('/results')}?course=7"
        page = int(query.get("page", ["0"])[0])
        rows = sorted(self.platform.results[line_item].items())
        shown = [
            {"id": f"{line_item}/r/{user}", "userId": user, "resultScore": one["scoreGiven"], "resultMaximum": 1}
            for user, one in rows[page * PAGE : (page + 1) * PAGE]
        ]
        more = len(rows) > (page + 1) * PAGE
        following = f'<{self.platform.url}{split.path}?course=7&page={page + 1}>; rel="next"'
        self._answer(200, shown, {"Link": following} if more else {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        path = urlsplit(self.path).path
        if path == "/token":
            try:
                self._answer(200, self.platform.grant(parse_qs(body.decode())))
            except jwt.PyJWTError as error:
                self._answer(401, {"error": str(error)})
        elif self._may():
            if path == "/line_items":
                self._answer(201, self.platform.add(json.loads(body)))
            else:
                self._take(f"{self.platform.url}{path.removesuffix('/scores')}?course=7", json.loads(body))

    def _take(self, line_item: str, score: dict[str, Any]) -> None:
        fault = self.platform.faults.pop(0) if self.platform.faults else None
        if fault == "busy":
            self._answer(503, {}, {"Retry-After": "0"})
        elif fault == "refuses":
            self._answer(422, {"errors": "no such user"})
        else:
            self.platform.take(line_item, score)
            if fault == "lost":
                self.close_connection = True
                self.connection.close()
            else:
                self._answer(200, {})

    def _may(self) -> bool:
        may = self.headers.get("Authorization") == f"Bearer t-{self.platform.tokens}"
        if not may:
            self._answer(401, {})
        return may

    def _answer(self, status: int, content: object, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextlib.contextmanager
def ags_platform() -> Iterator[AgsPlatform]:
    """Run a platform on a free loopback port."""
    platform = AgsPlatform()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"platform": platform}))
    platform.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield platform
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
