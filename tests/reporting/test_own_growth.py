"""Growth of learners against their own past, in numbers that tell nothing about few of them."""

import datetime

from hypothesis import given
from hypothesis import strategies as st

from services.reporting.domain.own_growth import GrownCount, growth_by_school, windows

SMALL = 10


def test_windows_are_of_school_days() -> None:
    found = windows(datetime.date(2026, 3, 6), "2025-12-22/2026-01-02")

    assert found == (datetime.date(2026, 1, 26), datetime.date(2025, 12, 1))


@given(
    st.dictionaries(
        st.sampled_from("abcd"), st.tuples(*[st.integers(0, 30)] * 4, st.floats(0, 1)), min_size=1, max_size=4
    )
)
def test_nothing_that_is_told_is_of_few_learners(schools: dict[str, tuple[int, int, int, int, float]]) -> None:
    counts = [
        GrownCount(name, more + same + less + new, more, same, less, 1.0, int(share * (more + same + less + new)))
        for name, (more, same, less, new, share) in schools.items()
    ]
    sums = [sum(getattr(each, name) for each in counts) for name in ("learners", "more", "same", "less", "not_yet")]
    learners, more, same, less, not_yet = sums
    whole = GrownCount(None, learners, more, same, less, 1.0, not_yet)
    first, rows = growth_by_school([*counts, whole], {name: name for name in schools}, SMALL)

    for row in (first, *rows):
        told = [row.learners, row.more, row.same, row.less, row.new, row.not_yet]
        assert not [number for number in told if number is not None and 0 < number < SMALL]
        change = [row.more, row.same, row.less, row.new]
        assert row.learners is None or change.count(None) != 1, "one hidden beside a told sum"
        if row.learners is not None and row.not_yet is not None:
            assert not 0 < row.learners - row.not_yet < SMALL
        if row.median_change is not None:
            counted = next(each for each in (*counts, whole) if (each.school or "") == row.school)
            assert counted.more + counted.same + counted.less >= SMALL
