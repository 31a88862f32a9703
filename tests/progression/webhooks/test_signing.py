"""What is signed, what is in scope, how long is waited, and which addresses are private."""

import hashlib
import hmac

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.progression.domain.subscribing import (
    Address,
    Subscription,
    addressed,
    delay_s,
    failure_of,
    kind_of,
    signature,
)
from services.progression.entrypoints.webhooks import Agreement
from services.progression.handlers.posting import Poster
from shared.contracts.public_events import ADVANCEMENT_EVENTS
from shared.contracts.public_members import Placement, Ref
from shared.errors import InvalidEvent
from shared.settings import Settings


def test_a_signature_is_an_hmac_over_second_key_and_body():
    agreed = Subscription("1", "school", "sis", "https://sis.example", "credit", (), (), "", "key-1", b"secret")
    expected = hmac.new(b"secret", b'1800000000.key-1.{"a":1}', hashlib.sha256).hexdigest()

    assert signature(agreed, 1_800_000_000, b'{"a":1}') == f"t=1800000000,k=key-1,v1={expected}"


@pytest.mark.parametrize(
    ("types", "frameworks", "wanted"),
    [
        ((), (), True),
        (("competency.mastered",), (), True),
        (("competency.*",), ("math",), True),
        (("level.*", "competency.mastered"), (), True),
        (("level.*",), (), False),
        (("competency.master",), (), False),
        (("competency.*",), ("ela",), False),
    ],
)
def test_an_event_is_sent_where_its_type_and_framework_are_agreed(types, frameworks, wanted: bool):
    agreed = Subscription("1", "school", "sis", "https://sis.example", "credit", types, frameworks, "", "k", b"")

    assert agreed.wants("attain.competency.mastered.v1", "math") is wanted


@pytest.mark.parametrize(
    "kind", ["competency.masterd", "competencies.*", "competency", "attain.competency.mastered.v1"]
)
def test_an_agreement_on_events_that_are_never_told_is_refused(kind: str):
    with pytest.raises(ValidationError):
        Agreement(name="sis", url="https://sis.example", purpose="credit of courses", types=["level.*", kind])


def test_every_kind_of_event_may_be_agreed():
    kinds = [kind_of(type) for type in ADVANCEMENT_EVENTS]

    assert Agreement(name="sis", url="https://sis.example", purpose="credit of courses", types=kinds).types == kinds


def test_a_snapshot_is_of_no_framework_an_amendment_of_one_and_both_carry_the_receivers_id():
    agreed = Subscription(
        "1", "school", "sis", "https://sis.example", "cards", ("snapshot.*",), ("ela",), "sis", "k", b""
    )
    stored = msgspec.json.encode({"type": "attain.snapshot.closed.v1", "data": {"learner": {"id": "l", "refs": []}}})
    address = Address((Ref("sis", "17"),), Placement("north", ("room-1",)))
    told = msgspec.json.decode(addressed(stored, address))["data"]

    assert agreed.wants("attain.snapshot.closed.v1", "")
    assert [agreed.wants("attain.snapshot.amended.v1", of) for of in ("ela", "math")] == [True, False]
    assert told["learner"]["refs"] == [{"source": "sis", "id": "17"}]
    assert told["placement"] == {"school": "north", "classes": ["room-1"], "session": None}


def test_every_event_on_a_learner_has_a_place_for_where_the_learner_is_but_the_last():
    """Of whom is forgotten no receiver's id is known any more, so nothing is added on delivery."""
    of_learners = {type: data for type, data in ADVANCEMENT_EVENTS.items() if "learner" in data.__struct_fields__}

    assert [type for type, data in of_learners.items() if "placement" not in data.__struct_fields__] == [
        "attain.learner.erased.v1"
    ]


@pytest.mark.parametrize(
    ("status", "failure"),
    [(200, None), (204, None), (301, "unwell"), (307, "unwell"), (400, "refused"), (408, "unwell"), (410, "gone"),
     (422, "refused"), (425, "unwell"), (429, "unwell"), (500, "unwell"), (503, "unwell")],
)  # fmt: skip
def test_what_a_status_says(status: int, failure: str | None):
    assert failure_of(status) == failure


@given(attempts=st.integers(1, 500), chance=st.floats(0, 1))
def test_waits_double_up_to_the_longest_and_jitter_takes_at_most_half(attempts: int, chance: float):
    longest = delay_s(attempts, 2, 3600, 0)

    assert longest == min(3600, 2 * 2 ** min(attempts - 1, 40))
    assert longest / 2 <= delay_s(attempts, 2, 3600, chance) <= longest


@pytest.mark.parametrize(
    "url",
    ["http://93.184.216.34/", "https://127.0.0.1/", "https://localhost:8443/", "https://[::1]/", "https://2130706433/",
     "https://user:pw@93.184.216.34/", "ftp://93.184.216.34/", "https:///x", "https://93.184.216.34/#x", "not a url",
     "https://name.invalid/", "https://0x7f.1/", "https://93.184.216.34:99999/", "https://93.184.216.34:abc/", "https://[::1",
     "https://a..example.org/"],
)  # fmt: skip
async def test_a_url_that_leads_inside_or_nowhere_is_refused_when_it_is_agreed(url: str):
    poster = Poster(Settings())
    with pytest.raises(InvalidEvent) as refused:
        await poster.check("school", url)
    await poster.close()

    assert refused.value.pointer == "/url"
