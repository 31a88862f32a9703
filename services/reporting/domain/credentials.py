"""
The record that travels, before it is signed: a Comprehensive Learner Record 2.0 with an Open Badge 3.0 for each achievement.

Every member is one that the contexts define: what they do not define no signature covers.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from services.reporting.domain.achieved import Achieved
from shared.school_calendar import local_day

VC_CONTEXT = "https://www.w3.org/ns/credentials/v2"
CLR_CONTEXT = "https://purl.imsglobal.org/spec/clr/v2p0/context-2.0.1.json"
BADGE_CONTEXT = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json"
_SCHEMAS = "https://purl.imsglobal.org/spec/"
_CLR_SCHEMA = _SCHEMAS + "clr/v2p0/schema/json/clr_v2p0_clrcredential_schema.json"
_BADGE_SCHEMA = _SCHEMAS + "ob/v3p0/schema/json/ob_v3p0_achievementcredential_schema.json"
_VALIDATOR = "JsonSchema"
"""The type that the contexts define; 1EdTech's own name for it is in none of them."""
_HOW = {
    "competency.mastered": "Shown by evidence that meets the rule of the policy.",
    "competency.credited": "Shown elsewhere, and credited.",
    "level.advanced": "Everything that the level asks for is met.",
}
Document = dict[str, Any]


class Issuer(NamedTuple):
    """Who issues: a DID, and the name of the school or district."""

    id: str
    name: str


class Holder(NamedTuple):
    """Whose record it is: the opaque id, and the name where it is known."""

    learner: str
    name: str | None

    @property
    def id(self) -> str:
        """The subject's id, the same in every credential."""
        return _urn(self.learner)


class Place(NamedTuple):
    """Where a credential's bit is: the URL of the list, and which of its bits."""

    url: str
    bit: int


class Target(NamedTuple):
    """What the framework says of a competency: the title of the framework, and the CASE identifier of the item."""

    framework: str
    identifier: str | None


def badge(
    issuer: Issuer, holder: Holder, one: Achieved, target: Target, place: Place, issued_at: str, until: str | None,
    time_zone: str,
) -> Document:  # fmt: skip
    """Return the Open Badge of one achievement, unsigned; `until` ends its validity, what it says in words are local days."""
    of_level = one.kind == "level.advanced"
    achievement = {
        "id": _urn_of(one.scope),
        "type": ["Achievement"],
        "achievementType": "Achievement" if of_level else "Competency",
        "creator": {"id": issuer.id, "type": ["Profile"], "name": issuer.name},
        "name": one.title,
        "description": one.title,
        "humanCode": one.code,
        "criteria": {"narrative": _criteria(one)},
        "alignment": [_alignment(one, target)],
    }
    if one.subject:
        achievement["fieldOfStudy"] = one.subject
    return {
        "@context": [VC_CONTEXT, BADGE_CONTEXT],
        "id": _urn(one.id),
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "issuer": {"id": issuer.id, "type": ["Profile"], "name": issuer.name},
        "name": one.title,
        "validFrom": issued_at,
        **({"validUntil": until} if until else {}),
        "awardedDate": _seconds(one.shown_at),
        "credentialSubject": {
            "id": holder.id,
            "type": ["AchievementSubject"],
            **_identity(holder),
            "achievement": achievement,
            "result": [{"type": ["Result"], "status": "Completed"}],
        },
        "evidence": _evidence(one, time_zone),
        "credentialStatus": _status(place),
        "credentialSchema": [{"id": _BADGE_SCHEMA, "type": _VALIDATOR}],
    }


def record_id(learner: str, achievements: Sequence[Achieved]) -> str:
    """Return the id of a record: the same achievements of the same learner give the same id."""
    return str(uuid.uuid5(uuid.UUID(int=0), "\n".join((learner, *sorted(one.id for one in achievements)))))


def learner_record(
    issuer: Issuer, holder: Holder, id: str, badges: Sequence[Document], place: Place, issued_at: str,
    until: str | None, *, whole: bool,
) -> Document:  # fmt: skip
    """Return the Comprehensive Learner Record of signed badges, itself unsigned; `whole` says that there are no more."""
    return {
        "@context": [VC_CONTEXT, CLR_CONTEXT, BADGE_CONTEXT],
        "id": _urn(id),
        "type": ["VerifiableCredential", "ClrCredential"],
        "issuer": {"id": issuer.id, "type": ["Profile"], "name": issuer.name},
        "name": f"Learner record, {issuer.name}",
        "validFrom": issued_at,
        **({"validUntil": until} if until else {}),
        "partial": not whole,
        "credentialSubject": {
            "id": holder.id,
            "type": ["ClrSubject"],
            **_identity(holder),
            "verifiableCredential": list(badges),
        },
        "credentialStatus": _status(place),
        "credentialSchema": [{"id": _CLR_SCHEMA, "type": _VALIDATOR}],
    }


def status_credential(issuer: Issuer, url: str, encoded_list: str, issued_at: str, ttl_s: int) -> Document:
    """Return the credential that carries a status list, unsigned; a verifier may keep it for `ttl_s`."""
    return {
        "@context": [VC_CONTEXT],
        "id": url,
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": issuer.id,
        "validFrom": issued_at,
        "credentialSubject": {
            "id": f"{url}#list",
            "type": "BitstringStatusList",
            "statusPurpose": "revocation",
            "encodedList": encoded_list,
            "ttl": ttl_s * 1000,
        },
    }


def did_document(did: str, keys: Mapping[str, str]) -> Document:
    """Return the document of a did:web: `keys` are public keys in multibase by the fragment that names them."""
    methods = [
        {"id": f"{did}#{name}", "type": "Multikey", "controller": did, "publicKeyMultibase": key}
        for name, key in keys.items()
    ]
    return {
        "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
        "id": did,
        "verificationMethod": methods,
        "assertionMethod": [method["id"] for method in methods],
    }


def _identity(holder: Holder) -> Document:
    known = {"ext:attainLearner": holder.learner} | ({"name": holder.name} if holder.name else {})
    return {
        "identifier": [
            {"type": "IdentityObject", "hashed": False, "identityHash": value, "identityType": kind}
            for kind, value in known.items()
        ]
    }


def _alignment(one: Achieved, target: Target) -> Document:
    """Return where the achievement stands in its framework; a CFItem where the framework came with CASE identifiers."""
    case = _uuid(target.identifier)
    return {
        "type": ["Alignment"],
        "targetCode": one.code,
        "targetName": one.title,
        "targetFramework": target.framework,
        "targetUrl": f"urn:uuid:{case}" if case else _urn_of(one.scope),
        **({"targetType": "CFItem"} if case else {}),
    }


def _criteria(one: Achieved) -> str:
    policy = f" Policy {one.policy[0]}, content hash {one.policy[1]}." if one.policy is not None else ""
    source = f" {one.provenance}" if one.provenance else ""
    return f"{_HOW[one.kind]}{source}{policy}"


def _evidence(one: Achieved, time_zone: str) -> list[Document]:
    """Return the pieces that it rests on, at most as many as its event names, or the person's decision."""
    basis = one.basis
    if basis.evidence_ids:
        days = [local_day(at, time_zone) for at in (basis.first_at, basis.last_at) if at]
        over = f" from {days[0]} to {days[-1]}" if days else ""
        narrative = f"One of {basis.pieces} pieces on {basis.occasions} occasions{over}; digest {basis.digest}."
        return [{"id": _urn(piece), "type": ["Evidence"], "narrative": narrative} for piece in basis.evidence_ids]
    by = f" by a {basis.by.role.replace('_', ' ')}" if basis.by is not None and basis.by.role else ""
    kind = "the level's rule" if one.kind == "level.advanced" and not by else basis.kind.replace("_", " ")
    return [
        {
            "type": ["Evidence"],
            "narrative": f"Decided{by} on {local_day(one.told_for, time_zone)}: {kind}. {one.reason}".strip(),
        }
    ]


def _status(place: Place) -> Document:
    return {
        "id": f"{place.url}#{place.bit}",
        "type": "BitstringStatusListEntry",
        "statusPurpose": "revocation",
        "statusListIndex": str(place.bit),
        "statusListCredential": place.url,
    }


def _urn(id: str) -> str:
    """Return an id of ours as an absolute IRI."""
    return f"urn:uuid:{id}" if _uuid(id) else f"urn:attain:{quote(id, safe='')}"


def _urn_of(scope: str) -> str:
    return f"urn:attain:scope:{quote(scope, safe=':')}"


def _uuid(text: str | None) -> str | None:
    try:
        return str(uuid.UUID(text))
    except (ValueError, TypeError):
        return None


def _seconds(instant: str) -> str:
    """Return an instant without fractions of a second: not every verifier reads them."""
    return f"{instant[:19]}Z"
