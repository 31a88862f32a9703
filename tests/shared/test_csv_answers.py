import csv
import io

from shared.csv_answers import csv_answer


def test_neither_a_cell_nor_the_name_of_a_column_is_a_formula() -> None:
    answer = csv_answer("class", (["learner", "-2+3:cmd", ""], [["=1", -1, "a-b"]]))

    assert bytes(answer.body).decode().splitlines() == ["learner,'-2+3:cmd,", "'=1,-1,a-b"]


def test_wide_signs_and_line_feeds_begin_formulas_too():
    given = ["＝1+1", "＠SUM(1)", "＋1", "－1", "\n=1"]
    answer = csv_answer("class", (["name"], [[cell] for cell in given]))
    _, *rows = csv.reader(io.StringIO(bytes(answer.body).decode()))

    assert rows == [[f"'{cell}"] for cell in given]
