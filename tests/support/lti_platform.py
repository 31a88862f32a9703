"""A small learning platform on loopback that launches by LTI 1.3, whoever it is told from where it is told; it can misbehave."""

import asyncio
import html
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse

from services.reporting.domain.lti import CLAIM
from tests.support.oidc_provider import CLIENT, OidcProvider

PAGE = """<!doctype html><title>Course</title>
<form id="launch" method="post" target="{target}" action="{action}">{fields}<button>Records</button></form>
<iframe name="frame" title="frame"></iframe>"""
POSTS_ITSELF = (
    '<!doctype html><form method="post" action="{action}">{fields}</form><script>document.forms[0].submit()</script>'
)


class LtiPlatform(OidcProvider):
    """`launch` are claims of LTI by their last names, beside the `claims` of the ID token; None takes one away."""

    def reset(self) -> None:
        """Behave again."""
        super().reset()
        self.launch: dict[str, Any] = {
            "message_type": "LtiResourceLinkRequest", "version": "1.3.0", "deployment_id": "1",
            "resource_link": {"id": "link"}, "roles": [], "context": {"id": "course-7"},
        }  # fmt: skip
        self.nonce: str | None = None
        self.keys_take_s = 0.0
        self.keys_come_as: Response | None = None
        self.keys_asked = 0

    def login(self, target: str, **changed: str | None) -> dict[str, str]:
        """Return what the platform asks the tool to begin a launch with, whose link is `target`."""
        self.launch["target_link_uri"] = target
        asked = {
            "iss": self.issuer, "client_id": CLIENT, "login_hint": "who", "lti_message_hint": "what",
            "target_link_uri": target, "lti_deployment_id": self.launch["deployment_id"], **changed,
        }  # fmt: skip
        return {name: value for name, value in asked.items() if value is not None}

    def answer(self, asked: dict[str, str]) -> dict[str, str]:
        """Return the form that the platform lets the browser post for what the tool has asked."""
        self.asked.append(asked)
        kept = self.claims
        self.claims = {f"{CLAIM}{name}": value for name, value in self.launch.items()} | kept
        try:
            return {"state": asked["state"], "id_token": self._id_token(self.nonce or asked["nonce"])}
        finally:
            self.claims = kept

    def _make(self) -> FastAPI:
        app = FastAPI()

        @app.get("/keys")
        async def keys() -> Response:
            self.keys_asked += 1
            await asyncio.sleep(self.keys_take_s)
            return self.keys_come_as or JSONResponse(self.key_set())

        @app.get("/elsewhere")
        async def elsewhere() -> Response:
            return JSONResponse(self.key_set())

        @app.get("/moved")
        async def moved() -> Response:
            return RedirectResponse("/elsewhere")

        @app.get("/authorize")
        async def authorize(request: Request) -> Response:
            asked = dict(request.query_params)
            return HTMLResponse(POSTS_ITSELF.format(action=asked["redirect_uri"], fields=_hidden(self.answer(asked))))

        @app.get("/course")
        async def course(to: str, target: str) -> Response:
            """A course with a link to the tool, which opens in a target."""
            fields = _hidden(self.login(to))
            return HTMLResponse(PAGE.format(target=target, action=f"{to}/sign-in/lti", fields=fields))

        return app


def _hidden(fields: dict[str, str]) -> str:
    return "".join(
        f'<input type="hidden" name="{name}" value="{html.escape(value)}">' for name, value in fields.items()
    )
