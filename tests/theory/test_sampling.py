"""Laws of sampled labels against enumeration of every draw, and against the exact law of a sum of normals."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import norm

from subtheory.errors import InputError
from subtheory.theory.beyond import sampling
from subtheory.theory.beyond.detection import deflection

RNG = np.random.default_rng(0)
W = np.array([0.3, 0.7])
LAW, OTHER = RNG.dirichlet(np.ones(3), size=(2, 2))
S = RNG.standard_normal((2, 3))


def enumerated(draws, paired):
    """Values and probabilities of the mean of some draws, by listing them all."""
    if paired:
        one = [(W[m] * LAW[m, i] * OTHER[m, j], S[m, i] - S[m, j]) for m, i, j in np.ndindex(2, 3, 3)]
    else:
        one = [(W[m] * LAW[m, i], S[m, i]) for m, i in np.ndindex(2, 3)]
    every = [(np.prod([p for p, _ in each]), np.mean([v for _, v in each])) for each in product(one, repeat=draws)]
    return np.array(every).T


@pytest.mark.parametrize("paired", [False, True])
def test_cumulants_are_those_of_the_listed_law(paired):
    c = sampling.cumulants(W, LAW, S, OTHER if paired else None)
    p, x = enumerated(1, paired)
    mean = p @ x
    second, third, fourth = (p @ (x - mean) ** k for k in (2, 3, 4))
    np.testing.assert_allclose(c, [mean, second, third, fourth - 3 * second**2], rtol=1e-12, atol=1e-14)
    p2, x2 = enumerated(2, paired)
    assert p2 @ x2**2 - (p2 @ x2) ** 2 == pytest.approx(c.variance / 2, rel=1e-12)


def test_edgeworth_is_next_to_the_exact_probability():
    """Sums of 400 exponentials less their mean, an Erlang law: each term takes the error down by its order."""
    from scipy.stats import gamma

    N, mean = 400, 0.04
    c = sampling.Cumulants(mean, 1.0, 2.0, 6.0)  # of X − 1 + 0.04, X exponential
    exact = gamma.sf((1 - mean) * N, N)
    terms = np.array(sampling.edgeworth(c, N))
    off = np.abs(np.cumsum(terms) - exact)
    assert off[0] > 20 * off[1] > 20 * 5 * off[2]
    assert sampling.shift(c, N, norm.cdf(0.8)) >= off[0]
    assert sampling.shift(c, 2, norm.cdf(0.8)) == np.inf, "two labels tie as often as they are alike"


def test_a_teacher_close_to_its_init_is_told_by_labels_times_divergence():
    """Mean over deviation of exact moments against √(2N KL), and √(N KL) with a control at any temperature."""
    z, u = RNG.standard_normal((2, 2, 3))
    softmax = lambda a: np.exp(a) / np.exp(a).sum(axis=-1, keepdims=True)  # noqa: E731
    eps, N = 1e-4, 1e6
    for tau in (0.5, 1.0, 2.0):
        r0, r, p0 = softmax(z / tau), softmax((z + eps * u) / tau), softmax(z)
        KL = W @ (r * np.log(r / r0)).sum(axis=-1)
        own = (u - (r0 * u).sum(axis=-1, keepdims=True)) / tau
        plain = u - (p0 * u).sum(axis=-1, keepdims=True)
        for c, subtracted in (
            (sampling.cumulants(W, r, own), False),
            (sampling.cumulants(W, r, plain, r0), True),
        ):
            found = c.mean * np.sqrt(N / c.variance)
            law = sampling.beyond_control if subtracted else deflection
            assert found == pytest.approx(law(KL, N), rel=10 * eps)
        # With inputs of its own for each leg, the spread of E[s | input] comes on top, but for τ = 1.
        alone = sampling.cumulants(W, r, plain).variance + sampling.cumulants(W, r0, plain).variance
        paired = sampling.cumulants(W, r, plain, r0).variance
        assert alone == pytest.approx(paired, rel=1e-3) if tau == 1 else alone > 1.01 * paired
        assert sampling.labels_for(1.96, KL) == pytest.approx(1.9208 / KL)


def test_the_tax_is_the_mean_over_listed_draws():
    """A quadratic trait, two parameters, one place: exact up to what ε changes of the covariance."""
    H, a = np.array([[2.0, 0.3], [0.3, 1.0]]), RNG.standard_normal((3, 2))
    p0, delta = np.array([0.2, 0.3, 0.5]), np.array([0.4, -0.7])
    a -= p0 @ a
    G = (a * p0[:, None]).T @ a
    eps, alpha = 1e-6, 1e-5
    p = p0 * (1 + eps * a @ delta)
    parts = delta @ G @ delta, delta @ G @ H @ G @ delta, np.trace(H @ G)
    for N in (1, 3):
        change = 0.0
        for drawn in product(range(3), repeat=N):
            g = a[list(drawn)].mean(axis=0)
            change += np.prod(p[list(drawn)]) * (-alpha * delta @ g + alpha**2 / 2 * g @ H @ g)
        assert change == pytest.approx(sampling.trait_change(alpha, eps, *parts, N), rel=1e-4)
    best = sampling.best_rate(eps, *parts, 50)
    assert sampling.trait_change(2 * best, eps, *parts, 50) == pytest.approx(0, abs=1e-25)
    assert sampling.fewest_labels(2 * best, eps, *parts) == pytest.approx(50)
    assert sampling.fewest_labels(1e9, eps, 1.0, 1.0, 1.0) == np.inf
    assert sampling.trait_change(best, eps, *parts, np.inf) < sampling.trait_change(best, eps, *parts, 50) < 0


def test_no_number_of_labels_is_enough_without_divergence():
    with pytest.raises(InputError, match="divergence"):
        sampling.labels_for(1.0, 0.0)
