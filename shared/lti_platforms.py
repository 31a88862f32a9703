"""The learning platforms that open the pages by LTI 1.3, as the setting of that name has them."""

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Json

HTTPS = r"^(https://[^\s#]+|http://(127\.0\.0\.1|localhost)(:[0-9]+)?(/[^\s#]*)?)$"


class _Registered(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LtiDeployment(_Registered):
    """
    A place at a platform from which the pages are opened: of one tenant.

    `person` is the claim with the id by which the roster lists people. One alone: were a platform's own numbers tried where the
    school's have none, they could be somebody else's there. `learner_source` is the source that knows learners by the same ids.
    """

    id: str = Field(min_length=1, max_length=255)
    tenant: str = Field(pattern=r"^[a-z0-9-]{1,63}$")
    person: Literal["sub", "person_sourcedid"] = "sub"
    learner_source: str = ""


def _deployments_once(deployments: tuple[LtiDeployment, ...]) -> tuple[LtiDeployment, ...]:
    if len({each.id for each in deployments}) < len(deployments):
        raise ValueError("a deployment stands there twice: each is of one tenant")
    return deployments


class LtiPlatform(_Registered):
    """A platform, and what the pages are registered as there: `issuer` and `client_id` together name it."""

    issuer: str = Field(min_length=1, max_length=2000)
    client_id: str = Field(min_length=1, max_length=255)
    authorization_url: str = Field(pattern=HTTPS)
    jwks_url: str = Field(pattern=HTTPS)
    deployments: Annotated[tuple[LtiDeployment, ...], Field(min_length=1), AfterValidator(_deployments_once)]

    def deployment(self, id: str) -> LtiDeployment | None:
        """Return a deployment by its id; None where it is not registered."""
        return next((each for each in self.deployments if each.id == id), None)


def _platforms_once(platforms: tuple[LtiPlatform, ...]) -> tuple[LtiPlatform, ...]:
    if len({(each.issuer, each.client_id) for each in platforms}) < len(platforms):
        raise ValueError("a platform stands there twice: one entry of issuer and client_id has all its deployments")
    return platforms


LtiPlatforms: TypeAlias = Annotated[Json[tuple[LtiPlatform, ...]], AfterValidator(_platforms_once)]
"""A JSON array of platforms."""
