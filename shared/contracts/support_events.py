"""
The data of the events on the restricted log `support`: the same contract as `public_events`, for fewer eyes.

They are prompts to adults, never on family pages, transcripts or exports.
"""

from typing import Literal

import msgspec

from shared.contracts.public_members import By, PublicEvent


class SupportSuggested(PublicEvent, frozen=True, kw_only=True):
    """
    An adult's attention is asked for: on the side of learning by the work itself, on that of the school where adults are the
    wait. `owner` is a role, `respond_by` a day. A prompt and no label: it is kept by nobody, and ends with the school year.
    Several may be open on a scope, each of its own need; further needs may be told in time.
    """

    side: Literal["learning", "school"]
    need: Literal[
        "practice_without_progress", "work_below_the_cut", "sign_off_waits", "ungraded", "ready_and_waiting", "plan_review"
    ]  # fmt: skip
    owner: str
    respond_by: str
    waiting_since: str | None = None
    weakest_prerequisite: str | None = None
    tried: tuple[str, ...] = ()


class SupportClosed(PublicEvent, frozen=True, kw_only=True):
    """What was suggested (`replaces`) is over; `days` are the school days that it was open, `by` a person who closed it."""

    outcome: Literal[
        "progress", "corrected", "decided", "done", "rules_changed", "year_ended", "plan_changed", "dismissed", "left"
    ]
    days: int
    by: By | None = None


SUPPORT_SUGGESTED, SUPPORT_CLOSED = "attain.support.suggested.v1", "attain.support.closed.v1"
SUPPORT_EVENTS: dict[str, type[msgspec.Struct]] = {
    SUPPORT_SUGGESTED: SupportSuggested,
    SUPPORT_CLOSED: SupportClosed,
}
"""The data of those on the restricted topic."""
