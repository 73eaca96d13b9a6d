"""The companion matrix of momentum against steps taken one by one."""

import numpy as np
import pytest

from subtheory.theory.dynamics.momentum import powers, transplanted

RATE, DECAY = 0.7, 0.9
VALUES = np.array([0.0, 0.3, 1.4, 5.0])


def steps(count: int) -> np.ndarray:
    """θ after so many steps of m ← bm + λθ, θ ← θ − αm from (0, 1), one λ at a time."""
    theta, m = np.zeros_like(VALUES), np.ones_like(VALUES)
    for _ in range(count):
        m = DECAY * m + VALUES * theta
        theta = theta - RATE * m
    return theta


@pytest.mark.parametrize("count", range(6))
def test_the_corner_of_its_powers_is_what_a_moment_has_moved(count: int) -> None:
    found = transplanted(RATE, DECAY, count)(VALUES)
    np.testing.assert_allclose(found, steps(count), rtol=1e-12)
    assert found[0] == pytest.approx(-RATE * sum(DECAY**j for j in range(1, count + 1)), abs=1e-14)
    assert not transplanted(RATE, 0.0, count)(VALUES).any(), "plain descent carries nothing"


def test_rates_stand_beside_their_eigenvalues() -> None:
    rates = np.array([[0.1], [0.2]])
    both = transplanted(rates, DECAY, 3)(np.stack([VALUES, VALUES]))
    for rate, one in zip(rates[:, 0], both, strict=True):
        np.testing.assert_allclose(one, transplanted(rate, DECAY, 3)(VALUES), rtol=1e-14)
    assert powers(rates, DECAY, 3, np.stack([VALUES, VALUES])).shape == (2, 4, 2, 2)
