"""Tables as CSV, and back."""

import math

import pytest

from subtheory import table


def test_rows_come_back_as_they_were():
    rows = [
        {"n": 1, "x": 0.1, "ok": True, "name": 'a, "b"\nc', "mixed": "1"},
        {"n": -2, "x": 1e-300, "ok": False, "name": "ε", "mixed": "one"},
    ]
    found = table.from_csv(table.to_csv(rows))
    assert found == rows and [type(value) for value in found[0].values()] == [int, float, bool, str, str]


def test_a_column_is_of_one_kind():
    (first, second) = table.from_csv("x,y,z\n1,nan,\n2.5,1,2\n")
    assert first["x"] == 1.0 and isinstance(first["x"], float) and math.isnan(first["y"])
    assert (first["z"], second["z"]) == ("", "2"), "where one is missing they stay text"


def test_nothing_and_a_head_alone_are_no_rows():
    assert table.from_csv("") == table.from_csv("a,b\n") == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a,a\n1,2\n", "two columns of one name"),
        ("a,b\n1\n", "1 values in row 2"),
        ("a\n1\n2,3\n", "2 values in row 3"),
    ],
)
def test_what_is_no_table_says_why(text, why):
    with pytest.raises(ValueError, match=why):
        table.from_csv(text)
