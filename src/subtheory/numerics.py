"""Float64 through a context, and the one place where rounding scale and margins are defined.

Every theory check runs in double precision inside `float64`, never by flipping a global
when the package is imported. What leaves a public function is NumPy or a plain float, because
a float64 JAX array degrades silently once the context has been left.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any, ParamSpec

import jax
import numpy as np

from subtheory.errors import InputError

P = ParamSpec("P")

UNIT = float(np.finfo(np.float64).eps) / 2
"""u = 2⁻⁵³, the unit roundoff of float64."""

ROUNDINGS = 256
"""How many unit roundoffs the outputs of a network may be off, relative to their size: an
inner product of length n costs at most n·u, and no built-in network has a longer chain."""

FEW = 4
"""How many roundings an entry of a constant leaf may have been through: a scale, a cast, a sum or two."""

LADDER_RATIO = 4.0
"""Each ε of a ladder is this many times smaller than the one before."""

COARSE = 3
"""The first three rungs of a ladder set the constant that the others must respect."""


def extrapolation_constant(ratio: float = LADDER_RATIO, nodes: int = COARSE) -> float:
    """Λ = Σ_i |ℓ_i(0)|, ℓ_i the Lagrange polynomials on the nodes 1, 1/r, 1/r², ...

    A remainder c(ε)·εᵖ whose c is a polynomial of degree < `nodes` in ε on the ladder obeys
    |c(ε)| ≤ Λ·max_coarse |c| on every finer rung. It is the tolerance of every order check;
    for r = 4 and three nodes Λ = 1.89. Source: Lagrange interpolation, evaluated at 0.
    """
    x = ratio ** -np.arange(nodes, dtype=float)
    terms = [np.prod([xj / (xj - xi) for j, xj in enumerate(x) if j != i]) for i, xi in enumerate(x)]
    return float(np.sum(np.abs(terms)))


def alike(a: Any, b: Any, unit: float = UNIT) -> bool:
    """Whether two arrays are the same numbers after `FEW` roundings each: |a − b| ≤ 2·FEW·u·max(|a|, |b|) everywhere.

    `unit` is the unit roundoff u of the type in which they were computed.
    """
    a, b = np.asarray(a), np.asarray(b)
    largest = max(np.abs(a).max(initial=0.0), np.abs(b).max(initial=0.0))
    return bool(np.abs(a - b).max(initial=0.0) <= 2 * FEW * unit * largest)


_OURS: tuple[tuple[str, Callable[[Any], Any], Any], ...] = (
    ("jax_enable_x64", jax.enable_x64, True),
    ("jax_default_matmul_precision", jax.default_matmul_precision, "highest"),
    ("jax_numpy_dtype_promotion", jax.numpy_dtype_promotion, "standard"),
    # What users switch on to find faults in code of theirs would find fault with ours, or change the random numbers.
    ("jax_numpy_rank_promotion", jax.numpy_rank_promotion, "allow"),
    ("jax_debug_nans", jax.debug_nans, False),
    ("jax_debug_infs", jax.debug_infs, False),
    ("jax_disable_jit", jax.disable_jit, False),
    ("jax_default_prng_impl", jax.default_prng_impl, "threefry2x32"),
    ("jax_threefry_partitionable", jax.threefry_partitionable, True),
)
"""JAX's settings inside `float64`, whatever those of the process are: name, context manager, value."""

_GUARDS = (
    "jax_transfer_guard",
    "jax_transfer_guard_host_to_device",
    "jax_transfer_guard_device_to_host",
    "jax_transfer_guard_device_to_device",
)


@contextmanager
def _settings() -> Iterator[None]:
    with ExitStack() as stack:
        for name, setting, value in _OURS:
            if getattr(jax.config, name) != value:
                stack.enter_context(setting(value))
        if any(getattr(jax.config, name) is not None for name in _GUARDS):
            stack.enter_context(jax.transfer_guard("allow"))
        yield


def require_eager(field: str) -> None:
    """Raise InputError on `field` inside `jit`, `grad` or `vmap`: what is computed here has to be numbers."""
    with float64():
        one = jax.numpy.zeros(())
    if isinstance(one, jax.core.Tracer):
        raise InputError(field, "a call that JAX traces", "must be called outside of jit, grad and vmap")


def float64() -> Any:
    """Context manager: 64-bit JAX, full matmul precision (TF32 off), and no debugging modes, for this thread only.

    Returns what `with` takes, and raises no errors of its own. Never `yield` inside it from a generator of your own: a
    suspended generator leaks the context to its caller.
    """
    return _settings()


def to_numpy(tree: Any) -> Any:
    """Copy every JAX array of a pytree to NumPy; zero-dimensional ones become Python scalars."""

    def leave(leaf: Any) -> Any:
        if isinstance(leaf, jax.Array) and not jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            array = np.asarray(leaf)
            return array.item() if array.ndim == 0 else array
        return leaf

    return jax.tree.map(leave, tree)


def to_numpy_leaves(tree: Any) -> Any:
    """Copy JAX arrays to NumPy arrays, scalars included: the leaves stay arrays."""
    return jax.tree.map(np.asarray, tree)


def widen(tree: Any) -> Any:
    """Cast every narrower float array of a pytree to float64; anything else stays. Inside `float64` only."""

    def cast(leaf: Any) -> Any:
        if isinstance(leaf, jax.Array | np.ndarray) and jax.numpy.issubdtype(leaf.dtype, jax.numpy.floating):
            return jax.numpy.asarray(leaf, jax.numpy.float64)
        return leaf

    return jax.tree.map(cast, tree)


def public(function: Callable[P, Any]) -> Callable[P, Any]:
    """Make a pure function of arrays safe to call from anywhere.

    Inputs are widened and used inside the float64 context, results leave as NumPy or floats; a
    function that is returned (such as v ↦ Gv) is made public in the same way.
    """

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Any:
        with float64():
            result = function(*widen(args), **widen(kwargs))
            return public(result) if callable(result) else to_numpy(result)

    return call
