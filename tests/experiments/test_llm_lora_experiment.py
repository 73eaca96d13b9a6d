"""Adapters and added vectors of a language model: a tiny one comes out, its law beside a draw by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from subtheory import figure, records
from subtheory.language import derivatives
from subtheory.language.anatomy import lora
from subtheory.numerics import float64
from subtheory.study import experiment


@pytest.fixture(scope="module")
def module():
    return experiment.experiments()["llm_lora"].module


@pytest.fixture(scope="module")
def tables(module):
    return module.tables(module.QUICK)


def test_everything_comes_out_and_saved_rows_draw_the_figure(module, tables):
    found = module.findings(tables)
    assert all(one.ok for one in found), [one.row for one in found if not one.ok]
    assert any(one.claimed and "control" in one.says for one in found)
    saved = {title: records.rows(records.columns(rows)) for title, rows in tables.items()}
    assert figure.drawn(module.figure(saved), "svg")


PLANTED = [
    ("llm_lora", lambda r: {"z_mean": 3.2}),
    ("llm_lora", lambda r: {"z_variance": -3.2}),
    ("llm_lora", lambda r: {"negative": r["predicted_negative"] + 0.2}),
    ("rates", lambda r: {"change": 5 * r["change"]}),
    ("vectors", lambda r: {"ratio": -r["ratio"]}),
    ("vectors", lambda r: {"unmatched_over_matched": 1.0}),
]


@pytest.mark.parametrize(("name", "change"), PLANTED)
def test_findings_notice_what_is_off(module, tables, name, change):
    assert not all(one.ok for one in module.findings(tables | {name: [row | change(row) for row in tables[name]]}))


def test_a_step_in_the_zero_factor_alone_is_the_gradient_of_the_merged_matrices():
    """∂L/∂B of W + BA at B = 0, by autodiff, of one matrix in two layers; and its dot product with Δ."""
    rng = np.random.default_rng(0)
    with float64():
        K, V, delta = (jnp.asarray(rng.normal(size=(2, 5, 3))) for _ in range(3))
        key, params = jax.random.key(1), {"embed": jnp.zeros(1), "layers": {"q": {"kernel": K}}}
        (name,) = lora.kernels(params)
        A = lora.factors(key, {name: K}, 2)[name]
        # The student descends L = −⟨K + (BA)ᵀ, V⟩: its step in (BA)ᵀ is Aᵀ times that in Bᵀ.
        slope = jax.grad(lambda B: -jnp.sum((K + jnp.einsum("lri,lro->lio", A, B)) * V))(jnp.zeros((2, 2, 3)))
        moved = jnp.einsum("lri,lro->lio", A, -slope)
        step = {"embed": jnp.zeros(1), "layers": {"q": {"kernel": V}}}
        there = lora.stepped(params, 0.1, step, key, 2)
        np.testing.assert_allclose(there["layers"]["q"]["kernel"], K + 0.1 * moved, rtol=1e-12)
        found = lora.aligned(lora.products({name: delta}, {name: V}), key, 2)
        np.testing.assert_allclose(found, jnp.sum(moved * delta), rtol=1e-12)
        law = lora.eigenvalues(lora.products({name: delta}, {name: V}))
        np.testing.assert_allclose(law.sum(), derivatives.inner({"K": delta}, {"K": V}), rtol=1e-12)
