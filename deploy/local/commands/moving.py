"""`attain correct --to`: a piece of evidence that was recorded for another learner than the one whose it is."""

from typing import Any

import msgspec

from deploy.local.client.asking import ask
from deploy.local.client.sending import Tally, refused, send
from deploy.local.errors import StackError
from deploy.local.options import Context
from shared.contracts.native import moved
from shared.shards import stable_id

SCOPE = "admin evidence:write records:read"


def move(context: Context, source: str, item: str, to: str, *, apply: bool) -> dict[str, Any]:
    """
    Say what would change for both learners when a piece is given to the one whom its source calls `to`; with `apply`, do it.

    Raises:
        StackError: there is no such piece or learner, or the piece does not count.
    """
    path = f"/v1/evidence/{stable_id(context.tenant, source, item)}"
    piece = ask(context, "evidence", "GET", path, scope=SCOPE)
    if not piece["valid"]:
        raise StackError("this piece does not count any more")
    query = {"source": source, "source_id": to}
    whose = ask(context, "evidence", "GET", "/v1/learners", params=query, scope=SCOPE)["learner"]
    path, asked = f"/v1/learners/{piece['learner']}/corrections/preview", {"source": source, "id": item, "to": whose}
    report: dict[str, Any] = ask(context, "progression", "POST", path, json=asked, scope=SCOPE)
    report = {"from": {"learner": piece["learner"]} | report, "to": {"learner": whose} | report.pop("to")}
    tally = Tally()
    if apply:
        made = moved(piece, whose, to, "moved by attain correct", "attain correct")
        send(context, [msgspec.json.encode(made)], tally)
    return report | {"applied": apply, "sent": dict(tally.counts) if apply else {}}


def lines(report: dict[str, Any]) -> list[str]:
    """Return a report for people."""
    shown = []
    for which in ("from", "to"):
        of = report[which]
        shown.append(f"{which} learner {of['learner']}")
        shown += [f"  {each['competency']}: {each['before']} to {each['after']}" for each in of["statuses"]]
        shown += [f"  {each['type']} {each['scope']['id']}" for each in of["events"]] or ["  nothing is told"]
    if not report["applied"]:
        return [*shown, "", "nothing was changed; --apply does it"]
    return [*shown, "", "it was not taken"] if refused(report["sent"]) else shown
