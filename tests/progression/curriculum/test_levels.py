"""The continuum: levels by grade, by domain, by a file, and back."""

import pytest

from services.progression.domain.curriculum import Framework
from services.progression.domain.curriculum.framework import LevelCredit
from services.progression.domain.curriculum.levels import By, level_of, put_levels, read_grades
from services.progression.domain.curriculum.problems import Problems
from shared.errors import InvalidEvent
from tests.progression.curriculum.builders import case_edge, case_item, package, read
from tests.support.frameworks import read_csv

TREE, _ = read(
    package(
        [case_item("all", "ALL"), case_item("g", "GEO"), case_item("n", "NUM"), case_item("g2", "G2", educationLevel="02"),
         case_item("gk", "GK", educationLevel="KG"), case_item("n1", "N1", educationLevel="01"), case_item("x", "X")],
        [case_edge("g", "isChildOf", "all", sequenceNumber=2), case_edge("n", "isChildOf", "all", sequenceNumber=1),
         case_edge("g2", "isChildOf", "g"), case_edge("gk", "isChildOf", "g"), case_edge("n1", "isChildOf", "n")],
    )
)  # fmt: skip


def levelled(framework: Framework, by: By, file: str = "") -> tuple[list[tuple[str, list[str]]], list[str], Framework]:
    """Return the levels in order with the codes in them, the problems, and the framework."""
    problems = Problems()
    result = put_levels(framework, by, file, problems)
    found = [(level.partition("/")[2], [code[2:] for code in codes]) for level, codes in result.levels.items()]
    return found, problems.lines(), result


def test_a_package_has_the_levels_of_its_grades_in_their_order():
    assert levelled(TREE, "educationalLevel")[0] == [("K", ["GK"]), ("1", ["N1"]), ("2", ["G2"])]
    assert [c.code for c in TREE.competencies] == ["ALL", "GEO", "GK", "NUM", "N1", "G2", "X"]


def test_domains_are_the_groups_inside_the_one_that_holds_all():
    levels, problems, _ = levelled(TREE, "domain")

    assert levels == [("GEO", ["GK", "G2"]), ("NUM", ["N1"])]
    assert problems == ["X: without a level, so it counts towards none"]


def test_a_file_gives_levels_in_its_order_to_any_competency():
    file = "code,level\nN1,first\nGEO,second\nGK,first\nZZ,first\nN1,third\n"
    levels, problems, _ = levelled(TREE, "csv", file)

    assert levels == [("first", ["GK", "N1"]), ("second", ["GEO"])]
    assert problems[:2] == ["line 5: unknown code 'ZZ', left out", "line 6: code 'N1' again, left out"]


@pytest.mark.parametrize(
    ("by", "file", "level"),
    [("educationalLevel", "", "1"), ("domain", "", "NUM"), ("csv", "code,level\nN1,first\n", "first")],
)
def test_levels_have_the_credits_of_a_file_however_they_are_given(by: By, file: str, level: str):
    problems = Problems()
    credits = f"\ufefflevel,code,value\n{level},MATH-1,0.5\n{level},MATH-2,1\nZZ,X,1\n"
    found = put_levels(TREE, by, file, problems, credits)
    name = next(id for id in found.levels if id.endswith(f"/{level}"))

    assert found.credits == {name: LevelCredit("MATH-1", 0.5)}
    assert problems.lines()[-2:] == [f"line 3: another credit of {name!r}, left out", "line 4: no level 'ZZ', left out"]
    assert put_levels(found, by, file, Problems()).credits == {}, "what is put anew has what is given with it"
    assert put_levels(found, by, file, Problems()).version != found.version


def test_a_credit_of_all_subjects_or_of_one():
    framework, _ = read_csv("f", "", "code,title,level,subject\nA,a,1,Maths\nB,b,1,Science\n", "")
    found = put_levels(
        framework, "educationalLevel", "", Problems(), "level,code,value,subject\n1,S,2,Science\n1,ALL,1,\n"
    )

    assert found.credits == {"f#Science/1": LevelCredit("S", 2.0), "f#Maths/1": LevelCredit("ALL", 1.0)}


@pytest.mark.parametrize(
    ("credits", "said"),
    [
        ("level,code\n1,M\n", "the header lacks value"), ("level,code,value\n1,M,much\n", "line 2: a credit's value"),
        ("level,code,value\n1,M,-1\n", "line 2: a credit's value"), ("level,code,value\n1,M,nan\n", "line 2: a credit's value"),
        ("level,code,value\n1,,1\n", "line 2: the code of a credit"),
    ],
)  # fmt: skip
def test_a_file_of_credits_that_is_not_of_its_form_is_refused_with_its_line(credits: str, said: str):
    with pytest.raises(InvalidEvent, match=said) as refused:
        put_levels(TREE, "educationalLevel", "", Problems(), credits)

    assert refused.value.pointer == "/credits"


def test_levels_can_be_put_back():
    for framework in (TREE, read_csv("f", "", "code,title,level,parent\nA,a,2,P\nB,b,1,Q\n", "")[0]):
        by_domain = levelled(framework, "domain")[2]

        assert levelled(by_domain, "educationalLevel")[0] == levelled(framework, "educationalLevel")[0]


@pytest.mark.parametrize(
    ("given", "level"),
    [
        (["03"], "3"), (["KG"], "K"), (["KG", "01", "02"], "K-2"), (["12", "09", "11", "10"], "9-12"), (["03", "05"], "3,5"),
        (["3,4"], "3-4"), ([], None), (["HS"], "HS"), (["kindergarten"], "K"), (["PK", "K"], "K"), (["99"], "99"),
    ],
)  # fmt: skip
def test_education_levels_become_one_level(given: list[str], level: str | None):
    assert level_of(read_grades(given)) == (level if given != ["PK", "K"] else "PK,K")


@pytest.mark.parametrize(("by", "file", "pointer"), [("csv", "code\nA\n", "/file"), ("educationalLevel", "", "/by")])
def test_levels_that_are_none_are_refused(by: By, file: str, pointer: str):
    bare, _ = read_csv("f", "", "code,title\nA,a\n", "")

    with pytest.raises(InvalidEvent) as refused:
        put_levels(bare, by, file, Problems())
    assert refused.value.pointer == pointer


def test_a_deep_hierarchy_costs_no_more_than_a_flat_one():
    nodes = "code,title,parent\n" + "".join(f"c{n},x,c{n - 1}\nl{n},x,c{n}\n" for n in range(20_000))
    framework, _ = read_csv("f", "", nodes, "")

    assert sum(len(codes) for _, codes in levelled(framework, "domain")[0]) == 20_000
