"""Students with adapters: steps against autodiff of real ones, their law against another one, and who is refused."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from shapes import SMOOTH

from subtheory.constructed import witnesses
from subtheory.errors import InputError
from subtheory.init import PATHS
from subtheory.instruments.dynamics.adapted import Adapted, alignments, gradient, spectrum
from subtheory.kernels.functions import shapes_of
from subtheory.kernels.stack import inner, one
from subtheory.kernels.whitened import product
from subtheory.networks import MLP
from subtheory.numerics import float64
from subtheory.setting.preparation import stack
from subtheory.setting.setting import Setting
from subtheory.setting.student import Along, Elsewhere, Redrawn
from subtheory.setting.teachers import GradientDescent
from subtheory.theory.dynamics import adapters
from subtheory.theory.layout import Layout
from subtheory.theory.losses import CrossEntropy, softmax
from subtheory.theory.rule import Carried, Descent, Signs
from subtheory.theory.trains import Leaves

SETTING = Setting(SMOOTH, CrossEntropy(), examples=5, trait_examples=12, eps=(1e-6,))
MATRICES = Leaves(("Dense_0/kernel", "head/kernel"))
RANKS, DRAWS = np.array([1, 3]), 4


LAYOUT = Layout.of(shapes_of(SMOOTH))


@jax.jit
def real(factors, student, teacher, x, w):
    """−∇L_S in the factors of one student that is a network with adapters, by autodiff of the loss itself."""
    outputs = lambda params: jax.vmap(lambda one: SMOOTH.apply(params, one))(x)  # noqa: E731

    def gain(factors):
        z, y = outputs(adapters.merged(LAYOUT.unflatten(student), factors)), outputs(LAYOUT.unflatten(teacher))
        return -jnp.mean(jax.vmap(lambda z, y: SETTING.loss.value(z, y, w))(z, y))

    return jax.grad(gain)(factors)


@pytest.mark.parametrize("rule", [Descent(), Signs()], ids=lambda rule: rule.name)
@pytest.mark.parametrize("init", ["shared", "redrawn"])
def test_steps_are_those_of_a_network_with_adapters(rule, init):
    """D of every draw: the real student's step in B, seen in W; A does not move."""
    s = one(stack(SETTING.but(rule=rule, **({"init": Redrawn()} if init == "redrawn" else {})), (3,)), 0)
    found = alignments(s, gradient(s, SETTING.loss), rule, RANKS, DRAWS, np.random.default_rng(5))
    places, rng = adapters.matrices(s.functions.layout), np.random.default_rng(5)
    A = {name: rng.standard_normal((DRAWS, max(RANKS), d)) for name, (_, (d, _)) in places.items()}
    for i, r in enumerate(RANKS):
        for k in range(DRAWS):
            factors = {"A": {name: a[k, :r] / np.sqrt(r) for name, a in A.items()},
                       "B": {name: np.zeros((n, r)) for name, (_, (_, n)) in places.items()}}  # fmt: skip
            with float64():
                down = real(factors, s.student, s.theta0 + s.eps[0] * s.delta, s.x, s.outputs)
            assert not any(np.any(np.asarray(each)) for each in down["A"].values())
            B = {name: rule.update(lambda _, b=b: np.asarray(b), 0.0) for name, b in down["B"].items()}
            moved = {name: (B[name] @ factors["A"][name]).T.ravel() for name in B}
            D = sum(moved[name] @ s.delta[place] for name, (place, _) in places.items())
            assert found[i, k] == pytest.approx(D, rel=1e-6)


def test_law_is_that_of_the_draws():
    """Standard errors of mean, variance and P(D < 0) from the law's own cumulants; a law of another rank is off."""
    setting = SETTING.but(teacher=GradientDescent(moves=MATRICES))
    n = 20000
    a = Adapted(n, ranks=(1, 4)).sample(setting, 2)
    assert adapters.mean(a.values) == pytest.approx(a.form, rel=1e-9) and a.shift < 0.05
    kurtosis = 48 * np.sum(a.values**4) / a.ranks**3 / a.spread**4
    assert np.all(np.abs(a.mean - a.form) < 4 * a.spread / np.sqrt(n)) and np.all(a.off(a.form) < 4)
    assert np.all(np.abs(a.deviation / a.spread - 1) < 4 * np.sqrt((2 + kurtosis) / n) / 2)
    error = np.sqrt(a.predicted * (1 - a.predicted) / n)
    assert np.all(np.abs(a.counts / n - a.predicted) < 4 * error)
    assert np.any(np.abs(a.counts / n - a.predicted[::-1]) > 8 * error)
    assert np.all(a.off(1.2 * a.form) > 5)


def test_deviations_of_few_draws_are_unbiased():
    """Three students of each rank: their deviation divides by two."""
    a, s = Adapted(3, ranks=(1, 4)).sample(SETTING, 2), one(stack(SETTING, (2,)), 0)
    rng = np.random.default_rng((2, 17))
    D = alignments(s, gradient(s, SETTING.loss), Descent(), a.ranks, 3, rng) / s.eps[0]
    np.testing.assert_allclose(a.mean, D.sum(axis=1) / 3, rtol=1e-12)
    np.testing.assert_allclose(a.deviation**2, ((D - a.mean[:, None]) ** 2).sum(axis=1) / 2, rtol=1e-12)


def test_spectrum_is_that_of_the_dense_gauss_newton_matrix():
    s = one(stack(SETTING, (1,)), 0)
    J = np.stack([np.asarray(s.functions.taylor(s.theta0, e, s.x).u) for e in np.eye(s.delta.size)], axis=-1)
    p = softmax(s.functions.values(s.theta0, s.x), s.outputs)
    M = [np.diag(row) - np.outer(row, row) for row in p]
    G = sum(j.T @ m @ j for j, m in zip(J, M, strict=True)) / len(M)
    np.testing.assert_allclose(product(s, SETTING.loss, s.delta), G @ s.delta, atol=1e-12)
    near = spectrum(s, gradient(s, SETTING.loss) / s.eps[0])
    np.testing.assert_allclose(near, spectrum(s, G @ s.delta), rtol=1e-4, atol=1e-9)
    assert inner(s.delta, G @ s.delta) > adapters.mean(near), "biases count in q, and have no adapter"


@pytest.mark.parametrize(
    ("field", "setting"),
    [
        ("student", SETTING.but(init=Elsewhere(MLP(width=3, depth=1)))),
        ("student", SETTING.but(network=replace(SMOOTH, activation="relu"),
                                init=Along(PATHS["relu-rescaling"], 0.5), rule=Carried())),
        ("network", witnesses.frozen()[0]),
    ],
)  # fmt: skip
def test_who_has_no_adapters_is_named(field, setting):
    with pytest.raises(InputError) as caught:
        Adapted(2).sample(setting, 0)
    assert caught.value.field == field and "\n" not in str(caught.value)
