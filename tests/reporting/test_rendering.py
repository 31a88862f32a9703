"""Pages from templates: every text in every language, plain words for families, and data that stays data."""

import re
from typing import Any

import msgspec
import pytest

from services.progression.domain.policy import read_policy
from services.progression.domain.policy.facts import said
from services.progression.domain.policy.members import Decision
from services.progression.domain.policy.words import rule_fact
from services.progression.domain.states import KeyState
from services.progression.domain.sufficiency import lacks
from services.reporting.domain.amended import (
    LEVEL_STATUSES,
    Amendment,
    Cause,
    TermClass,
    TermLevel,
    TermRecord,
    amended_cells,
    level_grid,
    lines_of,
)
from services.reporting.domain.compared import compared
from services.reporting.domain.completeness import DistrictCompleteness, SchoolCompleteness, SchoolShare
from services.reporting.domain.continuum import Standard
from services.reporting.domain.counting import SchoolCompetency, SchoolMastery, class_mastery
from services.reporting.domain.digest import shown_since
from services.reporting.domain.equity import DistrictEquity, Gap, Group, Middle
from services.reporting.domain.growth import growth
from services.reporting.domain.levels import DistrictLevels, SchoolLevel, SchoolLevels
from services.reporting.domain.marks import marks_of
from services.reporting.domain.needs import Waits, class_needs
from services.reporting.domain.own_growth import DistrictGrowth, LearnerGrowth, OwnSchoolGrowth, SchoolGrowth
from services.reporting.domain.plain import for_families
from services.reporting.domain.record import Statement, learner_record
from services.reporting.domain.review_requests import ReviewRequest
from services.reporting.domain.shares import Share, share
from services.reporting.domain.term_places import TermSchool
from services.reporting.domain.testing import DistrictTesting
from services.reporting.domain.timeline import Happened
from services.reporting.domain.waiting import QUEUES
from services.reporting.domain.watch import DepthShown, DistrictWatch, SchoolWatch
from services.reporting.domain.whom_to_ask import Contact
from services.reporting.web.rendering import LANGUAGES, WEB, Words, catalogue, choose_language, line_points, render
from shared.contracts.internal_events import STATUSES
from tests.reporting.builders import SHOWN_AT, state

EVIL = "<script>alert(1)</script>"
TEMPLATES = "".join(file.read_text() for file in (WEB / "templates").glob("*.html"))
SHOWN_DAYS = [f"2026-0{month}-03T10:00:00.000000Z" for month in range(1, 8)]


COMPARISON: dict[str, Any] = {
    "learners": 40, "pairs": 80, "gained": 12, "lost": 3, "redated": 0,
    "schools": [{"school": "s1", "learners": 40, "gained": 12, "lost": None}],
    "groups": [{"group": EVIL, "value": "unknown", "learners": None, "gained": None, "lost": None}],
    "levels": {
        "learners": 40, "learners_gaining": 11, "learners_losing": None,
        "schools": [{"school": "s1", "learners": 40, "gained": 11, "lost": None}], "groups": [],
    },
}  # fmt: skip


def source_of_evidence(source: str, since: str | None = "2026-03-06") -> dict[str, Any]:
    sent = {"accepted": 412, "duplicate": 20, "parked": 3, "rejected": 0}
    return {"source": source, "last_evidence": since, "usual_gap": None if since is None else 1.5, "silent_since": since,
            "waiting": {"parked": 3, "quarantined": 1, "unaligned": 2}, "sent": sent}  # fmt: skip


def record() -> Any:
    standards = [Standard("m", code, f"Title of {code} {EVIL}", n, "1", "Mathematics") for n, code in enumerate("abc")]
    states = [state("ada", "m:a"), state("ada", "m:b", "not_yet"), state("ada", "m:c", "reverify_due")]
    stated = [Statement("r4", "m:c", EVIL, SHOWN_AT, "learner"), Statement("r5", EVIL, EVIL, SHOWN_AT, "guardian")]
    return learner_record("ada", states, standards, {"m:b": ["m:a"]}, titles={}, statements=stated)


LEVEL = "m#Mathematics/1"
AMENDMENTS = [
    Amendment("e1", "ada", kind, scope, EVIL, before, after, SHOWN_AT, SHOWN_AT, EVIL, Cause("retraction", "r"), "1b")
    for kind, scope, before, after in (
        ("competency", "m:a", "mastered", "not_yet"), ("competency", "m:z", "not_yet", "credited"),
        ("level", LEVEL, "advanced", "withdrawn"),
    )
]  # fmt: skip
STANDS = [TermLevel(LEVEL, "m", EVIL, "advanced", SHOWN_AT, "e2")]
TERM = TermRecord(EVIL, SHOWN_AT, "ada", "d1ge57", record().items, STANDS, AMENDMENTS, record().statements)
TERM_CLASS = TermClass(
    EVIL, SHOWN_AT, class_mastery("c", EVIL, {"ada": {"m:a": "mastered"}}, order=["m:a"], titles={"m:a": EVIL}),
    {"ada": STANDS}, AMENDMENTS,
)  # fmt: skip


def context(template: str) -> dict[str, Any]:
    around: dict[str, Any] = {"signed_in": True, "may_find": True, "form_key": "k", "person": ["p"], "now": SHOWN_AT}
    waits = {
        "learner": "ada",
        "kind": "level",
        "id": "m#Maths/1",
        "since": SHOWN_AT,
        "late": True,
        "value": "ada|level",
        "role": "teacher",
    }
    signing = {
        "class_id": "c", "title": EVIL, "items": [waits], "names": {"ada": EVIL},
        "shows": {"ada|level": {"title": None, "shown": [(EVIL, "mastered"), (EVIL, "no_evidence")]}},
    }  # fmt: skip
    waiting = Waits("ada", "review", "m#Maths/1", EVIL, SHOWN_AT, 3, "2026-03-01", True, "leader", ())
    asked = Waits(
        "ada", "support", "m:b", EVIL, SHOWN_AT, 3, "2026-03-11", True, "school_office", (EVIL,), "school", "ungraded",
        SHOWN_AT, "m:a", EVIL, "teacher",
    )  # fmt: skip
    by_family = Waits("ada", "asked", "m:b", EVIL, SHOWN_AT, 3, None, False, "teacher", (EVIL,), asked_as="guardian")
    requests = [
        ReviewRequest("r1", "m:b", EVIL, SHOWN_AT, "guardian", EVIL, None, None, None),
        ReviewRequest("r2", "m:c", EVIL, SHOWN_AT, "learner", None, SHOWN_AT, "teacher", EVIL),
        ReviewRequest(
            "r3", "m:c", EVIL, SHOWN_AT, "learner", None, SHOWN_AT, "teacher", EVIL, refused=True, may_state=True
        ),
        ReviewRequest(
            "r4",
            "m:c",
            EVIL,
            SHOWN_AT,
            "learner",
            None,
            SHOWN_AT,
            "teacher",
            EVIL,
            True,
            EVIL,
            SHOWN_AT,
            "learner",
            True,
        ),
    ]
    response = {"in_days": 90, "answered": 2, "median_school_days": 2.5}
    queues: list[dict[str, Any]] = [
        {
            "queue": queue,
            "waiting": n,
            "learners": n,
            "new_in_week": 0,
            "new_in_month": 1,
            "overdue": n % 2,
            "oldest_days": n,
            "owners": {},
            "response": response,
        }
        for n, queue in enumerate(QUEUES)
    ]
    found = record()
    learner = {"record": found, "grown": growth(SHOWN_DAYS, 5), "name": EVIL, "live": "/live?learner=ada", "requests": requests,
               "terms": [{"term": EVIL, "closed_at": SHOWN_AT}],
               "plans": [{"competency": "m:b", "title": EVIL, "kind": kind, "instead": "x:y", "instead_title": EVIL, "pieces": 2,
                          "days": 30, "accommodations": [EVIL], "review_at": "2026-09-30", "overdue": kind == "exempt"}
                         for kind in ("accommodate", "extend", "substitute", "exempt")],
               "spared": ["m:b"], "sees_why": True,
               "enough": {"m:a"}, "would": {"m:b": EVIL}, "shows": {"m:b": (EVIL,)}}  # fmt: skip
    event = Happened("e", "ada", "level.advanced", "m#Maths/1", EVIL, SHOWN_AT, SHOWN_AT, EVIL, 1, "t-1")
    more: dict[str, dict[str, Any]] = {
        "sign_in.html": {"refused": "sign_in.refused", "to": "/", "signed_in": False, "may_find": False, "provider": True,
                         "ends_at": EVIL},
        "problem.html": {"kind": "unsent", "field": EVIL},
        "home.html": {
            "queues": queues, "places": [("/schools/s", EVIL)], "children": [("ada", EVIL)],
            "districts": [{"district": "d", "title": EVIL, "schools": 2}],
            "classes": [{"class": "c", "title": EVIL, "subject": None, "school_title": EVIL, "school": "s", "learners": 1}],
        },
        "digest.html": {
            "paths": {("class", "c"): "/classes/c"}, "names": {"ada": EVIL}, "week": 7, "month": 30,
            "digest": {
                "day": "2026-03-09",
                "places": [{"kind": kind, "id": kind[:1], "title": EVIL, "queues": queues if kind != "school" else []}
                           for kind in ("class", "school", "learners", "tenant")],
                "children": [{"learner": "ada", "shown": shown_since(found, {}, "2026")}, {"learner": "bo", "shown": []}],
            },
        },
        "find.html": {"q": EVIL, "found": [{"learner": "ada", "name": EVIL, "source_id": "1", "source": EVIL}]},
        "learner.html": learner | {
            "happened": [event], "support": [asked], "may_answer": True, "owners": {("ada", "leader"): [EVIL]},
            "staff_names": {"t-1": EVIL},
        },
        "family.html": learner | {
            "missing": {item.competency: for_families(item.missing) for item in found.items},
            "may_ask": True, "looks": [{"at": SHOWN_AT, "role": "teacher", "person": EVIL}],
            "told": [
                {"via": via, "day": day, "since": SHOWN_AT, "name": EVIL, "purpose": purpose, "events": 2}
                for via, day, purpose in (("feed", "2026-03-02", EVIL), ("kafka", None, ""), ("standings", "2026-03-02", ""))
            ],
            "ask": [Contact(EVIL, "teacher", (EVIL,)), Contact("t-1", "case_manager", ())], "staff_names": {"t-1": EVIL},
        },
        "why.html": {
            "plans": learner["plans"],
            "learner": "ada", "name": EVIL, "title": EVIL, "staff": True, "missing": [EVIL],
            "shows": [EVIL], "may_correct": {"e"},
            "found": {
                "status": "mastered", "competency": "m:a", "policy": {"id": EVIL, "version": "1"}, "missing": [EVIL],
                "evidence": [
                    {"occurred_at": SHOWN_AT, "value": 3.0, "counted": False, "why_not": EVIL, "evidence_id": "e"}
                ],
                "trace": [{"met": True, "asks": EVIL, "found": EVIL}], "minimal_change": {"text": EVIL},
                "enough": EVIL,
            },
        },
        "class.html": {
            "grid": class_mastery("c", EVIL, {"ada": {"m:a": "mastered"}}, order=["m:a"], titles={"m:a": EVIL}),
            "needs": class_needs("c", EVIL, {"ada": {}}, [Standard("m", "a", EVIL, 1, "1", "M")], {}, [waiting, asked]),
            "owners": {("ada", "leader"): [EVIL]}, "attention": [[waiting], [by_family], [asked] * 4],
            "shown": {"m:a": 1}, "names": {"ada": EVIL}, "live": "/live?class_id=c",
            "writes": {"capture", "sign_off", "correct"}, "sees_why": True, "terms": [{"term": EVIL, "closed_at": SHOWN_AT}],
        },
        "term_learner.html": {
            "found": TERM, "lines": lines_of(TERM), "name": EVIL, "staff": True
        },
        "term_class.html": {
            "found": TERM_CLASS, "grid": TERM_CLASS.mastery, "levels": [LEVEL], "names": {"ada": EVIL},
            "stands": level_grid(TERM_CLASS)[1], "amended": amended_cells(TERM_CLASS),
        },
        "term_places.html": {
            "found": TERM_SCHOOL, "place": "schools/s", "statuses": ["mastered", "not_yet"], "amended": {"m:a": None},
        },
        "capture.html": {
            "class_id": "c", "title": EVIL, "standards": [Standard("m", "a", EVIL, 1, "1", "M")], "done": "e",
            "chosen": [(Standard("m", "a", EVIL, 1, "1", "M"), marks_of(None)),
                       (Standard("m", "b", EVIL, 2, "1", "M"), SCALE)],
            "learners": [("ada", EVIL)], "stands": {("ada", "m:a"): "mastered"}, "fresh": lambda: "id",
        },
        "policies.html": {"staff": True, "staff_names": {"b": EVIL}, "policies": [
            {"id": EVIL, "version": "v", "sentences": [EVIL] * 6, "asks": [EVIL], "adoption": None},
            {"id": "p", "version": "v", "sentences": [], "asks": [], "adoption": {
                "proposed_by": EVIL, "approved_by": "b", "approved_at": SHOWN_AT, "mode": "retroactive", "reason": EVIL,
                "expected": {"attain.competency.mastered.v1": 3}, "comparison": None,
            }},
            {"id": "q", "version": "v", "sentences": [], "asks": [], "adoption": {
                "proposed_by": "a", "approved_by": "b", "approved_at": SHOWN_AT, "mode": "retroactive", "reason": EVIL,
                "expected": {}, "comparison": compared(COMPARISON, {"s1": EVIL}, 10), "now_because": EVIL,
            }},
        ]},
        "sign_offs.html": signing,
        "sign_offs_preview.html": signing,
        "signed.html": signing | {"undo": "sealed"},
        "correction.html": {
            "learner": "ada", "name": EVIL, "evidence_id": "e", "titles": {"m:a": EVIL}, "to": "", "to_name": EVIL,
            "around": [(EVIL, EVIL)], "assessor": EVIL,
            "piece": {"source": EVIL, "content": {
                "occurred_at": SHOWN_AT, "competencies": ["m:a", "m:b"], "score": {"raw": 3, "max": 4}, "kind": EVIL
            }},
            "found": {
                "statuses": [{"competency": "m:a", "before": "mastered", "after": "provisional"}],
                "events": [{"type": "attain.competency.withdrawn.v1", "scope": {"title": EVIL, "id": "m:a"},
                            "reason": {"text": EVIL}}],
            },
        },
        "school.html": {
            "queues": queues,
            "levels": SchoolLevels("s", EVIL, "d", SHOWN_AT, 10, [
                SchoolLevel("m", EVIL, "1", {"none": 0, "begun": None, "complete": None})
            ]),
            "growth": OwnSchoolGrowth("d", SHOWN_AT, 10, 30, "2026-01-22", "2025-12-01", GROWN), "sees_learners": True,
            "completeness": SchoolShare("2026-02-05", 20, "America/Chicago", SchoolCompleteness("s", EVIL, 100, 88, 12)),
            "terms": [], "days": {"levels": "2026-03-04", "growth": "2026-03-04"},
        },
        "school_growth.html": {
            "school": EVIL, "titles": {"m:a": EVIL}, "names": {"l": EVIL}, "school_days": 30,
            "page": {"items": [LearnerGrowth("l", 3, 1, 2, ["m:a"]), LearnerGrowth(EVIL, 1, 0, None, [])], "next": EVIL},
        },
        "district.html": {
            "growth": DistrictGrowth("d", SHOWN_AT, 10, 30, "2026-01-22", "2025-12-01", GROWN, [GROWN, HIDDEN]),
            "district": "d", "live": "/live?district=d", "title": EVIL, "learners": 100, "queues": queues,
            "terms": [{"term": EVIL, "closed_at": SHOWN_AT, "closed_by": "a", "complete": True}],
            "levels": DistrictLevels("d", SHOWN_AT, 10, []),
            "days": dict.fromkeys(("levels", "testing", "watch", "completeness", "growth", "equity"), "2026-03-04"),
            "testing": DistrictTesting("d", SHOWN_AT, 10, 100, 20, 0.2, 3.0, 30),
            "watch": DistrictWatch(
                "d", SHOWN_AT, 10, [
                    SchoolWatch("s", EVIL, 20, Share(0.5, 0.4, 0.6), None, None, None, DepthShown(0.25, 0.2, 0.3, 5, 20, 7)),
                    SchoolWatch("t", EVIL, 20, None, None, None, None, DepthShown(None, None, None, 0, 0, None)),
                    SchoolWatch("u", EVIL, None, None, None, None, None, None),
                ]
            ),
            "completeness": DistrictCompleteness("d", SHOWN_AT, 10, 20, "", None, "2026-02-05", [
                SchoolCompleteness("s", EVIL, 100, 88, 12), SchoolCompleteness("t", EVIL, None, None, None),
            ]),
            "sources": {"days": 28, "next": EVIL, "items": [source_of_evidence(EVIL), source_of_evidence("", since=None)]},
            "equity": DistrictEquity("d", SHOWN_AT, 10, "g", ["g"], EVIL, [
                Group("other", 20, {}, share(5, 20), None, 2.0, None, None, None, None, Gap(-0.25, -0.5, 0, -0.52, None)),
                Group(EVIL, 20, {"mastered": share(10, 20)}, share(10, 20), Middle(9, 8, None, 40, 30), 3.0, 0.1,
                      Middle(None, None, None, 4, None), None, None),
                Group("", None, None, None, None, None, None, None, None, None),
            ]),
        },
    }  # fmt: skip
    return around | more[template]


TERM_SCHOOL = TermSchool(
    EVIL, SHOWN_AT,
    SchoolMastery("s", EVIL, "d", "2026-03-04", 10, 100, [
        SchoolCompetency("m:a", EVIL, {"mastered": 60, "not_yet": None}), SchoolCompetency("m:b", None, {"mastered": 40}),
    ]),
    [SchoolLevel("m", EVIL, "1", {"none": 0, "begun": None, "complete": None})], [],
)  # fmt: skip
GROWN = SchoolGrowth("s", EVIL, 100, 41, 30, 17, 12, -0.5, 38)
HIDDEN = SchoolGrowth("t", EVIL, None, None, None, None, None, None, None)
PAGES = ("sign_in.html", "problem.html", "home.html", "find.html", "learner.html", "family.html", "why.html", "class.html",
         "district.html", "school.html", "school_growth.html", "digest.html",
         "capture.html", "sign_offs.html", "sign_offs_preview.html", "signed.html",
         "correction.html", "policies.html", "term_learner.html", "term_class.html", "term_places.html")  # fmt: skip
SCALE = marks_of({"min": 1, "max": 3, "step": 1, "labels": {"3": EVIL}})


EVERYTHING_ASKED = b"""{
    "id": "all", "method": {"type": "streak", "n": 3}, "sufficiency": {
        "min_evidence": 4, "min_activities": 3, "min_occasions": 3, "min_assessors": 2, "min_items": 9,
        "kinds_all": ["observation", "summative"]}}"""


def test_days_are_local_ones() -> None:
    """Also in the sentence of a state that an earlier version told, which names the day of UTC."""
    at, why = "2026-03-05T03:00:00.000000Z", "Shown on 2026-03-05 by the rule of policy p."
    english, spanish = [Words(language).within("America/Los_Angeles") for language in ("en", "es")]

    assert (Words("en").day(at), english.day(at), english.day("2026-03-05")) == (
        "5 Mar 2026",
        "4 Mar 2026",
        "5 Mar 2026",
    )
    assert english.stands(why, [], at) == "Shown on 2026-03-04 by the rule of policy p."
    assert "4 mar 2026" in spanish.stands(why, [], at)
    assert english.stands("No valid evidence is on record.", [], None) == "No valid evidence is on record."


def test_what_is_missing_is_said_in_the_readers_language() -> None:
    words = Words("es")
    lacking = [said(lack.fact) for lack in lacks(KeyState(), read_policy(EVERYTHING_ASKED).rule.tracks[0])]

    assert len(lacking) == 7
    assert [words.wanted(sentence) for sentence in lacking] == [
        "4 evidencias más", "3 actividades distintas más", "3 días distintos más", "2 personas más que evalúen",
        "9 preguntas más", "una evidencia de observación", "una evidencia de evaluación final",
    ]  # fmt: skip
    assert [Words("en").wanted(sentence) for sentence in lacking] == lacking


def test_ways_to_what_is_missing_are_joined_and_what_has_no_words_is_the_rules() -> None:
    words = Words("es")

    assert words.wanted("1 more other day and a sign-off by a case manager, or 3 correct in a row") == (
        "1 día distinto más y la firma de: responsable del caso, o bien lo que pide la regla; su docente lo explica"
    )
    assert words.wanted("2 more pieces at depth of knowledge 3") == "2 evidencias más de profundidad 3"
    assert words.wanted("2 more dragons") == "lo que pide la regla; su docente lo explica"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("template", PAGES)
def test_every_page_is_made_in_every_language_and_data_never_becomes_markup(template: str, language: str) -> None:
    page = render(template, Words(language), **context(template))

    assert f'<html lang="{language}">' in page
    assert page.count("<main") == page.count("</main>") == 1
    assert "<h1>" in page
    assert EVIL not in page
    assert not re.search(r"\son\w+=|style=|javascript:", page)
    assert len(re.findall("<form[^>]*method=.post", page)) == page.count('name="form" value="k"') + page.count(
        'id="sign-in"'
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_move_is_shown_for_both_learners(language: str) -> None:
    given = context("correction.html")
    found = given["found"] | {"to": {"statuses": given["found"]["statuses"], "events": []}}
    page = render("correction.html", Words(language), **(given | {"to": "bo", "to_name": EVIL, "found": found}))

    assert EVIL not in page
    assert [page.count(text) for text in ('aria-labelledby="changes"', 'aria-labelledby="arrives"', "<select")] == [
        1,
        1,
        0,
    ]
    assert 'action="/learners/ada/evidence/e/move"' in page


def test_a_comparison_tells_schools_by_title_and_no_small_number() -> None:
    told = compared(COMPARISON, {"s1": "North"}, 10)
    few = compared(COMPARISON | {"learners": 9}, {}, 10)
    strict = compared(COMPARISON, {}, 25)
    hidden = compared(COMPARISON | {"gained": None}, {}, 10)
    page = re.sub(r"<[^>]+>", " ", render("policies.html", Words("en"), **context("policies.html")))

    assert (told["gained"], told["lost"], told["redated"], told["learners"]) == (12, None, 0, 40)
    assert told["splits"][0] == ("", [{"name": "North", "learners": 40, "gained": 12, "lost": None}])
    assert (strict["gained"], hidden["gained"]) == (None, None)
    assert [few[what] for what in ("learners", "pairs", "gained", "lost", "redated")] == [None] * 5
    assert re.search(
        r"80 standards of 40 learners.*12\s+go on the record.*\*\s+too few to tell\s+would not be on the record",
        page,
        re.DOTALL,
    )


def test_what_is_taken_off_the_record_is_said_without_a_cause() -> None:
    """It is taken off by corrections, by holds, by a person's undoing and by policies; the sentence behind it says by which."""
    happened = Happened("e", "ada", "competency.withdrawn", "m:a", "One", SHOWN_AT, SHOWN_AT, "it was copied", 1, "t-1")
    given = context("learner.html") | {"happened": [happened]}

    assert "Taken off the record:" in render("learner.html", Words("en"), **given)
    assert "Retirado del registro:" in render("learner.html", Words("es"), **given)


def test_what_is_answered_says_which_of_two_suggestions_on_a_competency_it_is_about() -> None:
    given = context("learner.html")
    [asked] = given["support"]
    both = [msgspec.structs.replace(asked, cause=cause) for cause in ("ungraded", "work_below_the_cut")]
    page = render("learner.html", Words("en"), **given | {"support": both})

    assert re.findall(r'name="cause" value="(\w+)"', page) == ["ungraded", "work_below_the_cut"]


def test_the_catalogues_have_the_same_keys_and_places() -> None:
    english, spanish = catalogue("en"), catalogue("es")

    assert english.keys() == spanish.keys()
    for key, text in english.items():
        assert sorted(re.findall(r"{\w+}", text)) == sorted(re.findall(r"{\w+}", spanish[key])), key


def test_every_key_that_templates_and_domain_name_is_there() -> None:
    named = set(re.findall(r"words\('([\w.]+)'[,)]", TEMPLATES))
    counted = {
        f"{key}.{number}" for key in re.findall(r"words\.count\('([\w.]+)'", TEMPLATES) for number in ("one", "many")
    }
    made = {f"status.{status}" for status in STATUSES} | {f"queue.{queue}" for queue in QUEUES}
    made |= {f"queue.short.{queue}" for queue in QUEUES}
    made |= {f"term.level.{status}" for status in (*LEVEL_STATUSES, "in_progress")}

    assert (named | counted | made) - catalogue("en").keys() == set()


def test_texts_are_in_the_catalogues_and_not_in_the_templates() -> None:
    without = re.sub(r"{%.*?%}|{{.*?}}|<[^>]*>|&\w+;", " ", TEMPLATES, flags=re.DOTALL)
    words = set(re.findall(r"[A-Za-zÁ-ú]{3,}", without)) - {"Attain", "doctype", "html", "CSV"}

    assert words == set()


@pytest.mark.parametrize(
    ("language", "never"),
    [
        ("en", "fail stuck behind cannot weak rank average probab percent slow"),
        ("es", "fracas atascad atrás rank promedio probab suspend"),
    ],
)
def test_families_never_read_words_that_judge_or_compare(language: str, never: str) -> None:
    plain = " ".join(
        text for key, text in catalogue(language).items() if key.startswith(("family.", "status.", "term"))
    ).lower()

    assert not [word for word in never.split() if word in plain]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_closed_term_shows_what_was_then_and_marks_what_was_found_out_later(language: str) -> None:
    words, around = Words(language), context("term_learner.html")
    staff, family = (render("term_learner.html", words, **(around | {"staff": of})) for of in (True, False))
    grid = render("term_class.html", words, **context("term_class.html"))

    rows = re.findall("<tr><th scope=.row.>.*?</tr>", staff)
    assert len(rows) == len(lines_of(TERM)) == 5
    assert [row.count("<ins>") for row in rows] == [1, 0, 0, 1, 1]
    assert words("status.mastered") in rows[0].partition("<ins>")[0]
    assert words("status.not_yet") in rows[0].partition("<ins>")[2]
    assert words("term.level.withdrawn") in rows[4].partition("<ins>")[2]
    assert ("d1ge57" in staff, "d1ge57" in family) == (True, False)
    assert staff.count("alert(1)") > family.count("alert(1)") > 0, "a family is told no reason that is for staff"
    assert grid.count("<ins ") == 2
    assert grid.count('<span class="when">') == 3


def test_the_family_page_tells_no_projection_score_or_policy() -> None:
    page = render("family.html", Words("en"), **context("family.html"))

    assert "classroom" not in page
    assert "0.9" not in page
    assert "For staff only" not in page


@pytest.mark.parametrize("method", ["bkt", "beta_binomial", "irt_eap", "growth_filter"])
def test_estimates_are_not_told_to_families(method: str) -> None:
    computed = said(rule_fact({"type": method, "cut": 0.5}, Decision(), 3))
    told = for_families([computed, "1 more piece on another day", "a sign-off by a teacher"])

    assert told == ("1 more piece on another day", "a sign-off by a teacher")


def test_why_tells_a_family_no_number_no_rule_and_nothing_that_would_take_away() -> None:
    page = render("why.html", Words("en"), **context("why.html") | {"staff": False, "missing": ["1 more piece"]})

    assert "1 more piece" in page
    assert not [word for word in ("<b>3</b>", "By policy", "smallest change", "What the policy asks") if word in page]


def test_the_family_texts_read_at_grade_six() -> None:
    """Flesch & Kincaid 1975: 0.39 words a sentence + 11.8 syllables a word - 15.59, over all texts of the page."""
    texts = [re.sub(r"{\w+}", "it", text) for key, text in catalogue("en").items() if key.startswith("family.")]
    text = " ".join(text if text.endswith((".", ":")) else f"{text}." for text in texts)
    words = re.findall(r"[a-z']+", text.lower())
    sentences = len(re.findall(r"[.:]", text))
    syllables = sum(max(1, len(re.findall(r"[aeiouy]+", re.sub(r"e\b", "", word)))) for word in words)

    assert 0.39 * len(words) / sentences + 11.8 * syllables / len(words) - 15.59 <= 6


def test_the_language_is_asked_for_kept_or_accepted() -> None:
    assert choose_language("es", "en", "en") == "es"
    assert choose_language("xx", "es", "en") == "es"
    assert choose_language(None, None, "fr;q=0.9, es-MX;q=0.8") == "es"
    assert choose_language(None, None, None) == "en"


def test_a_drawing_of_growth_begins_and_ends_at_its_corners() -> None:
    assert line_points([("2026-01-01", 1), ("2026-01-11", 4)], 100, 40) == "0.0,30.0 100.0,0.0"
    assert line_points([]) == ""


def test_the_script_makes_no_markup_of_data() -> None:
    script = "".join(file.read_text() for file in (WEB / "static").glob("*.js")).lower()

    assert not [
        word for word in ("innerhtml", "outerhtml", "insertadjacenthtml", "document.write", "eval(") if word in script
    ]


def test_colours_of_statuses_have_enough_contrast_in_light_and_dark() -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1 for every pair of a status's ink and ground, and for text on ground and card."""
    style = (WEB / "static" / "style.css").read_text()
    light, dark = re.findall(r":root {([^}]*)}", style)[:2]
    for block in (light, dark):
        colour = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
        pairs = [(name, f"{name}-back") for name in ("shown", "check", "open", "none", "next")]
        pairs += [("ink", "ground"), ("ink", "card"), ("soft", "ground"), ("soft", "card"), ("brand", "card"),
                  ("on-brand", "brand"), ("brand", "ground")]  # fmt: skip
        assert {pair: contrast(colour[pair[0]], colour[pair[1]]) for pair in pairs if
                contrast(colour[pair[0]], colour[pair[1]]) < 4.5} == {}  # fmt: skip


def contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_a_district_sees_which_sources_are_silent_and_what_is_too_small_is_no_zero() -> None:
    told = context("district.html")
    page = render("district.html", Words("en"), **told)
    section = page[page.index('id="completeness"') : page.index('id="equity"')]
    schools, sources = ([re.findall(r"<td>(.*?)</td>", row) for row in table.split("<tr>")[2:]]
                        for table in section.split("<table>")[1:])  # fmt: skip

    assert schools[0] == ["100", "88", "12"]
    assert all("*" in cell and "0" not in re.sub("<[^>]*>", "", cell) for cell in schools[1])
    assert "6 Mar 2026" in sources[0][0]
    assert [Words("en")("sources.silent") in row[0] for row in sources] == [True, False]
    assert sources[0][1:] == ["1.5", "412", "20", "0", "3", "1", "2"]
    assert sources[1][:2] == ["–", "–"]
    assert Words("en")("sources.more", n=2) in section
    for sources_told, key in ((None, "sources.away"), ({"days": 28, "items": [], "next": None}, "sources.none")):
        assert Words("en")(key) in render("district.html", Words("en"), **(told | {"sources": sources_told}))


def test_what_waits_since_today_is_not_said_to_wait_for_no_days():
    words = Words("en")

    assert [words.count("waited", n) for n in (0, 1, 2)] == ["since today", "for 1 day", "for 2 days"]
    assert words.count("oldest", 0) == "the oldest since today"
    assert words.count("days", 0) == "0 days"
