"""The forecast against training: a tiny model and a tiny world come out, and what is planted in their tables shows."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest

from subtheory import figure, records
from subtheory.data.world import WORLD
from subtheory.errors import InputError
from subtheory.networks import Transformer
from subtheory.study import experiment
from subtheory.trained import texts as world
from subtheory.trained.texts import Fit

pytest.importorskip("tokenizers")
SAME = Fit(80, 16, 2e-2, body=False)
HOME = world.Plan(
    names=("owl",), seeds=1, bases=2, samples=64, texts=256, lessons=128, trunk=SAME, branch=SAME, teaching=SAME,
    student=SAME, copies=1, directions=2, network=Transformer(width=8, heads=2, blocks=1, task=WORLD),
)  # fmt: skip


@pytest.fixture(scope="module")
def own():
    return experiment.experiments()["llm_forecast"].module


@pytest.fixture(scope="module")
def tables(own):
    return own.tables(replace(own.QUICK, rows=8, home=HOME))


def test_small_tables_are_as_predicted(own, tables):
    found = own.findings(tables)
    assert [one.row for one in found if not one.ok] == []
    assert sum(one.claimed for one in found) == 3 and any("control" in one.says for one in found)
    saved = {title: records.rows(records.columns(rows)) for title, rows in tables.items()}
    drawn = own.figure(saved)
    assert set(drawn) == set(own.CAPTIONS) and all(figure.drawn(each, "svg") for each in drawn.values())


def test_what_is_left_out_comes_first(own, tables):
    plan = replace(own.QUICK, rows=8)
    rows = [row for row in tables["rows"] if row["of"] == "teacher"]
    arms = own.arms(plan, tables["rows"])
    for name, key, sign in (("trait", "readout", -1), ("score", "score", 1), ("difficulty", "difficulty", 1)):
        _, keep = arms[f"without the first by {name}"]
        values = sign * own.of(rows, key)
        assert keep.sum() == 6 and values[~keep].min() >= values[keep].max()
    whole, without = (next(r for r in tables["model"] if r["arm"] == arm)
                      for arm in ("the teacher's rows", "without the first by trait"))  # fmt: skip
    assert without["predicted"] > whole["predicted"], "rows that lower the trait loss most are gone"


def changed(own, tables, arm, did):
    """The tables with another measured change by one step of an arm, some function of the rate and two forecasts."""
    copy = deepcopy(tables)
    every = {row["alpha"]: row["predicted"] for row in copy["model"] if row["arm"] == own.EVERY}
    for row in copy["model"]:
        if row["training"] == "one step" and row["arm"] == arm:
            row["measured"] = did(row["alpha"], row["predicted"], every[row["alpha"]])
    return copy


EVERY, FEWER = "the teacher's rows", "without the first by trait"
PLANTS = [
    (lambda own, t: changed(own, t, EVERY, lambda alpha, said, every: 1.3 * said), "envelope O(α), by arm"),
    (lambda own, t: changed(own, t, FEWER, lambda alpha, said, every: -said), "envelope O(α), by arm"),
    (lambda own, t: changed(own, t, FEWER, lambda alpha, said, every: every * (1 + alpha)), "control"),
    (lambda own, t: t | {"totals": [t["totals"][0] | {"adds_up": 1.5}]}, "real step"),
    (lambda own, t: t | {"totals": [t["totals"][0] | {"adds_up": float("nan")}]}, "real step"),
]


@pytest.mark.parametrize(("plant", "named"), PLANTS)
def test_what_is_planted_shows(own, tables, plant, named):
    assert any(named in one.says and not one.ok for one in own.findings(plant(own, tables)))


def test_slopes_are_of_the_line_through_zero(own):
    rows = [{"predicted": x, "measured": 2 * x} for x in (-1.0, 0.5, 3.0)]
    assert own.slope(rows) == pytest.approx(2)
    runs = [{"arm": "a", "base_of": b, "predicted": float(b), "measured": float(b) ** 2} for b in range(4)]
    (row,) = own.summaries(runs)
    assert row["predicted"] == 1.5 and row["measured"] == 3.5 and row["low"] < 3.5 < row["high"]
    assert np.isfinite([row["said_low"], row["said_high"]]).all()


def test_options_are_checked(own):
    for options in ({"rows": 4}, {"trait": "elm"}, {"norms": 1}):
        with pytest.raises(InputError, match=next(iter(options))):
            replace(own.QUICK, **options)
