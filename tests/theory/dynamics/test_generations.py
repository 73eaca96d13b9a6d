"""What generations keep of a displacement, against products of dense matrices."""

import numpy as np
import pytest

from subtheory.theory.dynamics.generations import continued, moments, retention, through
from subtheory.theory.dynamics.spectrum import modes, spectrum

STEPS, COUNT = 3, 5


def channel(seed: int, n: int = 3, size: int = 7) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """B, a rate of 0.9/λmax and the dense A = I − (I − αG)ˢ."""
    B = np.random.default_rng(seed).standard_normal((n, size))
    rate = 0.9 / np.linalg.eigvalsh(B @ B.T)[-1]
    return B, np.asarray(rate), np.eye(size) - np.linalg.matrix_power(np.eye(size) - rate * B.T @ B, STEPS)


DELTA = np.random.default_rng(0).standard_normal(7)


def test_moments_are_forms_of_powers() -> None:
    """For several distillations at once too; generation 0 keeps all of Δ, also what the channel does not see."""
    B, rate, A = channel(1)
    expected = [DELTA @ np.linalg.matrix_power(A, k) @ DELTA for k in range(COUNT + 1)]
    found = moments(spectrum(modes(B), DELTA), rate, STEPS, COUNT)
    assert found == pytest.approx(expected, rel=1e-12)
    both = moments(spectrum(modes(np.stack([B, 2 * B])), DELTA[None]), np.array([[1.0], [0.25]]) * rate, STEPS, COUNT)
    assert both == pytest.approx(np.stack([found, found]), rel=1e-12)


def test_channels_in_turn_multiply_in_their_order() -> None:
    (B, rate, A), (other, fast, second) = channel(1), channel(2)
    own = [(modes(B), rate), (modes(other), fast)]
    assert through(own, STEPS, DELTA) == pytest.approx(np.stack([DELTA, A @ DELTA, second @ A @ DELTA]), rel=1e-12)
    assert not np.allclose(through(own[::-1], STEPS, DELTA)[2], second @ A @ DELTA, rtol=0.1)


def test_one_channel_is_the_case_of_moments() -> None:
    B, rate, _ = channel(3)
    along = through([(modes(B), rate)] * COUNT, STEPS, DELTA) @ DELTA
    assert along == pytest.approx(moments(spectrum(modes(B), DELTA), rate, STEPS, COUNT), rel=1e-12)


def test_students_that_go_on_tend_to_the_teacher() -> None:
    """Through channels that see every direction between them; after one generation they stand where others do."""
    (B, rate, A), (other, fast, second) = channel(1, 4), channel(2, 4)
    own = [(modes(B), rate), (modes(other), fast)]
    found = continued(own, STEPS, DELTA)
    assert found[1] == pytest.approx(A @ DELTA, rel=1e-12)
    assert found[2] == pytest.approx(A @ DELTA + second @ (DELTA - A @ DELTA), rel=1e-12)
    assert continued(own * 3000, STEPS, DELTA)[-1] == pytest.approx(DELTA, rel=1e-3)


@pytest.mark.parametrize("seed", range(8))
def test_retention_never_falls_and_ends_below_the_largest_factor(seed: int) -> None:
    B, rate, A = channel(seed, 5)
    found = retention(moments(spectrum(modes(B), DELTA), rate, STEPS, 40))
    assert np.diff(found).min() >= -1e-12
    assert found[-1] <= np.linalg.eigvalsh(A)[-1] * (1 + 1e-12)
