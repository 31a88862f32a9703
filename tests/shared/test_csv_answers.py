from shared.csv_answers import csv_answer


def test_neither_a_cell_nor_the_name_of_a_column_is_a_formula() -> None:
    answer = csv_answer("class", (["learner", "-2+3:cmd", ""], [["=1", -1, "a-b"]]))

    assert bytes(answer.body).decode().splitlines() == ["learner,'-2+3:cmd,", "'=1,-1,a-b"]
