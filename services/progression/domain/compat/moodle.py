"""
Moodle: whether a parent competency follows from its proficient children.

Source: moodle/moodle, competency/classes/competency_rule_all.php and competency_rule_points.php.
"""

from collections.abc import Collection, Hashable, Sequence
from typing import NamedTuple


class Child(NamedTuple):
    """A child competency under the rule of points."""

    id: Hashable
    points: int
    required: bool = False


def rule_all(children: Collection[Hashable], proficient: Collection[Hashable]) -> bool:
    """Tell whether all children are proficient; a competency without children never follows."""
    return bool(children) and all(child in proficient for child in children)


def rule_points(points_required: int, children: Sequence[Child], proficient: Collection[Hashable]) -> bool:
    """
    Tell whether all required children are proficient and the proficient ones together have the points.

    Raises:
        ValueError: a rule that Moodle refuses: fewer than 1 point to reach, more than all children have, negative points, or
            a child named twice.
    """
    if len({child.id for child in children}) < len(children):
        raise ValueError("a child is named twice")
    if any(child.points < 0 for child in children):
        raise ValueError("points are 0 or more")
    if not 1 <= points_required <= sum(child.points for child in children):
        raise ValueError("the points to reach are 1 or more, and no more than all children have")
    reached = sum(child.points for child in children if child.id in proficient)
    return reached >= points_required and all(child.id in proficient for child in children if child.required)
