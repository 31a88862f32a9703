"""The page that says why, in Spanish: whatever the policy, the evidence and the decisions, no English word is on it."""

import html
import random
import re
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.progression.domain.explanation import explain_key, in_words
from services.progression.domain.policy import read_policy
from services.progression.domain.policy.facts import fact, said
from services.progression.domain.policy.language import Policy
from services.progression.domain.policy.phrases import LANGUAGES, Language, phrases
from services.progression.domain.policy.templates import template
from services.progression.domain.states import Decided, Piece, piece_of
from services.reporting.domain.plain import ESTIMATES, facts_for_families, for_families
from services.reporting.web.rendering import Words, catalogue, render
from shared.contracts import Score
from tests.support.journal import piece
from tests.support.policies import KINDS, policies

ROLES = ("teacher", "school_leader", "case_manager", "counsellor")
LATER = "2026-06-01T10:00:00.000000Z"
ENGLISH = ("is", "and", "more", "pieces")
"""Words that are surely of the catalogue."""


def words_of(texts: Iterable[str]) -> set[str]:
    return set(re.findall(r"[a-záéíóúñü]{2,}", re.sub(r"{[^}]*}", " ", " ".join(texts)).lower()))


BOTH = {"cohen", "compare", "id", "no", "plan", "provisional", "utc"}
"""Words of both languages, and names."""


def words_in(language: Language) -> set[str]:
    return words_of([*catalogue(language).values(), *phrases(language).texts.values()])


ONLY_ENGLISH = words_in("en") - BOTH


def english_on(page: str) -> set[str]:
    """Return the English words that somebody reads on a page, or hears; data is named by what is in no catalogue."""
    page = re.sub(r"<nav .*?</nav>|<style.*?</style>", " ", page, flags=re.DOTALL)
    heard = re.findall(r'(?:aria-label|title|placeholder|data-updated)="([^"]*)"', page)
    return words_of([html.unescape(re.sub(r"<[^>]+>", " ", page)), *heard]) & ONLY_ENGLISH


def of_day(n: int, score: Score, **more: Any) -> Piece:
    return piece_of(piece(n, day=1 + n, score=score, **more))


def why(policy: Policy | None, pieces: list[Piece], decisions: list[Decided], void: list[Piece], *, staff: bool,
        language: Language = "es") -> str:  # fmt: skip
    """Return the page that says why, as progression answers and reporting shows it."""
    told = in_words(
        explain_key(pieces, None if policy is None else policy.rule, decisions, at=LATER, void=void), language
    )
    missing = told["missing"] if staff else facts_for_families(told["missing"], told["missing_facts"])
    found = told | {"competency": "m:x", "policy": policy and {"id": "xx", "version": "0"}}
    return render(
        "why.html", Words(language), signed_in=True, may_find=True, form_key="k", learner="x", name="Xx", title="Xx",
        staff=staff, missing=missing, found=found, may_correct=set(), shows=told_to_families(told["minimal_change"]),
    )  # fmt: skip


def told_to_families(change: dict[str, Any]) -> tuple[str, ...]:
    return facts_for_families([change["shows"]], [change["shows_fact"]]) if change["shows"] else ()


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Piece], list[Decided], list[Piece]]:
    """Draw pieces of every sort, those that are void, and decisions."""
    chance = random.Random(draw(st.integers(0, 10_000)))
    scores = (
        Score(level=1.0),
        Score(level=3.0),
        Score(level=4.0),
        Score(level=9.0),
        Score(level="excused"),
        Score(level="missing"),
    )
    pieces = [
        of_day(n, chance.choice(scores), kind=chance.choice((*KINDS, None)), assisted=chance.random() < 0.1,
                     activity=f"a{chance.randrange(4)}", items=chance.choice((None, 5)))
        for n in range(chance.randrange(9))
    ]  # fmt: skip
    decided = [
        Decided("d0", "sign_off", LATER, by=chance.choice(ROLES)),
        Decided("d1", "override", LATER, by="teacher", status=chance.choice(("mastered", "not_yet"))),
        Decided(
            "d2", "credit", LATER, by="registrar", basis=chance.choice(("transfer", "test_out", "substitution", ""))
        ),
    ]
    split = chance.randrange(len(pieces) + 1) if chance.random() < 0.3 else len(pieces)
    return pieces[:split], [each for each in decided if chance.random() < 0.3], pieces[split:]


def test_no_phrase_was_left_in_english() -> None:
    assert words_in("en") & words_in("es") == BOTH


def test_there_is_english_to_be_found() -> None:
    assert set(ENGLISH) <= ONLY_ENGLISH
    assert english_on("<p>One more piece</p>") == {"one", "more", "piece"}


@settings(max_examples=12, deadline=None)
@given(policy=st.one_of(st.none(), policies()), history=histories(), staff=st.booleans())
def test_no_english_is_on_a_spanish_page(
    policy: Policy | None, history: tuple[list[Piece], list[Decided], list[Piece]], staff: bool
) -> None:
    assert english_on(why(policy, *history, staff=staff)) == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_family_is_told_what_would_show_it_and_when_enough_was_shown_and_no_more(language: Language) -> None:
    """Neither what would take it off again, nor what more tests would not do for what is not shown."""
    policy, words = read_policy(template("classroom")), Words(language)

    def page(*marks: float) -> str:
        return why(
            policy,
            [of_day(n, Score(level=mark)) for n, mark in enumerate(marks)],
            [],
            [],
            staff=False,
            language=language,
        )

    begun, low, shown = page(3.0), page(1.0, 1.0, 1.0), page(3.0, 3.0, 3.0)
    enough = [phrases(language)(f"enough.{how}") for how in ("shown", "open")]

    assert phrases(language)("next_evidence.one", said(AT_3, language)) in begun
    assert words("family.would") in low
    assert words("family.would") not in shown
    assert [words("family.enough") in each for each in (begun, low, shown)] == [False, False, True]
    assert not [each for each in enough if each in begun + low + shown]


AT_3 = fact("listed", fact("at_value", value=3.0), fact("from_other_activity", n=1))


SIGNED = b"""{"id": "p", "scale": {"min": 1, "max": 4, "mastery": 3}, "provisional": {"method": {"type": "mean"}},
    "mastered": {"any_of": [{"sign_off": {"by": "%s", "of": "provisional"}}, {"method": {"type": "median"}}]}}"""


@pytest.mark.parametrize("role", ROLES)
def test_whoever_signs_is_named_in_spanish(role: str) -> None:
    policy = read_policy(SIGNED % role.encode())
    page = why(policy, [of_day(1, Score(level=3.0))], [], [], staff=True)

    assert english_on(page) == set()
    assert f"la firma de {phrases('es').role(role)}" in page


def test_every_fact_is_said_in_both_languages_with_every_value() -> None:
    """Codes are found in the catalogues; names of ours that a phrase takes are said, and none is left as it is written."""
    for name in ("kind_named", "status_named", "basis_named", "latch_named"):
        for language in ("en", "es"):
            assert [key for key in phrases(language).texts if key.startswith(f"{name}.")]
    assert said(fact("piece.of_kind", kind="practice"), "es") == "la evidencia de práctica no cuenta con esta política"
    assert said(fact("piece.of_kind", kind="practice")) == "evidence of kind practice does not count under this policy"


@pytest.mark.parametrize(
    "score", [key.removeprefix("score.") for key in phrases("en").texts if key.startswith("score.")]
)
def test_a_family_is_told_the_same_by_facts_as_by_english(score: str) -> None:
    asked = fact("any_of", fact("together", fact("at_least", score=score, least=0.9)), fact("sign_off", role="teacher"))
    data = {"code": "any_of", "parts": [{"code": "at_least", "values": {"score": score, "least": 0.9}}]}

    assert len(facts_for_families([said(asked, "es")], [data])) == len(for_families([said(asked)]))
    assert (score in ESTIMATES) == (facts_for_families(["x"], [data]) == ())


def test_an_older_answer_without_facts_is_filtered_by_its_words() -> None:
    assert facts_for_families(["an estimated level at 3 or above", "1 more piece"], None) == ("1 more piece",)
