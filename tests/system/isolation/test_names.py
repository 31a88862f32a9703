"""By which ways a learner's name comes out at all, and to whom: there is no directory, and none comes about unseen."""

import httpx

from shared.permissions import PERMISSIONS
from tests.support.described import hold_as_published
from tests.system.district import SCOPES
from tests.system.isolation.routes import CASES, Route
from tests.system.isolation.test_every_route import STREAMS, ask
from tests.system.isolation.victim import NAMES, TEACHER, Victim, token_of

LOOKS = ("/preview", "/compare", "/reach", "/check", "/names", "/references", "/former", "/named-by-id", "/affected")
"""How the paths of requests end that change nothing, though they are posted."""
OF_SERVICES = {"evidence POST /v1/names"}
"""Asked by the other services, which have looked up who may see them; no person or learning system has their scope."""
FOUND_BY_NAME = {
    "evidence GET /v1/learners", "evidence GET /v1/learners/{learner}", "reporting GET /v1/people",
    "reporting GET /v1/people/{learner}", "reporting GET /find",
}  # fmt: skip
"""For the whole tenant, in a role with `names`."""
HELD = {"evidence GET /v1/learners/{learner}/holdings", "evidence GET /v1/holdings",
        "reporting GET /v1/learners/{learner}/transcript", "reporting GET /v1/learners/{learner}/credential"}  # fmt: skip
"""All of one learner, which goes to that one, or with the learner: `admin`, or the view `credential`."""
PAGES = {
    "reporting GET /", "reporting GET /digest", "reporting GET /learners/{learner}",
    "reporting GET /learners/{learner}/why/{competency}", "reporting GET /learners/{learner}/evidence/{evidence_id}",
    "reporting GET /terms/{term}/learners/{learner}", "reporting GET /terms/{term}/classes/{class_id}",
    "reporting GET /classes/{class_id}", "reporting GET /classes/{class_id}/capture",
    "reporting GET /classes/{class_id}/sign-offs", "reporting GET /schools/{school}/growth",
}  # fmt: skip
"""For whom the roster lets see the learners that are on them."""
UNREAD = {"reporting GET /v1/learners/{learner}/transcript", "reporting GET /classes/{class_id}/sign-offs"}
"""Those of which the test sees no name: a PDF, whose text is compressed, and a page on which nothing waits here."""


async def test_a_name_comes_out_where_it_is_known_to_and_nowhere_else(victim: Victim) -> None:
    """Asked by everybody who may see most: not in rows for a warehouse, results, events, feeds, numbers or signed lists."""
    name, told = NAMES[0], set()
    routes = [
        route for route in CASES.values()
        if (route.method == "GET" and route.path not in STREAMS) or route.path.endswith(LOOKS)
    ]  # fmt: skip
    async with httpx.AsyncClient(timeout=40, event_hooks={"response": [hold_as_published]}) as client:
        for route in routes:
            for token in _tokens(victim)[: None if route.is_page else 1]:
                for asked in _forms(route):
                    assert name not in f"{victim.url(asked)} {victim.body(asked)}"
                    if route.name not in told and name in (await ask(client, victim, asked, token))[1]:
                        told.add(route.name)

    known = OF_SERVICES | FOUND_BY_NAME | HELD | PAGES
    assert told - known == set(), "say in docs/agreement.md to whom these give names, or let them give none"
    assert known - told == UNREAD


def _tokens(victim: Victim) -> list[str]:
    """Return who sees all of the tenant, and for pages, which follow the roster, a teacher and a guardian."""
    return [
        token_of(victim.stack, victim.tenant, SCOPES, roles=sorted(PERMISSIONS)),
        token_of(victim.stack, victim.tenant, "records:read:classes evidence:write decisions:write", subject=TEACHER),
        token_of(victim.stack, victim.tenant, "records:read:self", subject="beehive-guardian"),
    ]


def _forms(route: Route) -> list[Route]:
    """Return a route as it is asked elsewhere, as CSV too, and by the beginning of a name where learners are looked for."""
    forms = [route]
    if route.service == "reporting" and not route.is_page:
        forms.append(route._replace(query="&".join(filter(None, (route.query, "format=csv")))))
    if route.name in FOUND_BY_NAME and "{" not in route.path:
        forms.append(route._replace(query=f"q={NAMES[0][:2]}"))
    return forms
