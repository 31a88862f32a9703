"""Every link on the pages of a small district answers whoever sees it."""

from collections import deque
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import httpx

from deploy.local.stack import Stack
from tests.system.conftest import Attain
from tests.system.district import SOURCE
from tests.system.room import open_room
from tests.system.test_pages import LEVEL_SHOWN

PAGES_MAX = 400
BESIDE = (
    ("case", "case_manager", "learner", "l1"), ("guide", "counsellor", "school", "north"),
    ("desk", "registrar", "school", "north"), ("desk", "registrar", "district", "d"),
    ("boss", "leader", "district", "d"), ("eye", "auditor", "district", "d"),
)  # fmt: skip


class _Links(HTMLParser):
    """Collects where the links of a page lead."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if tag == "a" and name == "href" and value]


async def crawled(client: httpx.AsyncClient, *known: str) -> dict[str, tuple[int, str]]:
    """Follow every link from the start and from pages `known` otherwise; return the status and where it stands, by path."""
    answers: dict[str, tuple[int, str]] = {}
    waiting = deque((path, "") for path in ("/", *known))
    while waiting:
        path, stands_on = waiting.popleft()
        if path in answers:
            continue
        assert len(answers) < PAGES_MAX
        answer = await client.get(path, follow_redirects=True)
        answers[path] = answer.status_code, stands_on
        if "text/html" in answer.headers["content-type"]:
            leads = (urlsplit(urljoin(str(answer.url), link)) for link in _Links(answer.text).found)
            waiting += [(f"{to.path}?{to.query}".rstrip("?"), path) for to in leads if "lang=" not in to.query]
    return answers


async def test_no_link_is_dead_for_whoever_sees_it(stack: Stack, attain: Attain) -> None:
    """A class of three of whom one has nothing, an empty class, and a closed term."""
    room = await open_room(stack, "links", LEVEL_SHOWN, 3)
    await room.district.post(
        "evidence", "/v1/roster",
        {
            "source": SOURCE,
            "classes": [{"class": "nobody/here", "title": "Nobody", "school": "north"}],
            "staff": [{"class": "nobody/here", "staff": "tea"}],
            "assignments": [{"person": p, "role": r, "kind": k, "target": t} for p, r, k, t in BESIDE],
        },
    )  # fmt: skip
    attain("term", "close", "autumn", tenant=room.district.tenant)
    await room.district.drained()
    people: dict[str, dict[str, str]] = {who: {} for who in ("tea", "sub-now", "mum", *(each[0] for each in BESIDE))}
    people |= {learner: {"learner": room.learners[learner]} for learner in ("l0", "l1")}
    people |= {role: {"scope": "records:read", "roles": role} for role in ("registrar", "integration")}
    known = [f"/learners/{room.learners['l1']}", "/classes/room"]
    seen, dead = {}, []
    for person, claims in people.items():
        async with room.browser(person, **claims) as browser:
            answers = await crawled(browser.client, *known)
        seen[person] = len(answers)
        dead += [(person, path, *answer) for path, answer in answers.items() if answer[0] != 200 and answer[1]]
    await room.district.close()

    assert dead == []
    assert seen["tea"] > 25
    assert min(seen.values()) > 3, seen
