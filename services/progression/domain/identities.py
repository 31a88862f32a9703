"""
What the evidence service decides on who a learner is, as progression tells it: merged, unmerged, erased.

None of it is folded: the evidence that moves, or is emptied, comes as events of its own.
"""

from typing import Any

import msgspec

from services.progression.domain.telling import Told
from shared.contracts.internal_events import (
    IDENTITY_ERASED,
    IDENTITY_MERGED,
    IDENTITY_UNMERGED,
    IdentityErased,
    IdentityMerged,
)
from shared.contracts.public_events import ERASED, MERGED, UNMERGED
from shared.shards import stable_id

_PUBLIC = {
    IDENTITY_MERGED: (MERGED, "merged", "They are the same person."),
    IDENTITY_UNMERGED: (UNMERGED, "unmerged", "They are not the same person."),
    IDENTITY_ERASED: (ERASED, "erased", "The learner is forgotten."),
}
_read_merged = msgspec.json.Decoder(IdentityMerged).decode
_read_erased = msgspec.json.Decoder(IdentityErased).decode


def told_of(type: str, tenant: str, learner: str, id: str, time: str, data: msgspec.Raw | bytes) -> Told | None:
    """Return the public event of an event of the evidence log; None where it decides on no identity."""
    found = _PUBLIC.get(type)
    if found is None:
        return None
    public, code, text = found
    content: dict[str, Any] = {
        "learner": {"id": learner, "refs": []},
        "decided_at": time,
        "cause": {"kind": "identity", "id": id},
        "reason": {"code": code, "text": text},
    }
    if type == IDENTITY_ERASED:
        content["certificate"] = _read_erased(data).certificate
    else:
        merge = _read_merged(data)
        content |= {"from": merge.learner, "into": merge.into}
    return Told(stable_id(id, public), public, tenant, learner, time, content)
