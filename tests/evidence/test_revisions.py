"""Results that their source overwrites: the newest message counts, in any order of arrival and however often."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.evidence.domain.evidence import Evidence, RecordEvidence, command
from services.evidence.domain.revisions import Group, Revision, decode_group, encode_group, revise
from shared.contracts.internal_events import Score
from tests.evidence.builders import valid_ids

SOURCE = "https://sis.example"


def piece(raw: float) -> RecordEvidence:
    content = Evidence(SOURCE, "r", "2026-01-01T00:00:00.000000Z", "ada", activity="quiz", score=Score(raw, 10.0))
    return command("demo", content)


def message(minute: int, **members: float) -> Revision:
    stamp = f"2026-01-01T00:{minute:02}:00.000000Z"
    return Revision("r", stamp, {name: piece(raw) for name, raw in members.items()})


class Source:
    """What intake would hold of a group, and the pieces that count."""

    def __init__(self) -> None:
        self.group: Group | None = None
        self.items: dict[str, Evidence] = {}

    def say(self, *messages: Revision) -> list[str | None]:
        reasons = []
        for one in messages:
            result = revise(self.group, one, "demo", SOURCE)
            if result.group is not None:
                self.group = decode_group(encode_group(result.group))
            for made in result.commands:
                assert self.items.setdefault(made.content.id, made.content) == made.content
            reasons.append(result.reason)
        return reasons

    def counts(self) -> dict[str, float | None]:
        """Return the scores that count, by the member that they are of."""
        forest = {
            id: ("retracts", item.retracts) if item.retracts else ("supersedes" if item.supersedes else None, item.supersedes)
            for id, item in self.items.items()
        }  # fmt: skip
        counted = valid_ids(forest)  # type: ignore[arg-type]
        named = {id.partition("@")[0].partition("|")[2]: self.items[id].score for id in counted}
        assert len(named) == len(counted)
        return {name: None if score is None else score.raw for name, score in named.items()}


def test_a_newer_message_takes_the_place_of_what_was_there() -> None:
    source = Source()

    source.say(message(1, a=1, b=2), message(2, a=3))

    assert source.counts() == {"a": 3}


def test_an_older_message_changes_nothing() -> None:
    source = Source()

    reasons = source.say(message(5, a=1), message(4, a=9, b=9))

    assert (reasons, source.counts()) == ([None, "older_revision"], {"a": 1})


def test_the_same_content_with_a_newer_stamp_is_no_news() -> None:
    source = Source()

    assert source.say(message(1, a=1), message(2, a=1), message(3), message(4)) == [
        None, None, None, None,
    ]  # fmt: skip
    assert len(source.items) == 2, "the piece and its retraction"
    assert source.counts() == {}


def test_what_is_not_dated_is_of_the_stamp_that_first_told_of_it() -> None:
    stamps = ["2026-01-01T00:00:01.000000Z", "2026-01-01T00:00:02.000000Z", "2026-01-01T00:00:03.000000Z"]
    source = Source()

    for stamp, raw in zip(stamps, (1, 1, 2), strict=True):
        at = msgspec.structs.replace(piece(raw).content, occurred_at=stamp)
        source.say(Revision("r", stamp, {"": command("demo", at)}, is_undated=True))

    assert [item.occurred_at for item in source.items.values()] == [stamps[0], stamps[2]]
    assert source.counts() == {"": 2}


@given(st.sets(st.integers(1, 9)))
def test_what_was_noted_and_not_stored_is_made_up_for_by_the_next_message(lost: set[int]) -> None:
    source = Source()
    said = [message(0, a=0, b=0), *(message(n, a=n) if n % 4 else message(n) for n in range(1, 10)), message(10, a=99)]

    for minute, one in enumerate(said):
        if minute in lost:
            result = revise(source.group, one, "demo", SOURCE)
            source.group = result.group or source.group
        else:
            source.say(one)

    assert source.counts() == {"a": 99}


def test_what_was_taken_back_may_come_again() -> None:
    source = Source()

    source.say(message(1, a=1), message(2), message(3, a=1))

    assert source.counts() == {"a": 1}


def test_a_result_that_is_overwritten_for_ever_begins_a_new_chain() -> None:
    source = Source()
    stamps = [message(n % 60, a=n) for n in range(60)]
    for day in range(1, 5):
        said = [Revision("r", one.stamp.replace("01T", f"{day:02}T"), {"a": piece(day * 60 + n)})
                for n, one in enumerate(stamps)]  # fmt: skip
        source.say(*said)

    assert source.counts() == {"a": 4 * 60 + 59}
    assert source.group is not None
    assert len(source.group.members["a"].chain) < 100


def test_no_name_is_kept_of_a_group() -> None:
    source = Source()

    source.say(message(1, a=1), message(2, a=2))

    assert source.group is not None
    assert b"r@" not in encode_group(source.group)
    assert b"r|" not in encode_group(source.group)


def test_the_same_stamp_with_other_content_keeps_the_id() -> None:
    first = revise(None, message(1, a=1), "demo", SOURCE)
    other = revise(first.group, message(1, a=2), "demo", SOURCE)

    assert [made.content.id for made in other.commands] == [made.content.id for made in first.commands]
    assert [made.digest for made in other.commands] != [made.digest for made in first.commands]
    assert other.group == first.group


def test_the_same_message_again_gives_the_same_commands_again() -> None:
    group = revise(None, message(1, a=1, b=1), "demo", SOURCE).group
    first = revise(group, message(2, a=2), "demo", SOURCE)
    again = revise(first.group, message(2, a=2), "demo", SOURCE)

    assert again.commands == first.commands
    assert [made.content.retracts for made in first.commands] == [None, "r|b@2026-01-01T00:01:00.000000Z"]


messages = st.lists(
    st.builds(
        lambda minute, members: message(minute, **members),
        st.integers(0, 59),
        st.dictionaries(st.sampled_from("abc"), st.integers(0, 3)),
    ),
    max_size=8,
    unique_by=lambda one: one.stamp,
)


@given(messages, st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_end_in_what_the_newest_says(said: list[Revision], random: object) -> None:
    source = Source()
    delivered = [*said, *said]
    random.shuffle(delivered)  # type: ignore[attr-defined]

    source.say(*delivered)

    newest = max(said, key=lambda one: one.stamp, default=None)
    expected = {} if newest is None else {
        name: made.content.score.raw for name, made in newest.members.items() if made.content.score is not None
    }  # fmt: skip
    assert source.counts() == expected
