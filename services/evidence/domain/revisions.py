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
    What a group holds of one member since the message with this stamp; items are known by the stamps that made them.

    Unless `counts`, the member was taken back. `chain` are the earlier items, each replaced by the next and the last by
    this one; `retired` are those of the chain before. No name is kept here: a group's may hold a learner's.
    """

    stamp: str
    digest: str
    counts: bool = True
    chain: tuple[str, ...] = ()
    retired: tuple[str, ...] = ()


class Group(msgspec.Struct, frozen=True):
    """The newest message of a group, and what it left of each member."""

    stamp: str
    members: dict[str, Held]


class Revision(msgspec.Struct, frozen=True):
    """
    One message: `stamp`, an instant in the form of `shared.events.utc`, and the pieces by a name within the group.

    The ids of the pieces are given by `revise`. `is_undated`: their source does not tell when the work was done, so a
    piece is of the stamp that first told of it.
    """

    group: str
    stamp: str
    members: dict[str, RecordEvidence]
    is_undated: bool = False


class Revised(NamedTuple):
    """What a message changes: the group from now on (None: nothing), the commands, and why there are none."""

    group: Group | None
    commands: tuple[RecordEvidence, ...]
    reason: str | None


def revise(group: Group | None, said: Revision, tenant: str, source: str) -> Revised:
    """
    Return what a message changes.

    All that its members have been is commanded again: these are duplicates, unless a message was noted here and the
    service stopped before its evidence was stored.
    """
    if group is not None and said.stamp < group.stamp:
        return Revised(None, (), "older_revision")
    held = {} if group is None else group.members
    is_again = group is not None and group.stamp == said.stamp
    members: dict[str, Held] = {}
    commands: list[RecordEvidence] = []
    for name, piece in said.members.items():
        now = members[name] = _replaced(held.get(name), said, _digest(piece.content, said.is_undated))
        commands += _retractions((*now.retired, *now.chain[:-1]), said.group, name, tenant, source)
        commands.append(_recorded(now, said, name, piece.content, tenant))
    for name, old in held.items():
        if name not in said.members:
            now = members[name] = old if is_again or not old.counts else _taken_back(old, said)
            if not now.counts:
                commands += _retractions(now.retired, said.group, name, tenant, source)
    reason = None if commands else "nothing_to_take_back"
    return Revised(Group(said.stamp, members), tuple(commands), reason)


def _replaced(old: Held | None, said: Revision, digest: str) -> Held:
    if old is None:
        return Held(said.stamp, digest)
    if not old.counts:
        return Held(said.stamp, digest, retired=old.retired)
    if old.digest == digest or old.stamp == said.stamp:
        # The same stamp with other content keeps the id, and is refused as a conflict where it is stored.
        return old
    chain = (*old.chain, old.stamp)
    if len(chain) < CHAIN_ITEMS:
        return Held(said.stamp, digest, chain=chain, retired=old.retired)
    return Held(said.stamp, digest, retired=chain)


def _taken_back(old: Held, said: Revision) -> Held:
    """Take back what counts, and before that the items it replaced, or they would count again."""
    return Held(said.stamp, old.digest, counts=False, retired=(*old.retired, *old.chain, old.stamp)[-CHAIN_ITEMS:])


def _recorded(held: Held, said: Revision, name: str, content: Evidence, tenant: str) -> RecordEvidence:
    replaced = _item(said.group, name, held.chain[-1]) if held.chain else None
    at = held.stamp if said.is_undated else content.occurred_at
    own = _item(said.group, name, held.stamp)
    return command(tenant, msgspec.structs.replace(content, id=own, supersedes=replaced, occurred_at=at))


def _retractions(stamps: Sequence[str], group: str, name: str, tenant: str, source: str) -> list[RecordEvidence]:
    items = [(stamp, _item(group, name, stamp)) for stamp in stamps]
    return [command(tenant, Evidence(source, f"{item}-", stamp, retracts=item)) for stamp, item in items]


def _item(group: str, name: str, stamp: str) -> str:
    return f"{group}|{name}@{stamp}" if name else f"{group}@{stamp}"


def _digest(content: Evidence, is_undated: bool) -> str:
    """Return a digest of what is said, without what `revise` gives."""
    at = "" if is_undated else content.occurred_at
    same = msgspec.structs.replace(content, id="", supersedes=None, occurred_at=at)
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
