"""What is wrong with a value, in words of people: of every kind of fault that bodies and queries of the services can have."""

import datetime
import enum
import uuid
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from shared.plain_words import in_words, named
from shared.web import Instant


class Colour(enum.Enum):
    """A choice of one."""

    RED = "red"


class Circle(BaseModel):
    """One of two forms that their type tells apart."""

    type: Literal["circle"]


class Square(BaseModel):
    """The other."""

    type: Literal["square"]


class Body(BaseModel):
    """One member of every kind."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=3)] = "a"
    long: Annotated[str, Field(min_length=2)] = "ab"
    form: Annotated[str, Field(pattern="^[a-z]+$")] = "a"
    count: Annotated[int, Field(ge=2, le=5)] = 2
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    kept: Literal["none", "all"] = "none"
    colour: Colour = Colour.RED
    yes: bool = True
    at: Instant | None = None
    day: datetime.date | None = None
    id: uuid.UUID | None = None
    items: Annotated[list[int], Field(min_length=1, max_length=2)] = [1]
    figure: Annotated[Circle | Square, Field(discriminator="type")] | None = None
    own: int = 0

    @field_validator("own")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2:
            raise ValueError("an odd number has no half")
        return value


AT = "at must be an instant with its offset, such as 2026-03-04T10:15:00Z"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": ""}, "name must not be empty"),
        ({"name": "abcd"}, "name must have at most 3 characters"),
        ({"name": 1}, "name must be text"),
        ({"long": "a"}, "long must have at least 2 characters"),
        ({"form": "A"}, "form is empty or has characters that are not allowed here"),
        ({"count": "x"}, "count must be a whole number"),
        ({"count": 2.5}, "count must be a whole number"),
        ({"count": 1}, "count must be at least 2"),
        ({"count": 6}, "count must be at most 5"),
        ({"share": "x"}, "share must be a number"),
        ({"share": 0}, "share must be more than 0.0"),
        ({"share": 1}, "share must be less than 1.0"),
        ({"kept": "some"}, "kept must be 'none' or 'all'"),
        ({"colour": "blue"}, "colour must be 'red'"),
        ({"yes": "perhaps"}, "yes must be true or false"),
        ({"at": "soon"}, AT),
        ({"at": "2026-03-04T10:15:00"}, AT),
        # Pydantic takes numbers for seconds since 1970, so that a year would be the first of January 1970.
        ({"at": "2026"}, AT),
        ({"at": 2026}, AT),
        ({"day": "soon"}, "day must be a day, such as 2026-03-04"),
        ({"id": "x"}, "id must be a UUID"),
        ({"items": 1}, "items must be a list"),
        ({"items": []}, "items must not be empty"),
        ({"items": [1, 2, 3]}, "items must have at most 2 items"),
        ({"items": ["x"]}, "items.0 must be a whole number"),
        ({"figure": {"type": "line"}}, "figure must have as 'type' one of 'circle', 'square', not 'line'"),
        ({"figure": {}}, "figure must have 'type'"),
        ({"other": 1}, "other is not known here"),
        ({"own": 1}, "an odd number has no half"),
    ],
)
def test_a_fault_is_said_in_plain_words(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Body.model_validate(given)
    first = refused.value.errors()[0]

    assert in_words({**first}, named(first["loc"])) == said


def test_an_instant_is_taken_as_iso_8601_writes_it() -> None:
    assert Body(at="2026-03-04T10:15:00+01:00").at == datetime.datetime.fromisoformat("2026-03-04T09:15:00Z")


def test_the_whole_is_called_the_body() -> None:
    with pytest.raises(ValidationError) as refused:
        Body.model_validate([])
    first = refused.value.errors()[0]

    assert in_words({**first}, named(first["loc"])) == "the body must be an object"
