"""The published permission matrix: what each role sees."""

from pathlib import Path

import pytest

from shared.permissions import PERMISSIONS, ROLES, VIEWS, Role, matrix, may, role_of, tenant_roles

SEEN = """
            record timeline growth projection why class queues aggregate analysis own_access_log access_log names
learner        yes      yes    yes         no yes    no     no        no       no            yes         no    no
guardian       yes      yes    yes         no yes    no     no        no       no            yes         no   yes
teacher        yes      yes    yes        yes yes   yes    yes        no       no             no         no   yes
substitute     yes       no     no         no yes   yes    yes        no       no             no         no   yes
case_manager   yes      yes    yes        yes yes    no    yes        no       no             no         no   yes
counsellor     yes      yes    yes        yes yes   yes    yes       yes       no             no         no   yes
registrar      yes      yes     no         no  no    no    yes       yes       no             no         no   yes
leader         yes      yes    yes        yes yes   yes    yes       yes      yes             no         no   yes
auditor         no       no     no         no  no    no     no       yes      yes             no        yes    no
integration    yes      yes     no         no  no   yes    yes       yes       no             no         no   yes
"""
DONE = """
            capture sign_off decide correct answer
learner          no       no     no      no     no
guardian         no       no     no      no     no
teacher         yes      yes    yes     yes    yes
substitute      yes       no     no      no     no
case_manager     no       no     no      no    yes
counsellor       no       no    yes      no    yes
registrar        no       no    yes      no     no
leader           no      yes    yes     yes    yes
auditor          no       no     no      no     no
integration      no       no     no      no     no
"""
TAKEN = """
            credential export support plan set_plan ask asked
learner            yes     no      no  yes       no yes   yes
guardian           yes     no      no  yes       no yes   yes
teacher             no     no     yes  yes       no  no   yes
substitute          no     no      no   no       no  no    no
case_manager        no     no     yes  yes      yes  no   yes
counsellor         yes     no     yes  yes      yes  no   yes
registrar          yes    yes      no   no       no  no    no
leader             yes     no     yes  yes      yes  no   yes
auditor             no     no      no   no       no  no    no
integration         no    yes      no   no       no  no    no
"""


def test_the_permission_matrix_is_as_published() -> None:
    heads: list[str] = []
    published: dict[str, set[str]] = {}
    for table in (SEEN, DONE, TAKEN):
        head, *lines = [line.split() for line in table.strip().splitlines()]
        heads += head
        for line in lines:
            published.setdefault(line[0], set()).update(
                view for view, word in zip(head, line[1:], strict=True) if word == "yes"
            )

    assert heads == list(VIEWS)
    assert list(published) == list(ROLES)
    assert published == {role: set(views) for role, views in PERMISSIONS.items()}
    assert matrix() in (Path(__file__).parents[2] / "docs" / "permissions.md").read_text()


def test_no_learner_or_guardian_sees_a_projection_or_somebody_elses_numbers() -> None:
    for role in ("learner", "guardian"):
        assert not PERMISSIONS[role] & {
            "projection",
            "class",
            "queues",
            "aggregate",
            "analysis",
            "access_log",
            "support",
        }


@pytest.mark.parametrize(
    ("name", "role"), [("School Leader", "leader"), ("co-teacher", "teacher"), ("parent", "guardian"), ("dean", None)]
)
def test_names_of_roles_that_others_use(name: str, role: Role | None) -> None:
    assert role_of(name) == role


def test_a_tenant_token_reads_the_tenant_but_not_who_looked() -> None:
    assert may(tenant_roles((), "analysis"), "analysis") == "leader"
    assert may(tenant_roles(["teacher"], "access_log"), "access_log") is None
    assert may(tenant_roles(["auditor"], "access_log"), "access_log") == "auditor"


def test_a_tenant_token_that_names_roles_has_those_alone() -> None:
    assert may(tenant_roles(["auditor"], "record"), "record") is None
    assert may(tenant_roles(["registrar"], "analysis"), "analysis") is None
    assert may(tenant_roles(["head of mathematics"], "record"), "record") == "leader"


def test_what_is_restricted_takes_a_role_that_the_token_names() -> None:
    assert may(tenant_roles((), "support"), "support") is None
    assert may(tenant_roles(["integration", "registrar", "auditor"], "support"), "support") is None
    assert may(tenant_roles(["school_leader"], "support"), "support") == "leader"
