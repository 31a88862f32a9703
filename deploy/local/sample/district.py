"""The sample district as the commands send it: framework, policy, and its school years of evidence month by month."""

import csv
import datetime
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import msgspec

from deploy.local.sample.learning import PLACEMENT_WEEKS, Competency, Life, Showing, live
from deploy.local.sample.people import SMALL, Person, Size, make_people

SEED = "river-valley"
FRAMEWORK = "river-valley"
TITLE = "River Valley progression"
SOURCE = "urn:attain:sample"
SCALE = "levels-1-4"
FOLDER = Path(__file__).parent
FOUND_AT = datetime.datetime(2024, 9, 25, 15, 30, tzinfo=datetime.UTC)
"""When the wrong answer key of a placement quiz was found."""
TAKEN_AGAIN_AT = FOUND_AT + datetime.timedelta(days=7)

_encode = msgspec.json.Encoder().encode


class Month(NamedTuple):
    """What happened in a month, as native evidence in order of time; `end` is the first moment after it."""

    name: str
    end: datetime.datetime
    items: list[bytes]


class Mistake(NamedTuple):
    """The quiz with the wrong answer key."""

    activity: str
    code: str
    class_title: str
    results: int
    found_on: datetime.date


class District(NamedTuple):
    """A simulated district and the truth about it."""

    people: list[Person]
    months: list[Month]
    lives: dict[str, Life]
    mistake: Mistake


Piece: TypeAlias = tuple[datetime.datetime, str, bytes]
"""When it happened, its id, and the item."""


def read_nodes() -> str:
    """Return the text of the framework's competencies."""
    return (FOLDER / "nodes.csv").read_text(encoding="utf-8")


def read_edges() -> str:
    """Return the text of the framework's edges."""
    return (FOLDER / "edges.csv").read_text(encoding="utf-8")


def read_policy() -> bytes:
    """Return the policy of the district."""
    return (FOLDER / "policy.yaml").read_bytes()


def read_competencies() -> list[Competency]:
    """Return the competencies of the framework, in its order, with what comes directly before each."""
    needs = defaultdict(list)
    for edge in csv.DictReader(read_edges().splitlines()):
        needs[edge["to"]].append(edge["from"])
    return [
        Competency(row["code"], row["subject"], int(row["level"]), tuple(needs[row["code"]]))
        for row in csv.DictReader(read_nodes().splitlines())
    ]


def make_district(
    seed: str = SEED, size: Size = SMALL, lived: Callable[[int, int], None] = lambda learners, of: None
) -> District:
    """
    Return the school years of the district; the same seed gives the same ones, to the byte.

    Args:
        seed: names the district.
        size: how large it is.
        lived: told how many learners have lived theirs, of all, after each.
    """
    people, competencies = make_people(seed, size), read_competencies()
    lives: dict[str, Life] = {}
    pieces: list[Piece] = []
    placement: list[dict[str, Any]] = []
    for place, person in enumerate(people, start=1):
        life = lives[person.id] = live(person, competencies, seed, size.years)
        for number, showing in enumerate(life.showings, start=1):
            piece = _native(person, number, showing)
            pieces.append((showing.at, piece["id"], _encode(piece)))
            if showing.week < PLACEMENT_WEEKS:
                placement.append(piece)
        lived(place, len(people))
    mistake, more = _wrong_key(people, placement)
    return District(people, list(_months(sorted(pieces + more))), lives, mistake)


def _native(person: Person, number: int, showing: Showing) -> dict[str, Any]:
    observed = showing.form == "observation"
    activity = f"{showing.form}-{showing.code}-{person.home.id}-week-{showing.week + 1:02}"
    piece: dict[str, Any] = {
        "id": f"{person.id}-{number:03}",
        "source": SOURCE,
        "learner": person.id,
        "competencies": [f"{FRAMEWORK}:{showing.code}"],
        "activity": {"id": activity, "kind": "observation" if observed else "quiz"},
        "score": {"level": showing.right, "scale": SCALE} if observed else {"raw": showing.right, "max": showing.of},
        "occurred_at": _instant(showing.at),
        "kind": "observation" if observed else "formative",
        "assessor": {"id": person.home.teacher, "type": "human"} if observed else {"type": "auto"},
    }
    if not observed:
        piece["activity"]["items"] = showing.of
    return piece | ({"assisted": True} if showing.assisted else {})


def _wrong_key(people: Sequence[Person], pieces: Sequence[Mapping[str, Any]]) -> tuple[Mistake, list[Piece]]:
    """
    Return the quiz that most learners took among pieces of placement, and what came of its wrong answer key.

    Its results are taken back when the key is found to be wrong, and the quiz is taken again a week later.
    """
    taken = Counter(piece["activity"]["id"] for piece in pieces if piece["activity"]["id"].startswith("quiz-"))
    activity = min(taken, key=lambda id: (-taken[id], id))
    results = [piece for piece in pieces if piece["activity"]["id"] == activity]
    items: list[Piece] = []
    for piece in results:
        back = {name: piece[name] for name in ("source", "learner")} | {
            "id": f"{piece['id']}-taken-back",
            "occurred_at": _instant(FOUND_AT),
            "retracts": piece["id"],
        }
        again = dict(piece) | {
            "id": f"{piece['id']}-again",
            "activity": piece["activity"] | {"id": f"{activity}-again"},
            "occurred_at": _instant(TAKEN_AGAIN_AT),
        }
        items += [(FOUND_AT, back["id"], _encode(back)), (TAKEN_AGAIN_AT, again["id"], _encode(again))]
    title = next(person.home.title for person in people if person.id == results[0]["learner"])
    code = results[0]["competencies"][0].partition(":")[2]
    return Mistake(activity, code, title, len(results), FOUND_AT.date()), items


def _months(pieces: Sequence[Piece]) -> Iterator[Month]:
    """Cut pieces in order of time into months; of a closed summer there are none."""
    for (year, month), group in itertools.groupby(pieces, key=lambda piece: (piece[0].year, piece[0].month)):
        yield Month(f"{datetime.date(year, month, 1):%B %Y}", _next_month(year, month), [item for _, _, item in group])


def _next_month(year: int, month: int) -> datetime.datetime:
    return datetime.datetime(year + month // 12, month % 12 + 1, 1, tzinfo=datetime.UTC)


def _instant(at: datetime.datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
