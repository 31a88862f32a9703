"""Which stages of a piece are told as done, when the services are asked while it moves on."""

import pytest

from services.evidence.handlers.tracing import onward


@pytest.mark.parametrize(
    ("answered", "told"),
    [
        ((False, False, False), [False, False, False]),
        ((True, False, False), [True, False, False]),
        # It went on between two questions, or what was sent is not noted yet.
        ((False, True, False), [True, True, False]),
        ((False, False, True), [True, True, True]),
        # A service that does not answer.
        ((False, None, False), [False, None, False]),
        ((True, True, None), [True, True, None]),
        ((False, None, True), [True, True, True]),
    ],
)
def test_what_a_later_stage_has_passed_is_done_in_the_earlier_ones(
    answered: tuple[bool, bool | None, bool | None], told: list[bool | None]
) -> None:
    assert [stage["done"] for stage in onward(*answered)] == told
