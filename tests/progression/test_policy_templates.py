"""The templates: each opens and records what its table row says, by folding work through it."""

import random
from typing import Any

import pytest

from services.progression.domain.mastery import KeyState, piece_of, replay
from services.progression.domain.policy import Policy, read_policy
from services.progression.domain.policy.templates import NAMES, template
from services.progression.domain.standing import score_of, status_of
from services.progression.domain.states import Decided
from shared.contracts.internal_events import EvidenceRecorded, Score, Status
from shared.permissions import PERMISSIONS, ROLES
from tests.progression.test_correction import WOVEN
from tests.support.journal import Decided as Enforced
from tests.support.journal import Journal, piece, restore, retract

SIGNED = Decided("d1", "sign_off", "2026-06-01T10:00:00.000000Z", by="teacher")
TEACHER = {"by": "teacher", "of": None}


def policy_of(name: str) -> Policy:
    return read_policy(template(name))


def work(marks: list[float], *, kinds: str | list[str] = "performance", days: list[int] | None = None, **more: Any):
    """Build one piece a mark, a day and an activity each, unless `days` says otherwise; labels of a scale may be marks."""
    named = [kinds] * len(marks) if isinstance(kinds, str) else kinds
    return [
        piece(n, day=days[n - 1] if days else n, score=Score(level=mark), activity=f"task-{n}", kind=kind, **more)
        for n, (mark, kind) in enumerate(zip(marks, named, strict=True), start=1)
    ]


def status(name: str, evidence: list[EvidenceRecorded], *decisions: Decided) -> Status:
    policy = policy_of(name)
    state = replay(KeyState(), map(piece_of, evidence), policy.rule, policy.hash, decisions)
    return status_of(state, policy.rule)


def test_every_template_carries_its_name():
    assert [policy_of(name).id for name in NAMES] == list(NAMES)
    with pytest.raises(KeyError):
        template("../classroom")


@pytest.mark.parametrize("name", NAMES)
def test_practice_and_self_assessment_never_gate_except_where_practice_is_the_work(name: str):
    kinds = policy_of(name).evidence.kinds

    assert kinds == ({"self": 0} if name == "practice" else {"practice": 0, "self": 0})


@pytest.mark.parametrize("name", NAMES)
def test_whoever_decides_may_override_and_hold_with_a_reason(name: str):
    deciding = {"school_leader" if role == "leader" else role for role in ROLES if "decide" in PERMISSIONS[role]}
    override = policy_of(name).override

    assert override is not None
    assert (set(override.roles), override.reason, override.may_lower) == (deciding, True, True)


@pytest.mark.parametrize("name", NAMES)
def test_where_a_signature_is_asked_for_adults_who_let_wait_are_asked_too(name: str):
    policy = policy_of(name)
    signed = any(route.role for route in policy.rule.routes) or policy.advancement is not None
    waits = policy.support.waits if policy.support is not None else None

    assert (waits is not None and (waits.sign_off, waits.placement, waits.ungraded) == (5, 10, 10)) == signed


@pytest.mark.parametrize("name", [name for name in NAMES if name != "canvas-compat"])
def test_everywhere_the_first_crossing_latches_nothing_is_closed_and_depth_is_asked_of_tagged_work_only(name: str):
    policy = policy_of(name)

    assert (policy.decision.latch, policy.gating, policy.settle) == ("first_crossing", "advisory", 60)
    assert policy.decision.min_probability is None
    assert all(depth.when_tagged for path in policy.paths for depth in path.sufficiency.depths)


@pytest.mark.parametrize("name", ["k2", "classroom", "performance"])
def test_one_later_slip_changes_nothing_and_two_ask_for_a_re_check(name: str):
    top = 3.0
    mastered = work([top, top, top])
    slips = [piece(n, day=n, score=Score(level=1.0), activity=f"late-{n}", kind="performance") for n in (8, 9)]
    last = Decided("d1", "sign_off", "2026-03-04T10:00:00.000000Z", by="teacher")

    assert status(name, [*mastered, slips[0]], last) == "mastered"
    assert status(name, [*mastered, *slips], last) == "reverify_due"


def test_k2_opens_at_one_secure_and_records_two_of_three_on_two_days_without_a_sign_off():
    secure = [Score(level="secure"), Score(level="developing"), Score(level="secure")]
    seen = [piece(n, day=n, score=s, activity="counting", kind="observation") for n, s in enumerate(secure, start=1)]
    same_day = [piece(n, day=1, score=Score(level="secure"), kind="observation") for n in (1, 2)]

    assert [status("k2", seen[:n]) for n in (1, 2, 3)] == ["provisional", "provisional", "mastered"]
    assert status("k2", same_day) == "provisional"


@pytest.mark.parametrize("kind", ["summative", "performance"])
def test_credit_needs_a_major_piece_and_a_signature(kind: str):
    without = work([3, 3, 3], kinds="formative")
    major = work([3, 3, 3], kinds=["formative", "formative", kind])

    assert status("credit", without) == status("credit", without, SIGNED) == "provisional"
    assert status("credit", major) == "provisional"
    assert status("credit", major, SIGNED) == "mastered"
    assert status("credit", work([3, 3, 2], kinds=["formative", "formative", kind]), SIGNED) == "provisional"


def test_performance_opens_at_one_task_and_records_two_of_three_with_a_signature():
    tasks = work([3, 2, 3])

    assert [status("performance", tasks[:n]) for n in (1, 2, 3)] == ["provisional"] * 3
    assert status("performance", tasks[:2], SIGNED) == "provisional"
    assert status("performance", tasks, SIGNED) == "mastered"


def test_practice_opens_at_five_in_a_row():
    assert status("practice", work([1] * 4, kinds="practice", days=[1] * 4)) == "insufficient_evidence"
    assert status("practice", work([1] * 5, kinds="practice", days=[1] * 5)) == "provisional"


@pytest.mark.parametrize(
    ("after", "days", "kind", "expected"),
    [
        ([1, 1], [1, 1], "practice", "provisional"),
        ([1, 1], [2, 2], "practice", "mastered"),
        ([0, 1, 1], [2, 2, 2], "practice", "mastered"),
        ([0, 1, 0], [2, 2, 2], "practice", "provisional"),
        ([0.85], [2], "summative", "mastered"),
        ([0.85], [1], "observation", "mastered"),
        ([0.75], [2], "summative", "provisional"),
    ],
)
def test_practice_is_recorded_by_two_of_three_another_day_or_by_one_piece_of_other_work(
    after: list[float], days: list[int], kind: str, expected: Status
):
    evidence = work([1.0] * 5 + after, kinds=["practice"] * 5 + [kind] * len(after), days=[1] * 5 + days)

    assert status("practice", evidence) == expected


def test_canvas_compat_shows_the_number_that_canvas_shows():
    """Latest 5 against the mean 3 of 1, 4, 2, 5 and 3: 0.65 x 5 + 0.35 x 3 = 4.3."""
    policy = policy_of("canvas-compat")
    state = replay(KeyState(), map(piece_of, work([1, 4, 2, 5, 3, 5], kinds="summative")), policy.rule, "")

    assert score_of(state, policy.rule) == 4.3
    assert (policy.provisional, policy.sign_off, policy.advancement) == (None, None, None)


def test_canvas_compat_tells_nothing_that_only_a_rule_of_its_own_would():
    """Whatever the marks: no provisional path, sign-off or support; a reader who wants less of the rest asks for less."""
    told: set[str] = set()
    for seed in range(40):
        chance = random.Random(seed)
        codes = [f"math:{entry.code}" for entry in WOVEN.competencies]
        pieces = [
            piece(
                n,
                day=n + 1,
                competency=chance.choice(codes),
                kind="summative",
                score=Score(level=float(chance.randint(0, 5))),
            )
            for n in range(12)
        ]
        journal = Journal().fold([Enforced(framework=WOVEN), Enforced(policy_of("canvas-compat")), *pieces])
        journal.fold([retract(pieces[0])]).fold([restore(pieces[0])])
        told |= {kind for kind in journal.kinds() if kind != "competency.credited"}

    assert told == {
        *(
            f"competency.{kind}"
            for kind in ("mastered", "withdrawn", "reinstated", "reverify_due", "reverified", "ready")
        ),
        *(f"level.{kind}" for kind in ("ready", "advanced", "review_required", "reinstated")),
    }


@pytest.mark.parametrize(
    ("name", "power", "supporting"),
    [
        ("k2", "mastered", (0.75, "provisional")),
        ("classroom", "mastered", (0.75, "provisional")),
        ("credit", "mastered", None),
        ("performance", "mastered", (0.75, "provisional")),
        ("practice", "mastered", (0.75, "provisional")),
    ],
)
def test_a_level_is_all_power_standards_and_a_share_of_the_others_signed_by_a_teacher(
    name: str, power: str, supporting: tuple[float, str] | None
):
    advancement = policy_of(name).advancement
    assert advancement is not None
    others = advancement.require.supporting

    assert advancement.require.power == power
    assert (None if others is None else (others.share, others.at)) == supporting
    assert advancement.sign_off is not None
    assert advancement.sign_off.model_dump() == TEACHER


@pytest.mark.parametrize(("name", "days"), [("k2", None), ("classroom", None), ("credit", None), ("practice", 20)])
def test_only_practice_is_re_checked_by_date(name: str, days: int | None):
    assert policy_of(name).upkeep.reverify_after_days == days


def test_after_credit_nothing_is_re_checked():
    slips = [piece(n, day=n, score=Score(level=1.0), activity=f"late-{n}", kind="summative") for n in (8, 9)]
    signed = Decided("d1", "sign_off", "2026-03-04T10:00:00.000000Z", by="teacher")

    assert status("credit", [*work([3, 3, 3], kinds="summative"), *slips], signed) == "mastered"
