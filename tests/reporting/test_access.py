"""The published permission matrix: what each role sees."""

import pytest

from services.reporting.domain.access import PERMISSIONS, ROLES, VIEWS, Role, may, role_of, tenant_roles

PUBLISHED = """
                record timeline growth projection why class queues aggregate analysis own_access_log access_log names credential
learner            yes      yes    yes         no yes    no     no        no       no            yes         no    no        yes
guardian           yes      yes    yes         no yes    no     no        no       no            yes         no   yes        yes
teacher            yes      yes    yes        yes yes   yes    yes        no       no             no         no   yes         no
substitute         yes       no     no         no yes   yes    yes        no       no             no         no   yes         no
case_manager       yes      yes    yes        yes yes    no    yes        no       no             no         no   yes         no
counsellor         yes      yes    yes        yes yes   yes    yes       yes       no             no         no   yes        yes
registrar          yes      yes     no         no  no    no    yes       yes       no             no         no   yes        yes
leader             yes      yes    yes        yes yes   yes    yes       yes      yes             no         no   yes        yes
auditor             no       no     no         no  no    no     no       yes      yes             no        yes    no         no
integration        yes      yes     no         no  no   yes    yes       yes       no             no         no   yes         no
"""


def test_the_permission_matrix_is_as_published() -> None:
    head, *lines = [line.split() for line in PUBLISHED.strip().splitlines()]
    published = {line[0]: {view for view, word in zip(head, line[1:], strict=True) if word == "yes"} for line in lines}

    assert head == list(VIEWS)
    assert list(published) == list(ROLES)
    assert published == {role: set(views) for role, views in PERMISSIONS.items()}


def test_no_learner_or_guardian_sees_a_projection_or_somebody_elses_numbers() -> None:
    for role in ("learner", "guardian"):
        assert not PERMISSIONS[role] & {"projection", "class", "queues", "aggregate", "analysis", "access_log"}


@pytest.mark.parametrize(
    ("name", "role"), [("School Leader", "leader"), ("co-teacher", "teacher"), ("parent", "guardian"), ("dean", None)]
)
def test_names_of_roles_that_others_use(name: str, role: Role | None) -> None:
    assert role_of(name) == role


def test_a_tenant_token_reads_the_tenant_but_not_who_looked() -> None:
    assert may(tenant_roles(()), "analysis") == "leader"
    assert may(tenant_roles(["teacher"]), "access_log") is None
    assert may(tenant_roles(["auditor"]), "access_log") == "auditor"
