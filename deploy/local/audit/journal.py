"""The part of the audit that folds: a shard's journal with the pure domain, every history in memory, and what it has to tell."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from deploy.local.audit.sources import Journalled, Sources
from deploy.local.client.asking import checked
from services.progression.domain.curriculum import Framework
from services.progression.domain.entry import Entry
from services.progression.domain.inputs import Key, Learner, decode, input_of
from services.progression.domain.learner import LearnerState
from services.progression.domain.mastery import KeyState
from services.progression.domain.policy import Policy, policy_from
from services.progression.domain.refolding import refold_learner
from services.progression.domain.rules import Activation, Rules, batch_of, cause_of
from services.progression.domain.shard_fold import ShardFold
from services.progression.domain.telling import Told, Trigger
from services.progression.domain.terms import CLOSE_TERM, closed_at_position, decode_closing, ended_with, snapshot
from shared.events import RESHARDED, Envelope

EMPTIED = (".redacted.v1", RESHARDED)
"""How the types end that stand for what was erased, or what another shard has."""


class Folded(NamedTuple):
    """What a shard's journal gives: the states, what learners have on the record, and what is to be told, by id."""

    fold: ShardFold
    learners: dict[Learner, LearnerState]
    told: dict[str, Told]


class Documents:
    """Policies and frameworks by tenant, fetched once."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._tenants: set[str] = set()
        self.policies: dict[str, Policy] = {}
        self.frameworks: dict[tuple[str, str, str], Framework] = {}

    def fetch(self, tenant: str) -> None:
        """Fetch a tenant's documents."""
        if tenant in self._tenants:
            return
        self._tenants.add(tenant)
        client = self._sources.of_tenant(tenant)
        for item in checked(client.get("/v1/policies")).json()["items"]:
            self.policies[item["hash"]] = policy_from(item["content"])
        for body in checked(client.get("/v1/frameworks?versions=all")).json()["items"]:
            framework = msgspec.convert(body, Framework)
            self.frameworks[(tenant, framework.id, framework.version)] = framework


def fold_journal(
    journal: Iterable[Journalled], events: dict[int, Envelope], tenant: str | None, documents: Documents
) -> Folded:
    """Fold a shard's journal in one go, with every history in memory."""
    learners: dict[Learner, LearnerState] = defaultdict(LearnerState)
    told: dict[str, Told] = {}
    entries: dict[Key, Entry] = {}
    rules: dict[str, Rules] = {}
    fold = ShardFold(entries, rules, documents.policies)
    keys_of: dict[tuple[str, str], set[Key]] = {}
    for pos, of, learner, _, kind, input_id, input_pos, recorded_at, body in journal:
        if (tenant is not None and of != tenant) or kind.endswith(EMPTIED):
            continue
        if not learner:
            documents.fetch(of)
            assert body is not None, "what concerns no learner was decided"
            if kind == CLOSE_TERM:
                told |= _by_id(fold.tell(learners))
                fold.changes.noted.clear()
                told |= _by_id(_snapshots(of, body, input_id, pos, fold, learners))
                continue
            _decide(of, Trigger(input_id, pos, recorded_at, "policy"), body, rules, documents)
            for known in [known for known in keys_of if known[0] == of]:
                refold_learner(fold, known, keys_of[known])
            continue
        if body is None and input_pos not in events:
            continue
        event = decode(kind, events[input_pos].data if body is None else body.encode())
        if event is None:
            continue
        in_force = rules.setdefault(of, Rules())
        item = input_of(of, input_id, pos, recorded_at, event)
        for key in item.keys:
            if key not in entries:
                entries[key] = Entry(in_force.new_state(key[2]), in_force.no, {})
                keys_of.setdefault(item.learner, set()).add(key)
        fold.fold(item)
    return Folded(fold, learners, told | _by_id(fold.tell(learners)))


def _snapshots(
    tenant: str, body: str, input_id: str, pos: int, fold: ShardFold, learners: dict[Learner, LearnerState]
) -> Iterator[Told]:
    """Close a term in the fold's rules; yield what is told of it, of each learner."""
    decided = decode_closing(body.encode())
    states: dict[Learner, list[tuple[str, KeyState]]] = {learner: [] for learner in learners}
    for key, entry in fold.entries.items():
        states.setdefault(key[:2], []).append((key[2], entry.state))
    for learner, known in states.items():
        standings = ended_with(known, learners[learner], fold.policies) if learner[0] == tenant else []
        if standings:
            told = snapshot(*learner, decided, input_id, pos, standings)
            learners[learner].ended[decided.term] = told.data["digest"]
            yield told
    fold.rules.setdefault(tenant, Rules()).closed.append(closed_at_position(body.encode(), pos))


def _by_id(events: Iterable[Told]) -> dict[str, Told]:
    return {event.id: event for event in events}


def _decide(tenant: str, trigger: Trigger, body: str, rules: dict[str, Rules], documents: Documents) -> None:
    data = msgspec.json.decode(body)
    if not data.keys() & {"policy", "version", "time_zone"}:
        return
    in_force = rules.setdefault(tenant, Rules())
    framework = data.get("framework", "")
    graph = documents.frameworks[(tenant, framework, data["version"])] if "version" in data else None
    policy = documents.policies[data["policy"]] if "policy" in data else None
    cause = trigger._replace(cause=cause_of(data), batch=batch_of(data))
    in_force.activate(
        Activation(
            in_force.no + 1, cause, framework, policy, graph, data.get("time_zone", ""), data.get("breaks", ""),
            data.get("mode", "grandfathered"),
        )
    )  # fmt: skip
