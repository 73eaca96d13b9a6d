"""The two experiments on trained students: their bookkeeping on made-up results, and each on one tiny network."""

from dataclasses import replace

import numpy as np
import pytest

from subtheory import figure, records
from subtheory.study import experiment
from subtheory.trained.images import Schedule, Workload, digit_network

TINY = Workload(
    digit_network(width=8), teacher=Schedule(rate=1e-2, batch=64, epochs=4), student=Schedule(batch=64), rows=256
)


@pytest.fixture(scope="module")
def module():
    return experiment.experiments()["init_training"].module


@pytest.fixture(scope="module")
def heads():
    return experiment.experiments()["heads"].module


def saved(tables):
    """The tables as a run stores them and takes them again."""
    return {title: records.rows(records.columns(rows)) for title, rows in tables.items()}


def made_up(accuracies, path="noise", seeds=12):
    """Rows of students with given mean accuracies by amount; the shared init is amount 0."""
    rng = np.random.default_rng(1)
    rows = []
    for amount, mean in accuracies.items():
        name = "shared" if amount == 0 else path
        for k in range(seeds):
            rows.append(
                {
                    "path": name, "amount": amount, "seed": k, "accuracy": mean + 0.02 * rng.normal(), "before": 0.1,
                    "kernel": 2.0 * (1 - amount / 4), "functional_cosine": 1 - amount / 4, "distance": 3 * amount,
                    "matched_distance": 2 * amount, "functional_distance": amount,
                }
            )  # fmt: skip
    return rows


def test_threshold_is_half_of_the_excess_over_chance(module):
    """0.7 falls linearly to 0.1 over four: half at two, six as a distance. Half of the accuracy would be at 2.33."""
    seeds = made_up({a: 0.7 - 0.15 * a for a in (0.0, 1.0, 2.5, 4.0)})
    points = module.point_rows(seeds)
    (row,) = module.threshold_rows(seeds, points)
    assert row["reached"] and row["low"] < 2 < row["high"] < 2.33
    assert row["amount"] == pytest.approx(2, abs=0.1) and row["distance"] == pytest.approx(3 * row["amount"])
    assert row["kernel_amount"] == row["functional_cosine_amount"] == pytest.approx(2)
    last = points[-1]
    assert last["kernel"] == pytest.approx(0) and last["excess"] == pytest.approx(0, abs=0.05)
    assert points[0]["excess"] == 1 and points[0]["low"] < 0.7 < points[0]["high"]


def test_threshold_that_is_never_reached_says_so(module):
    seeds = made_up({0.0: 0.7, 0.5: 0.7, 1.0: 0.69}, "permutation")
    (row,) = module.threshold_rows(seeds, module.point_rows(seeds))
    assert not row["reached"] and row["amount"] == row["distance"] == row["high"] == np.inf
    assert row["resamples_reaching"] == 0


def test_quick_grid_has_every_kind_of_path(module):
    """Every path that the figure shows exists, and none that fits a ReLU network is left out of it."""
    from subtheory.init import PATHS

    shown = {name for names in module.KINDS.values() for name in names}
    left_out = {"head-permutation", "sign-flip", "gain-rescaling", "stream-rescaling"}
    assert shown == set(PATHS) - left_out


def test_experiment_on_a_tiny_network(module):
    """Permuted students end where unpermuted ones do; every point has its interval; saved rows draw the figure."""
    # As many of both, and they share their programs.
    plan = replace(module.QUICK, workload=TINY, paths=("linear", "permutation"), seeds=2, pairs=2)
    tables = module.tables(plan)
    points = {(row["path"], row["amount"]): row for row in tables["init_training"]}
    assert len(points) == 1 + 2 * len(module.LINE) and len(tables["seeds"]) == 2 * len(points)
    assert all(row["low"] <= row["accuracy"] <= row["high"] for row in points.values())
    assert points["shared", 0.0]["functional_cosine"] == pytest.approx(1) and points["shared", 0.0]["distance"] == 0
    whole = points["permutation", 1.0]
    assert whole["functional_distance"] < 1e-6 < 0.5 < points["linear", 1.0]["functional_distance"]
    assert whole["matched_distance"] < 1e-6 < 1 < whole["distance"] and whole["functional_cosine"] > 0.999
    assert points["linear", 1.0]["functional_cosine"] < 0.9 and points["linear", 1.0]["matched_distance"] > 0.5
    tested = {(row["student"], row["test"]): row for row in tables["permutation"]}
    assert tested["permuted, float32", "paired"]["equivalent"]
    assert tested["permuted, float32", "paired"]["largest_of_a_seed"] <= 0.01
    assert not tested["re-drawn, float32", "paired"]["equivalent"]
    assert figure.drawn(module.figure(saved(tables)), "svg")


def test_heads_on_a_tiny_network(heads):
    """Eight students a setting; what a random class head cannot change is not changed by it."""
    tiny = replace(TINY, student=Schedule(batch=64, epochs=1))
    tables = heads.tables(heads.Plan(tiny, (3,), ("kl",), width=8, seeds=2))
    cells = {tuple(row[part] for part in heads.PARTS): row for row in tables["heads"]}
    assert list(cells) == list(heads.CELLS) and cells[True, True, True]["functional_cosine"] == pytest.approx(1)
    # Auxiliary logits do not read the class head: the same imitation and the same kernel, another accuracy.
    for aux, body in ((True, True), (True, False), (False, True), (False, False)):
        with_head, without = cells[aux, body, True], cells[aux, body, False]
        assert with_head["kernel"] == pytest.approx(without["kernel"], rel=1e-9)
        assert with_head["imitation_loss"] == pytest.approx(without["imitation_loss"], rel=1e-4)
        assert with_head["accuracy"] != without["accuracy"]
    assert cells[True, True, True]["imitation_loss"] < cells[False, False, False]["imitation_loss"]
    assert {row["agrees"] for row in tables["summary"]} <= {"yes", "no", "not stated"}
    assert figure.drawn(heads.figure(saved(tables)), "svg")
