"""The people of the sample district: its schools and classes, their learners, teachers, guardians and leaders. All invented."""

import random
from typing import NamedTuple

SCHOOLS = (
    ("brookside", "Brookside School"), ("hillcrest", "Hillcrest School"), ("old-mill", "Old Mill School"),
    ("lakeview", "Lakeview School"), ("north-bank", "North Bank School"),
)  # fmt: skip
DISTRICT = ("river-valley", "River Valley District")
BANDS = ("A", "B", "C", "D")
"""Years of a school, from the youngest to the oldest."""
HOME_LANGUAGE = "home language"
HOME_LANGUAGES = ("English",) * 7 + ("Spanish",) * 4 + ("another",) * 2
"""Their shares, in the order in which ids take turns."""
FIRST_NAMES = (
    "Ada", "Amara", "Anouk", "Arjun", "Beno", "Bilal", "Carla", "Chidi", "Dalia", "Daria", "Eamon", "Elif",
    "Emeka", "Esra", "Farid", "Fenja", "Gita", "Goran", "Hana", "Hugo", "Ines", "Ivo", "Jamila", "Jonas",
    "Kaito", "Keren", "Lena", "Luca", "Malik", "Mira", "Nadia", "Niko", "Oksana", "Omar", "Paloma", "Pavel",
    "Quentin", "Rania", "Ravi", "Selma", "Soren", "Tamar", "Tariq", "Uma", "Vera", "Viktor", "Wanda", "Yara",
    "Yusuf", "Zoe",
)  # fmt: skip
LAST_NAMES = (
    "Abara", "Almeida", "Andersen", "Baptiste", "Bauer", "Calder", "Castellan", "Dahl", "Demir", "Duarte",
    "Eklund", "Farouk", "Fontaine", "Garrow", "Haddad", "Hollis", "Ibarra", "Ilves", "Jansen", "Kaur", "Kimura",
    "Kowal", "Lindqvist", "Lovell", "Marchetti", "Mbeki", "Moreau", "Nakos", "Novak", "Okafor", "Ortega",
    "Petrov", "Quill", "Rahimi", "Rossi", "Sandoval", "Sato", "Tamm", "Thorne", "Ueda", "Vargas", "Virtanen",
    "Walsh", "Yilmaz", "Zeman",
)  # fmt: skip


class Size(NamedTuple):
    """How large a district is: schools, classes of each year side by side, learners of a class, and years that it lives."""

    schools: int = 3
    parallel: int = 1
    learners: int = 25
    years: int = 1


SMALL, WHOLE = Size(), Size(schools=5, parallel=4, years=2)
"""300 learners in one year, and 2,000 in two."""


class Class(NamedTuple):
    """A class; `level` is the one that most of its learners begin the year with."""

    id: str
    title: str
    school: str
    level: int
    teacher: str


class Person(NamedTuple):
    """A learner, by the district's own id."""

    id: str
    name: str
    home: Class


def make_people(seed: str, size: Size = SMALL) -> list[Person]:
    """Return the learners of the district; the same seed gives the same ones."""
    dice = random.Random(f"{seed}/people")
    names = [f"{first} {last}" for first in FIRST_NAMES for last in LAST_NAMES]
    homes = [home for home in make_classes(size) for _ in range(size.learners)]
    chosen = dice.sample(names, len(homes))
    return [
        Person(f"L-{number:04}", name, home) for number, (name, home) in enumerate(zip(chosen, homes, strict=True), 1)
    ]


def make_classes(size: Size = SMALL) -> list[Class]:
    """Return the classes of all schools."""
    return [
        _class(school, title, max(1, place), band + (str(number) if size.parallel > 1 else ""))
        for school, title in SCHOOLS[: size.schools]
        for place, band in enumerate(BANDS)
        for number in range(1, size.parallel + 1)
    ]


def _class(school: str, title: str, level: int, name: str) -> Class:
    id = f"{school}-{name.lower()}"
    return Class(id, f"{title}, class {name}", school, level, f"t-{id}")


def make_roster(people: list[Person]) -> dict[str, list[dict[str, str]]]:
    """Return the rows of the district's roster, in the columns of the roster files."""
    district, district_title = DISTRICT
    classes = list(dict.fromkeys(person.home for person in people))
    theirs = {each.school for each in classes}
    schools = [(id, title) for id, title in SCHOOLS if id in theirs]
    return {
        "schools": [
            {"school": district, "title": district_title},
            *({"school": school, "title": title, "district": district} for school, title in schools),
        ],
        "classes": [{"class": each.id, "title": each.title, "school": each.school} for each in classes],
        "staff": [{"class": each.id, "staff": each.teacher, "role": "teacher", "status": "active"} for each in classes],
        "learners": [{"source_id": person.id, "name": person.name} for person in people],
        "enrolments": [{"class": person.home.id, "learner": person.id, "status": "active"} for person in people],
        "groups": [{"group": HOME_LANGUAGE, "learner": p.id, "value": home_language(p)} for p in people],
        "assignments": [
            {"person": "d-leader", "role": "leader", "kind": "district", "target": district},
            *({"person": f"h-{id}", "role": "leader", "kind": "school", "target": id} for id, _ in schools),
            *({"person": f"g-{p.id}", "role": "guardian", "kind": "learner", "target": p.id} for p in people),
        ],
        "people": [
            {"person": person, "name": f"{FIRST_NAMES[-1 - n % len(FIRST_NAMES)]} {LAST_NAMES[n % len(LAST_NAMES)]}"}
            for n, person in enumerate(
                ("d-leader", *(f"h-{id}" for id, _ in schools), *(each.teacher for each in classes))
            )
        ],
    }


def home_language(person: Person) -> str:
    """Return the language spoken at a learner's home; it plays no part in what the learner shows."""
    return HOME_LANGUAGES[int(person.id.removeprefix("L-")) * 7 % len(HOME_LANGUAGES)]
