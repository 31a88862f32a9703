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


class Held(msgspec.Struct, frozen=True):
    """
    What a group holds of one member: the item that counts, and what the item of the same stamp replaced.

    `item` is None after the member was taken back; `taken_back` names the retraction that did it.
    """

    stamp: str
    digest: str
    item: str | None
    before: str | None
    taken_back: str | None = None


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
        digest = _digest(piece.content)
        old = held.get(name)
        if old is None or old.digest != digest or old.item is None:
            before = None if old is None else old.item
            old = Held(said.stamp, digest, _item(said, name), before)
        members[name] = old
        if old.stamp == said.stamp:
            content = msgspec.structs.replace(piece.content, id=old.item or "", supersedes=old.before)
            commands.append(command(tenant, content))
    for name, old in held.items():
        if name in said.members:
            continue
        if old.item is not None:
            old = Held(said.stamp, old.digest, None, old.item, f"{_item(said, name)}-")  # noqa: PLW2901
        members[name] = old
        if old.stamp == said.stamp and old.taken_back is not None:
            commands.append(command(tenant, Evidence(source, old.taken_back, said.at, retracts=old.before)))
    reason = None if commands else "unchanged" if said.members else "nothing_to_take_back"
    return Revised(Group(said.stamp, members), tuple(commands), reason)


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
