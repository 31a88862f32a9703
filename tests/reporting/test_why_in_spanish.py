"""The pages that say why, in Spanish: whatever the policy, the evidence and the decisions, no English word is on them."""

import html
import random
import re
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.progression.domain.amending import MOVED
from services.progression.domain.checking_in import BEGUN, OVER
from services.progression.domain.describing import describe
from services.progression.domain.explanation import explain_key, in_words
from services.progression.domain.mastery import KeyState, replay
from services.progression.domain.policy import read_policy
from services.progression.domain.policy.facts import fact, said
from services.progression.domain.policy.language import Policy
from services.progression.domain.policy.phrases import LANGUAGES, Language, phrases
from services.progression.domain.policy.templates import template
from services.progression.domain.states import Decided, Piece, piece_of
from services.progression.domain.telling import WHY
from services.progression.domain.transitions import ANOTHERS, CLOCK_REASONS, POLICY_REASONS, REASONS
from services.reporting.domain.continuum import Standard
from services.reporting.domain.plain import ESTIMATES, facts_for_families, for_families
from services.reporting.domain.record import learner_record
from services.reporting.domain.timeline import Happened
from services.reporting.handlers.signing_off import UNDONE
from services.reporting.web.rendering import Words, catalogue, render
from shared.contracts.internal_events import MasteryUpdated, Score
from tests.support.journal import piece
from tests.support.policies import KINDS, policies

ROLES = ("teacher", "school_leader", "case_manager", "counsellor")
LATER = "2026-06-01T10:00:00.000000Z"
ENGLISH = ("is", "and", "more", "pieces")
"""Words that are surely of the catalogue."""


def words_of(texts: Iterable[str]) -> set[str]:
    return set(re.findall(r"[a-záéíóúñü]{2,}", re.sub(r"{[^}]*}", " ", " ".join(texts)).lower()))


BOTH = {"cohen", "compare", "id", "individual", "no", "plan", "provisional", "utc"}
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
        "why.html", Words(language), signed_in=True, may_find=True, form_key="k", person=[], learner="x", name="Xx", title="Xx",
        staff=staff, missing=missing, found=found, may_correct=set(), shows=told_to_families(told["minimal_change"]),
        plans=[],
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


OF_EVENTS = [
    *REASONS.values(), *POLICY_REASONS.values(), *CLOCK_REASONS.values(), ANOTHERS, MOVED["text"], UNDONE,
    *(text for kind, text in WHY.items() if not kind.startswith("support.")),
    "success on m:x", "m:x was shown", "m:x no longer credits it",
    "success on m:x is there no more",
    BEGUN.format("m:x"), OVER.format("m:x"),
]  # fmt: skip


def stands(policy: Policy | None, pieces: list[Piece], decisions: list[Decided], at: str = LATER) -> MasteryUpdated:
    """Return the state that progression tells, aged to an instant."""
    pin = "" if policy is None else policy.hash
    state = replay(KeyState(), pieces, None if policy is None else policy.rule, pin, decisions)
    state.clock = at
    return describe(("t", "x", "m:x"), state, {} if policy is None else {pin: policy})


def learner(state: MasteryUpdated, reasons: Iterable[str] = (), language: Language = "es") -> str:
    """Return the page of a learner with one state, and events with reasons."""
    record = learner_record("x", [state], [Standard("m", "x", "Xx", 0, "1", "Mm")], {})
    happened = [Happened("e", "x", "competency.mastered", "m:x", "Xx", LATER, LATER, reason, 1) for reason in reasons]
    return render(
        "learner.html", Words(language), signed_in=True, may_find=True, form_key="k", person=[], record=record, grown=None,
        name="Xx", owners={}, staff_names={},
        live="/live", requests=[], terms=[], plans=[], spared=[], sees_why=True, enough=set(), would={}, shows={},
        happened=happened, support=[], may_answer=True,
    )  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(policy=st.one_of(st.none(), policies()), history=histories())
def test_no_english_is_on_the_spanish_page_of_a_learner(
    policy: Policy | None, history: tuple[list[Piece], list[Decided], list[Piece]]
) -> None:
    state = stands(policy, history[0], history[1])

    assert english_on(learner(state, OF_EVENTS)) == set()
    assert Words("es").stands(state.why, state.missing)
    assert state.why in html.unescape(learner(state, language="en"))


SIGNED_UNTIL_MARCH = Decided("d", "override", "2026-03-01T00:00:00.000000Z", by="teacher", status="mastered",
                             until="2026-03-20T00:00:00.000000Z")  # fmt: skip


@pytest.mark.parametrize(
    ("marks", "decided", "expected"),
    [
        ([], [], "No hay evidencia válida registrada."),
        ([3], [], "Todavía hace falta: 1 evidencia más; 1 actividad distinta más; 1 día distinto más."),
        ([1, 1, 1], [], "Evidencias: 3; aún no se cumple la regla de la política classroom."),
        ([3, 3], [], "Provisional desde el 2 mar 2026; para el dominio: la firma de: docente, o bien 1 evidencia más."),
        ([3, 3, 3], [], "Demostrado el 3 mar 2026 según la regla de la política classroom."),
        ([3, 3, 3, 1, 1], [], "Demostrado el 3 mar 2026 según la regla de la política classroom; evidencia más reciente pide "
                              "comprobarlo."),
        ([3], [SIGNED_UNTIL_MARCH], "Venció lo que fijó una persona, y toca comprobarlo."),
        ([], [Decided("d", "presume", LATER)], "Supuesto por el nivel en que se ubicó, hasta que hable la evidencia."),
    ],
)  # fmt: skip
def test_a_status_says_why_in_spanish_with_all_that_it_says_in_english(
    marks: list[float], decided: list[Decided], expected: str
) -> None:
    policy = read_policy(template("classroom"))
    state = stands(policy, [of_day(n, Score(level=float(mark))) for n, mark in enumerate(marks)], decided)

    assert expected in html.unescape(learner(state))


def test_what_nobody_knows_to_say_is_left_out_and_what_a_person_wrote_is_not() -> None:
    state = stands(None, [], [])
    page = learner(
        msgspec.structs.replace(state, why="Mastered, says an older version."), ["Seen at the board & at home"]
    )

    assert "older version" not in page
    assert "Seen at the board &amp; at home" in page
    assert [text for text in OF_EVENTS if Words("es").reason(text) == text] == []
    assert [text for text in OF_EVENTS if Words("en").reason(text) != text] == []


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
