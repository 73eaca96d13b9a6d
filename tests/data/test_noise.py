"""Laws of images: each has the second moments or the range that it states, and every row is reproducible alone."""

import jax
import numpy as np
import pytest

from subtheory.data import CHANNELS, DIGITS, MNIST, TOKENS, noise_law
from subtheory.data.images import photographs
from subtheory.data.noise import basis, whole_photographs
from subtheory.errors import InputError
from subtheory.numerics import float64
from subtheory.trained.images import Workload, digit_network

LAWS = ("uniform", "gaussian", "power-law:1.5", "subspace:5", "perlin:3", "images")


def draw(text, task=DIGITS, n=4000, seed=0):
    law = noise_law(text)
    with float64():
        return np.asarray(law.inputs(jax.random.key(seed), n, task))


@pytest.mark.parametrize("text", LAWS)
def test_laws_draw_in_the_precision_of_the_task(text):
    """Float32 for MNIST, as it is trained; the same key gives the same bits, another one others."""
    small, wide = draw(text, MNIST, 3), draw(text, DIGITS, 3)
    assert small.shape == (3, 28, 28) and small.dtype == np.float32
    assert wide.shape == (3, 8, 8) and wide.dtype == np.float64
    np.testing.assert_array_equal(draw(text, MNIST, 3), small)
    assert not np.array_equal(draw(text, MNIST, 3, seed=1), small)


@pytest.mark.parametrize("text", ["uniform", "perlin:3", "images"])
def test_bounded_laws_stay_in_range(text):
    x = draw(text)
    assert np.abs(x).max() <= 1 and x.std() > 0.1


def test_power_law_has_its_spectrum():
    """Mean power at every frequency against |f|^(−a) written out, variance 1 at every pixel; 0 is white noise."""
    x = draw("power-law:1.5", n=20_000)
    power = (np.abs(np.fft.fft2(x)) ** 2).mean(axis=0)
    rows, columns = np.meshgrid(*(np.minimum(np.arange(8), 8 - np.arange(8)),) * 2, indexing="ij")
    radius = np.hypot(rows, columns)
    radius[0, 0] = 1
    wanted = radius**-1.5
    np.testing.assert_allclose(power / power.sum(), wanted / wanted.sum(), rtol=0.08)
    np.testing.assert_allclose(x.var(axis=0), 1, atol=0.06)
    np.testing.assert_allclose(draw("power-law:0", n=5), draw("gaussian", n=5), atol=1e-12)
    assert (
        np.abs(np.corrcoef(x[:, 0, 0], x[:, 0, 1])[0, 1])
        > 0.3
        > np.abs(np.corrcoef(*draw("gaussian")[:, 0, :2].T))[0, 1]
    )


def test_subspace_has_its_dimension():
    x = draw("subspace:5").reshape(-1, 64)
    singular = np.linalg.svd(x, compute_uv=False)
    assert singular[4] > 1 > 1e-9 > singular[5] / singular[0]
    assert np.mean(x**2) == pytest.approx(1, abs=0.05)
    # One subspace for all draws, and the whole space is white noise.
    np.testing.assert_allclose(basis(64, 5).T @ basis(64, 5), np.eye(5), atol=1e-12)
    other = draw("subspace:5", seed=1).reshape(-1, 64)
    np.testing.assert_allclose(other @ basis(64, 5) @ basis(64, 5).T, other, atol=1e-9)
    np.testing.assert_allclose(np.cov(draw("subspace:64", n=20_000).reshape(-1, 64).T), np.eye(64), atol=0.06)


def test_perlin_is_smooth_and_of_its_scale():
    """Neighbours are alike, more so on fewer squares; by symmetry the mean is 0 at every pixel."""
    likeness = []
    for cells in (1, 3, 8):
        x = draw(f"perlin:{cells}", MNIST, 2000)
        likeness.append(np.corrcoef(x[:, :, :-1].ravel(), x[:, :, 1:].ravel())[0, 1])
        assert np.abs(x.mean(axis=0)).max() < 0.1
    assert likeness == sorted(likeness, reverse=True) and likeness[0] > 0.95 and likeness[2] < 0.95


def test_photographs_are_put_together_and_cut():
    """Patches lie where they were cut, and every window is found in one of the two photographs."""
    whole = whole_photographs()
    assert whole.shape == (2, 208, 320)
    np.testing.assert_array_equal(whole[0, :8, 8:16], photographs()[1])
    np.testing.assert_array_equal(whole[1, 8:16, :8], photographs()[1040 + 40])
    # Across the seams of patches the pictures go on: no larger steps there than elsewhere.
    steps = np.abs(np.diff(whole.astype(float), axis=2)).mean(axis=(0, 1))
    assert steps[7::8].mean() < 1.1 * np.delete(steps, np.s_[7::8]).mean()
    window = np.rint((draw("images", MNIST, 1)[0] + 1) * 127.5).astype(np.uint8)
    views = np.lib.stride_tricks.sliding_window_view(whole, (28, 28), axis=(1, 2))
    rows = views.reshape(-1, 28, 28)[:, 0]
    candidates = np.flatnonzero((rows == window[0]).all(axis=1))
    assert any(np.array_equal(views.reshape(-1, 28, 28)[i], window) for i in candidates)


@pytest.mark.parametrize("text", ["power-law:2", "images"])
def test_rows_are_drawn_one_by_one(text):
    """Row i is the same in any batch, in float32 too."""
    workload = Workload(digit_network(width=4, task=MNIST), channel=noise_law(text))
    with float64():
        some = np.asarray(workload.noise(jax.random.key(0), np.array([7, 2])))
        alone = np.asarray(workload.noise(jax.random.key(0), np.array([2])))
    assert some.dtype == np.float32
    np.testing.assert_allclose(some[1], alone[0], atol=1e-6)


def test_new_laws_stay_out_of_the_covering_grid():
    assert not {"power-law", "subspace", "perlin", "images"} & set(CHANNELS)


@pytest.mark.parametrize(
    "text", ["pink", "uniform:2", "subspace:2.5", "subspace:0", "perlin:0", "power-law:inf", "power-law:", "images:3"]
)
def test_unknown_laws_are_named(text):
    with pytest.raises(InputError) as error:
        noise_law(text)
    assert error.value.field == "noise"


def test_laws_that_do_not_fit_are_refused():
    for text, task in (("subspace:65", DIGITS), ("perlin", TOKENS), ("images", TOKENS)):
        with pytest.raises(InputError):
            draw(text, task, 2)
