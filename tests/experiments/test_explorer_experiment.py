"""The grid of the explorer: every cell, constants of 1, and a law of signs that a wrong constant breaks."""

import numpy as np
import pytest

from subtheory.init import PATHS
from subtheory.networks import MLP
from subtheory.pages import explorer
from subtheory.setting.preparation import stack
from subtheory.setting.student import Along
from subtheory.study import experiment
from subtheory.theory.losses import SquaredError
from subtheory.traces import TRACES

NETWORK = MLP(4, activation="softplus")
PATHS_OF = (("noise", (0.0, 0.01, 0.5)), ("permutation", (0.0, 0.5)))


@pytest.fixture(scope="module")
def module():
    return experiment.experiments()["explorer"].module


@pytest.fixture(scope="module")
def tables(module):
    """Of one network; whatever the path and the amount, a program is traced once."""
    before = TRACES.copy()
    found = module.tables(module.Plan(((NETWORK, ("uniform",)),), (SquaredError(),), PATHS_OF, seeds=6))
    traced = {name: TRACES[name] - before[name] for name in TRACES if name.endswith(NETWORK.name)}
    assert traced and max(traced.values()) == 1, traced
    return found


def test_every_cell_is_there_and_a_shared_init_is_one(module, tables):
    rows = tables["explorer"]
    assert len(rows) == sum(len(amounts) for _, amounts in PATHS_OF) * len(module.SIZES)
    assert len(explorer.grid(rows)["walks"]) == 2
    start = [row for row in rows if row["amount"] == 0 and row["eps"] <= 1e-3]
    assert all(row["alignment"] == pytest.approx(1, abs=5e-3) and row["positive"] == 1 for row in start)
    assert all(row["trait"] == pytest.approx(1, abs=5e-3) for row in start)
    assert all(row["alignment_low"] <= row["alignment"] <= row["alignment_high"] for row in rows)
    assert all(np.isnan(row["positive_predicted"]) == (row["path"] != "noise") for row in rows)


def test_it_comes_out_and_its_controls_break(module, tables):
    first, raw, constant, trait, *_ = module.findings(tables)
    assert all(one.ok for one in (first, raw, constant, trait))
    planted = [row | {"alignment_constant": 1.01, "trait_constant": 0.9} for row in tables["errors"]]
    *_, constant, trait, _, _ = module.findings(tables | {"errors": planted})
    assert not constant.ok and not trait.ok


def test_signs_are_scored_a_pair_of_inits_once(module):
    rng = np.random.default_rng(0)
    rows = [
        {"network": "n", "seed": s, "loss": loss, "missed": value, "without": value + 0.5}
        for s, value in enumerate(rng.normal(scale=0.1, size=40))
        for loss in ("a", "b")
    ]
    *_, right, without = module.findings({"errors": [_error()], "signs": rows, "explorer": []})
    assert right.ok and without.ok and right.high == pytest.approx(3.558, abs=1e-3)
    wrong = [row | {"missed": row["without"], "without": row["missed"]} for row in rows]
    *_, right, without = module.findings({"errors": [_error()], "signs": wrong, "explorer": []})
    assert not right.ok and not without.ok


def _error():
    names = ("outgrown", "raw_outgrown", "alignment_constant", "alignment_bound", "trait_constant", "trait_bound")
    return {"path": "noise"} | dict.fromkeys(names, 1.0)


def test_the_law_is_one_at_a_shared_init_and_half_far_away(module):
    setting = module.setting_of(NETWORK, "uniform")
    law, without = module.sign_law(setting, SquaredError(), range(4), (0.0, 0.01, 1e6))
    assert np.all(law[0] == 1) and np.all((law[1] > 0.5) & (law[1] <= 1)) and np.allclose(law[2], 0.5, atol=1e-2)
    assert np.all(np.diff(law[1], axis=1) <= 1e-12), "smaller ε, smaller signal"
    assert np.all(without[1] <= law[1])
    s = stack(setting.but(init=Along(PATHS["noise"], 0.01)), (0, 1))
    off = np.linalg.norm(s.student - s.theta0, axis=1) / np.linalg.norm(s.theta0, axis=1)
    assert off == pytest.approx(0.01), "the amount is the radius over the norm of θ0"


def test_the_figure_and_the_page_are_of_the_tables(module, tables):
    drawn = module.figure(tables)
    assert [axes.get_title(loc="left") for axes in drawn.axes] == ["(a) what is added", "(b) its sign", "(c) the trait"]
    files = module.files(tables)
    assert set(files) == {"explorer.html", "explorer.json"} and "mlp" in files["explorer.html"]
