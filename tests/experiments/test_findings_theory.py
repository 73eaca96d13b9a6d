"""Findings of the experiments on the theorem itself: true of small tables, and of none that says something else."""

import math
from copy import deepcopy
from dataclasses import replace
from functools import cache

import pytest
from shapes import KINKED, LINEAR, SMOOTH

from subtheory.study import experiment, ladder
from subtheory.study.finding import Finding


def module(name):
    return experiment.experiments()[name].module


@pytest.fixture(scope="module")
def tables():
    """Small tables of an experiment, made by its own functions when they are first asked for."""
    return cache(lambda name: MADE[name](module(name)))


def rungs(own):
    """Both inits of a linear, a smooth and a kinked network."""
    return {"runs": ladder.measured([LINEAR, SMOOTH, KINKED], (0, 1))}


def thresholds(own):
    """One case, two random settings, and two of the control."""
    rows = own.case_rows("tanh-2-4-2", own.LOSSES[0], 1)
    found = own.counted([own.random_setting(seed) for seed in (2, 3)])
    control = [own.control_row(k) for k in (1.0, 13.0)]
    return {"thresholds": rows, "curves": own.curve_rows(rows), "random_settings": found, "control": control}


def quick(**changed):
    """The tables of a module's quick plan, made smaller."""
    return lambda own: own.tables(replace(own.QUICK, **changed))


MADE = {
    "eps_ladder": rungs,
    "thresholds": thresholds,
    "phase_diagram": quick(points=9),
    "sign_law": quick(networks=(SMOOTH,)),
}


@pytest.mark.parametrize("name", MADE)
def test_small_tables_are_as_predicted(tables, name):
    found = module(name).findings(tables(name))
    assert all(isinstance(one, Finding) for one in found)
    assert [one.row for one in found if not one.ok] == []
    assert 3 <= sum(one.claimed for one in found) <= 6 and any("control" in one.says for one in found)
    assert len({one.says for one in found}) == len(found), "two findings of one name"


def scaled(column, factor):
    return lambda row, _: {column: factor * row[column]}


def powered(column, by, power):
    return lambda row, _: {column: row[column] * row[by] ** power}


def of_init(init, change):
    return lambda row, tables: change(row, tables) if row["init"] == init else {}


def error(factor):
    """|D/(εq) − 1| times a function of the relative size, with a shared init."""
    return of_init("shared", lambda row, _: {"ratio": 1 + (row["ratio"] - 1) * factor(row["relative_size"])})


def treated(row, tables):
    """What the run of the same seed with a shared init found."""
    same = ("network", "seed", "relative_size")
    twin = min((one for one in tables["runs"] if one["init"] == "shared"),
               key=lambda one: (*(one[key] != row[key] for key in same[:2]), abs(one["eps"] - row["eps"])))  # fmt: skip
    return {"ratio": twin["ratio"]}


def unhalved(row, tables):
    """The boundary of the first curvature, whatever the curvature is."""
    rows = tables["quadratic"]
    return {"measured": next(one["measured"] for one in rows if one["eps"] == row["eps"])}


PLANTS = [
    ("eps_ladder", "runs", of_init("shared", scaled("ratio", -1)), "its envelope", "a wrong sign"),
    ("eps_ladder", "runs", of_init("shared", scaled("ratio", 1.01)), "its envelope", "q is 1 % off"),
    ("eps_ladder", "runs", of_init("shared", scaled("ratio", 1.01)), "linear network", "q is 1 % off"),
    ("eps_ladder", "runs", error(lambda size: 1.01), "P41", "the next order is 1 % off"),
    ("eps_ladder", "runs", error(lambda size: size**-0.05), "slope of |D/(εq) − 1|", "an error like ε^0.95"),
    ("eps_ladder", "runs", error(lambda size: size**-0.5), "its envelope", "an error like √ε"),
    ("eps_ladder", "runs", of_init("independent", powered("ratio", "relative_size", 0.05)), "slope of |D| ",
     "a control like ε^-0.95"),
    ("eps_ladder", "runs", of_init("independent", treated), "slope of |D| ", "a control that obeys the law"),
    ("eps_ladder", "runs", of_init("independent", treated), "over that envelope", "a control that obeys the law"),
    ("thresholds", "thresholds", scaled("certified", 1.01), "certificate ends", "beyond the root"),
    ("thresholds", "thresholds", scaled("certified", 0.99), "certificate ends", "1 % short of it"),
    ("thresholds", "thresholds", lambda row, _: {"root": math.nan}, "certificate ends", "an end without a root"),
    ("thresholds", "thresholds", lambda row, _: {"explicit_bound": 1.01 * row["root"]}, "bound over the first root",
     "a bound beyond the root"),
    ("thresholds", "thresholds", lambda row, _: {"sampled": 0.99 * row["root"]}, "random ε", "wrong before the root"),
    ("thresholds", "curves", scaled("ratio", 0.99), "less 1 − ε/ε*", "D is 1 % too small"),
    ("thresholds", "random_settings", lambda row, _: {"negative_below_bound": 1}, "50 digits", "a negative D"),
    ("thresholds", "random_settings", lambda row, _: {"certainly_wrong": 3, "negative_there": 2}, "50 digits",
     "a positive D where it cannot be"),
    ("thresholds", "random_settings", lambda row, _: {"below_bound": 0, "below_certificate": 0}, "50 digits",
     "nothing was looked at"),
    ("thresholds", "control", lambda row, _: {"just_above": row["just_below"]}, "control", "it keeps its sign"),
    ("thresholds", "control", scaled("just_above", 1.01), "control", "D is 1 % off"),
    ("thresholds", "control", lambda row, _: {"certified_over_zero": 3 * row["k"] / math.pi}, "certificate ends",
     "one threshold for every k"),
    ("phase_diagram", "boundary", powered("measured", "eps", 0.03), "log-log slope", "a slope of −0.97"),
    ("phase_diagram", "boundary", powered("measured", "eps", -0.03), "log-log slope", "a slope of −1.03"),
    ("phase_diagram", "boundary", scaled("formula", 1.25), "over the boundary", "a formula beyond the boundary"),
    ("phase_diagram", "boundary", scaled("formula", 4), "rising", "a formula beyond the boundary"),
    ("phase_diagram", "quadratic", scaled("predicted", 1.01), "quadratic", "a constant 1 % off"),
    ("phase_diagram", "quadratic", unhalved, "control", "a curvature that does not matter"),
    ("phase_diagram", "phase", scaled("change", -1), "rising", "a wrong sign"),
    ("phase_diagram", "certified", scaled("certified", 1.01), "certificate ends", "beyond the boundary"),
    ("phase_diagram", "certified", scaled("certified", 0.99), "certificate ends", "1 % short of it"),
    ("sign_law", "sign_law", lambda row, _: {"measured": 1 - row["measured"]}, "covers the law", "a wrong sign"),
    ("sign_law", "sign_law", lambda row, _: {"measured": 0.5}, "covers the law", "a toss of a coin at every radius"),
    ("sign_law", "critical_radius", scaled("fitted", 1.25), "fitted over predicted", "a constant 25 % off"),
    ("sign_law", "critical_radius", powered("fitted", "eps", -0.2), "log-log slope", "a slope of 0.8"),
    ("sign_law", "critical_radius", lambda row, _: {"fitted": 1e-4}, "log-log slope", "r* does not depend on ε"),
    ("sign_law", "critical_radius", lambda row, _: {"judged": False}, "can be judged", "nothing can be judged"),
    ("sign_law", "sign_law", lambda row, _: {"harmless": row["measured"]}, "control", "a mismatch like any other"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "title", "change", "says", "why"), PLANTS, ids=[f"{p[0]}: {p[4]}" for p in PLANTS])
def test_planted_changes_are_refuted(tables, name, title, change, says, why):
    planted = deepcopy(tables(name))
    for row in planted[title]:
        row |= change(row, tables(name))
    found = [one.says for one in module(name).findings(planted) if not one.ok]
    assert any(says in one for one in found), f"{why}, and yet only these fail: {found}"


NUMBERS = [
    ("eps_ladder", "runs", "ratio"),
    ("thresholds", "thresholds", "certified"),
    ("thresholds", "thresholds", "explicit_bound"),
    ("thresholds", "curves", "ratio"),
    ("thresholds", "control", "just_above"),
    ("thresholds", "random_settings", "negative_below_bound"),
    ("phase_diagram", "boundary", "measured"),
    ("phase_diagram", "boundary", "formula"),
    ("phase_diagram", "quadratic", "measured"),
    ("phase_diagram", "certified", "certified"),
    ("sign_law", "sign_law", "measured"),
    ("sign_law", "sign_law", "harmless"),
    ("sign_law", "critical_radius", "fitted"),
]
"""What findings are made of."""

JUDGED = {
    "curves": lambda row: row["eps"] < row["explicit_bound"],
    "sign_law": lambda row: row["judged"],
    "critical_radius": lambda row: row["judged"],
}
"""Rows that a finding is about, where it is not about all of a table."""


@pytest.mark.parametrize(("name", "title", "column"), NUMBERS)
def test_what_is_no_number_is_not_as_predicted(tables, name, title, column):
    """Wherever there was one that is judged, in a few rows of each table, one at a time."""
    rows = tables(name)[title]
    counts = [i for i, row in enumerate(rows) if not math.isnan(row[column]) and JUDGED.get(title, bool)(row)]
    counts = counts[-1:] if title == "random_settings" else counts  # the others are parts of the last
    for i in counts[:: max(1, len(counts) // 6)]:
        planted = deepcopy(tables(name))
        planted[title][i][column] = math.nan
        assert not all(one.ok for one in module(name).findings(planted)), f"row {i}"
