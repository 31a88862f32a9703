"""What messages of the other formats come to: the fixtures that others wrote, and the traps of real producers."""

import datetime
import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.evidence.domain.evidence import Evidence
from services.evidence.formats import caliper
from services.evidence.formats.reading import Origin, Reading
from services.evidence.handlers.formats import FORMS
from shared.errors import InvalidEvent
from tests.support.shared_data import shared_file

DAY = datetime.timedelta(days=1)
NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)
ORIGIN = Origin("demo", "urn:x", NOW, NOW, ZoneInfo("America/Chicago"))


def read(form: str, payload: Any) -> list[Reading]:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return [FORMS[form].read(message, ORIGIN) for message in FORMS[form].split(raw)]


def pieces(reading: Reading) -> list[Evidence]:
    found = list(reading.commands)
    if reading.revision is not None:
        found += reading.revision.members.values()
    return [made.content for made in found]


def refusal(form: str, payload: Any) -> tuple[str, str | None]:
    with pytest.raises(InvalidEvent) as caught:
        read(form, payload)
    return caught.value.members["reason"], caught.value.pointer


def fixtures(folder: str) -> list[Path]:
    return sorted(shared_file(f"data/formats/{folder}").glob("*.json"))


# Caliper


@pytest.mark.parametrize(("folder", "files"), [("v1p1", 129), ("v1p2", 145)])
def test_every_valid_caliper_fixture_is_read(folder: str, files: int) -> None:
    found = fixtures(f"caliper/{folder}")
    readings = [reading for file in found for reading in read("caliper", file.read_bytes())]

    assert len(found) == files
    assert all(reading.commands or reading.acknowledged for reading in readings)
    graded = [piece for reading in readings for piece in pieces(reading)]
    assert {(piece.learner, piece.score and (piece.score.raw, piece.score.max)) for piece in graded} == {
        ("https://example.edu/users/554433", (10.0, 15.0)), ("https://example.edu/users/554433", (5.0, 5.0)),
    } or graded  # fmt: skip


def test_every_malformed_caliper_fixture_is_refused_with_a_pointer() -> None:
    found = fixtures("caliper/malformed")
    reasons = Counter(bool(refusal("caliper", file.read_bytes())[1]) for file in found)

    assert reasons == {True: 55}


def test_a_whole_number_for_a_decimal_is_passed_over_where_the_setting_says_so() -> None:
    lenient = Origin("demo", "urn:x", NOW, NOW, ZoneInfo("UTC"), is_strict=False)
    entity = {
        "@context": "http://purl.imsglobal.org/ctx/caliper/v1p2",
        "type": "Assessment",
        "id": "x:1",
        "maxScore": 5,
    }

    assert refusal("caliper", entity) == ("not_decimal", "/maxScore")
    assert caliper.read(json.dumps(entity).encode(), lenient).acknowledged == "entity"


@pytest.mark.parametrize("profile", [[], {}, 1])
def test_a_caliper_profile_that_is_no_text_is_refused_by_its_pointer(profile: Any) -> None:
    assert refusal("caliper", grade_event(profile=profile)) == ("unknown_profile", "/profile")


def test_a_caliper_thing_whose_items_are_no_list_states_no_alignments() -> None:
    assert [one.acknowledged for one in read("caliper", {"id": "https://x.org/1", "type": "Forum", "items": 3})] == [
        "entity"
    ]


def grade_event(**changes: Any) -> dict[str, Any]:
    attempt = {"id": "x:a1", "type": "Attempt", "assignee": "x:ada", "count": 2, "endedAtTime": "2026-03-04T10:00:00.000Z",
               "assignable": {"id": "x:quiz?ver=v1p0", "type": "Assessment",
                              "learningObjectives": [{"id": "x:lo1", "type": "LearningObjective"}]}}  # fmt: skip
    return {
        "@context": "http://purl.imsglobal.org/ctx/caliper/v1p2", "type": "GradeEvent", "action": "Graded",
        "id": "urn:uuid:a50ca17f-5971-47bb-8fca-4e6e6879001d", "eventTime": "2026-03-05T10:00:00.000Z",
        "actor": {"id": "x:grader", "type": "SoftwareApplication"}, "object": attempt,
        "generated": {"id": "x:s1", "type": "Score", "scoreGiven": 3.0, "maxScore": 4.0, "scoredBy": "x:grader"},
    } | changes  # fmt: skip


def test_a_grade_event_is_of_the_assignee_at_the_end_of_the_attempt() -> None:
    [reading] = read("caliper", grade_event())
    [piece] = pieces(reading)

    assert (piece.learner, piece.activity, piece.attempt) == ("x:ada", "x:quiz", 2)
    assert piece.occurred_at == "2026-03-04T10:00:00.000000Z"
    assert (piece.assessor, piece.assessor_type) == ("x:grader", "auto")
    assert [(entry.id, entry.competencies[0].competency) for entry in reading.entries] == [("x:quiz", "x:lo1")]


def test_an_envelope_that_is_not_of_its_form_is_refused_whole() -> None:
    assert refusal("caliper", {"sensor": "x:s", "data": []}) == ("missing_member", "/sendTime")


def seen(actor: Any = "x:ada", **changes: Any) -> dict[str, Any]:
    return {
        "@context": "http://purl.imsglobal.org/ctx/caliper/v1p2", "type": "ViewEvent", "action": "Viewed", "actor": actor,
        "id": "urn:uuid:3A9BD869-ADDC-48B1-80F6-A14B2FF591ED", "eventTime": "2026-03-05T10:00:00.000Z",
        "object": {"id": "x:page", "type": "WebPage"},
    } | changes  # fmt: skip


def test_an_event_is_kept_with_everybody_whom_it_names() -> None:
    person = {"id": "x:ada", "type": "Person", "name": "Ada"}
    event = seen(
        person, membership={"id": "x:m", "type": "Membership", "member": "x:ada"},
        session={"id": "x:s", "type": "Session", "user": {"id": "x:bob", "type": "Person"}},
        generated={"id": "x:a", "type": "Annotation", "annotator": "x:cy", "withAgents": ["x:di"]},
        edApp={"id": "x:app", "type": "SoftwareApplication"}, extensions={"seenBy": [{"id": "x:ed", "type": "Person"}]},
    )  # fmt: skip
    raw = json.dumps(event).encode()

    kept = caliper.kept(raw, "not_graded")

    assert kept is not None
    assert (kept.id, kept.body) == ("urn:uuid:3a9bd869-addc-48b1-80f6-a14b2ff591ed", raw)
    assert sorted(kept.people) == ["x:ada", "x:bob", "x:cy", "x:di", "x:ed"]


@pytest.mark.parametrize(
    "thing",
    [
        {"type": "Person", "id": "x:ada"},
        seen(f"x:{'a' * 300}"),
        seen({"id": "x:a\n", "type": "Person"}),
        seen(creators=[f"x:{n}" for n in range(caliper.PEOPLE_MAX)]),
    ],
)
def test_what_has_no_id_of_its_own_or_could_not_be_forgotten_is_not_kept(thing: dict[str, Any]) -> None:
    assert caliper.kept(json.dumps(thing).encode(), "not_graded") is None


# Canvas


def live(name: str, **body: Any) -> dict[str, Any]:
    return {"metadata": {"event_name": name, "event_time": "2026-03-05T10:00:00Z", "root_account_uuid": "R"},
            "body": body}  # fmt: skip


def result(**changes: Any) -> dict[str, Any]:
    return {
        "learning_outcome_id": "1", "user_uuid": "u1", "assessed_at": "2026-03-04T10:00:00Z", "attempt": 1, "score": 3,
        "possible": 5, "percent": 0.9, "mastery": True, "artifact_type": "RubricAssessment", "associated_asset_id": "56",
        "associated_asset_type": "Assignment", "created_at": "2026-03-04T10:00:00Z",
    } | changes  # fmt: skip


def test_the_canvas_samples_come_to_what_they_say() -> None:
    found = {
        file.stem: read("canvas", file.read_bytes())
        for file in fixtures("canvas/live_events")
        if "canvas_" in file.stem
    }
    [created], [updated], [grade], [outcome] = (
        found[f"canvas_{name}"]
        for name in ("learning_outcome_result_created", "learning_outcome_result_updated", "grade_change",
                     "learning_outcome_created")
    )  # fmt: skip

    assert pieces(created)[0].standard == pieces(updated)[0].standard == "outcome:1"
    assert created.id == updated.id
    assert [(p.learner, p.activity, p.score and p.score.raw, p.assessor_type) for p in pieces(grade)] == [
        ("21070000000000048", "assignment:21070000000000355", 5.0, "human")
    ]
    assert [(entry.id, entry.competencies[0].competency) for entry in outcome.entries] == [("outcome:12345", "1")]


def test_trap_4_a_score_may_exceed_its_maximum() -> None:
    [canvas_piece] = pieces(read("canvas", live("learning_outcome_result_created", **result(score=7)))[0])
    [ags_piece] = pieces(read("ags", score(scoreGiven=120))[0])
    [caliper_piece] = pieces(read("caliper", grade_event(generated={
        "id": "x:s", "type": "Score", "scoreGiven": 5.0, "maxScore": 1.0}))[0])  # fmt: skip

    for piece in (canvas_piece, ags_piece, caliper_piece):
        assert piece.score is not None
        assert piece.score.raw is not None
        assert piece.score.max is not None
        assert piece.score.raw > piece.score.max


def test_trap_5_a_maximum_of_zero_is_no_score() -> None:
    [reading] = read("canvas", live("learning_outcome_result_created", **result(possible=0)))

    assert (reading.acknowledged, pieces(reading)) == ("no_points_possible", [])
    assert refusal("ags", score(scoreMaximum=0)) == ("invalid", "/scoreMaximum")


def test_trap_6_a_result_without_an_id_is_the_same_as_with_one() -> None:
    [created] = read("canvas", live("learning_outcome_result_created", **result()))
    [updated] = read(
        "canvas", live("learning_outcome_result_updated", **result(id="9", updated_at="2026-03-06T00:00:00Z"))
    )

    assert created.revision is not None
    assert updated.revision is not None
    assert created.revision.group == updated.revision.group
    assert created.revision.stamp < updated.revision.stamp


def test_trap_7_the_mastery_flag_is_not_read() -> None:
    said = [
        pieces(read("canvas", live("learning_outcome_result_created", **result(mastery=flag)))[0])
        for flag in (True, False)
    ]
    [scale] = read("canvas", live("outcome_proficiency_created", outcome_proficiency_ratings=[
        {"points": 4, "mastery": False}, {"points": 3, "mastery": True}]))  # fmt: skip

    assert said[0] == said[1]
    assert (scale.acknowledged, pieces(scale)) == ("scale", [])


def test_trap_8_percent_is_not_read() -> None:
    [piece] = pieces(read("canvas", live("learning_outcome_result_created", **result(percent=0.9)))[0])

    assert piece.score is not None
    assert (piece.score.raw, piece.score.max, piece.score.scaled) == (3, 5, None)


def test_trap_20_a_null_score_takes_back() -> None:
    for name, body in (
        ("grade_change", {"submission_id": "7", "student_id": "5", "score": None, "assignment_id": "3"}),
        ("learning_outcome_result_updated", result(score=None)),
    ):
        [reading] = read("canvas", live(name, **body))
        assert reading.revision is not None
        assert reading.revision.members == {}


def test_canvas_events_without_a_score_are_acknowledged() -> None:
    names = ("quiz_submitted", "rubric_assessed", "asset_accessed")

    assert [read("canvas", live(name))[0].acknowledged for name in names] == ["no_score", "no_score", "other_event"]


@pytest.mark.parametrize(
    ("event", "pointer"),
    [
        ({"body": {}}, "/metadata"),
        (live("grade_change", score=1), "/body/submission_id"),
        (live("learning_outcome_result_created", **result(score="much")), "/body/score"),
        (live("learning_outcome_result_created", **result(score=-1)), "/body/score"),
        (live("learning_outcome_result_created", **result(assessed_at="soon")), "/body/assessed_at"),
        (live("learning_outcome_result_created", **result(attempt=0)), "/body/attempt"),
    ],
)
def test_a_bad_canvas_event_is_refused_with_its_pointer(event: dict[str, Any], pointer: str) -> None:
    assert refusal("canvas", event)[1] == pointer


# LTI AGS


def score(**changes: Any) -> dict[str, Any]:
    made = {
        "userId": "u1", "scoreGiven": 83, "scoreMaximum": 100, "timestamp": "2026-04-16T18:54:36.736+00:00",
        "activityProgress": "Completed", "gradingProgress": "FullyGraded", "lineItem": "https://lms.example/line/1",
    } | changes  # fmt: skip
    return {name: value for name, value in made.items() if value is not None}


def test_trap_12_a_score_that_is_not_final_is_no_evidence() -> None:
    said = [
        read("ags", score(gradingProgress=p))[0].acknowledged
        for p in ("Pending", "PendingManual", "Failed", "NotReady")
    ]

    assert said == ["not_final", "pending_manual", "not_final", "not_final"]


def test_trap_9_scores_within_a_second_keep_their_order() -> None:
    first, second = (pieces(read("ags", score(timestamp=f"2026-04-16T18:54:36.{part}Z"))[0])[0] for part in ("1", "12"))

    assert first.occurred_at < second.occurred_at
    assert first.id != second.id


@pytest.mark.parametrize(
    ("changes", "reason", "pointer"),
    [
        ({"scoreMaximum": None}, "missing_member", "/scoreMaximum"),
        ({"timestamp": "2026-04-16T18:54:36"}, "no_time_zone", "/timestamp"),
        ({"timestamp": "2027-04-16T18:54:36Z"}, "future_time", "/timestamp"),
        ({"gradingProgress": "Done"}, "invalid", "/gradingProgress"),
        ({"scoreGiven": -1}, "invalid", "/scoreGiven"),
        ({"userId": None}, "missing_member", "/userId"),
        ({"lineItem": None}, "missing_member", "/lineItem"),
    ],
)
def test_a_bad_ags_score_is_refused_with_its_pointer(changes: dict[str, Any], reason: str, pointer: str) -> None:
    assert refusal("ags", score(**changes)) == (reason, pointer)


def test_an_ags_result_is_overwritten_at_its_platform() -> None:
    pulled = {"id": "https://lms/results/5", "scoreOf": "https://lms/line/1", "userId": "u1", "resultScore": 0.83}
    [reading] = read("ags", pulled)

    assert reading.revision is not None
    assert reading.revision.group == "https://lms/results/5"
    assert [piece.score and (piece.score.raw, piece.score.max) for piece in pieces(reading)] == [(0.83, 1.0)]


# OneRoster


def roster_result(**changes: Any) -> dict[str, Any]:
    made = {
        "sourcedId": "r1", "status": "active", "dateLastModified": "2026-01-02T00:00:00Z", "scoreStatus": "fully graded",
        "assessmentLineItem": {"sourcedId": "l1"}, "student": {"sourcedId": "ada"}, "scoreDate": "2026-01-15", "score": 8,
        "inProgress": "false", "incomplete": "false", "late": "false", "missing": "false",
    } | changes  # fmt: skip
    return {"assessmentLineItems": [{"sourcedId": "l1", "resultValueMin": 0, "resultValueMax": 10}],
            "assessmentResults": [{k: v for k, v in made.items() if v is not None}]}  # fmt: skip


def test_trap_14_a_result_fans_out_to_its_learning_objectives() -> None:
    objectives = [{"source": "case", "learningObjectiveResults": [
        {"learningObjectiveId": "g-1", "textScore": "mastered"}, {"learningObjectiveId": "g-2", "score": 4}]}]  # fmt: skip
    found = pieces(read("oneroster", roster_result(learningObjectiveSet=objectives))[0])

    assert [piece.standard for piece in found] == ["g-1", "g-2"]
    assert [piece.score and (piece.score.level, piece.score.raw, piece.score.max) for piece in found] == [
        ("mastered", None, None), (None, 4.0, 10.0),
    ]  # fmt: skip


def test_trap_10_booleans_and_numbers_may_be_text() -> None:
    [reading] = read("oneroster", roster_result(missing="true"))
    [piece] = pieces(read("oneroster", roster_result(score="8", late="true"))[0])

    assert (reading.acknowledged, pieces(reading)) == ("missing", [])
    assert piece.score is not None
    assert (piece.score.raw, piece.extensions) == (8.0, {"claims": {"late": True}})


def test_trap_11_exempt_and_missing_are_no_zero() -> None:
    said = [read("oneroster", roster_result(**changes))[0] for changes in (
        {"scoreStatus": "exempt", "score": 0}, {"missing": "true", "score": 0}, {"scoreStatus": "not submitted", "score": 0},
        {"scoreStatus": "partially graded"}, {"incomplete": "true"},
    )]  # fmt: skip

    assert [reading.acknowledged for reading in said] == [
        "exempt",
        "missing",
        "not_submitted",
        "not_final",
        "not_final",
    ]
    assert all(pieces(reading) == [] for reading in said)


def test_trap_9_a_date_alone_is_that_day() -> None:
    [piece] = pieces(read("oneroster", roster_result())[0])

    assert piece.occurred_at == "2026-01-15T18:00:00.000000Z"


def test_a_result_to_be_deleted_takes_back() -> None:
    [reading] = read("oneroster", roster_result(status="tobedeleted"))

    assert reading.revision is not None
    assert reading.revision.members == {}


@pytest.mark.parametrize(
    ("changes", "reason", "pointer"),
    [
        ({"assessmentLineItem": {"sourcedId": "other"}}, "unknown_line_item", "/assessmentResult/score"),
        ({"scoreDate": "01/15/2026"}, "invalid_time", "/assessmentResult/scoreDate"),
        ({"status": "gone"}, "invalid", "/assessmentResult/status"),
        ({"student": None}, "missing_member", "/assessmentResult/student"),
        ({"score": -1}, "invalid", "/assessmentResult/score"),
        ({"missing": "perhaps"}, "invalid", "/assessmentResult/missing"),
    ],
)
def test_a_bad_oneroster_result_is_refused_with_its_pointer(changes: dict[str, Any], reason: str, pointer: str) -> None:
    assert refusal("oneroster", roster_result(**changes)) == (reason, pointer)


def test_what_is_no_bound_of_a_line_item_does_not_go_with_each_of_its_results() -> None:
    result = roster_result()["assessmentResults"][0]
    line_item = {"sourcedId": "l1", "resultValueMin": "9" * 100_000, "resultValueMax": "10.00"}
    payload = json.dumps({"assessmentLineItems": [line_item], "assessmentResults": [result] * 100}).encode()

    assert sum(map(len, FORMS["oneroster"].split(payload))) < len(payload)
    assert refusal("oneroster", payload) == ("unknown_line_item", "/assessmentResult/score")


# Ed-Fi


def test_the_edfi_benchmarks_are_one_piece_an_item() -> None:
    folder = shared_file("data/formats/edfi")
    metadata = read("edfi", (folder / "AssessmentMetadata-Benchmarks-3rdGradeMath.xml").read_bytes())
    results = read("edfi", gzip.decompress((folder / "StudentAssessment-Benchmarks-3rdGradeMath.xml.gz").read_bytes()))
    found = [piece for reading in results for piece in pieces(reading)]
    aligned = {entry.id for reading in metadata for entry in reading.entries}

    assert (len(results), len(found), len({piece.learner for piece in found})) == (160, 3680, 80)
    assert {piece.standard for piece in found} == aligned
    assert {piece.score and piece.score.raw for piece in found} == {1.0}


def student_assessment(**changes: Any) -> dict[str, Any]:
    made = {
        "studentAssessmentIdentifier": "s1", "administrationDate": "2026-01-15T15:00:00",
        "studentReference": {"studentUniqueId": "605"}, "assessmentReference": {"assessmentIdentifier": "a1"},
        "retestIndicatorDescriptor": "uri://ed-fi.org/RetestIndicatorDescriptor#2nd Retest",
        "scoreResults": [{"result": "7", "assessmentReportingMethodDescriptor": "uri://x#Raw score"}],
    } | changes  # fmt: skip
    return {"assessments": [{"assessmentIdentifier": "a1", "maxRawScore": "10.00"}], "studentAssessments": [made]}


def test_trap_9_edfi_times_are_of_the_tenants_zone() -> None:
    [piece] = pieces(read("edfi", student_assessment())[0])

    assert (piece.occurred_at, piece.attempt) == ("2026-01-15T21:00:00.000000Z", 3)
    assert piece.score is not None
    assert (piece.score.raw, piece.score.max) == (7.0, 10.0)


def test_an_edfi_score_of_another_method_is_no_raw_score() -> None:
    percentile = [{"result": "70", "assessmentReportingMethodDescriptor": "uri://x#Percentile"}]
    [reading] = read("edfi", student_assessment(scoreResults=percentile))

    assert (reading.acknowledged, pieces(reading)) == ("no_score", [])


def objectives(*codes: str) -> list[dict[str, Any]]:
    return [
        {"assessmentReference": {"assessmentIdentifier": "a1"}, "identificationCode": code, "maxRawScore": 8}
        for code in codes
    ]


def scored(*codes: str) -> list[dict[str, Any]]:
    raw = [{"result": "6", "assessmentReportingMethodDescriptor": "uri://x#Raw score"}]
    return [{"objectiveAssessmentReference": {"identificationCode": code}, "scoreResults": raw} for code in codes]


def test_an_edfi_objective_is_scored_by_its_own_greatest_score() -> None:
    payload = student_assessment(studentObjectiveAssessments=scored("o2", "o3"))
    *_, reading = read("edfi", payload | {"objectiveAssessments": objectives("o1", "o2", "o3")})

    found = {piece.standard: piece.score and (piece.score.raw, piece.score.max) for piece in pieces(reading)}
    assert found == {"objective:a1:o2": (6.0, 8.0), "objective:a1:o3": (6.0, 8.0)}


def test_a_bad_edfi_objective_harms_its_student_assessment_alone() -> None:
    bad = student_assessment(studentObjectiveAssessments=[*scored("o1"), {}])["studentAssessments"][0]
    good = student_assessment(studentObjectiveAssessments=scored("o1"))["studentAssessments"][0]
    _, first, second = FORMS["edfi"].split(
        json.dumps({"objectiveAssessments": objectives("o1"), "studentAssessments": [bad, good]}).encode()
    )

    assert refusal("edfi", first) == ("missing_member", "/studentObjectiveAssessments/1/objectiveAssessmentReference")
    assert len(pieces(FORMS["edfi"].read(second, ORIGIN))) == 1


def test_an_edfi_payload_grows_by_what_students_have_scores_of() -> None:
    many = [f"objective-{number}" for number in range(500)]
    students = [student_assessment()["studentAssessments"][0] for _ in many]
    payload = json.dumps({"objectiveAssessments": objectives(*many), "studentAssessments": students}).encode()

    assert sum(map(len, FORMS["edfi"].split(payload))) < 2 * len(payload)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b'<!DOCTYPE x [<!ENTITY a "b">]><InterchangeStudentAssessment/>', "malformed_xml"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'.encode("utf-16-le"), "malformed_xml"),
        ('<?xml version="1.0" encoding="iso-8859-1"?><x>é</x>'.encode("latin-1"), "not_utf8"),
        (b"<a><b></a>", "malformed_xml"),
        (b"<a>" * 40 + b"</a>" * 40, "too_deep"),
        (b"<InterchangeStudentAssessment/>", "missing_member"),
        (student_assessment(administrationDate="then"), "invalid_time"),
        (student_assessment(assessmentReference={"assessmentIdentifier": "unknown"}), "unknown_assessment"),
    ],
)
def test_a_bad_edfi_payload_is_refused(payload: Any, reason: str) -> None:
    assert refusal("edfi", payload)[0] == reason


# All


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "payload", [b"", b"[]", b"\xff", b"{", b'{"a":1}', b"nul", b"[" * 5000, b'{"a":' * 60 + b"1" + b"}" * 60]
)
def test_what_is_of_no_format_is_refused_with_a_reason(form: str, payload: bytes) -> None:
    reason, pointer = refusal(form, payload)

    assert reason
    assert pointer is not None


@pytest.mark.parametrize(
    "zone", ["America/Los_Angeles", "America/St_Johns", "UTC", "Asia/Kathmandu", "Pacific/Kiritimati"]
)
@pytest.mark.parametrize("hour", [0, 8, 12, 23])
@pytest.mark.parametrize(("form", "dated"), [
    ("oneroster", lambda day: roster_result(scoreDate=day, dateLastModified=day)),
    ("edfi", lambda day: student_assessment(administrationDate=day, _lastModifiedDate=day)),
])  # fmt: skip
def test_a_date_alone_may_be_today_at_any_hour_and_never_tomorrow(form: str, dated: Any, zone: str, hour: int) -> None:
    """It is read as its noon: in the morning that was refused as of the future. The days are those of a change of clocks."""
    for day in (
        datetime.date(2026, 3, 8),
        datetime.date(2026, 11, 1),
        datetime.date(2028, 2, 29),
        datetime.date(2026, 12, 31),
    ):
        at = datetime.datetime.combine(day, datetime.time(hour), ZoneInfo(zone)).astimezone(datetime.UTC)
        origin = Origin("demo", "urn:x", at, at, ZoneInfo(zone))
        today, tomorrow = (FORMS[form].split(json.dumps(dated(str(day + n * DAY))).encode())[-1] for n in (0, 1))
        found = [datetime.datetime.fromisoformat(one.occurred_at) for one in pieces(FORMS[form].read(today, origin))]

        assert {moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for moment in found} == {
            datetime.datetime.combine(day, datetime.time(12))
        }  # fmt: skip
        with pytest.raises(InvalidEvent, match="future"):
            FORMS[form].read(tomorrow, origin)


def test_trap_19_work_from_the_future_is_refused() -> None:
    assert refusal("canvas", live("learning_outcome_result_created", **result(
        assessed_at="2027-01-01T00:00:00Z"))) == ("future_time", "/body/assessed_at")  # fmt: skip


@pytest.mark.parametrize(
    ("form", "payload", "pointer"),
    [
        ("canvas", live("learning_outcome_result_updated", **result(updated_at="2062-03-04T10:00:00Z")), "/body/updated_at"),
        ("canvas", live("grade_change", submission_id="1", score=None)
         | {"metadata": {"event_name": "grade_change", "event_time": "2062-03-04T10:00:00Z"}}, "/metadata/event_time"),
        ("oneroster", roster_result(dateLastModified="2062-03-04"), "/assessmentResult/dateLastModified"),
        ("oneroster", roster_result(dateLastModified="2062-03-04", status="tobedeleted"),
         "/assessmentResult/dateLastModified"),
        ("edfi", student_assessment(_lastModifiedDate="2062-03-04T10:00:00"), "/_lastModifiedDate"),
    ],
)  # fmt: skip
def test_a_change_from_the_future_is_refused(form: str, payload: Any, pointer: str) -> None:
    assert refusal(form, payload) == ("future_time", pointer)
