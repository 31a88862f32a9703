"""docs/agreement.md, made of the inventory, of the settings and of the topics."""

from collections.abc import Iterable, Iterator

from deploy.agreement.elements import COOKIES, ELEMENTS, EXHIBIT_B, NO_PERSON
from deploy.agreement.tables import COMMON, ENDS, INVENTORY, MEMBERS, TOPICS, Table
from shared.settings import Settings
from shared.topics import RETENTION_MS

HEAD = """\
# What is agreed on data

For a district that signs an agreement on student data with whoever runs Attain for it. Made of the code (`python -m
deploy.agreement`): a test holds it against every column of the three databases, so what is not here is not held. It
describes the software. Who runs it, where, and who else is involved, the parties say in the agreement.

Attain is run by the district, or by an operator for it. It sends nothing to its makers: no telemetry, no licence check, no
fonts or scripts from elsewhere. Data belongs to the district.
"""
PURPOSES = """\
## New York Education Law 2-d, supplemental information

**Exclusive purposes.** To keep the record of what learners have shown, by the rules that the district has set, to say when a
learner may move on, and to show both to those whom the roster entitles. No advertising, no sale, no profile for anything
else; nothing is decided from a group that a learner is in. Of teachers and principals: ids, names, roles and what they did;
no ratings.

**Subcontractors.** The software has none. An operator who hosts it names its own here, such as a cloud, and binds them as it
is bound.

**End of the agreement.** `attain tenant export` hands everything over, `attain tenant delete` revokes keys, removes webhooks
and erases every learner; each erasure has a certificate, is written to a ledger outside every backup (compose and the chart
have one), and is repeated after a restore. What stays is told below. Backups run out by the operator's schedule; the month
of the runbook's example is a choice.

**Challenge of accuracy.** Learners and guardians ask on their page, or at `POST /v1/learners/{learner}/review-requests`,
that where they stand is looked at again; the school answers, and both are kept with the record. Where it refuses to change
anything, after the hearing that the family may ask of it, they put a statement beside the record (34 CFR 99.21). Whoever
sees the record sees it, for as long as there is a record or until who made it takes it back; exports of a learner and
transcripts have it. Events and signed
records have no place for it: a transcript goes with them. Evidence is corrected or moved with a reason and a preview of
what changes; everything that follows is told to whoever was told the first. Staff challenge what is held of them with the
district, which owns the roster.

**Directory information (34 CFR 99.37).** There is none: Attain keeps no directory, and a learner's name is shown to nobody
whom the roster, or the role of a token that the district issues, does not let see that learner. It stands on their pages,
in their search, in all that is held of one learner, and in the signed record and the transcript, which learner, family or
office hand on. Events, webhooks, feeds, grade books, results, tables and CSV files have ids alone; a test asks every route.
So a family that has opted out needs nothing to be switched off. A learner who is to be in no list by name is sent with an
empty one by the source that gave it (`POST /v1/roster`): the name is forgotten at once, and pages and records say the id.

**Where, and how it is protected.** In the PostgreSQL and Kafka of the installation, wherever the operator runs them. Rights
follow from the roster of the day ([permissions.md](permissions.md)); tenants are kept apart by the services and again by
PostgreSQL's row-level security; looks of people are logged and shown to the family; containers run without root, with no
more than they need.

**Encryption.** As the next section says.
"""
OPERATOR, DISTRICT, ATTAIN = "operator", "district", "Attain"
ENCRYPTION = (
    ("browser or system to the services",
     "TLS by a proxy or ingress before them; behind it they speak plain HTTP, and compose opens loopback alone", OPERATOR),
    ("services to PostgreSQL",
     "TLS by the database's URL (`sslmode=verify-full`); within compose's closed network there is none", OPERATOR),
    ("services to Kafka",
     "`ATTAIN_KAFKA_SECURITY`: SSL or SASL_SSL, mutual TLS too; within compose's closed network there is none", OPERATOR),
    ("webhooks",
     "TLS where the address that the district agrees to is https; each body is signed", DISTRICT),
    ("at rest: databases, Kafka, backups, the ledger of the erased",
     "by the disk, volume or service on which they lie: Attain does not encrypt them itself", OPERATOR),
    ("API keys", "only a SHA-256 of each is kept", ATTAIN),
    ("secrets of webhooks", "kept as they are, because each body is signed with them", OPERATOR),
    ("sessions of people",
     "sealed cookies; Attain sees no password, because people sign in at the provider of the district", ATTAIN),
)  # fmt: skip
"""Where data moves or lies, what encrypts it, and whose part that is."""
MORE = """\
## Sub-processors

None. Attain calls nobody but its own PostgreSQL and Kafka, the identity provider that the district names, the addresses of
webhooks and grade books that it sets, and a collector of traces where one is set; a trace has ids of evidence and no
learner.

## When data may have leaked

[The runbook](../deploy/runbook.md#data-may-have-leaked) says how to stop it, how to find out whose data it was, and whom to
tell.

## Accessibility

[The accessibility conformance report](accessibility.md), in the terms of the VPAT 2.5, judges each criterion of WCAG 2.2 at
levels A and AA, pages, PDF and print, and names the test that holds it.
"""


def page() -> str:
    """Return the page."""
    parts = (HEAD, _exhibit(), _elements(), PURPOSES, _encryption(), _ends(), MORE, _kafka(), _columns())
    return "\n".join(part.strip("\n") + "\n" for part in parts)


def _exhibit() -> str:
    """Return NDPA's schedule of data with what is used of it."""
    used: dict[tuple[str, str], list[str]] = {
        COOKIES: ["cookies of the session and of the language; no IP address is stored or logged"]
    }
    for element in ELEMENTS.values():
        for place in element.exhibit_b:
            used.setdefault(place, []).append(element.label + ("" if element.always else " (if the district sends it)"))
    rows = (
        (category, name, "yes" if (category, name) in used else "-", "; ".join(used.get((category, name), ())))
        for category, names in EXHIBIT_B.items()
        for name in names
    )
    return "\n".join(
        ("## NDPA, Exhibit B: schedule of data", "", *_table(("category", "element", "used", "what it is"), rows))
    )


def _elements() -> str:
    rows = (
        (
            element.what,
            element.purpose,
            _places(key),
            ", ".join(name for name, carried in TOPICS.items() if key in carried) or "-",
        )
        for key, element in ELEMENTS.items()
    )
    head = ("element", "purpose", "kept in (service: tables)", "topics")
    return "\n".join((
        "## Elements", "",
        "Each is encrypted in transit and at rest as under Encryption, and kept as long as its tables: see How long.", "",
        *_table(head, rows), "",
        "A piece of evidence has these members, whatever format it comes in: "
        + "; ".join(f"{ELEMENTS[key].label}: {_code(names)}" for key, names in MEMBERS.items()) + ".",
    ))  # fmt: skip


def _places(key: str) -> str:
    found = {
        service: [name for name, table in tables.items() if key in table.columns]
        for service, tables in INVENTORY.items()
    }
    return "; ".join(f"{service}: {_code(names)}" for service, names in found.items() if names)


def _encryption() -> str:
    return "\n".join(("## Encryption", "", *_table(("where", "how", "whose part"), ENCRYPTION)))


def _ends() -> str:
    """Return how long tables are kept, with the settings as they are where nobody sets them."""
    rows = (
        (
            ends.format(**{name: _setting(name) for name in Settings.model_fields if "{" + name + "}" in ends}),
            _kept_so(key),
        )
        for key, ends in ENDS.items()
    )
    text = (
        "What a learner has shown is kept until the district erases it, by its own schedule of retention:"
        " `attain erase learner`."
    )
    kafka = (
        f"Kafka keeps what topics carry for {RETENTION_MS // 86_400_000} days at most; after an erasure topics lose what"
        " they hold at once where they may. Logs of the services name no learner by name or source id."
    )
    return "\n".join(("## How long", "", text, "", *_table(("until when", "service: tables"), rows), "", kafka))


def _setting(name: str) -> str:
    default = Settings.model_fields[name].default
    return f"as many days as `ATTAIN_{name.upper()}` or the tenant's own limit says ({default or 'for good'} where neither does)"


def _kept_so(key: str) -> str:
    found = {service: [n for n, table in tables.items() if table.ends == key] for service, tables in INVENTORY.items()}
    return "; ".join(f"{service}: {_code(names)}" for service, names in found.items() if names)


def _kafka() -> str:
    rows = (
        (f"`attain.{name}`", "; ".join(ELEMENTS[key].label for key in carried) or "nothing of a learner")
        for name, carried in TOPICS.items()
    )
    return "\n".join(("## What topics carry", "", *_table(("topic", "elements"), rows)))


def _columns() -> str:
    lines = [
        "## Every table and column",
        "",
        f"Besides {_code(sorted(COMMON))}, which are of the district and of the parts of the logs.",
    ]
    for service, tables in INVENTORY.items():
        lines += ["", f"### {service}", "", *_table(("table", "columns by what they hold"), _described(tables.items()))]
    return "\n".join(lines)


def _described(tables: Iterable[tuple[str, Table]]) -> Iterator[tuple[str, str]]:
    for name, table in tables:
        said = (
            f"{'of no person' if key == NO_PERSON else ELEMENTS[key].label}: {_code(columns.split())}"
            for key, columns in table.columns.items()
        )
        yield f"`{name}`", "; ".join(said)


def _code(names: str | Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in (names.split() if isinstance(names, str) else names))


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows)]
