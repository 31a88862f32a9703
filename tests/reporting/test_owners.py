"""Who owns suggested support: the role that the policy names, else who stands in; there is always an owner."""

import pytest

from services.reporting.domain.needs import Waits, together
from services.reporting.domain.owners import owner_names, owners
from services.reporting.domain.support import ANSWERED, SEES, owner_of
from services.reporting.web.rendering import LANGUAGES, Words
from shared.contracts.support_events import SupportClosed, SupportSuggested
from shared.permissions import Role


@pytest.mark.parametrize(
    ("asked", "present", "owner"),
    [
        ("teacher", {"teacher", "leader"}, "teacher"),
        ("counsellor", {"teacher", "leader"}, "teacher"),
        ("teacher", {"leader", "guardian"}, "school_leader"),
        ("school_leader", {"leader"}, "school_leader"),
        ("teacher", {"substitute", "guardian", "learner"}, "school_office"),
        ("registrar", {"registrar", "teacher"}, "teacher"),
        ("nobody_of_ours", set[Role](), "school_office"),
    ],
)
def test_whoever_is_there_and_may_see_it_owns_it(asked: str, present: set[Role], owner: str) -> None:
    assert owner_of(asked, present) == owner


def test_no_family_owns_it_and_the_outcomes_that_count_are_told() -> None:
    assert not SEES & {"learner", "guardian"}
    assert set(ANSWERED) < set(SupportClosed.__annotations__["outcome"].__args__)


def test_work_that_one_grading_ends_is_put_together_and_all_else_stays_alone() -> None:
    def waits(learner: str, cause: str = "ungraded", detail: str = "essay") -> Waits:
        return Waits(learner, "support", "m:a", None, "2026", 0, None, False, "teacher", (detail,), cause=cause)

    sign_off = [waits(learner, "sign_off_waits") for learner in ("ada", "bo")]
    essay, poster = [waits("ada"), waits("bo")], waits("cy", detail="poster")

    assert together([sign_off[0], essay[0], poster, essay[1], sign_off[1]]) == [
        [sign_off[0]], essay, [poster], [sign_off[1]]
    ]  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_cause_and_every_owner_has_words(language: str) -> None:
    words = Words(language)
    causes = SupportSuggested.__annotations__["need"].__args__

    assert all(words(f"support.{cause}") for cause in causes)
    assert words("role.school_office")


def around(learner: str, person: str, role: str, via: str = "class") -> dict[str, str]:
    return {"learner": learner, "person": person, "role": role, "via": via}


def test_an_owner_is_named_where_few_have_the_role_and_each_has_a_name() -> None:
    rows = [
        around("ada", "t1", "teacher"), around("ada", "t2", "co-teacher"), around("ada", "c", "counselor", "learner"),
        around("ada", "h", "principal", "school"), around("ada", "mum", "guardian", "learner"),
        *(around("bo", f"t{n}", "teacher") for n in range(4)), around("cy", "t1", "teacher"), around("cy", "x", "teacher"),
    ]  # fmt: skip
    names = {person: person.upper() for person in ("t0", "t1", "t2", "t3", "c", "h", "mum")}

    found = owners(rows, names)

    assert owner_names(found, "ada", "teacher") == ["T1", "T2"]
    assert owner_names(found, "ada", "counsellor") == ["C"]
    assert owner_names(found, "ada", "school_leader") == ["H"]
    assert [owner_names(found, learner, "teacher") for learner in ("bo", "cy", "dee")] == [[], [], []]
    assert owner_names(found, "ada", "school_office") == owner_names(found, "ada", "guardian") == []
