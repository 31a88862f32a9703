"""No secret is in anything that the stack writes: what it runs with, what it makes, what it is sent, good or wrong."""

import base64
import logging
import secrets
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest

from deploy.local.stack import Stack
from shared.auth import KEY_PREFIX
from shared.settings import Settings
from shared.starting import check_schema
from tests.support.secrets_in_logs import secrets_of, shown_by, shown_in
from tests.support.servers import SERVICES
from tests.system.district import SOURCE, District

WRONG = f"{KEY_PREFIX}{'0' * 16}_{secrets.token_hex(32)}"


async def test_what_is_made_and_sent_here_is_in_no_log(stack: Stack) -> None:
    district = await District(stack, "secretive").open()
    key = await district.post("evidence", "/v1/keys", {"source": SOURCE, "name": "lms"})
    hook = await district.post(
        "progression",
        "/v1/webhooks",
        {"name": "h", "url": "http://127.0.0.1:9/", "purpose": "reading the logs", "start": "beginning"},
    )
    rotated = await district.post("progression", f"/v1/webhooks/{hook['id']}/rotate", {})
    await district.post("progression", f"/v1/webhooks/{hook['id']}/test", {})
    token = stack.token(district.tenant, "admin records:read")
    given = {"key": key["key"], "wrong key": WRONG, "token": token, "wrong token": token[:-6] + "AAAAAA"}
    async with httpx.AsyncClient() as client:
        for url in stack.urls.values():
            for secret in given.values():
                headers = {"Authorization": f"Bearer {secret}", "Cookie": f"attain={secret}"}
                for path in ("/v1/limits", f"/v1/nothing?token={secret}", "/v1/feed?log=no&shard=x"):
                    answer = await client.get(f"{url}{path}", headers=headers)
                    assert secret not in answer.text
    await district.close()
    made = {name: base64.b64decode(one["secret"]).hex() for name, one in (("hook", hook), ("rotated", rotated))}

    assert shown_by(stack, given | made | {"hook as told": hook["secret"], "rotated as told": rotated["secret"]}) == []


def test_a_secret_in_a_log_is_found(stack: Stack, tmp_path: Path) -> None:
    """Were nothing ever found, the test before and the end of the session would prove nothing."""
    known = secrets_of(stack)
    shaped = (stack.token("demo", "admin"), WRONG, "postgresql://attain:x@127.0.0.1/d", "-----BEGIN PRIVATE KEY-----")
    (tmp_path / "service.log").write_text("\n".join(["nothing", *known.values(), *shaped]))

    found = shown_in(tmp_path, known)

    assert {where.rpartition(" in ")[0] for where in found} >= known.keys()
    assert {where.rpartition(":")[2] for where in found} == {str(2 + n) for n in range(len(known) + len(shaped))}
    assert len(known) >= 4


@pytest.mark.parametrize("service", SERVICES)
def test_a_password_that_the_database_refuses_is_not_shown(
    stack: Stack, service: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    url = urlsplit(stack.databases[service])
    if not url.password:
        pytest.skip("this stack was given databases without passwords")
    wrong = url._replace(netloc=f"{url.username}:open-sesame@{url.hostname}:{url.port}")
    settings = Settings.model_validate({f"{service}_database": urlunsplit(wrong)})
    with caplog.at_level(logging.DEBUG), pytest.raises(SystemExit) as stopped:
        check_schema(service, settings)
    written = capfd.readouterr()

    line = str(stopped.value)
    assert line.startswith(f"{service}: ATTAIN_{service.upper()}_DATABASE: ")
    assert "\n" not in line
    assert "sesame" not in line + caplog.text + written.out + written.err
