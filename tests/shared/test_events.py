import datetime
import unicodedata

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidEvent
from shared.events import Position, decode_envelope, encode_json, envelope, placed, tombstone, utc, without_data
from tests.support.cloudevents import check_cloudevent

plain = st.text("abcdefghijklmnopqrstuvwxyz0123456789.-", min_size=1, max_size=30)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
data = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=10,
)


@given(
    plain,
    plain,
    plain,
    text,
    data,
    plain | st.just(""),
    st.integers(1, 9),
    st.integers(0, 63),
    st.integers(1, 2**31 - 1),
)
def test_an_envelope_is_a_cloudevent_with_its_place(
    id: str, type: str, tenant: str, subject: str, content: object, cause: str, generation: int, shard: int, pos: int
) -> None:
    """
    Structured JSON of CloudEvents 1.0, whatever the subject and the data are; on one line, as the feed needs it.

    What CloudEvents has in no attribute is not in the subject.
    """
    told = "".join("\ufffd" if unicodedata.category(char) in ("Cc", "Cn") else char for char in subject) or "nobody"
    time = "2026-03-04T10:15:00.000000Z"
    body = envelope(id=id, source="test", type=type, tenant=tenant, subject=subject, time=time,
                    data=encode_json(content), cause=cause)  # fmt: skip
    sent = placed(body, generation, shard, pos)
    read = check_cloudevent(sent)
    bare = check_cloudevent(without_data(sent))

    assert b"\n" not in sent
    assert read == {
        "specversion": "1.0", "id": id, "source": "/attain/test", "type": type, "subject": told, "time": time,
        "dataschema": "urn:" + type.replace(".", ":"), "data": content,
        "tenant": tenant, "generation": generation, "shard": shard, "position": pos,
    } | ({"causationid": cause} if cause else {})  # fmt: skip
    event = decode_envelope(sent)
    assert (event.id, event.subject, event.position, event.causationid) == (id, told, pos, cause)
    assert bare == {name: value for name, value in read.items() if name != "data"}
    assert msgspec.json.decode(event.data) == content


def test_a_reader_passes_over_members_it_does_not_know() -> None:
    body = tombstone("test", "t", "ab" * 32)
    assert decode_envelope(placed(body[:-1] + b',"new":{"x":[1]}}', 1, 2, 3)).position == 3


@given(plain, st.integers(0, 9999), st.integers(0, 9999), st.integers(0, 10**18 - 1))
def test_a_position_reads_as_it_is_written(log: str, generation: int, shard: int, pos: int) -> None:
    position = Position(log, generation, shard, pos)
    assert Position.parse(str(position)) == position


@pytest.mark.parametrize("token", ["", "1", "a.1.2", "a.1.2.x", "a.1.2.-3", "a.1.2.", "a.1.2.٣", "a.1.2." + "9" * 30])
def test_what_is_no_position_is_refused(token: str) -> None:
    with pytest.raises(InvalidEvent, match="not a position"):
        Position.parse(token)


def test_instants_sort_as_text() -> None:
    east = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
    assert utc(datetime.datetime(2026, 3, 4, 1, 2, 3, 4, east)) == "2026-03-03T19:32:03.000004Z"


@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_an_instant_that_has_no_year_in_utc_is_refused(instant: str) -> None:
    with pytest.raises(InvalidEvent, match="outside of the years"):
        utc(datetime.datetime.fromisoformat(instant))
