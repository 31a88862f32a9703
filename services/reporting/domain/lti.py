"""
A launch from a learning platform, as its ID token says: LTI 1.3's resource link request.

Source: 1EdTech LTI Core 1.3, 5.3 (claims) and 4.2.1 to 4.2.3 (person, resource link, context), as far as the pages use it.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from shared.errors import Unauthorized

CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"
CLASSES = "classes"
"""The custom parameter in which a platform may name classes, with commas between them."""
CLASSES_MAX = 20
Id = Annotated[str, Meta(min_length=1, max_length=255)]


class ResourceLink(msgspec.Struct, frozen=True):
    """The link that was followed."""

    id: Id


class Context(msgspec.Struct, frozen=True):
    """The course that the link stands in, by the platform's own id."""

    id: Id


class Lis(msgspec.Struct, frozen=True):
    """Person and course by their ids in the student information system; a platform may leave out any, or leave them empty."""

    person_sourcedid: str | None = None
    course_section_sourcedid: str | None = None
    course_offering_sourcedid: str | None = None


class Launch(msgspec.Struct, frozen=True, rename=lambda name: CLAIM + name):
    """What is launched, and from where. `roles` have to be there, and give nobody anything: rights come from the roster."""

    message_type: Literal["LtiResourceLinkRequest"]
    version: Literal["1.3.0"]
    deployment_id: Id
    target_link_uri: str
    resource_link: ResourceLink
    roles: list[str]
    context: Context | None = None
    lis: Lis | None = None
    custom: dict[str, Any] | None = None

    @property
    def classes(self) -> list[str]:
        """By which ids the roster may have the class, what says most first."""
        lis, named = self.lis or Lis(), (self.custom or {}).get(CLASSES)
        among = [
            *(named.split(",") if isinstance(named, str) else ()), lis.course_section_sourcedid, lis.course_offering_sourcedid,
            self.context and self.context.id,
        ]  # fmt: skip
        return list(dict.fromkeys(each.strip() for each in among if each and each.strip()))[:CLASSES_MAX]


def launch_of(claims: Mapping[str, Any]) -> Launch:
    """Return the launch that the claims of an ID token tell of; raises `Unauthorized` where they tell of none."""
    try:
        return msgspec.convert(claims, Launch)
    except msgspec.ValidationError as error:
        raise Unauthorized(f"this is no resource link launch of LTI 1.3: {error}") from error


def person_in(claims: Mapping[str, Any], launch: Launch, claim: Literal["sub", "person_sourcedid"]) -> str | None:
    """Return the id by which the roster lists the person: what the claim has that the deployment names; None for nobody."""
    return claims.get("sub") if claim == "sub" else (launch.lis or Lis()).person_sourcedid
