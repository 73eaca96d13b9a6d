"""Findings of the experiments on inits: they hold of tables that follow the theory, and planted changes break them."""

import copy
import math
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from shapes import KINKED, SMOOTH

from subtheory.envelope import outgrown, proportion
from subtheory.init import Permutation, ReluRescaling
from subtheory.instruments.two_inits import Crossing
from subtheory.networks import MLP
from subtheory.study import experiment
from subtheory.theory.losses import SquaredError

Tables = dict[str, list[dict[str, Any]]]
Change = Callable[[Tables], Any]
NAN = math.nan


def broken(module: Any, tables: Tables, change: Change = lambda tables: None) -> list[str]:
    """What is not as predicted after a change of the tables."""
    changed = copy.deepcopy(tables)
    change(changed)
    return [one.says for one in module.findings(changed) if not one.ok]


def put(title: str, name: str, value: Any, where: Callable[[dict[str, Any]], bool] = lambda row: True) -> Change:
    """Sets a column of the first row that is meant, or applies a function to what is there."""

    def change(tables: Tables) -> None:
        row = next(row for row in tables[title] if where(row))
        row[name] = value(row[name]) if callable(value) else value

    return change


def judged(module: Any, tables: Tables) -> None:
    """All as predicted, and more than one of them claimed."""
    assert broken(module, tables) == [] and sum(one.claimed for one in module.findings(tables)) > 3


# --- what the findings are made of


def test_an_order_and_a_constant_at_the_smallest_size():
    """Errors that fall like ε are within their envelope and bound the constant; others are not."""
    eps = np.array([4e-3, 1e-3, 1e-5])
    assert outgrown(3 * eps * (1 - 50 * eps), eps) < 1 < outgrown(3 * np.sqrt(eps), eps)
    assert outgrown(np.full(3, 0.01), eps) > 50 and math.isnan(outgrown(np.full(3, NAN), eps))
    predicted = eps[:, None] * np.array([1.0, -2.0, 0.3])
    measured = predicted * (1 + eps[:, None] * np.array([1.0, 3.0, -2.0]))
    c, bound = proportion(measured, predicted, eps)
    assert 0 < abs(c - 1) <= bound < 1e-4
    c, bound = proportion(1.01 * measured, predicted, eps)
    assert abs(c - 1) > bound
    # Errors along the prediction, linear in ε: as far as the bound allows.
    worst = predicted * (1 + np.array([-1.0, 1.0, 5 / 3])[:, None] * eps[:, None])
    c, bound = proportion(worst, predicted, eps)
    assert 0.8 * bound < abs(c - 1) <= bound


# --- init_paths


@pytest.fixture(scope="module")
def paths():
    return experiment.experiments()["init_paths"].module


def crossings(paths: Any, amount: float, turned: bool, count: int = 6, **off: Any) -> list[Crossing]:
    """Students that follow the cross-kernel with errors of order ε, beyond a control of order 1 that moves with f_S.

    What is `off` multiplies a field of every one of them.
    """
    found, eps = [], np.array(paths.SIZES)
    for seed in range(count):
        rng = np.random.default_rng([seed, 0 if turned else int(1000 * amount)])
        kernel, h, slope, bent = 2 + rng.normal(), rng.normal(), -1 - rng.uniform(), rng.normal()
        control = 0.0 if turned else amount * (1 + rng.uniform())
        added, trait = eps * kernel * (1 + h * eps), 0.5 * eps * slope * (1 + bent * eps)
        fields = {"added": added, "added_trait": trait, "alignment": added + control, "trait_change": trait + control}
        fields |= {"kernel": kernel, "trait_slope": slope, "alpha": 0.5}
        fields |= {name: value * off.get(name, 1.0) for name, value in fields.items()}
        blank = dict.fromkeys(("at_teacher", "at_student", "second", "second_rounding", "shared"), 1.0)
        arrays = dict.fromkeys(("approach", "gap", "approach_rounding", "cosine", "rounding"), np.ones(3))
        found.append(Crossing(loss=SquaredError(), eps=eps, scale=3.0, trait=1.0, **fields, **blank, **arrays))
    return found


def of_path(paths: Any, path: str, **off: Any) -> Tables:
    """The rows of one path by the experiment's own functions."""
    turned = path in paths.TURNS
    base = crossings(paths, 0.0, True)
    along = [crossings(paths, amount, turned, **off) for amount in (0.5, 1.0)]
    about = {"network": "toy", "loss": "squared-error", "path": path}
    points = [{**about, "amount": a, **paths.drawn(each, base)} for a, each in zip((0.5, 1.0), along, strict=True)]
    return {"init_paths": points, "errors": [{**about, **paths.checks([c for each in along for c in each])}]}


def curve_rows(paths: Any, constant: float = 1.0) -> list[dict[str, Any]]:
    """Means on the curve ρ² but for a term in 1/width and less than one standard error."""
    rng = np.random.default_rng(3)
    return [
        {
            "width": width, "measure": measure, "rho": rho, "predicted": rho**2, "inits": 100, "standard_error": 1e-3,
            "measured": constant * rho**2 + 0.4 / width + 1e-3 * rng.uniform(-1, 1), "misfit": 0.0,
        }
        for width in (16, 64) for measure in paths.MEASURES for rho in paths.RHOS[1:]
    ]  # fmt: skip


@pytest.fixture(scope="module")
def path_tables(paths):
    several = [of_path(paths, name) for name in ("linear", "noise", "permutation", "relu-rescaling")]
    found = {title: [row for each in several for row in each[title]] for title in ("init_paths", "errors")}
    return found | {"mean_field": curve_rows(paths)}


def test_init_paths_are_judged(paths, path_tables):
    judged(paths, path_tables)
    assert "of the trait change" not in str(broken(paths, path_tables, put("errors", "trait_constant", 2.0, rescaled)))


def rescaled(row: dict[str, Any]) -> bool:
    return row["path"] == "relu-rescaling"


@pytest.mark.parametrize(
    ("off", "says"),
    [
        ({"kernel": 1.01}, "error over its envelope"),
        ({"kernel": 1.01}, "constant − 1"),
        ({"added": -1.0}, "constant − 1"),
        ({"added": np.array([1, 1, 1.001])}, "error over its envelope"),
        ({"added": 1 + np.sqrt([4e-3, 1e-3, 1e-5])}, "error over its envelope"),  # error of order √ε
        ({"trait_slope": 1.01}, "of the trait change"),
        ({"trait_slope": -1.0}, "of the trait change"),
        ({"added": NAN}, "error over its envelope"),
        ({"added_trait": np.array([1, 1, NAN])}, "of the trait change"),
    ],
    ids=str,
)
def test_a_wrong_cross_kernel_is_noticed(paths, path_tables, off, says):
    planted = of_path(paths, "linear", **off)
    tables = path_tables | {name: path_tables[name] + planted[name] for name in ("errors", "init_paths")}
    assert any(says in one for one in broken(paths, tables))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (put("init_paths", "trait_change", lambda v: v + 1e-6, lambda r: r["path"] == "permutation"), "P19: "),
        (put("init_paths", "trait_change", NAN, lambda r: r["path"] == "permutation"), "P19: "),
        (put("init_paths", "trait_change", 1.0, lambda r: (r["path"], r["amount"]) == ("linear", 1)), "P19 control"),
        (lambda t: t.update(init_paths=[r for r in t["init_paths"] if r["path"] != "permutation"]), "P19: "),
        (lambda t: t["errors"][0].update(raw_outgrown=t["errors"][0]["outgrown"]), "P18 control"),
        (put("errors", "trait_constant", NAN), "of the trait change"),
        (put("mean_field", "measured", NAN), "P44: "),
        (put("mean_field", "measured", lambda v: v + 0.1), "P44: "),
        (lambda t: [row.update(measured=0.5) for row in t["mean_field"]], "P44: "),
        (lambda t: [row.update(predicted=0.5) for row in t["mean_field"]], "P44: "),
        (lambda t: [row.update(standard_error=10.0) for row in t["mean_field"]], "P44 control"),
    ],
)
def test_init_paths_can_fail(paths, path_tables, change, says):
    assert any(says in one for one in broken(paths, path_tables, change))


def test_a_curve_is_wrong_by_a_hundredth_but_not_by_a_term_in_the_width(paths, path_tables):
    assert not broken(paths, path_tables | {"mean_field": curve_rows(paths)})
    assert broken(paths, path_tables | {"mean_field": curve_rows(paths, 1.01)})


# --- orbit


@pytest.fixture(scope="module")
def orbit():
    """The experiment on one tiny network, with its tables."""
    module = experiment.experiments()["orbit"].module
    tiny = MLP(width=1, depth=1, activation="relu")
    cases = (("ReLU MLP", KINKED, (Permutation(), ReluRescaling())),)
    natural = (("rich channel", "all", 200), ("auxiliary outputs", "aux", 200))
    return module, module.tables(module.Plan(cases, (1.0,), (0.7,), tiny, natural, seeds=4))


def turned(row: dict[str, Any]) -> bool:
    return row["orthogonal"]


def stretched(row: dict[str, Any]) -> bool:
    return not row["orthogonal"]


def apart(row: dict[str, Any]) -> bool:
    return row["init"] == "re-drawn"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (put("orbit", "difference", 0.01, turned), "orthogonal T: ΔL_T"),
        (put("orbit", "difference", 2.0, turned), "orthogonal T: ΔL_T"),  # the wrong sign
        (put("orbit", "difference", NAN, turned), "orthogonal T: ΔL_T"),
        (put("orbit", "cosine_difference", 1e-3, turned), "cosine with Δ off"),
        (put("orbit", "predicted_off", 0.01, stretched), "first order of ΔL_T"),
        (put("orbit", "predicted_rises", lambda share: 1 - share, stretched), "rises as often"),
        (put("orbit", "rises_low", NAN, stretched), "rises as often"),
        (put("orbit", "carried_roundings", 1e9, stretched), "carried metric: ΔL_T"),
        (put("orbit", "carried_rises", 0.01, stretched), "carried metric: share"),
        (put("orbit", "difference", 1e-16, stretched), "control, rescaled"),
        (put("control", "matched_difference", 1e-3, lambda row: not apart(row)), "permuted: cosine"),
        (put("control", "matched_difference", 1e-15, apart), "control, re-drawn"),
        (put("natural", "first_order_difference", 0.01), "natural gradient"),
        (put("natural", "first_order_difference", 0.0, lambda r: r["what"] != "rich channel"), "control, null(G)"),
        (lambda tables: tables["control"].clear(), "permuted: cosine"),
    ],
)
def test_orbit_can_fail(orbit, change, says):
    module, tables = orbit
    judged(module, tables)
    assert any(says in one for one in broken(module, tables, change))


# --- layers


@pytest.fixture(scope="module")
def layers():
    """The experiment on one tiny network, with its tables."""
    module = experiment.experiments()["layers"].module
    return module, module.tables(module.Plan((SMOOTH,), seeds=5, masks=100))


def lone(row: dict[str, Any]) -> bool:
    return row["rank_one"]


def narrow(row: dict[str, Any]) -> bool:
    return row["channel"] == "1 input, 1 output"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (put("sums", "layers_over_whole", 0.01), "|Σ D_ℓ/D − 1|"),
        (put("sums", "layers_over_whole", NAN), "|Σ D_ℓ/D − 1|"),
        (put("sums", "outgrown", 1.1), "prediction"),
        (put("sums", "sum_outgrown_high", 1.1), "shared init"),
        (lambda t: [row.update(sum_outgrown_low=0.5) for row in t["sums"]], "control, an init of its own"),
        (put("layers", "restricted_difference", 0.01), "student of one layer"),
        (put("layers", "matched_least", -1e-9), "layer or half: D"),
        (put("frozen", "matched_least", NAN), "layer or half: D"),
        (
            lambda t: [row.update(draws=100, negative=0.0, rank_one_law=0.3) for row in filter(lone, t["layers"])],
            "rank",
        ),
        (lambda t: [row.update(negative=NAN) for row in filter(lone, t["layers"])], "rank one"),
        (lambda t: [row.update(negative=0.0, predicted=0.2) for row in filter(narrow, t["frozen"])], "half frozen"),
        (put("frozen", "predicted", NAN, narrow), "half frozen"),
    ],
)
def test_layers_can_fail(layers, change, says):
    module, tables = layers
    judged(module, tables)
    assert any(says in one for one in broken(module, tables, change))


def test_a_sum_that_is_off_by_a_hundredth_is_noticed(layers):
    """In the row of sums, from what is measured: layers off, and a layer that points the other way."""
    module, _ = layers
    eps, draws = np.tile(module.EPS, (4, 1)), np.random.default_rng(0)
    parts = np.stack([draws.uniform(0.2, 0.4, 4), draws.uniform(0.6, 0.8, 4)], axis=1)
    q, exact = parts.sum(axis=1), parts[..., None] * eps[:, None]
    bent = exact * (1 + 0.5 * eps[:, None])
    found = {"eps": eps, "q": q, "D": bent.sum(axis=1), "predicted": exact, "raw": bent, "subtracted": bent}
    good = module.sum_row("toy", "random", found)
    assert good["outgrown"] < 1 and good["sum_outgrown_high"] < 1
    for bad in (1.01 * bent, bent * np.array([1, -1])[:, None]):
        row = module.sum_row("toy", "random", found | {"raw": bad, "D": bad.sum(axis=1)})
        assert row["outgrown"] > 10 and row["sum_outgrown_low"] > 10


# --- heads


SHARED, TRANSFER = (True, True, True), {True: 0.7, False: 0.3}
"""Cell and accuracy of students with all shared, or with another aux head or body."""


@pytest.fixture(scope="module")
def heads():
    """The experiment, and rows that look like its own."""
    rng, rows = np.random.default_rng(0), []
    for m, loss, cell, seed in product((3, 10), ("kl", "mse"), product((True, False), repeat=3), range(20)):
        aux, body, last = cell
        mean = (TRANSFER[cell == SHARED] + 0.02 * m * (not body)) if last else 0.1
        cosine = 1.0 if cell == SHARED else rng.normal(0.3 * (aux and last), 0.2)
        row = {"m": m, "loss": loss, "aux": aux, "body": body, "class": last, "seed": seed}
        rows.append(row | {"accuracy": rng.normal(mean, 0.03), "kernel": 1.0, "functional_cosine": cosine})
    return experiment.experiments()["heads"].module, {"seeds": rows}


def student(*cell: bool) -> Callable[[dict[str, Any]], bool]:
    return lambda row: (row["aux"], row["body"], row["class"]) == cell


def each(where: Callable[[dict[str, Any]], bool], name: str, value: Callable[[dict[str, Any]], float]) -> Change:
    return lambda tables: [row.update({name: value(row)}) for row in filter(where, tables["seeds"])]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (each(student(True, True, False), "accuracy", lambda row: row["accuracy"] + 0.6), "mean accuracy"),
        (each(student(True, True, False), "accuracy", lambda row: row["accuracy"] + 0.6), "control, random class head"),
        (each(student(False, False, False), "accuracy", lambda row: row["accuracy"] + 0.1), "mean accuracy"),
        (each(student(False, True, True), "accuracy", lambda row: 0.7 + row["seed"] % 2 / 10), "less with each of"),
        (each(student(*SHARED), "accuracy", lambda row: 0.1), "less with each of"),
        (each(student(True, False, True), "accuracy", lambda row: 0.5 - row["m"] / 100), "rise of the accuracy"),
        (each(student(False, True, True), "functional_cosine", lambda row: 0.5), "as often as it hurts"),
        (put("seeds", "functional_cosine", NAN, student(False, True, True)), "as often as it hurts"),
        (put("seeds", "accuracy", NAN, student(False, False, False)), "mean accuracy"),
        (put("seeds", "accuracy", NAN, student(*SHARED)), "control, random class head"),
    ],
)
def test_heads_can_fail(heads, change, says):
    module, tables = heads
    judged(module, tables)
    assert any(says in one for one in broken(module, tables, change))


def test_few_seeds_claim_no_effect(heads):
    module, tables = heads
    few = {"seeds": [row for row in tables["seeds"] if row["seed"] < module.DECIDES - 1]}
    assert sum(one.claimed for one in module.findings(few)) == 2 and not broken(module, few)


def test_a_single_m_claims_no_trend(heads):
    module, tables = heads
    one = {"seeds": [row for row in tables["seeds"] if row["m"] == 3]}
    assert not broken(module, one) and not any("rise of" in found.says for found in module.findings(one))
