"""One tenant that has something in every place, for all tests on what others see of it."""

import pytest

from deploy.local.stack import Stack
from tests.system.isolation.victim import Victim, settle


@pytest.fixture(scope="package")
async def victim(stack: Stack) -> Victim:
    """A tenant that has something in every place."""
    return await settle(stack, "victim")
