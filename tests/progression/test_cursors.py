"""A cursor of the public feed is one that the feed gave, or is refused."""

import pytest

from services.progression.handlers.cursors import read_cursor, write_cursor
from shared.errors import Gone, InvalidEvent
from shared.event_log import Head

HEADS = {0: Head(2, 5), 1: Head(2, 0)}


def test_a_cursor_is_read_as_it_was_written():
    last = (1 << 63) - 1
    assert read_cursor(write_cursor({0: 3, 1: last}, 2), HEADS) == {0: 3, 1: last}
    assert read_cursor("", HEADS) == {0: 0, 1: 0}


@pytest.mark.parametrize("position", [-1, 1 << 63, (1 << 64) - 1])
def test_a_position_that_no_log_has_is_in_no_cursor(position: int):
    with pytest.raises(InvalidEvent):
        read_cursor(write_cursor({0: 3, 1: position}, 2), HEADS)


@pytest.mark.parametrize(("positions", "generation"), [({0: 3, 1: 0}, 1), ({0: 3}, 2)])
def test_a_cursor_of_an_earlier_log_is_gone(positions: dict[int, int], generation: int):
    with pytest.raises(Gone):
        read_cursor(write_cursor(positions, generation), HEADS)
