"""
The part of `attain verify` that looks for who is forgotten, in identities, states, read models and every log; and for what is
left of tenants that are ended.

Where an opaque id may still stand is the event, one a log, that says that it is forgotten.
"""

from collections.abc import Iterable

from deploy.local.audit.findings import Findings
from deploy.local.audit.sources import Sources
from shared.contracts.internal_events import IDENTITY_ERASED
from shared.contracts.public_events import ERASED
from shared.events import Envelope

Learners = set[tuple[str, str]]
SAID = (IDENTITY_ERASED, ERASED)
TABLES = {
    "enrolment": "learner", "enrolment_change": "learner", "assignment": "target", "advancement": "learner",
    "waiting": "learner", "term_record": "learner", "term_snapshot": "learner", "term_amendment": "learner",
    "suggestion": "learner", "merged": "learner",
}  # fmt: skip
"""Tables of reporting with rows of learners, and the column that names them; states are looked at apart."""


def look_for_erased(sources: Sources, tenant: str | None, held: Iterable[tuple[str, ...]], findings: Findings) -> None:
    """
    Count every place in which an erased learner is still found.

    `held` are the keys of states and standings, with the learner second.
    """
    left = sources.left(tenant)
    for ended, count in left.items():
        findings.note(f"tenant {ended} is ended, and {count} of its rows are there again")
    findings.erased_found = sum(left.values())
    erased = sources.erasures(tenant)
    findings.erased = len(erased)
    if not erased:
        return
    found = [("identities", key) for key in sources.identities(tenant).keys() & erased]
    found += [("states", (key[0], key[1])) for key in held if (key[0], key[1]) in erased]
    for table, column in TABLES.items():
        for row in sources.rows(table, tenant):
            if (row["tenant"], row[column]) in erased:
                found.append((f"reporting {table}", (row["tenant"], row[column])))
    for client, log in (
        (sources.evidence, "evidence"), (sources.evidence, "roster"),
        (sources.progression, "progression"), (sources.progression, "advancement"), (sources.progression, "support"),
    ):  # fmt: skip
        for shard, head in sources.heads(client, log).items():
            found += [(f"log {log}", key) for key in subjects(sources.events(client, log, shard, head)) & erased]
    findings.erased_found += len(found)
    for where, (of, learner) in found[:5]:
        findings.note(f"erased learner {learner} of {of} is found in {where}")


def subjects(events: Iterable[Envelope]) -> Learners:
    """Return whom events are about, but for those that say that somebody is forgotten."""
    return {(event.tenant, event.subject) for event in events if event.type not in SAID}
