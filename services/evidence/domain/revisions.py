"""
Results that their source overwrites: of all that it says of one group of pieces, only the newest counts.

A message is the whole state of its group at a stamp: what it names takes the place of what was there, what it does not
name is taken back. So the pieces that count are those of the message with the greatest stamp, in any order of arrival.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from services.evidence.domain.evidence import Evidence, RecordEvidence, command
from shared.events import encode_json

CHAIN_ITEMS = 100
"""Items of a member that replace each other; then a new chain begins, well below the limit of the forest."""


class Held(msgspec.Struct, frozen=True):
    """
    What a group holds of one member, since the message with this stamp: `item` counts, None after it was taken back.

    `chain` are the earlier items, each replaced by the next and the last by `item`; `retracted` are the items that the
    message retracted.
    """

    stamp: str
    digest: str
    item: str | None
    chain: tuple[str, ...] = ()
    retracted: tuple[str, ...] = ()


class Group(msgspec.Struct, frozen=True):
    """The newest message of a group, and what it left of each member."""

    stamp: str
    members: dict[str, Held]


class Revision(msgspec.Struct, frozen=True):
    """
    One message: `stamp` sorts as text, `members` are the pieces by a name within the group.

    `at` is the time of a retraction, in the form of `shared.events.utc`. The ids of the pieces are given by `revise`.
    """

    group: str
    stamp: str
    at: str
    members: dict[str, RecordEvidence]


class Revised(NamedTuple):
    """What a message changes: the group from now on (None: nothing), the commands, and why there are none."""

    group: Group | None
    commands: tuple[RecordEvidence, ...]
    reason: str | None


def revise(group: Group | None, said: Revision, tenant: str, source: str) -> Revised:
    """Return what a message changes; the newest message again gives the same commands again."""
    if group is not None and said.stamp < group.stamp:
        return Revised(None, (), "older_revision")
    held = {} if group is None else group.members
    members: dict[str, Held] = {}
    commands: list[RecordEvidence] = []
    for name, piece in said.members.items():
        now = members[name] = _replaced(held.get(name), said, name, _digest(piece.content))
        if now.stamp == said.stamp:
            commands += _retractions(now, said, name, tenant, source)
            replaced = now.chain[-1] if now.chain else None
            content = msgspec.structs.replace(piece.content, id=now.item or "", supersedes=replaced)
            commands.append(command(tenant, content))
    for name, old in held.items():
        if name not in said.members:
            now = members[name] = _taken_back(old, said)
            if now.stamp == said.stamp:
                commands += _retractions(now, said, name, tenant, source)
    reason = None if commands else "unchanged" if said.members else "nothing_to_take_back"
    return Revised(Group(said.stamp, members), tuple(commands), reason)


def _replaced(old: Held | None, said: Revision, name: str, digest: str) -> Held:
    if old is None or old.item is None:
        return Held(said.stamp, digest, _item(said, name))
    if old.digest == digest:
        return old
    chain = (*old.chain, old.item)
    if len(chain) < CHAIN_ITEMS:
        return Held(said.stamp, digest, _item(said, name), chain)
    return Held(said.stamp, digest, _item(said, name), (), chain)


def _taken_back(old: Held, said: Revision) -> Held:
    """Take back what counts, and before that the items it replaced, or they would count again."""
    if old.item is None:
        return old
    return Held(said.stamp, old.digest, None, (), (*old.chain, old.item))


def _retractions(held: Held, said: Revision, name: str, tenant: str, source: str) -> list[RecordEvidence]:
    return [
        command(tenant, Evidence(source, f"{_item(said, name)}-{place}", said.at, retracts=item))
        for place, item in enumerate(held.retracted)
    ]


def _item(said: Revision, name: str) -> str:
    return f"{said.group}|{name}@{said.stamp}" if name else f"{said.group}@{said.stamp}"


def _digest(content: Evidence) -> str:
    """Return a digest of what is said, without the ids that revisions give."""
    same = msgspec.structs.replace(content, id="", supersedes=None)
    return hashlib.sha256(encode_json(same)).hexdigest()[:32]


encode_group = msgspec.json.Encoder(order="deterministic").encode
decode_group = msgspec.json.Decoder(Group).decode


def groups_of(said: Sequence[Revision]) -> list[str]:
    """Return the groups that messages concern, each once, in an order in which they can be locked."""
    return sorted({one.group for one in said})


def revise_all(
    groups: Mapping[str, Group], said: Sequence[Revision], tenant: str, source: str
) -> tuple[dict[str, Group], list[Revised]]:
    """Return the groups that change, and what each message changes, taken in their order."""
    changed: dict[str, Group] = {}
    results = []
    for one in said:
        result = revise(changed.get(one.group, groups.get(one.group)), one, tenant, source)
        if result.group is not None:
            changed[one.group] = result.group
        results.append(result)
    return changed, results
