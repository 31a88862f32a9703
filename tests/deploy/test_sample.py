"""The sample district: its files are sound, its simulation is pure, and what it sends is evidence."""

import datetime
import time
from collections import Counter

import msgspec
import pytest

from deploy.local.client.counting import State
from deploy.local.commands.demo_district import Coming
from deploy.local.commands.demo_findings import Agreement, choose, compare
from deploy.local.errors import StackError
from deploy.local.sample import district as sample
from deploy.local.sample.district import District, make_district
from deploy.local.sample.learning import MASTERED, live, right_chance
from deploy.local.sample.people import WHOLE, Size, make_classes, make_people, make_roster
from services.evidence.formats import native
from services.progression.domain.policy import read_policy
from tests.support.frameworks import read_csv

SMALL = Size(learners=3)


@pytest.fixture(scope="module")
def small() -> District:
    return make_district(size=SMALL)


def test_framework_has_no_problems_and_two_subjects_of_five_levels() -> None:
    framework, problems = read_csv(sample.FRAMEWORK, sample.TITLE, sample.read_nodes(), sample.read_edges())

    assert problems == []
    assert len(framework.competencies) == 40
    assert {len(members) for members in framework.levels.values()} == {4}
    assert len(framework.levels) == 10


def test_prerequisites_never_come_from_a_higher_level() -> None:
    level = {competency.code: competency.level for competency in sample.read_competencies()}

    assert all(level[code] <= each.level for each in sample.read_competencies() for code in each.needs)


def test_policy_is_of_the_language() -> None:
    assert read_policy(sample.read_policy()).id == "sample-district"


def test_same_seed_gives_the_same_year_to_the_byte(small: District) -> None:
    assert make_district(size=SMALL) == small
    assert make_district("another", SMALL).months != small.months


def test_learner_does_not_depend_on_the_others() -> None:
    competencies = sample.read_competencies()
    alone = make_people("x", Size(learners=1))[0]

    assert live(alone, competencies, "x") == live(alone, competencies, "x")
    assert len(make_people("x")) == 300
    assert len({person.name for person in make_people("x")}) == 300


def test_every_item_is_native_evidence_in_order_of_time(small: District) -> None:
    end = small.months[-1].end
    codes = {f"{sample.FRAMEWORK}:{competency.code}" for competency in sample.read_competencies()}
    instants, ids = [], Counter[str]()
    for month in small.months:
        for item in month.items:
            content = native.read(item, "demo", end).content
            instants.append(content.occurred_at)
            ids[content.id] += 1
            assert set(content.competencies) <= codes
            assert content.occurred_at < month.end.isoformat()

    assert instants == sorted(instants)
    assert max(ids.values()) == 1
    assert [month.end.month for month in small.months] == [10, 11, 12, 1, 2, 3, 4, 5, 6, 7]


def test_results_under_the_wrong_key_are_taken_back_and_shown_again(small: District) -> None:
    items = [msgspec.json.decode(item) for month in small.months for item in month.items]
    quiz = {item["id"] for item in items if item.get("activity", {}).get("id") == small.mistake.activity}
    again = {item["id"] for item in items if item.get("activity", {}).get("id") == f"{small.mistake.activity}-again"}

    assert {item["retracts"] for item in items if "retracts" in item} == quiz
    assert again == {f"{id}-again" for id in quiz}
    assert small.mistake.results == len(quiz) > 0


def test_understanding_shows() -> None:
    chances = [right_chance(step / 20) for step in range(21)]

    assert chances == sorted(chances)
    assert 0.1 < chances[0] < 0.15
    assert right_chance(MASTERED) > 0.75


def test_what_is_learned_takes_time_and_is_dated_within_the_year(small: District) -> None:
    known = [len(year.since) for year in small.lives.values()]
    dates = [date for year in small.lives.values() for date in year.since.values()]

    assert min(known) < max(known)
    assert all(datetime.date(2024, 9, 2) <= date < small.months[-1].end.date() for date in dates)


def test_roster_names_only_what_it_has() -> None:
    roster = make_roster(make_people("x"))
    classes = {row["class"] for row in roster["classes"]}

    assert classes == {row["class"] for row in roster["enrolments"]} == {row["class"] for row in roster["staff"]}
    assert {row["learner"] for row in roster["groups"]} == {row["source_id"] for row in roster["learners"]}
    assert len({row["value"] for row in roster["groups"]}) == 3
    assert {row["target"] for row in roster["assignments"]} == (
        {row["source_id"] for row in roster["learners"]} | {row["school"] for row in roster["schools"]}
    )
    assert {row["school"] for row in roster["classes"]} <= {row["school"] for row in roster["schools"]}
    assert len(make_classes()) == 12


def test_whole_district_has_five_schools_and_goes_on_for_a_second_year() -> None:
    people, competencies = make_people("x", WHOLE), sample.read_competencies()
    roster = make_roster(people)
    one, two = (live(people[0], competencies, "x", years) for years in (1, 2))

    assert (len(roster["schools"]) - 1, len(roster["classes"]), len({person.name for person in people})) == (
        5,
        80,
        2000,
    )
    assert two.showings[: len(one.showings)] == one.showings
    assert {showing.at.year for showing in two.showings[len(one.showings) :]} == {2025, 2026}
    assert min(showing.at for showing in two.showings[len(one.showings) :]).month == 9


def _state(competency: str, status: str, mastered_at: datetime.date | None) -> State:
    when = None if mastered_at is None else datetime.datetime.combine(mastered_at, datetime.time(), datetime.UTC)
    return State("opaque", competency, status, 5, when)


def test_a_district_is_made_up_beside_what_is_done_meanwhile_and_given_up_where_that_fails() -> None:
    few = Size(schools=1, learners=2)
    with Coming(few) as coming:
        assert coming.district() == sample.make_district(size=few)
    began = time.monotonic()
    with pytest.raises(StackError), Coming(Size(schools=5, parallel=4, years=20)):
        raise StackError("no port is free")

    assert time.monotonic() - began < 5


def test_declared_mastery_is_held_against_the_truth(small: District) -> None:
    learner, year = next((learner, year) for learner, year in small.lives.items() if len(year.since) >= 3)
    first, second, third = list(year.since.items())[:3]
    day = datetime.timedelta(days=1)
    states = {
        (learner, f"f:{first[0]}"): _state(first[0], "mastered", first[1] + day),
        (learner, f"f:{second[0]}"): _state(second[0], "mastered", second[1] - day),
        (learner, f"f:{third[0]}"): _state(third[0], "not_yet", None),
        (learner, "f:never"): _state("never", "not_yet", None),
    }

    assert compare(small, states) == Agreement(declared=2, too_early=1, true=3, open=1)


def test_three_learners_are_chosen_by_what_is_on_the_record(small: District) -> None:
    ahead, slow, due = [person for person in small.people if person.home.level == 1][:3]
    late = small.months[-1].end.date() - datetime.timedelta(days=20)
    states = {(ahead.id, f"f:{n}"): _state(f"{n}", "mastered", late) for n in range(12)}
    states |= {(slow.id, f"f:{n}"): _state(f"{n}", "mastered", late) for n in range(4)}
    states |= {(slow.id, f"f:{n}"): _state(f"{n}", "not_yet", None) for n in range(4, 9)}
    states |= {(due.id, "f:M1.1"): _state("M1.1", "reverify_due", late)}

    assert [worth.person for worth in choose(small, states)] == [ahead, slow, due]
