"""The data of the public events on levels and goals; part of the contract in `shared.contracts.public_events`."""

from shared.contracts.public_members import Basis, By, Policy, PublicEvent


class LevelEvent(PublicEvent, frozen=True, kw_only=True):
    """
    What every event on a level has. It is told once the time is over that the policy lets levels settle, unless it was undone
    by then, with the `cause` and dates that it had at once. `before` and `after` are statuses as `/v1/standings` has them, the
    same where it changes none. `basis` says who decided, or that the evidence did: the pieces are in the events of the level's
    competencies. `policy` has the rule of the level. What was told before there were these members lacks them.
    """

    before: str | None = None
    after: str | None = None
    basis: Basis | None = None
    policy: Policy | None = None


class LevelReady(LevelEvent, frozen=True, kw_only=True):
    """All that is needed to begin a level is met."""

    options: tuple[str, ...] = ()
    waiting_since: str | None = None


class SignOffRequested(LevelEvent, frozen=True, kw_only=True):
    """The computed part of a level is complete: a task for one of the roles."""

    approver_roles: tuple[str, ...] = ()
    escalate_at: str | None = None
    weakest: tuple[str, ...] = ()


class SignOffLapsed(LevelEvent, frozen=True, kw_only=True):
    """
    A sign-off that was requested (`replaces`) is asked of nobody any more: another policy or framework version asks something
    else of the level. The task is over. Where a correction did it, `competency.withdrawn` says so in `levels_affected`.
    """


class Advanced(LevelEvent, frozen=True, kw_only=True):
    """
    A level is complete, and signed off where the policy asks for it: credit or placement. `basis` and `reason` are the
    signature's then, and else those of the rule. `credit` is the `code` and `value` of the level, where its framework gives any.
    """

    gaps: tuple[str, ...] = ()
    credit: dict[str, str | float] | None = None
    next: tuple[str, ...] = ()


class Withheld(LevelEvent, frozen=True, kw_only=True):
    """
    Somebody asked for a level and was refused; the placement stays.

    `missing` are the competencies that would count for what the level still asks for; `asks_for` says that as the rule does,
    a choice as so many more of some. Before there was `asks_for`, `missing` had both.
    """

    missing: tuple[str, ...] = ()
    asks_for: tuple[str, ...] = ()
    smallest_change: str | None = None
    decided_by: By
    appeal_to: str | None = None
    review_at: str | None = None


class ReviewRequired(LevelEvent, frozen=True, kw_only=True):
    """
    A correction removed what an advancement (`replaces`) stood on: open a case, change nothing. `missing` and `asks_for` are as
    in `Withheld`.
    """

    missing: tuple[str, ...] = ()
    asks_for: tuple[str, ...] = ()
    owner: str
    decide_by: str


class LevelDecision(LevelEvent, frozen=True, kw_only=True):
    """
    A named person took an advancement (`original`) back, or undid that; `replaces` is the review or the withdrawal that it ends.

    A level is also reinstated where the cause of its review is undone, whether or not a person has taken it back meanwhile: then
    nobody decided, and the members of `by` are empty. Its date is the original one.
    """

    by: By
    original: str | None = None


class PlacedWithGaps(LevelEvent, frozen=True, kw_only=True):
    """Placed beyond what is shown: attach support, never undo the placement. `checks` are at most three."""

    not_yet: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()


class GapsCleared(LevelEvent, frozen=True, kw_only=True):
    """
    The last gap of a placement (`replaces`) is closed; also told of a placement without any, where the level was told to be
    ready: so the wait for it is over.
    """


class GoalChosen(LevelEvent, frozen=True, kw_only=True):
    """A learner commits to a level, among the options seen. It rests on that alone: there is no `basis`."""

    by: By
    options_seen: tuple[str, ...] = ()
