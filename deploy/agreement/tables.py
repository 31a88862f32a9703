"""Every table and column of the three databases: which elements it holds, and how long."""

from collections.abc import Mapping
from typing import NamedTuple

from deploy.agreement.elements import NO_PERSON

ENDS = {
    "deleted": "deleted when the learner is erased or the district leaves; no age removes it",
    "emptied": "the row keeps its place in a log or its id, and what it said is emptied when the learner is erased",
    "detached": "the row stays, and the learner is taken out of it when erased",
    "certificate": "stays for good: a random id, kept so that who was erased stays erased and that can be proven",
    "digests": "stays for good: digests and dates of messages, by which an older one is known; they name nobody",
    "noted": "stays for good: that something was done, when, and by whom of the staff; of learners random ids at most",
    "originals": "{originals_kept_days}; and emptied or deleted when the learner is erased",
    "accesses": "{accesses_kept_days}; the learner is taken out when erased",
    "deliveries": "{deliveries_kept_days}",
    "support": "what was asked is forgotten once it is closed; the rest is deleted when the learner is erased",
    "staff": "until the district takes it back or leaves",
    "rules": "of no learner: rules, frameworks, keys and limits, until the district changes them",
    "work": "of no learner: counts, places in logs and what a running service needs",
}
"""How long a table keeps what it has; settings in braces."""
COMMON = frozenset(("tenant", "shard"))
"""The district, and the part of the logs: columns of most tables, and of no person."""


class Table(NamedTuple):
    """How long a table keeps its rows, and its columns by what they hold; one column may hold several elements."""

    ends: str
    columns: Mapping[str, str]

    def held(self) -> dict[str, set[str]]:
        """Return the columns by element."""
        return {element: set(names.split()) for element, names in self.columns.items()}


def _only(ends: str, columns: str) -> Table:
    return Table(ends, {NO_PERSON: columns})


_ALL = {
    "consumer_shard": _only("work", "consumer log generation pos inbox_pos next_offset epoch owner"),
    "tenant_limit": _only("rules", "name value"),
    "expiry_log": _only("work", "no day kind setting days rows until"),
}
_LOGS = {
    "log_head": _only("work", "log generation pos"),
    "relay_cursor": _only("work", "log pos"),
    "counted_block": _only("work", "log block rows"),
    "clock_seen": _only("work", "one at"),
}
EVIDENCE = _ALL | _LOGS | {
    "event_log": Table("emptied", {
        "opaque": "subject body", "evidence": "body", "accommodations": "body", "class": "body", "family": "body",
        "staff": "subject body", NO_PERSON: "log pos",
    }),
    "evidence": Table("emptied", {
        "opaque": "learner told home", "source id": "id", "free text": "private", "evidence": "align_by",
        NO_PERSON: "evidence_id source state digest pos valid relation target received_at",
    }),
    "learner_identity": Table("deleted", {"opaque": "learner home", "source id": "source source_id", "name": "name"}),
    "learner_merge": Table("emptied", {
        "opaque": "merged kept", "decision": "reason", "class": "left_classes joined_classes",
        "family": "left_classes joined_classes", "staff": "left_classes joined_classes merged_by undone_by",
        NO_PERSON: "merge_id merged_at undone_at",
    }),
    "erased_learner": Table("certificate", {"opaque": "learner", NO_PERSON: "erased_at"}),
    "roster_fact": Table("deleted", {
        "opaque": "key subject data", "class": "data", "family": "key data", "staff": "key data", NO_PERSON: "kind",
    }),
    "roster_group": Table("deleted", {"opaque": "learner", "group": "group_id value"}),
    "rollover": Table("noted", {"staff": "done_by", NO_PERSON: "session ended done_at undone_at"}),
    "staff_name": Table("staff", {"staff": "person name", NO_PERSON: "told_at"}),
    "handed_in": Table("deleted", {
        "opaque": "told", "source id": "source source_id", "evidence": "activity stamp waits told",
        NO_PERSON: "tellings",
    }),
    "quarantine": Table("originals", {
        "source id": "source learner_source_id item_id original", "evidence": "original detail",
        "accommodations": "original",
        "free text": "original", "staff": "original",

        NO_PERSON: "quarantine_id seq status reason pointer awaits way attempts received_at evidence_id form awaits_entry seen",
    }),
    "xapi_statement": Table("originals", {
        "source id": "source learner_source_id people body", "free text": "body",
        NO_PERSON: "statement_key digest outcome received_at voids",
    }),
    "kept_event": Table("originals", {
        "source id": "source people body", "free text": "body", "evidence": "body", "looks": "body",
        NO_PERSON: "event_key form reason received_at",
    }),
    "revision_group": Table("digests", {"source id": "source group_key", "evidence": "state"}),
    "access_log": Table("accesses", {"looks": "person act target", "staff": "person", NO_PERSON: "no at"}),
    "api_key": _only("rules", "key_id name source scopes digest created_at expires_at revoked_at"),
    "alignment": Table("rules", {
        "staff": "published_by",
        NO_PERSON: "id source effective_from version kind targets origin published_at applied",
    }),
    "alignment_head": _only("work", "version"),
    "own_activity": Table("rules", {"staff": "noted_by", NO_PERSON: "activity noted_at"}),
    "competency": _only("rules", "competency version retired identifier"),
    "identity_move": _only("work", "moves"),
    "intake_count": _only("work", "slot received accepted duplicate corrected parked rejected events"),
    "source_day": _only("work", "source day slot accepted duplicate parked rejected"),
}  # fmt: skip
PROGRESSION = _ALL | _LOGS | {
    "event_log": Table("emptied", {
        "opaque": "subject body", "standing": "body", "decision": "body", "support": "body", "staff": "body",
        NO_PERSON: "log pos",
    }),
    "journal": Table("emptied", {
        "opaque": "learner body", "evidence": "body", "accommodations": "body", "decision": "body",
        "standing": "competency", "staff": "body",
        NO_PERSON: "batch no events",
    }),
    "mastery": Table("deleted", {
        "opaque": "learner", "standing": "competency state deadline", "evidence": "state", "decision": "state",
        "staff": "state", NO_PERSON: "rules_no",
    }),
    "learner_standing": Table("deleted", {
        "opaque": "learner", "standing": "state deadline", "decision": "state", "support": "state", "staff": "state",
    }),
    "blocked_learner": Table("deleted", {"opaque": "learner", NO_PERSON: "pos reason since"}),
    "shadow_difference": Table("deleted", {
        "opaque": "learner", "standing": "competency live shadow live_shown_at shadow_shown_at",
        NO_PERSON: "policy since",
    }),
    "disclosure": Table("deleted", {"opaque": "learner", "disclosure": "via reader source day first last sent since until"}),
    "standing_disclosure": Table("detached", {
        "opaque": "behind last", "disclosure": "reader day since until", NO_PERSON: "no",
    }),
    "subscriber": Table("noted", {
        "disclosure": "via reader name purpose types frameworks since until", "staff": "declared_by", NO_PERSON: "id",
    }),
    "webhook": Table("rules", {
        "staff": "created_by", "disclosure": "name url purpose types frameworks source",

        NO_PERSON: "id key secret state reason failures retry_at version created_at former_key former_secret former_until",
    }),
    "webhook_cursor": _only("work", "webhook pos"),
    "webhook_held": Table("deleted", {"opaque": "learner", NO_PERSON: "webhook pos attempts retry_at parked reason"}),
    "webhook_delivery": Table("deliveries", {
        "disclosure": "at event type status outcome", NO_PERSON: "no webhook pos attempt ms",
    }),
    "activation": _only("rules", "no input_id pos time framework policy version time_zone breaks mode batch swept"),
    "policy": _only("rules", "hash body"),
    "framework": _only("rules", "id version body"),
    "policy_proposal": Table("rules", {
        "staff": "proposed_by approved_by",
        NO_PERSON: "id policy replaced framework mode reason expected proposed_at approved_at comparison now_because",
    }),
    "shadow_policy": Table("rules", {"staff": "started_by", NO_PERSON: "policy framework started_at"}),
    "shadow_cursor": _only("work", "policy pos"),
}  # fmt: skip
_STATE = "competency status score evidence_count last_evidence_at mastered_at data"
REPORTING = _ALL | {
    "mastery_v1": Table("deleted", {
        "opaque": "learner data", "standing": f"{_STATE} changed_at", "decision": "data", "staff": "data", NO_PERSON: "seq",
    }),
    "term_record_v1": Table("deleted", {
        "opaque": "learner data", "standing": _STATE, "decision": "data", "staff": "data", NO_PERSON: "term seq",
    }),
    "term_snapshot_v1": Table("deleted", {
        "opaque": "learner", "standing": "digest standings", NO_PERSON: "term position id",
    }),
    "term_amendment_v1": Table("deleted", {
        "opaque": "learner",
        "standing": "scope_kind scope title before after effective_at decided_at cause_kind cause reason digest",
        NO_PERSON: "term position id",
    }),
    "advancement_v1": Table("deleted", {
        "opaque": "learner data", "standing": "kind scope_kind scope framework effective_at decided_at data",
        "decision": "data",
        "staff": "data", NO_PERSON: "position id seq",
    }),
    "merged_v1": Table("deleted", {"opaque": "learner kept"}),
    "waiting_v1": Table("deleted", {"opaque": "learner", "standing": "scope queue opened_at closed_at due_by owner detail"}),
    "suggestion_v1": Table("support", {
        "opaque": "learner",
        "support": "opened_at due_by owner closed_at outcome days scope side cause waiting_since weakest detail",
        NO_PERSON: "id",
    }),
    "review_request": Table("deleted", {
        "opaque": "learner", "request": "competency asked_at asked_by asked_as text done_at done_by done_as done refused"
        " statement stated_at stated_by stated_as",
        "staff": "done_by", "family": "asked_by stated_by", "source id": "asked_by stated_by", NO_PERSON: "id stated_under",
    }),
    "enrolment_v1": Table("deleted", {"opaque": "learner", "class": "class active"}),
    "enrolment_change_v1": Table("deleted", {"opaque": "learner", "class": "class at active"}),
    "assignment_v1": Table("deleted", {
        "opaque": "target", "family": "person role kind target active starts ends", "staff": "person role",
    }),
    "access_log": Table("accesses", {
        "opaque": "learners target", "looks": "at person role view target learners", "staff": "person",
        "family": "person", "source id": "person",
        NO_PERSON: "id",
    }),
    "credential": Table("detached", {"opaque": "learner", "standing": "events issued_at", NO_PERSON: "issuer id list index"}),
    "unfolded": Table("deleted", {
        "opaque": "subject data", "standing": "data", "class": "data", NO_PERSON: "consumer pos reason noted_at",
    }),
    "staff_v1": Table("staff", {"staff": "class staff role active starts ends"}),
    "told_daily": _only("work", "day question answer asked_on"),
    "class_v1": _only("rules", "class title school subject"),
    "class_change_v1": _only("rules", "class at school"),
    "school_v1": _only("rules", "school title district"),
    "term_v1": Table("rules", {"staff": "closed_by", NO_PERSON: "term of_shards position closed_at"}),
    "framework_v1": _only("rules", "framework title version"),
        "competency_v1": _only("rules",
        "framework version code title ordinal level subject parent dok power position identifier"),
    "association_v1": _only("rules", "framework version origin destination type"),
        "read_model": _only("work",
        "name live state attempt started_at heartbeat_at finished_at detail building edition"),
    "folded_count": _only("work", "consumer events"),
    "checkpoint": _only("work", "consumer generation evidence decisions"),
    "spent": _only("work", "id until"),
}  # fmt: skip
INVENTORY: Mapping[str, Mapping[str, Table]] = {
    "evidence": EVIDENCE,
    "progression": PROGRESSION,
    "reporting": REPORTING,
}
"""By service and table; of read models those of the first version, which every later one has the columns of."""
TOPICS = {
    "evidence.submitted": ("source id", "evidence", "accommodations", "free text"),
    "evidence": ("opaque", "evidence", "accommodations"),
    "progression": ("opaque", "standing", "decision", "staff"),
    "advancement": ("opaque", "standing", "decision", "staff"),
    "support": ("opaque", "support"),
    "curriculum": (),
    "roster": ("opaque", "class", "family", "staff"),
    "evidence.quarantined": (),
}
"""What each topic of Kafka carries, by the name of its log."""
MEMBERS = {
    "evidence": "id source occurred_at competencies activity score kind attempt dok standard assessor supersedes retracts",
    "accommodations": "accommodations assisted",
    "source id": "learner",
    "free text": "extensions",
}
"""The members of a piece of native evidence, as every way in ends in it."""
