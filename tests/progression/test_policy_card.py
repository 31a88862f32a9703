"""A policy on a card: six sentences without a word of the language, and figures that folding work gives."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.progression.domain.mastery import KeyState, piece_of, replay
from services.progression.domain.policy import Policy, policy_from, read_policy
from services.progression.domain.policy.card import card_of
from services.progression.domain.policy.effort import Pieces, effort_of
from services.progression.domain.policy.facts import said
from services.progression.domain.policy.phrases import LANGUAGES, phrases
from services.progression.domain.policy.templates import NAMES, template
from shared.contracts.internal_events import Score
from tests.support.journal import piece
from tests.support.policies import policies

BASE = {"id": "p", "decision": {"latch": "first_crossing"}}
STREAK = BASE | {"method": {"type": "streak", "n": 3}}


def sentences(policy: Policy) -> tuple[str, ...]:
    return card_of(policy).sentences


def template_of(name: str) -> Policy:
    return read_policy(template(name))


@pytest.mark.parametrize("name", NAMES)
def test_a_card_is_six_sentences_in_plain_words(name: str):
    said = sentences(template_of(name))

    assert len(said) == 6
    for sentence in said:
        assert re.fullmatch(r"[A-Z][^.?!_{}/]*(\d\.\d+[^.?!_{}/]*)*\.", sentence), sentence


def test_the_languages_have_the_same_phrases_with_the_same_places():
    english, spanish = (
        {key: set(re.findall(r"{(\w*)[^}]*}", text)) for key, text in phrases(language).texts.items()}
        for language in LANGUAGES
    )

    assert {key: spanish[key] for key in english} == english
    assert {key.partition(".")[0] for key in spanish.keys() - english.keys()} == {"role"}


@settings(max_examples=15, deadline=None)
@given(policy=st.one_of(st.sampled_from(NAMES).map(template_of), policies()))
def test_every_policy_has_a_card_and_the_spanish_one_says_as_much_and_nothing_in_english(policy: Policy):
    effort = effort_of(policy.rule)
    english, spanish = (card_of(policy, language, effort) for language in ("en", "es"))
    said = [*spanish.sentences, *spanish.asks]
    written = re.findall(r"[a-z]+", " ".join(said).lower())

    assert len(english.sentences) == len(spanish.sentences) == 6
    assert english.asks[-2].startswith("Re-checks a year")
    assert len(spanish.asks) == len(english.asks)
    assert all(sentence.endswith(".") and "_" not in sentence for sentence in (*english.sentences, *said))
    assert not {"the", "of", "and", "or", "is", "with", "pieces", "work", "learner", "mastered", "above"} & set(written)
    for ours, theirs in zip((*english.sentences, *english.asks), said, strict=True):
        assert sorted(_figures(ours)) == sorted(_figures(theirs))


def _figures(sentence: str) -> list[str]:
    """Return the figures of a sentence; those in words are no figures."""
    return re.findall(r"\d+(?:\.\d+)?", sentence)


def test_an_effort_that_is_known_gives_the_same_card():
    policy = template_of("k2")

    assert card_of(policy, "es", effort_of(policy.rule)) == card_of(policy, "es")


def test_the_spanish_classroom_card_says_what_the_template_does():
    said = card_of(template_of("classroom"), "es").sentences

    assert "no cuentan la práctica y las autoevaluaciones" in said[0]
    assert "el último trabajo con 3 o más, y 2 de los últimos 3 trabajos con 3 o más" in said[2]
    assert "cuando un docente lo confirma, o cuando lo hecho muestra un promedio de 3 o más en los últimos 3" in said[3]
    assert "cada estándar prioritario está dominado y el 75 % de los demás estándares" in said[5]


def test_the_classroom_card_says_what_the_template_does():
    said = sentences(template_of("classroom"))

    assert "practice and self-assessments do not" in said[0]
    assert "accommodation always counts in full" in said[0]
    assert "fewer than 8 questions is half a piece" in said[1]
    assert "the latest piece at 3 or above, and 2 of the last 3 pieces at 3 or above" in said[2]
    assert "once a teacher confirms it, or once the work shows an average of the last 3 pieces at 3 or above" in said[3]
    assert "two newer pieces below 3 in a row" in said[4]
    assert "every power standard is mastered and 75 % of the other standards" in said[5]


GROWTH = {"type": "growth_filter", "mu0": 2, "var0": 1, "drift": 0.1, "process_var": 0.03, "obs_var": 0.4, "cut": 3}
IRT = {"type": "irt_eap", "items": {"a": [1, 0], "b": [1, 1]}, "cut": -1}


@pytest.mark.parametrize(
    ("method", "decision", "english", "spanish"),
    [
        (GROWTH, {}, "an estimated level at 3 or above, with a probability of 0.8 or more",
         "un nivel estimado de 3 o más, con una probabilidad de 0.8 o más"),
        (IRT, {"min_probability": 0.9}, "an estimated ability at -1 or above, with a probability of 0.9 or more",
         "una capacidad estimada de -1 o más, con una probabilidad de 0.9 o más"),
        ({"type": "beta_binomial", "prior": [1, 1], "cut": 0.7}, {},
         "an estimated share of right answers at 0.7 or above, with a probability of 0.8 or more",
         "una parte estimada de aciertos de 0.7 o más, con una probabilidad de 0.8 o más"),
        ({"type": "cusum", "p0": 0.5, "p1": 0.9, "bar": 2.08}, {},
         "a sum of right over wrong answers, as a share of 2.08, at 1 or above",
         "una suma de aciertos menos errores, como parte de 2.08, de 1 o más"),
    ],
)  # fmt: skip
def test_what_a_score_is_a_probability_or_a_share_of_is_said(
    method: dict[str, object], decision: dict[str, object], english: str, spanish: str
):
    policy = policy_from(
        {"id": "p", "scale": {"min": 1, "max": 4, "mastery": 3}, "method": method, "decision": decision}
    )
    asked = policy.rule.tracks[0].asked

    assert (said(asked), said(asked, "es")) == (english, spanish)
    assert f"once the work shows {english}" in sentences(policy)[3]


def test_paths_that_differ_in_one_kind_of_work_are_one_way():
    assert "a test or a performance task" in sentences(template_of("credit"))[3]
    assert sentences(template_of("credit"))[3].count("once") == 1


@pytest.mark.parametrize(
    ("name", "provisional", "mastered", "signed"),
    [
        ("k2", 1, 2, ()),
        ("classroom", 2, 3, ()),
        ("credit", 2, 3, ("teacher",)),
        ("performance", 1, 2, ("teacher",)),
        ("practice", 5, 6, ()),
        ("canvas-compat", None, 1, ()),
    ],
)
def test_the_fewest_pieces_are_those_of_the_table(
    name: str, provisional: int | None, mastered: int, signed: tuple[str, ...]
):
    effort = effort_of(template_of(name).rule)

    assert (effort.provisional.fewest if effort.provisional is not None else None) == provisional
    assert (effort.mastered.fewest, effort.signed) == (mastered, signed)


def test_typical_pieces_follow_from_the_chance_of_a_right_answer():
    """At 0.8 right, 3 in a row take 3 pieces in 51 % of the cases, at most 7 in 87 % and at most 8 in 91 %."""
    assert effort_of(policy_from(STREAK).rule).mastered == Pieces(3, 3, 8)


def test_a_stricter_rule_takes_more_pieces():
    four, eight = (
        effort_of(policy_from(STREAK | {"method": {"type": "streak", "n": n}}).rule).mastered for n in (4, 8)
    )

    assert four.typical is not None
    assert eight.typical is not None
    assert four.typical < eight.typical
    assert four.fewest == 4


def test_a_confirming_latch_takes_a_piece_more():
    confirmed = policy_from(STREAK | {"decision": {"latch": "confirm", "confirm_on": 2}})

    assert effort_of(confirmed.rule).mastered.fewest == 5
    assert "and two further pieces of work agree" in sentences(confirmed)[3]


def test_what_is_more_than_is_tried_is_said_so():
    effort = effort_of(policy_from(STREAK | {"method": {"type": "streak", "n": 60}}).rule)

    assert effort.mastered == Pieces(60, None, None)


@pytest.mark.parametrize(
    ("upkeep", "expected"),
    [({}, 0.0), ({"reverify_after_days": 400}, 0.0)],
)
def test_without_upkeep_nothing_is_re_checked(upkeep: dict[str, int], expected: float):
    assert effort_of(policy_from(STREAK | {"upkeep": upkeep}).rule).rechecks_a_year == expected


def test_a_start_on_what_builds_on_it_asks_by_the_marks_that_it_has():
    """Of five pieces of a typical learner one is below the cut: the first two are in one start of 25."""
    policy = policy_from(STREAK | {"upkeep": {"check_in_by_use": True}})

    assert effort_of(policy.rule).rechecks_a_year == pytest.approx(0.04, abs=0.04)
    assert effort_of(policy.rule).rechecks_a_year > 0
    assert "two first pieces below the goal on what builds on it" in sentences(policy)[4]
    assert "a start on one standard that builds on it" in card_of(policy).asks[-2]
    assert "dos primeros trabajos" in card_of(policy, "es").sentences[4]


def test_re_checks_by_date_are_counted_between_the_pieces_of_a_year():
    """A piece at the cut every 30 days starts the 20 school days anew: all twelve fall due before it."""
    certain = policy_from(
        BASE
        | {
            "scale": {"min": 0, "max": 1, "mastery": 1e-9},
            "method": {"type": "latest"},
            "upkeep": {"reverify_after_days": 20},
        }
    )

    assert effort_of(certain.rule).rechecks_a_year == pytest.approx(12)


def test_a_stricter_contradiction_asks_for_fewer_re_checks():
    one, two = (
        effort_of(policy_from(STREAK | {"upkeep": {"on_contradiction": {"last": n, "below": 1}}}).rule).rechecks_a_year
        for n in (1, 2)
    )

    assert one == pytest.approx(12 * 0.2, rel=0.15)
    assert 0 < two < one / 3


def test_the_fewest_pieces_of_the_card_are_what_the_fold_takes():
    policy = template_of("classroom")
    fewest = effort_of(policy.rule).mastered.fewest
    assert fewest is not None
    work = [piece_of(piece(n, day=n, score=Score(level=4.0), activity=f"t-{n}")) for n in range(1, fewest + 1)]

    assert replay(KeyState(), work, policy.rule, "").crossed_at is not None
    assert replay(KeyState(), work[:-1], policy.rule, "").crossed_at is None


def test_a_card_says_when_an_adult_is_asked_to_help():
    found = [line for line in card_of(read_policy(template("classroom"))).asks if line.startswith("An adult")]
    plain = card_of(policy_from(STREAK)).asks

    assert found == [
        "An adult is asked to help after five pieces of work of which none of the last three is at the goal, 10 items of"
        " practice on two days without the goal, five school days without a confirmation that alone is missing, ten school"
        " days without a place on a level that is ready or ten school days without a grade of work that was handed in."
    ]
    assert not [line for line in plain if "adult" in line]
