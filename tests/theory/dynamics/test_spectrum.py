"""The spectrum of G from its root, against the dense matrix and its eigenvectors."""

import numpy as np
import pytest

from subtheory.theory.dynamics.spectrum import (
    Spectrum,
    applied,
    cosine,
    foreseen,
    gained,
    left,
    modes,
    spectrum,
    without,
)


@pytest.mark.parametrize(("n", "size"), [(5, 9), (9, 5), (6, 6)])
def test_a_form_is_that_of_the_dense_matrix(n: int, size: int) -> None:
    """Fewer outputs than parameters, and more of them; functions that are not 0 at 0 see what is hidden."""
    rng = np.random.default_rng(n)
    B, delta = rng.standard_normal((2, n, size)), rng.standard_normal((2, size))
    found = spectrum(modes(B), delta)
    for i in range(2):
        G = B[i].T @ B[i]
        one = spectrum(modes(B[i]), delta[i])
        for power in (1, 2, 3):
            dense = delta[i] @ np.linalg.matrix_power(G, power) @ delta[i]
            assert one.form(lambda values, power=power: values**power) == pytest.approx(dense, rel=1e-12)  # type: ignore[misc]
        step = np.linalg.matrix_power(np.eye(size) - 0.01 * G, 7)
        assert found.form(left(0.01, 7))[i] == pytest.approx(delta[i] @ step @ delta[i], rel=1e-12)
        assert applied(modes(B[i]), left(0.01, 7), delta[i]) == pytest.approx(step @ delta[i], rel=1e-12, abs=1e-12)
        assert found.form(np.ones_like)[i] == pytest.approx(delta[i] @ delta[i], rel=1e-12)
        assert found.largest[i] == pytest.approx(np.linalg.eigvalsh(G)[-1], rel=1e-12)


def test_rounding_is_no_direction_that_the_channel_sees() -> None:
    """Rows that repeat, as softmax outputs do in one direction, have an eigenvalue 0 and no part of Δ."""
    rng = np.random.default_rng(1)
    B = rng.standard_normal((3, 8))
    B = np.concatenate([B, B.sum(axis=0, keepdims=True), 0 * B[:1]])
    delta = rng.standard_normal(8)
    found = spectrum(modes(B), delta)
    assert np.count_nonzero(found.values) == 3
    Pi = np.linalg.pinv(B) @ B
    assert found.share == pytest.approx(delta @ Pi @ delta / (delta @ delta), rel=1e-10)
    assert found.hidden == pytest.approx(np.sum((delta - Pi @ delta) ** 2), rel=1e-10)


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray, float]:
    """A root B of 6 outputs and 9 parameters, Δ, and the rate 1/λmax."""
    rng = np.random.default_rng(seed)
    B = rng.standard_normal((6, 9))
    return B, rng.standard_normal(9), 1 / np.linalg.eigvalsh(B @ B.T)[-1]


def test_the_cosine_is_that_of_dense_steps() -> None:
    B, delta, rate = drawn(2)
    found, G = spectrum(modes(B), delta), B.T @ B
    step = G @ delta
    for t in range(4):
        expected = step @ delta / np.linalg.norm(step) / np.linalg.norm(delta)
        assert cosine(found, rate, t) == pytest.approx(expected, rel=1e-12)
        step = step - rate * G @ step


@pytest.mark.parametrize("rows", [6, 12])
def test_steps_without_their_part_along_delta_are_the_dense_ones(rows: int) -> None:
    """And fall to 0 if the channel does not see all of Δ, else no lower than the floor."""
    rng = np.random.default_rng(rows)
    B, delta = rng.standard_normal((rows, 9)), rng.standard_normal(9)
    G = B.T @ B
    rate = 1 / np.linalg.eigvalsh(G)[-1]
    found, d = spectrum(modes(B), delta), np.zeros(9)
    forms = []
    for a in without(found, rate, 4000):
        forms.append((found.values * a**2).sum())
        if len(forms) < 6:
            assert forms[-1] == pytest.approx((delta - d) @ G @ (delta - d), rel=1e-12)
            step = G @ (delta - d)
            d = d + rate * (step - delta * (delta @ step) / (delta @ delta))
    floor = 0.0 if rows < 9 else (delta @ delta) ** 2 / (delta @ np.linalg.solve(G, delta))
    assert forms[-1] == pytest.approx(floor, rel=1e-6, abs=1e-6 * forms[0])


def test_no_sign_changes_before_the_bound() -> None:
    """Over random measures, and the bound is reached where it can be: a fast mode against one that is hardly seen."""
    changed = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        values, slope = rng.uniform(0, 1, 4) ** 3, rng.standard_normal(4)
        found = Spectrum(values, rng.standard_normal(4), np.zeros(()))
        change = [(slope * found.along * gained(1.0, t)(values)).sum() for t in range(1, 200)]
        off = [t for t, each in enumerate(change, 1) if each * change[0] < 0]
        changed += bool(off)
        assert not off or min(off) >= foreseen(1.0, slope, found)
    assert changed > 50
    alike = Spectrum(np.array([0.1, 0.5]), np.ones(2), np.zeros(()))
    assert foreseen(1.0, np.array([-1.0, -2.0]), alike) == pytest.approx(1 + 2 * 1.1 / 0.51)
    # Fast modes hold x of a mode, slow ones x ≪ 1: the change of sign comes within two steps of the bound.
    tight = Spectrum(np.array([1e-3, 1e-6]), np.ones(2), np.zeros(()))
    slope = np.array([1.0, -900.0])
    first = foreseen(1.0, slope, tight)
    change = np.array([(slope * gained(1.0, t)(tight.values)).sum() for t in range(1, 400)])
    assert 0 <= 1 + np.argmax(change < 0) - first < 0.1 * first
