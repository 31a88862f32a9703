"""Records, classes, queues, timelines and exports after a random history, held against a second telling of the logs."""

import asyncio
from collections.abc import Collection

import pytest

from deploy.local.stack import Stack
from tests.system.district import SOURCE, ZERO, District, Item
from tests.system.history import CLASSES, ZONE, History
from tests.system.leaving import Subscriber, hold_what_leaves
from tests.system.telling import QUEUES, STATE, Telling, is_on_record


async def paged(
    district: District, path: str, items: str = "items", *, size: int = 7, token: str = "", **query: str
) -> list[Item]:
    """Return the items of all pages, by the cursor in the body or in the header."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    found: list[Item] = []
    after = ""
    while True:
        url, asked = f"{district.stack.urls['reporting']}{path}", query | {"after": after, "limit": str(size)}
        answer = (await district.http.get(url, params=asked, headers=headers)).raise_for_status()
        found += answer.json()[items]
        after = answer.headers.get("Attain-Next") or answer.json().get("next") or ""
        if not after:
            return found


async def hold(district: District, telling: Telling, names: Collection[str], receiver: "Receiver") -> None:
    """Hold every answer against the tellings."""
    subscriber = Subscriber(district, ZONE)
    await district.drained()
    await telling.hear()
    await subscriber.hear()
    for learner in telling.learners():
        shown = await district.get("reporting", f"/v1/learners/{learner}/record")
        items = [{name: item[name] for name in ("competency", "title", *STATE)} for item in shown["items"]]
        levels = [level["counts"] for subject in shown["subjects"] for level in subject["levels"]]
        codes = {name: [step["competency"] for step in shown[name]] for name in ("next", "review")}
        assert {"items": items, "levels": levels} | codes == telling.record(learner)
        assert [each["id"] for each in await paged(district, f"/v1/learners/{learner}/timeline")] == telling.timeline(
            learner
        )
    for learner in telling.erased():
        assert (
            await district.http.get(f"{district.stack.urls['reporting']}/v1/learners/{learner}/record")
        ).status_code == 404
    for name in CLASSES:
        grid = await district.get("reporting", f"/v1/classes/{name}/mastery")
        needs = await district.get("reporting", f"/v1/classes/{name}/needs")
        assert {row["learner"]: row["statuses"] for row in grid["rows"]} == telling.class_(name)
        assert {row["learner"]: sorted(row["review"]) for row in needs["learners"]} == {
            learner: sorted(telling.record(learner)["review"]) for learner in telling.class_(name)
        }
    for queue in QUEUES:
        rows = [(row["learner"], row["scope"]) for row in await paged(district, f"/v1/queues/{queue}")]
        assert (len(rows), set(rows)) == (len(set(rows)), telling.waiting(queue)), queue
    asked = {(row["learner"], row["scope"]) for row in await paged(district, "/v1/queues/sign_off")}
    signing = (await district.get("progression", "/v1/sign-offs"))["items"]
    assert asked == {(row["learner"], row["id"]) for row in signing if row["kind"] == "level"}
    await hold_exports(district, telling, subscriber, names, receiver)
    for learner in telling.learners():
        await hold_what_leaves(district, subscriber, learner)


async def hold_exports(
    district: District, telling: Telling, subscriber: Subscriber, names: Collection[str], receiver: "Receiver"
) -> None:
    states = {(who, code): state for who in telling.learners() for code, state in telling.of(who).items()}
    rows = {(row["learner"], row["competency"]): row for row in await paged(district, "/v1/exports/mastery")}
    learners = {name: await district.learner(name) for name in names}
    await receiver.sync()

    assert {key: (row["status"], row["mastered_at"]) for key, row in rows.items()} == {
        key: (state["status"], state.get("mastered_at")) for key, state in states.items()
    }
    assert receiver.holds(learners) == sorted(
        (name, code, state["status"], subscriber.day(scored_at(state) or subscriber.told[learner, code]))
        for name, learner in learners.items()
        for code, state in telling.of(learner).items()
        if state["status"] != "presumed" and (state["evidence_count"] > 0 or is_on_record(state))
    )


def scored_at(state: Item) -> str | None:
    """Return when the latest piece was, or mastery was shown; None of credit that rests on neither."""
    return max(filter(None, (state.get("last_evidence_at"), state.get("mastered_at"))), default=None)


class Receiver:
    """A student information system that keeps results by their ids until they are to be deleted, and of each the latest."""

    def __init__(self, district: District) -> None:
        self._district = district
        self._held: dict[str, tuple[str, str, str, str]] = {}
        self._dated: dict[str, str] = {}

    async def sync(self) -> None:
        """Take in all results."""
        path = "/v1/exports/oneroster/assessmentResults"
        # Who is a service besides is told no local days.
        token = self._district.stack.token(self._district.tenant, "records:read")
        told = await paged(self._district, path, "assessmentResults", token=token, source=SOURCE)
        assert len({one["sourcedId"] for one in told}) == len(told)
        for one in told:
            if one["dateLastModified"] <= self._dated.get(one["sourcedId"], ""):
                continue
            self._dated[one["sourcedId"]] = one["dateLastModified"]
            self._held.pop(one["sourcedId"], None)
            if one["status"] == "active":
                student, item = one["student"]["sourcedId"], one["assessmentLineItem"]["sourcedId"]
                self._held[one["sourcedId"]] = (student, item, one["textScore"], one["scoreDate"])

    def forget(self, names: Collection[str]) -> None:
        """Delete what is held of those of whom an event tells that they are erased."""
        self._held = {id: one for id, one in self._held.items() if one[0] not in names}

    def holds(self, names: Collection[str]) -> list[tuple[str, str, str, str]]:
        """Return the results of some: who, of what, which status, on which day."""
        return sorted(each for each in self._held.values() if each[0] in names)


async def rebuild(district: District) -> None:
    """Rebuild every read model from its log."""
    url = f"{district.stack.urls['reporting']}/v1/rebuild/"
    for model in ("mastery", "curriculum", "roster", "advancement", "support"):
        (await district.http.post(url + model)).raise_for_status()
        async with asyncio.timeout(60):
            while (done := (await district.http.get(url + model)).json())["state"] == "building":
                await asyncio.sleep(0.05)
        assert done["state"] == "live", done


async def test_what_is_answered_is_what_the_logs_tell(stack: Stack):
    district, history, telling, receiver = await begin(stack, 7)
    await history.go_on(6)
    await district.drained()
    await receiver.sync()
    await history.go_on(6)
    await hold(district, telling, history.names, receiver)
    await district.close()


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(20, 30))
async def test_so_it_is_after_an_erasure_and_a_rebuild_of_every_read_model(stack: Stack, seed: int):
    district, history, telling, receiver = await begin(stack, seed)
    await history.go_on(25)
    await hold(district, telling, history.names, receiver)
    receiver.forget(await history.erase())
    await history.go_on(10)
    await hold(district, telling, history.names, receiver)
    await rebuild(district)
    await hold(district, telling, history.names, receiver)
    verified = await district.verify()

    assert [verified[name] for name in ZERO] == [0] * len(ZERO), verified["examples"]
    await district.close()


async def begin(stack: Stack, seed: int) -> tuple[District, History, Telling, Receiver]:
    district = District(stack, f"again{seed}")
    return district, await History(district, seed).open(), Telling(district), Receiver(district)
