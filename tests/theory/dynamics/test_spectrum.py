"""The spectrum of G from its root, against the dense matrix and its eigenvectors."""

import numpy as np
import pytest

from subtheory.theory.dynamics.spectrum import left, modes, spectrum


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
