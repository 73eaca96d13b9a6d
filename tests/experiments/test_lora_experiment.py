"""The experiment of adapters: students against a loop of their own, a tiny run, and planted rows."""

import jax
import numpy as np
import pytest

from subtheory import figure, records
from subtheory.kernels.functions import applied
from subtheory.numerics import float64
from subtheory.setting.preparation import stack
from subtheory.setting.setting import Setting
from subtheory.study import experiment
from subtheory.theory.dynamics import adapters


@pytest.fixture(scope="module")
def module():
    return experiment.experiments()["lora"].module


@pytest.fixture(scope="module")
def tables(module):
    return module.tables(module.Plan(seeds=4, steps=2, signs=2, draws=100))


def planted(module, best=0.0, nulls=0.4):
    """Shares of 128 inits that rise with the rank, but for rank 8; 1 has nulls, and 32 fails at the highest rate."""
    rng, shares = np.random.default_rng(0), {}
    for rank in (*module.RANKS, module.FULL):
        level = {module.FULL: 1.0, 8: 0.9 + best}.get(rank, 0.5 + 0.08 * np.log2(max(rank, 1)))
        shares[rank] = level * np.ones((128, len(module.RATES))) + 0.01 * rng.standard_normal((128, 1))
    shares[1][rng.random(128) < nulls] = -0.1
    shares[32][:, -1] -= 1.0
    return shares


def test_a_run_comes_out_and_saved_rows_draw_the_figure(module, tables):
    found = module.findings(tables)
    assert all(one.ok for one in found), [one.row for one in found if not one.ok]
    assert 3 <= sum(one.claimed for one in found) <= 6
    saved = {title: records.rows(records.columns(rows)) for title, rows in tables.items()}
    assert figure.drawn(module.figure(saved), "svg")


@pytest.mark.parametrize("nulls", [0.0, 0.9])
def test_nulls_off_their_law_are_noticed(module, tables, nulls):
    assert not all(
        one.ok for one in module.findings(tables | {"signs": [dict(row) | {"nulls": nulls} for row in tables["signs"]]})
    )


@pytest.mark.parametrize("best, nulls, ok", [(-0.1, 0.4, True), (0.3, 0.4, False), (-0.1, 0.0, False)])
def test_a_best_rank_and_missing_nulls_are_noticed(module, tables, best, nulls, ok):
    shares = planted(module, best, nulls)
    rows = {"ranks": module.rank_rows(shares, shares), "gaps": module.gap_rows(shares)}
    found = module.findings(tables | rows)
    assert all(one.ok for one in found) == ok and sum(one.claimed for one in found) == 6


def test_ranks_are_padded_without_a_trace(module):
    """A student of rank 2 in arrays of rank 32 goes where plain steps of one of rank 2 lead; A moves too."""
    setting = Setting(module.NETWORK, module.LOSS, outputs="aux", examples=4, eps=(1.0,))
    s = stack(setting, (0,))
    layout, key = s.functions.layout, (5, 2)
    rate, steps = 0.5, 3
    (((theta,),)) = module.students(s, 2, "descent", steps, (rate,), key)
    whole = module.factors(layout, 1, 2, np.random.default_rng(key))
    own = {"A": {n: a[0, :2] for n, a in whole["A"].items()}, "B": {n: b[0, :, :2] for n, b in whole["B"].items()}}
    base = layout.unflatten(s.theta0[0])
    with float64():
        y = applied(module.NETWORK, layout.unflatten(s.theta0[0] + s.eps[0, 0] * s.delta[0]), s.x[0])

        @jax.jit
        def down(factors):
            z = lambda f: applied(module.NETWORK, adapters.merged(base, f), s.x[0])  # noqa: E731
            return jax.grad(lambda f: module.LOSS.value(z(f), y, s.outputs).mean())(factors)

        first = own
        for _ in range(steps):
            own = jax.tree.map(lambda p, g: p - rate * g, own, down(own))
        expected = np.asarray(layout.flatten(adapters.merged(base, own)))
    np.testing.assert_allclose(theta, expected, atol=1e-12)
    assert any(np.any(np.asarray(own["A"][n]) != first["A"][n]) for n in own["A"])
