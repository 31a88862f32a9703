"""Worked examples of answers, for the OpenAPI document; a test holds their members against real answers."""

from typing import Any

from shared.calendars import in_words
from shared.school_calendar import SchoolCalendar

_AT = "2026-03-04T10:15:00.000000Z"
_STEP = {
    "competency": "maths:3.NF.2", "title": "Place fractions on a number line", "framework": "maths",
    "subject": "Mathematics", "level": "3", "status": "no_evidence",
}  # fmt: skip
RECORD: dict[str, Any] = {
    "learner": "0b9c6e0e-6f0c-5d0a-9e57-3c1d0a1f2b3c",
    "position": "progression.1.3.1207",
    "items": [
        {
            "competency": "maths:3.NF.1", "framework": "maths", "title": "Understand unit fractions",
            "subject": "Mathematics", "level": "3", "status": "mastered", "score": 3.25, "evidence_count": 4,
            "last_evidence_at": _AT, "mastered_at": _AT, "policy": {"id": "classroom", "version": "5f1c09ab77d2"},
            "missing": [], "why": "Shown on 2026-03-04 by the rule of policy classroom.", "basis": [], "seq": 77312,
        }
    ],
    "subjects": [
        {
            "subject": "Mathematics", "framework": "maths",
            "levels": [{"level": "3", "total": 2, "mastered": 1, "counts": {"no_evidence": 1, "mastered": 1}}],
            "current_level": "3", "mastered": 1, "total": 2, "next": [_STEP], "review": [],
        }
    ],
    "next": [_STEP],
    "review": [],
    "stale": False,
    "statements": [
        {
            "request": "6f1c2f0e-9a55-4d0b-8f6c-1d1f7f0a2b3c", "competency": "maths:3.NF.2",
            "title": "Place fractions on a number line", "text": "She showed this at home on two days.", "stated_at": _AT,
            "stated_as": "guardian",
        }
    ],
}  # fmt: skip
PAGE_OF_EVENTS: dict[str, Any] = {
    "items": [
        {
            "id": "3c0e7f9a-7a44-5f0e-9b67-0c8f5b0d9a11", "learner": RECORD["learner"], "kind": "competency.mastered",
            "scope": "maths:3.NF.1", "title": "Understand unit fractions", "effective_at": _AT, "decided_at": _AT,
            "reason": "The rule of the policy is met.", "seq": 77312, "by": None,
        }
    ],
    "next": None,
}  # fmt: skip
PLANS: dict[str, Any] = {
    "learner": RECORD["learner"],
    "items": [
        {
            "id": "5d0f3f5e-9f0b-5a65-8d5c-2f6a4c1b7e02", "competency": "maths:3.NF.2",
            "title": "Place fractions on a number line", "kind": "substitute", "code": "iep", "review_at": "2026-09-30",
            "overdue": False, "decided_at": _AT, "by": {"role": "case_manager", "ref": "c-4"}, "instead": "maths-alt:NF.2",
            "instead_title": "Find a half on a line", "pieces": 0, "days": 0, "accommodations": [],
        }
    ],
}  # fmt: skip
CLASS: dict[str, Any] = {
    "class": "room-3", "title": "Room 3", "learners": [RECORD["learner"]], "competencies": ["maths:3.NF.1"],
    "titles": {"maths:3.NF.1": "Understand unit fractions"}, "counts": {"maths:3.NF.1": {"mastered": 1}},
    "rows": [{"learner": RECORD["learner"], "statuses": {"maths:3.NF.1": "mastered"}}],
}  # fmt: skip
TERMS: dict[str, Any] = {
    "items": [{"term": "2025-26 spring", "closed_at": _AT, "closed_by": "office", "complete": True}]
}
_AMENDED = {
    "id": PAGE_OF_EVENTS["items"][0]["id"], "learner": RECORD["learner"], "kind": "competency", "scope": "maths:3.NF.1",
    "title": "Understand unit fractions", "before": "mastered", "after": "not_yet", "effective_at": _AT, "decided_at": _AT,
    "reason": "Evidence under this mastery is no longer valid or has been preceded by other evidence.",
    "cause": {"kind": "retraction", "id": "a3c1e0d4-3d52-5b7e-8f0a-5c6d7e8f9a01"},
    "digest": "1d4a9ad5c87ba2ad7d0f1b0a2ad1f2ec11cb57ed63a1b98db5f6d02f4c52c3f3",
}  # fmt: skip
_LEVEL = {
    "level": "maths#Mathematics/2", "framework": "maths", "title": "Mathematics, level 2", "status": "advanced",
    "effective_at": _AT, "event": "0e6dfb62-52a2-5a4b-8f4f-7a0a7f0b0c11",
}  # fmt: skip
TERM_RECORD: dict[str, Any] = {
    "term": "2025-26 spring", "closed_at": _AT, "learner": RECORD["learner"],
    "digest": "9b2d7f0c8f1f6a1e4c3b5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f809102", "items": RECORD["items"],
    "levels": [_LEVEL], "amendments": [_AMENDED], "statements": RECORD["statements"],
}  # fmt: skip
TERM_CLASS: dict[str, Any] = {
    "term": "2025-26 spring", "closed_at": _AT, "mastery": CLASS, "levels": {RECORD["learner"]: [_LEVEL]},
    "amendments": [_AMENDED],
}  # fmt: skip
_WAITS = {
    "learner": RECORD["learner"], "queue": "sign_off", "scope": "maths#Mathematics/3", "title": "Mathematics, level 3",
    "opened_at": _AT, "age_days": 6, "due_by": None, "overdue": False, "owner": "teacher", "detail": [],
}  # fmt: skip
_ASKED = {
    "learner": RECORD["learner"], "queue": "support", "scope": "maths:3.NF.2", "title": _STEP["title"], "opened_at": _AT,
    "age_days": 2, "due_by": "2026-03-11", "overdue": False, "owner": "school_leader", "detail": ["essay-2"],
    "side": "school", "cause": "ungraded", "waiting_since": "2026-02-18T10:15:00.000000Z", "in_place_of": "teacher",
}  # fmt: skip
REVIEW_REQUEST: dict[str, Any] = {
    "id": "6f1c2f0e-9a55-4d0b-8f6c-1d1f7f0a2b3c", "competency": "maths:3.NF.2", "title": _STEP["title"], "asked_at": _AT,
    "asked_as": "guardian", "text": "She did two of these at home.", "done_at": None, "done_as": None, "done": None,
    "refused": False, "statement": None, "stated_at": None, "stated_as": None, "may_state": False, "withdrawn_at": None,
}  # fmt: skip
REFUSED_REQUEST: dict[str, Any] = REVIEW_REQUEST | {
    "done_at": _AT,
    "done_as": "leader",
    "done": "Both were done with help.",
    "refused": True,
    "statement": RECORD["statements"][0]["text"],
    "stated_at": _AT,
    "stated_as": "guardian",
    "may_state": True,
}
REVIEW_REQUESTS: dict[str, Any] = {"items": [REVIEW_REQUEST], "next": None}
_FAMILY_ASKS = {
    "learner": RECORD["learner"], "queue": "asked", "scope": "maths:3.NF.2", "title": _STEP["title"], "opened_at": _AT,
    "age_days": 1, "due_by": None, "overdue": False, "owner": "teacher", "detail": [REVIEW_REQUEST["text"]],
    "asked_as": "guardian",
}  # fmt: skip
NEEDS: dict[str, Any] = {
    "class": "room-3", "title": "Room 3", "attention": [_WAITS],
    "learners": [{"learner": RECORD["learner"], "next": ["maths:3.NF.2"], "review": []}],
    "competencies": [
        {"competency": "maths:3.NF.2", "title": _STEP["title"], "next": [RECORD["learner"]], "review": []}
    ],
}  # fmt: skip
QUEUE: dict[str, Any] = {"items": [_WAITS, _ASKED, _FAMILY_ASKS], "next": None}
QUEUES: dict[str, Any] = {
    "items": [
        {
            "queue": "sign_off", "meaning": "levels that are complete and wait for a signature", "waiting": 3,
            "learners": 3, "new_in_week": 2, "new_in_month": 3, "overdue": 1, "oldest_days": 6, "owners": {"teacher": 3},
        },
        {
            "queue": "support", "meaning": "support that is suggested: an adult is asked, with a cause and a date; for few eyes",
            "waiting": 1, "learners": 1, "new_in_week": 1, "new_in_month": 1, "overdue": 0, "oldest_days": 2,
            "owners": {"school_leader": 1}, "causes": {"ungraded": 1},
            "response": {"in_days": 90, "answered": 12, "median_school_days": 3.5},
        },
    ]
}  # fmt: skip
DIGEST: dict[str, Any] = {
    "day": "2026-03-09",
    "places": [{"kind": "class", "id": "5b", "title": "Mathematics 5b", "queues": QUEUES["items"]}],
    "children": [
        {
            "learner": RECORD["learner"],
            "shown": [{"competency": "maths:3.NF.1", "title": "Understand unit fractions", "mastered_at": _AT, "told_at": _AT}],
        }
    ],
}  # fmt: skip
GROWTH: dict[str, Any] = {
    "points": [["2026-01-12", 1], ["2026-03-04", 9]],
    "overall": {"per_30_days": 4.5, "low": 3.75, "high": 5.5},
    "recent": None,
    "earlier": None,
    "projection": {"remaining": 6, "least": 33, "most": 48},
    "days": "school",
}
ACCESSES: dict[str, Any] = {
    "items": [
        {"id": 812, "at": _AT, "person": "t-12", "role": "teacher", "view": "record", "target": RECORD["learner"]}
    ],
    "next": None,
}
DISCLOSURES: dict[str, Any] = {
    "items": [
        {
            "via": "webhook",
            "reader": "4f8a4b1e-9d35-4b0e-8f6b-2f5f0f6c1f11",
            "name": "Timetable",
            "source": "urn:sis",
            "purpose": "seats in the courses that a learner is ready for",
            "day": "2026-03-02",
            "since": _AT,
            "until": _AT,
            "events": 2,
            "kinds": {"competency.mastered": 1, "competency.ready": 1},
            "scopes": ["maths:add", "maths:sub"],
        }
    ],
    "next": None,
}
READERS_TOLD: dict[str, Any] = {
    "items": [{name: DISCLOSURES["items"][0][name] for name in (
        "day", "via", "reader", "since", "until", "name", "purpose"
    )}],
    "next": None,
}  # fmt: skip
LEVELS: dict[str, Any] = {
    "district": "river-valley", "as_of": _AT, "suppressed_below": 10,
    "levels": [
        {
            "framework": "maths", "subject": "Mathematics", "level": "3",
            "counts": {"none": 120, "begun": 96, "complete": 84},
            "schools": {"brookside": {"none": 40, "begun": 32, "complete": 28}},
        }
    ],
}  # fmt: skip
_ENDED = {"competency": "maths:3.NF.1", "title": "Understand unit fractions"}
_STATUSES = {"no_evidence": 60, "not_yet": 96, "mastered": 144}
_IN_SCHOOL = {"no_evidence": 20, "not_yet": 32, "mastered": 48}
TERM_DISTRICT: dict[str, Any] = {
    "term": "2025-26 spring", "closed_at": _AT,
    "mastery": {
        "district": "river-valley", "title": "River Valley", "day": "2026-03-04", "suppressed_below": 10, "learners": 300,
        "schools": [{"school": "brookside", "title": "Brookside", "learners": 100}],
        "competencies": [_ENDED | {"counts": _STATUSES, "schools": {"brookside": _IN_SCHOOL}}],
    },
    "levels": LEVELS["levels"], "amended": [_ENDED | {"learners": 24, "schools": {"brookside": 12}}],
}  # fmt: skip
TERM_SCHOOL: dict[str, Any] = {
    "term": "2025-26 spring", "closed_at": _AT,
    "mastery": {
        "school": "brookside", "title": "Brookside", "district": "river-valley", "day": "2026-03-04",
        "suppressed_below": 10, "learners": 100, "competencies": [_ENDED | {"counts": _IN_SCHOOL}],
    },
    "levels": [
        {"framework": "maths", "subject": "Mathematics", "level": "3", "counts": {"none": 40, "begun": 32, "complete": 28}}
    ],
    "amended": [_ENDED | {"learners": 12}],
}  # fmt: skip
TESTING: dict[str, Any] = {
    "district": "river-valley", "as_of": _AT, "suppressed_below": 10, "pieces": 9120, "surplus": 1094,
    "over_testing": 0.12, "median_pieces_to_confirm": 4.0, "pairs_confirmed": 1807,
}  # fmt: skip
_SHARE = {"share": 0.93, "low": 0.86, "high": 0.97}
WATCH: dict[str, Any] = {
    "district": "river-valley", "as_of": _AT, "suppressed_below": 10,
    "schools": [
        {
            "school": "brookside", "title": "Brookside School", "learners": 100, "with_evidence": _SHARE,
            "with_evidence_lately": None, "set_by_hand": _SHARE, "due_for_re_check": _SHARE,
            "below_depth": {"share": 0.25, "low": 0.21, "high": 0.3, "below": 100, "tagged": 400, "untagged": 62},
        }
    ],
}  # fmt: skip
COMPLETENESS: dict[str, Any] = {
    "district": "river-valley", "as_of": _AT, "suppressed_below": 10, "school_days": 20,
    "calendar": in_words(SchoolCalendar("America/Chicago")), "time_zone": "America/Chicago",
    "since": "2026-02-05",
    "schools": [
        {"school": "brookside", "title": "Brookside School", "learners": 100, "with_evidence": 88, "without_evidence": 12}
    ],
}  # fmt: skip
_MIDDLE = {"median_days": 21.0, "low": 18.0, "high": 25.0, "cases": 640, "happened": 512}
EQUITY: dict[str, Any] = {
    "district": "river-valley", "as_of": _AT, "suppressed_below": 10, "grouping": "home language",
    "available": ["home language"], "reference": "English",
    "groups": [
        {
            "label": "Spanish", "learners": 92, "statuses": {"mastered": _SHARE, "not_yet": None, "provisional": None},
            "on_record": _SHARE, "time_to_mastery": _MIDDLE,
            "median_pieces": 4.0, "over_testing": 0.12, "sign_off_wait": None, "overridden": None, "withheld": None,
            "gap": {"share": -0.04, "low": -0.07, "high": -0.01, "effect": -0.09, "burden_ratio": 1.33},
        }
    ],
}  # fmt: skip
_GROWN = {
    "school": "brookside", "title": "Brookside School", "learners": 100, "more": 41, "same": 30, "less": 17, "new": 12,
    "median_change": 1.0, "not_yet": 38,
}  # fmt: skip
_WINDOWS = {
    "district": "river-valley", "as_of": _AT, "suppressed_below": 10, "school_days": 30, "since": "2026-01-22",
    "before": "2025-12-01",
}  # fmt: skip
DISTRICT_GROWTH: dict[str, Any] = {
    **_WINDOWS, "all": _GROWN | {"school": "", "title": "", "learners": 300}, "schools": [_GROWN],
}  # fmt: skip
SCHOOL_GROWTH: dict[str, Any] = {**_WINDOWS, "row": _GROWN}
LEARNERS_GROWTH: dict[str, Any] = {
    "items": [
        {"learner": RECORD["learner"], "shown": 5, "shown_before": 3, "change": 2, "not_yet": ["maths:3.NF.2"]}
    ],
    "next": None,
}  # fmt: skip
AFFECTED: dict[str, Any] = {
    "items": [
        {
            "id": "9e0c1b52-1f0b-5d7e-8a55-0c8f3b6d2a11", "learner": "0b9c6e0e-6f0c-5d0a-9e57-3c1d0a1f2b3c",
            "issued_at": _AT, "scopes": ["maths:3.NF.1"], "whole_record": True,
        }
    ]
}  # fmt: skip
MOVED: dict[str, Any] = {
    "evidence_id": "4a3d3c6c-35c8-5a9e-8a5e-0e1a3b6cf111", "learner": "f3b1de9e-7a55-4a0e-9b5f-2f7a9c1d5e22",
}  # fmt: skip
MOVE_PREVIEW: dict[str, Any] = {
    "from": {
        "learner": "0b9c6e0e-6f0c-5d0a-9e57-3c1d0a1f2b3c",
        "statuses": [{"competency": "maths:3.NF.1", "before": "mastered", "after": "provisional"}],
        "events": [
            {"type": "attain.competency.withdrawn.v1", "scope": {"kind": "competency", "id": "maths:3.NF.1"},
             "reason": {"code": "withdrawn", "text": "evidence under it is no longer valid"}}
        ],
    },
    "to": {
        "learner": MOVED["learner"],
        "statuses": [{"competency": "maths:3.NF.1", "before": "no_evidence", "after": "insufficient_evidence"}],
        "events": [],
    },
}  # fmt: skip
EXPORT: dict[str, Any] = {
    "items": [{"school": "river-1", "title": "River School", "district": "river-valley"}],
    "next": "WyJkZW1vIiwicml2ZXItMSJd",
}
ONEROSTER: dict[str, Any] = {
    "assessmentLineItems": [
        {"sourcedId": "maths:3.NF.1", "status": "active", "dateLastModified": "2026-03-04T10:15:00.000Z",
         "title": "Understand unit fractions"}
    ],
    "assessmentResults": [
        {
            "sourcedId": "5d0a7f8e-2a5b-5a0e-9d55-0a6d6a1a7c21", "status": "active",
            "dateLastModified": "2026-03-04T10:15:00.000Z", "textScore": "mastered",
            "assessmentLineItem": {
                "href": "https://records.example.org/v1/exports/oneroster/assessmentLineItems/maths%3A3.NF.1",
                "sourcedId": "maths:3.NF.1", "type": "assessmentLineItem",
            },
            "student": {
                "href": "https://records.example.org/v1/exports/oneroster/users/17", "sourcedId": "17", "type": "user"
            },
            "scoreDate": "2026-03-04", "scoreStatus": "fully graded",
            "learningObjectiveSet": [
                {"source": "unknown", "learningObjectiveResults": [
                    {"learningObjectiveId": "maths:3.NF.1", "textScore": "mastered"}
                ]}
            ],
        }
    ],
}  # fmt: skip
