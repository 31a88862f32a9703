"""Whom a learner or family may ask."""

from services.reporting.domain.whom_to_ask import Contact, contacts


def row(person: str, role: str, via: str = "class", title: str | None = None) -> dict[str, str | None]:
    return {"person": person, "role": role, "via": via, "title": title}


def test_who_teaches_comes_first_and_each_person_once_with_all_classes() -> None:
    rows = [
        row("sub", "substitute", title="Art"), row("case", "case-manager", "learner"), row("tea", "teacher", title="Maths"),
        row("tea", "aide", title="Art"),
    ]  # fmt: skip

    assert contacts(rows) == [
        Contact("tea", "teacher", ("Art", "Maths")), Contact("case", "case_manager", ()), Contact("sub", "substitute", ("Art",)),
    ]  # fmt: skip


def test_a_guardian_is_not_sent_to_a_guardian_and_an_unknown_role_only_teaches_in_a_class() -> None:
    rows = [row("mum", "guardian", "learner"), row("x", "neighbour", "learner"), row("y", "maestra")]

    assert contacts(rows) == [Contact("y", "teacher", ())]
