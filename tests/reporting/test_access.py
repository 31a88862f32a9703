"""The published permission matrix: what each role sees."""

import pytest

from services.reporting.domain.access import PERMISSIONS, ROLES, VIEWS, Role, may, role_of, tenant_roles

PUBLISHED = """
learner: record timeline growth why own_access_log credential
guardian: record timeline growth why own_access_log names credential
teacher: record timeline growth projection why class queues names
substitute: record why class queues names
case_manager: record timeline growth projection why queues names
counsellor: record timeline growth projection why class queues aggregate names credential
registrar: record timeline queues aggregate names credential export
leader: record timeline growth projection why class queues aggregate analysis names credential
auditor: aggregate analysis access_log
integration: record timeline class queues aggregate names export
"""


def test_the_permission_matrix_is_as_published() -> None:
    published = {
        role: set(views.split()) for role, _, views in (line.partition(":") for line in PUBLISHED.strip().splitlines())
    }

    assert list(published) == list(ROLES)
    assert set().union(*published.values()) == set(VIEWS)
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
