"""Precision: float64 inside, nothing left behind outside, and one place where its constants are defined."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from shapes import SMOOTH

import subtheory as st
from subtheory.instruments.first_order import FirstOrder
from subtheory.numerics import COARSE, LADDER_RATIO, UNIT, extrapolation_constant, float64, public

SETTING = st.Setting(SMOOTH, examples=6, trait_examples=8, eps=(1e-2, 1e-3))


@pytest.fixture(scope="module")
def d():
    return SETTING.distillation(seed=3)


def test_constants():
    """u = 2⁻⁵³; Λ by exact Lagrange polynomials at 0 on 1, 1/4, 1/16; a lower order grows faster than Λ."""
    assert UNIT == 2.0**-53
    x = [Fraction(1, int(LADDER_RATIO) ** k) for k in range(COARSE)]
    weights = [abs((x[j] * x[k]) / ((x[j] - x[i]) * (x[k] - x[i]))) for i, j, k in ((0, 1, 2), (1, 0, 2), (2, 0, 1))]
    assert sum(weights) == Fraction(17, 9)
    assert extrapolation_constant() == pytest.approx(17 / 9, rel=1e-15)
    assert extrapolation_constant() < LADDER_RATIO


def test_importing_and_calling_leaves_the_process_in_single_precision():
    """In a fresh process: whole names are imported, a check is run, and 1 + 1.0 is still float32."""
    code = """
import jax, jax.numpy as jnp, subtheory
for name in dir(subtheory): getattr(subtheory, name)
assert jnp.ones(1).dtype == "float32" and not jax.config.jax_enable_x64
with subtheory.float64():
    assert jnp.ones(1).dtype == "float64" and jax.config.jax_default_matmul_precision == "highest"
assert jnp.ones(1).dtype == "float32" and jax.config.jax_default_matmul_precision is None
try:
    with subtheory.float64(): raise KeyError
except KeyError: pass
assert jnp.ones(1).dtype == "float32"
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, capture_output=True)


def test_arrays_of_a_distillation_are_float64_or_int32(d):
    leaves = jax.tree.leaves(d)
    assert len(leaves) > 10 and all(isinstance(leaf, np.ndarray) for leaf in leaves)
    assert {str(leaf.dtype) for leaf in leaves} == {"float64", "int32"}


def test_results_are_numpy_and_floats_from_any_thread(d):
    """Float64 JAX arrays degrade outside the context, so none leaves; worker threads start in float32."""

    def work():
        out = (st.alignment(d), st.quadratic_form(d), st.ggn(d)(d.delta), st.student_update(d, 1e-3))
        return out, jnp.ones(1).dtype, jax.config.jax_enable_x64

    with ThreadPoolExecutor(1) as pool:
        (here, *state), (there, *other) = work(), pool.submit(work).result()
    assert state == other == [jnp.float32, False]
    jax.tree.map(np.testing.assert_array_equal, here, there)
    assert isinstance(here[1], float)
    arrays = [leaf for leaf in jax.tree.leaves(here) if not isinstance(leaf, float)]
    assert all(type(a) is np.ndarray and a.dtype == np.float64 for a in arrays)


def test_results_do_not_depend_on_the_callers_precision(d):
    with jax.enable_x64(True):
        inside = SETTING.distillation(seed=3)
        aligned = st.alignment(inside)
        assert jnp.ones(1).dtype == jnp.float64
    jax.tree.map(np.testing.assert_array_equal, inside, d)
    np.testing.assert_array_equal(aligned, st.alignment(d))


def test_single_precision_inputs_of_a_user_are_computed_on_in_double(d):
    """Rounding the inputs to float32 changes the channel, but nothing is computed in float32."""
    narrow = replace(d, x=d.x.astype(np.float32))
    found = st.alignment(narrow)
    assert found.dtype == np.float64
    wide = FirstOrder().of(replace(d, x=narrow.x.astype(np.float64)))
    np.testing.assert_allclose(found, wide.alignment, rtol=1e-10)


def test_public_wraps_functions_that_are_returned():
    make = public(lambda a: lambda b: {"sum": jnp.asarray(a) + b, "name": "x"})
    out = make(np.float64(0.1))(0.2)
    assert out == {"sum": 0.1 + 0.2, "name": "x"} and isinstance(out["sum"], float)
    assert make.__name__ == "<lambda>"


def test_matmul_in_the_context_keeps_float64():
    """A product whose rounding error in float32 or TF32 would show at 1e-8 and 1e-4."""
    a = np.random.default_rng(0).standard_normal((30, 30))
    with float64():
        np.testing.assert_allclose(np.asarray(jnp.asarray(a) @ jnp.asarray(a)), a @ a, rtol=1e-11, atol=1e-13)
