"""OneRoster CSV bundles: what becomes of their rows."""

import itertools
from pathlib import Path

import pytest

from deploy.local.commands.roster import requests
from deploy.local.errors import StackError
from deploy.local.files.oneroster import is_bundle, read_bundle
from tests.support.shared_data import shared_file

FILES = {
    "orgs": "sourcedId,status,name,type,parentSourcedId\nd1,,District,district,\ns1,active,School,school,d1\n",
    "classes": "sourcedId,status,title,schoolSourcedId,subjects\nc1,,Math,s1,mathematics\nc2,tobedeleted,Old,s1,\n",
    "users": "sourcedId,status,givenName,familyName\nu1,,Ada,L\nu2,,Ben,\nt1,,Tea,Cher\nt2,tobedeleted,Lef,T\ng1,,Gu,Ardian\n",
    "roles": "sourcedId,userSourcedId,role\nr1,u1,student\nr2,u2,student\nr3,t1,teacher\nr4,t2,aide\nr5,g1,guardian\n",
    "enrollments": "classSourcedId,userSourcedId,role,status\nc1,u1,student,\nc1,u2,student,tobedeleted\nc1,t1,teacher,\n",
    "demographics": "userSourcedId,sex,asian,white\nu1,female,true,false\nt1,female,true,\n",
}


def bundle(folder: Path, **changes: str) -> Path:
    for name, text in (FILES | changes).items():
        (folder / f"{name}.csv").write_text(text)
    return folder


def test_a_bundle_becomes_the_tables_of_a_roster(tmp_path: Path) -> None:
    tables = read_bundle(bundle(tmp_path))

    assert is_bundle(tmp_path)
    assert tables == {
        "schools": [{"school": "s1", "title": "School", "district": "d1"}],
        "classes": [{"class": "c1", "title": "Math", "school": "s1", "subject": "mathematics"}],
        "staff": [{"class": "c1", "staff": "t1", "role": "teacher", "status": "active"}],
        "learners": [{"source_id": "u1", "name": "Ada L"}, {"source_id": "u2", "name": "Ben"}],
        "enrolments": [
            {"class": "c1", "learner": "u1", "status": "active"}, {"class": "c1", "learner": "u2", "status": "inactive"},
        ],
        "groups": [
            {"group": "sex", "learner": "u1", "value": "female"}, {"group": "race:asian", "learner": "u1", "value": "true"},
        ],
        "people": [{"person": "t1", "name": "Tea Cher"}, {"person": "t2"}],
    }  # fmt: skip


@pytest.mark.parametrize("rows", sorted(set(itertools.permutations(("tobedeleted", "", "tobedeleted")))))
def test_who_left_a_class_and_came_back_is_in_it(tmp_path: Path, rows: tuple[str, ...]) -> None:
    """OneRoster has a row for each time, in any order: the last one of the file would have ended it."""
    times = "".join(f"c1,u1,student,{status}\nc1,t1,teacher,{status}\n" for status in rows)
    tables = read_bundle(bundle(tmp_path, enrollments=f"classSourcedId,userSourcedId,role,status\n{times}"))

    assert tables["enrolments"] == [{"class": "c1", "learner": "u1", "status": "active"}]
    assert tables["staff"] == [{"class": "c1", "staff": "t1", "role": "teacher", "status": "active"}]


def test_the_sample_of_a_vendor_is_read() -> None:
    folder = shared_file("data/formats/oneroster/oat_sample_v1p1/data/samples/OneRosterv1p1BaseCSV")
    tables = read_bundle(folder)

    assert {name: len(rows) for name, rows in tables.items() if rows} == {
        "schools": 2, "classes": 3, "learners": 2, "enrolments": 3,
    }  # fmt: skip
    assert all(row["class"] for row in tables["enrolments"])
    assert [next(iter(set(request) - {"source"})) for request in requests("urn:s", tables)] == [
        "schools", "classes", "learners", "enrolments",
    ]  # fmt: skip


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="lacks column role"):
        read_bundle(bundle(tmp_path, enrollments="classSourcedId,userSourcedId\nc1,u1\n"))
