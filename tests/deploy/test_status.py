"""`attain status` in words: where the services are, and what no stage shows."""

from typing import Any

import pytest

from deploy.local.commands.status import in_words


def service(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "url": f"http://{name}:8100", "answers": True, "error": None, "blocked_learners": 0} | more


@pytest.mark.parametrize("pids", [{}, {"kafka": 7, "evidence": 8}], ids=["elsewhere", "here"])
def test_status_shows_the_addresses(pids: dict[str, int]) -> None:
    lines = in_words([service("evidence")], [], pids)

    (line,) = [line for line in lines if line.startswith("evidence")]
    assert line.endswith("http://evidence:8100")


def test_status_tells_of_learners_who_are_blocked() -> None:
    """Nothing is behind and all counts agree, so nothing else shows it."""
    blocked = [line for line in in_words([service("evidence"), service("progression", blocked_learners=3)], [], {})
               if "blocked" in line]  # fmt: skip

    assert blocked == ["progression  3 learners are blocked: see AttainLearnersBlocked in the runbook"]
