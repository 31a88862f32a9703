"""The policy language: what is read, what is refused by name, and the hash."""

import time

import pytest

from services.progression.domain.methods import Value
from services.progression.domain.policy import Policy, policy_from, read_policy
from shared.errors import InvalidEvent

STREAK = {"id": "s", "method": {"type": "streak", "n": 3}}
BKT = {"type": "bkt", "p_l0": 0.3, "p_t": 0.1, "p_g": 0.2, "p_s": 0.1}


def test_json_and_yaml_of_the_same_content_are_the_same_version():
    json = read_policy(b'{"id": "s", "method": {"type": "streak", "n": 3}, "gating": "advisory"}')
    yaml = read_policy(b"id: s\nmethod: {type: streak, n: 3}\n")

    assert json.hash == yaml.hash == policy_from(STREAK).hash
    assert json.hash != policy_from(STREAK | {"method": {"type": "streak", "n": 4}}).hash


def test_a_joined_method_is_part_of_the_version_and_reads_back_as_it_was_written():
    joined = policy_from(STREAK | {"method": {"type": "streak", "n": 3, "and": {"type": "latest"}}})

    assert joined.hash not in (policy_from(STREAK).hash, policy_from(STREAK | {"method": {"type": "latest"}}).hash)
    assert policy_from(joined.model_dump(mode="json", by_alias=True, exclude_defaults=True)).hash == joined.hash


def test_half_of_a_character_is_refused():
    for text in (b'{"id": "a\\ud800", "method": {"type": "streak", "n": 3}}', b'{"id": "a", "\\udfff": 1}'):
        with pytest.raises(InvalidEvent, match="a value that JSON does not have"):
            read_policy(text)


def test_a_nul_is_refused_wherever_it_stands():
    for written in ('"rationale": "a\\u0000"', '"applies_to": {"competencies": ["m:\\u0000"]}'):
        with pytest.raises(InvalidEvent, match="has a NUL"):
            read_policy(f'{{"id": "a", "method": {{"type": "streak", "n": 3}}, {written}}}'.encode())


def score(policy: Policy, values: list[Value]) -> float:
    method = policy.rule.tracks[0].method
    return method.score(method.replay(values))


def test_a_clipped_trend_stays_within_the_scale_of_its_policy():
    """1, 3, 4, 4 has a trend of 4.88."""
    method = {"type": "power_law", "clip": True}
    on_four = policy_from({"id": "p", "method": method, "scale": {"max": 4, "mastery": 3}})
    free = policy_from({"id": "p", "method": {"type": "power_law"}, "scale": {"max": 4, "mastery": 3}})
    values = [Value(value, value >= 3) for value in (1.0, 3.0, 4.0, 4.0)]

    assert score(on_four, values) == 4.0
    assert score(free, values) == pytest.approx(4.88, abs=0.005)
    assert score(policy_from({"id": "p", "method": method}), values) == 1.0


def passes(policy: Policy, values: list[Value]) -> bool:
    track = policy.rule.tracks[0]
    return track.passes(track.method.replay(values))


@pytest.mark.parametrize(
    ("method", "marks", "rounded"),
    [
        ({"type": "mean"}, [3.0] * 21 + [2.0], True),
        ({"type": "mean"}, [3.0] * 3 + [2.0], False),
        ({"type": "mean_of_last", "k": 2, "at_or_above": 3}, [3.0, 2.92], True),
        ({"type": "latest", "and": {"type": "highest"}}, [3.0, 2.96], True),
        ({"type": "streak", "n": 30}, [3.0] * 29, False),
    ],
)
def test_a_score_is_compared_as_it_is_shown_and_pieces_that_are_counted_are_not_rounded_up(
    method: dict[str, object], marks: list[float], rounded: bool
):
    content = {"id": "r", "scale": {"min": 1, "max": 4, "mastery": 3}, "method": method}
    values = [Value(mark, mark >= 3) for mark in marks]

    assert passes(policy_from(content | {"decision": {"rounding": "half_up_1"}}), values) == rounded
    assert not passes(policy_from(content), values)


@pytest.mark.parametrize(
    ("method", "decision"),
    [
        ({"type": "mean"}, {"at_least": 2.5}),
        (
            {"type": "growth_filter", "mu0": 3, "var0": 1, "drift": 0.1, "process_var": 0.03, "obs_var": 0.4, "cut": 3},
            {"min_probability": 0.8},
        ),
    ],
)
def test_a_joined_method_is_asked_for_beside_any_bar_of_the_score(
    method: dict[str, object], decision: dict[str, object]
):
    joined = method | {"and": {"type": "n_of_last", "n": 2, "window": 3, "at_or_above": 3}}
    scale = {"min": 1, "max": 4, "mastery": 3}
    policy = policy_from({"id": "j", "scale": scale, "method": joined, "decision": decision})
    alone = policy_from({"id": "j", "scale": scale, "method": method, "decision": decision})

    assert passes(alone, [Value(4.0, True)])
    assert not passes(policy, [Value(4.0, True)])
    assert passes(policy, [Value(4.0, True), Value(4.0, True)])
    assert not passes(policy, [Value(3.0, True), *[Value(1.0, False)] * 2, Value(3.0, True)])


def test_what_is_left_out_means_no_such_rule():
    policy = policy_from(STREAK)

    assert (policy.sufficiency.min_evidence, policy.sufficiency.min_activities, policy.sufficiency.min_occasions) == (
        1,
        1,
        1,
    )
    assert (policy.decision.latch, policy.upkeep.on_contradiction, policy.gating) == ("current", None, "advisory")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"method": {"type": "bkt", "params": "artefact:bkt/alg1/v3"}}, "/method/params"),
        ({"gating": "hard"}, "/gating"),
        ({"upkeep": {"half_life_days": 30}}, "/upkeep/half_life_days"),
        ({"evidence": {"window": {"enrolment": True}}}, "/evidence/window/enrolment"),
        ({"sign_off": {"by": "teacher", "sample": 0.1}}, "/sign_off/sample"),
        ({"stuck": {"after_opportunities": 10}}, "/stuck"),
    ],
)
def test_what_cannot_be_decided_is_refused_by_name(change: dict[str, object], pointer: str):
    with pytest.raises(InvalidEvent, match="not decided by this version") as refused:
        policy_from(STREAK | change)

    assert refused.value.pointer == pointer


@pytest.mark.parametrize(
    ("content", "pointer"),
    [
        ([], ""),
        ({"id": "s"}, "/method"),
        ({"id": "s", "method": {"type": "magic"}}, "/method"),
        ({"id": "s", "method": {"type": "streak"}}, "/method/n"),
        ({"id": "s", "method": {"type": "streak", "n": "3"}}, "/method/n"),
        (STREAK | {"cheer": 1}, "/cheer"),
        (STREAK | {"id": "a b"}, "/id"),
        ({"id": "s", "method": {"type": "n_of_last", "n": 4, "window": 3, "at_or_above": 1}}, "/method"),
        ({"id": "s", "method": {"type": "n_of_last", "n": 1, "window": "some", "at_or_above": 1}}, "/method/window"),
        ({"id": "s", "method": {"type": "mean", "and": {"type": "sda", "weight": 2}}}, "/method/and/weight"),
        ({"id": "s", "method": {"type": "sda", "weight": 2, "and": {"type": "mean"}}}, "/method/weight"),
        ({"id": "s", "method": BKT | {"p_f": 0.1, "and": {"type": "mean"}}}, ""),
        ({"id": "s", "method": BKT | {"p_f": 0.1}}, ""),
        (STREAK | {"scale": {"min": 1, "max": 4, "mastery": 5}}, "/scale"),
    ],
)
def test_a_faulty_policy_is_refused_with_a_pointer(content: object, pointer: str):
    with pytest.raises(InvalidEvent) as refused:
        policy_from(content)

    assert refused.value.pointer == pointer


@pytest.mark.parametrize("text", [b"[" * 50_000, b"id: x\nmethod: " + b"{" * 50_000, b"{a: " * 12_000])
def test_what_is_nested_without_an_end_is_refused_before_it_is_read(text: bytes):
    """The scanner looks at every open bracket with each token: 50,000 took seconds of a thread."""
    started = time.process_time()
    with pytest.raises(InvalidEvent, match="nested more than 32 deep"):
        read_policy(text)

    assert time.process_time() - started < 0.5


@pytest.mark.parametrize(
    "text", [b"{", b"\xff\xfe", b"- [", b"a: &a [*a]", b"x" * 70_000, b"a: " + b"1:" * 3000 + b"1"]
)
def test_unreadable_text_is_refused(text: bytes):
    with pytest.raises(InvalidEvent):
        read_policy(text)
