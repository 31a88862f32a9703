"""When so many are set apart that the code is wrong and not the data."""

import pytest

from shared.handling import is_fault_of_code


@pytest.mark.parametrize(
    ("apart", "tenants", "wrong"),
    [
        ({"a": 3}, ["a"], False),
        ({"a": 4}, ["a"], True),
        ({"a": 4}, [], True),
        ({"a": 4000}, ["a", "b"], False),
        ({"a": 4000}, ["b"], False),
        ({"a": 4000, "b": 3}, ["a", "b"], False),
        ({"a": 4000, "b": 4}, ["a", "b"], True),
        ({"a": 2, "b": 2, "c": 2}, ["a", "c"], True),
        ({}, [], False),
    ],
)
def test_what_one_of_several_tenants_has_alone_is_not_counted(
    apart: dict[str, int], tenants: list[str], wrong: bool
) -> None:
    assert is_fault_of_code(apart, tenants, 3) is wrong
