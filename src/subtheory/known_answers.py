"""Known answers: small computations whose results are known, so that a JAX that computes wrong ones is not believed.

JAX 0.10.2, for one, returns wrong rows of a batched form on CPUs from row 16,384 on (jax#39103).
"""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.errors import SubtheoryError
from subtheory.numerics import UNIT, float64

ROWS = 20_000
SIZE = 24


class WrongNumbers(SubtheoryError):
    """The installed JAX computes a wrong number here: nothing can be verified with it."""

    exit_code = 4

    def __init__(self, wrong: tuple[str, ...]) -> None:
        self.wrong = wrong
        super().__init__(
            f"jax: computes wrong numbers on this machine ({', '.join(wrong)}), so nothing can be verified with it: "
            f"install another release (pip install 'jax!={jax.__version__}'), got {jax.__version__}"
        )


def _integers(*shape: int, below: int) -> np.ndarray:
    """Integers from 0 to below − 1, the same ones always: what follows from them in floats has no rounding."""
    return (np.arange(np.prod(shape)) * 7919 % below).reshape(shape).astype(np.float64)


@jax.jit
def _computed(M: Array, rows: Array, theta: Array, delta: Array, path: Array, left: Array, right: Array) -> list[Array]:
    velocity = jax.jvp(lambda theta: theta**2 @ M, (theta,), (delta,))[1]
    return [
        jax.vmap(lambda r: jnp.sum((M @ r) ** 2))(rows),
        jnp.sum(velocity**2),
        jnp.linalg.eigh(path)[0],
        left @ right,
        left.astype(jnp.float32) @ right.astype(jnp.float32),
    ]


@cache
def answers() -> dict[str, bool]:
    """Whether each known answer came out, by its name; under a second, once a process.

    Σ_i (Mr)_i² for 20,000 rows r, ‖JΔ‖² by jvp for f(θ) = θ²M, the eigenvalues 4 sin²(kπ/2n) of a path's Laplacian by
    `eigh`, and one product of matrices in both precisions whose entries need more digits than TF32 has. All but the
    eigenvalues are integers and have to be equal; an eigenvalue may be off by n u ‖A‖ · 8, A's norm being below 4.
    """
    M, rows, theta, delta = (
        _integers(3, 3, below=10), _integers(ROWS, 3, below=101), _integers(3, below=11), _integers(3, below=7)
    )  # fmt: skip
    path = 2 * np.eye(SIZE) - np.eye(SIZE, k=1) - np.eye(SIZE, k=-1)
    path[0, 0] = path[-1, -1] = 1
    left, right = 2049 + 2 * _integers(SIZE, SIZE, below=97), _integers(SIZE, SIZE, below=4)
    with float64():
        given = [jnp.asarray(each) for each in (M, rows, theta, delta, path, left, right)]
        forms, norm, eigenvalues, double, single = (np.asarray(each) for each in _computed(*given))
    spectrum = 4 * np.sin(np.arange(SIZE) * np.pi / (2 * SIZE)) ** 2
    return {
        "batched form": np.array_equal(forms, np.sum((rows @ M.T) ** 2, axis=1)),
        "norm of a jvp": bool(norm == np.sum((2 * theta * delta @ M) ** 2)),
        "eigh": bool(np.max(np.abs(eigenvalues - spectrum)) <= 8 * SIZE * UNIT * 4),
        "matmul": np.array_equal(double, left @ right) and np.array_equal(single, left @ right),
    }


def require() -> None:
    """Raise WrongNumbers, in one line that names the version and the remedy, if an answer is wrong."""
    wrong = tuple(name for name, right in answers().items() if not right)
    if wrong:
        raise WrongNumbers(wrong)
