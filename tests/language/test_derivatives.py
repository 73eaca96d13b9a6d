"""The logits that texts ask for, their derivatives beside differences, and sums over many parameters."""

import jax
import jax.numpy as jnp
import numpy as np

from subtheory.language.derivatives import Read, inner, jvp, labels, moved, pull, taylor, values
from subtheory.language.texts import texts
from subtheory.language.traits import Contrast, Trait, likelihood
from subtheory.networks import Llama
from subtheory.numerics import float64

NET = Llama(vocabulary=11)
TEXTS = texts([[([1, 2, 3], False), ([4, 5], True)], [([6], False), ([7, 8, 9], True)]])


def drawn() -> tuple:
    with float64():
        return tuple(jax.tree.map(np.asarray, jax.jit(NET.init)(jax.random.key(seed))) for seed in (0, 1))


def test_what_is_read_are_the_positions_before_the_answers():
    theta, _ = drawn()
    read = Read.of(TEXTS)
    with float64():
        z = values(NET, theta, read)
        by_hand = [
            NET.apply(theta, jnp.array(tokens))[-1] for tokens in ([1, 2, 3], [1, 2, 3, 4], [6], [6, 7], [6, 7, 8])
        ]
    np.testing.assert_allclose(z, by_hand, atol=1e-12)
    few = read._replace(row=read.row[[3, 0]], at=read.at[[3, 0]])
    with float64():
        np.testing.assert_allclose(values(NET, theta, few), z[np.array([3, 0])], atol=1e-12)
    assert labels(TEXTS).tolist() == [4, 5, 7, 8, 9]


def test_derivatives_are_those_of_the_logits():
    (theta, delta), read, h = drawn(), Read.of(TEXTS), 1e-4
    with float64():
        z, u, v = taylor(NET, theta, delta, read)
        at = [np.asarray(values(NET, moved(theta, step, delta), read)) for step in (-h, h)]
        np.testing.assert_allclose(u, (at[1] - at[0]) / (2 * h), atol=1e-5)
        np.testing.assert_allclose(v, (at[1] - 2 * z + at[0]) / h**2, atol=1e-4)
        np.testing.assert_allclose(jvp(NET, theta, delta, read)[1], u, atol=1e-12)
        r = np.cos(np.arange(z.size)).reshape(z.shape)
        np.testing.assert_allclose(inner(pull(NET, theta, r, read), delta), np.sum(r * u), rtol=1e-12)


def test_a_traits_gradient_is_the_slope_of_its_loss():
    (theta, delta), h = drawn(), 1e-5
    for trait in (likelihood(TEXTS), Trait(Read.of(TEXTS), Contrast(np.array([3]), np.array([3, 4, 9])))):
        with float64():
            slope = inner(trait.gradient(NET, theta), delta)
            ends = [trait.value(NET, moved(theta, step, delta)) for step in (-h, h)]
        np.testing.assert_allclose(slope, (ends[1] - ends[0]) / (2 * h), rtol=1e-6)


def test_sums_over_many_single_precision_entries_are_not_rounded():
    a = np.full(3_000_001, 0.1, np.float32)
    np.testing.assert_allclose(inner({"a": a}, {"a": a}), a.size * float(a[0]) ** 2, rtol=1e-12)
