"""The service's own OpenAPI, asked at random: no request is a fault of the service, and nothing that was taken in is lost."""

import asyncio
import os
from collections import Counter
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.core.result import Ok
from schemathesis.generation.modes import GenerationMode

from tests.evidence.builders import item, token
from tests.evidence.running import Running

# Schemathesis draws by `random` inside its strategies, which Hypothesis warns of.
pytestmark = pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisDeprecationWarning")
REQUESTS = int(os.environ.get("ATTAIN_TEST_OPENAPI", "100"))
"""Requests in all; `make fuzz` asks for more."""
SCOPES = "evidence:write records:read policy:write admin service"
PIECES = 20
TEXT = {"type", "title", "description"}
"""What the schema of an unrestricted text says."""


def can_be_asked_wrongly(operation: Any) -> bool:
    """Say whether it takes more than unrestricted texts in its path; to look for one that is wrong takes seconds, and in vain."""
    restricted = [parameter.definition["schema"].keys() - TEXT for parameter in operation.path_parameters]
    return bool(operation.body or len(operation.query) or any(restricted))


def ask(url: str, headers: dict[str, str]) -> Counter[int]:
    """Send requests that fit the description, and some that do not, to every route; count the answers by status."""
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    # Who asks is not drawn: what is refused at the door reaches nothing.
    schema.config.generation.update(with_security_parameters=False)
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    answers: Counter[int] = Counter()
    faults: list[str] = []
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        for operation in operations:
            if mode is GenerationMode.NEGATIVE and not can_be_asked_wrongly(operation):
                continue
            number = max(1, REQUESTS // len(operations) // 2)

            @settings(max_examples=number, deadline=None, database=None, suppress_health_check=list(HealthCheck))
            @given(operation.as_strategy(generation_mode=mode))
            def request(case: Any) -> None:
                answer = case.call(base_url=url, headers=headers, timeout=30)
                answers[answer.status_code] += 1
                if answer.status_code >= 500:
                    faults.append(
                        f"{case.method} {case.formatted_path} {case.query}: {answer.status_code} {answer.text[:300]}"
                    )

            request()
    assert not faults, "\n".join(faults[:5])
    return answers


async def test_no_request_is_a_fault_of_the_service_and_no_item_is_lost(service: Running) -> None:
    await service.publish_framework("o", "1")
    headers = token(service.config, SCOPES, tenant="openapi")
    asking = asyncio.create_task(asyncio.to_thread(ask, service.url, headers))
    taken = []
    for number in range(PIECES):
        [one] = await service.submit(item(f"o{number}", learner="oda", competencies=["o:1"]))
        taken.append(one["evidence_id"])
        await asyncio.sleep(0.05)
    answers = await asking

    told = {event["data"].get("evidence_id") for event in await service.feed()}
    assert set(taken) <= told
    assert sum(answers.values()) >= REQUESTS // 2
    assert {200, 404, 422} <= answers.keys(), answers
    assert 401 not in answers
