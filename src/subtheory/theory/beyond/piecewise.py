"""ReLU networks between kinks: where they bend, and D(t) as one polynomial after the other.

On the segment θ0 + tΔ every pre-activation, and so every output, is a polynomial in t until some pre-activation
changes sign. Taylor coefficients at one point of a piece are therefore all there is to know about it: its two
ends are the nearest roots of the pre-activations. Source: theory §1.5 and gap g1.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from numpy.polynomial import Polynomial, polynomial

from subtheory import arguments
from subtheory.errors import InputError
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.theory.curvature import averaged
from subtheory.theory.distillation import Distillation, labels, outputs
from subtheory.theory.losses import SquaredError
from subtheory.theory.network import Network, Params
from subtheory.theory.rule import Descent
from subtheory.theory.views import Added, Full

MOST_DEGREE = 64
"""In float64 nothing is left of the coefficients of higher polynomials."""


def require_positive(**values: float) -> None:
    """InputError naming the first value that is not a positive number."""
    for name, value in values.items():
        arguments.positive(name, value)


class Piece(NamedTuple):
    """D(t) = Σ_k coefficients[k] t^k for start ≤ t ≤ end."""

    start: float
    end: float
    coefficients: np.ndarray


class _Part(NamedTuple):
    """An interval without a kink: which pre-activations are positive, and Taylor coefficients of φ about `at`."""

    start: float
    end: float
    at: float
    positive: np.ndarray
    outputs: np.ndarray


def _layers(network: Network, params: Params, x: Array) -> int | None:
    """How many layers of pre-activations a network reports; None if it is not one to report any."""
    report = getattr(network, "preactivations", None)
    return None if report is None else len(jax.eval_shape(report, params, x[0]))


def _hidden(network: Network, params: Params, x: Array) -> Array:
    """All pre-activations on all inputs, flat."""
    report = getattr(network, "preactivations", lambda theta, example: ())
    found = jax.vmap(lambda example: tuple(report(params, example)))(x)
    return jnp.concatenate([jnp.zeros(0), *(jnp.ravel(h) for h in found)])


@partial(jax.jit, static_argnames=("network", "degree"))
def _expand(network: Network, degree: int, params: Params, direction: Params, x: Array, at: Array) -> Any:
    """Taylor coefficients about `at` of pre-activations and outputs, degree + 1 of each, by nested jvp."""

    def tower(order: int) -> Callable[[Array], tuple[Any, ...]]:
        def lifted(t: Array) -> tuple[Any, ...]:
            if order == 0:
                theta = optax.tree.add_scale(params, t, direction)
                return ((_hidden(network, theta, x), outputs(network, theta, x)),)
            values, rates = jax.jvp(tower(order - 1), (t,), (jnp.ones_like(t),))
            return (*values, rates[-1])

        return lifted

    scaled = [jax.tree.map(lambda a, k=k: a / math.factorial(k), value) for k, value in enumerate(tower(degree)(at))]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *scaled)


@partial(jax.jit, static_argnames="network")
def _values(network: Network, params: Params, direction: Params, x: Array, at: Array) -> tuple[Array, Array]:
    """Pre-activations and outputs at one point of the segment."""
    theta = optax.tree.add_scale(params, at, direction)
    return _hidden(network, theta, x), outputs(network, theta, x)


def _around(coefficients: np.ndarray, at: float, lo: float, hi: float) -> tuple[float, float]:
    """The interval of [lo, hi] around `at` in which no polynomial (a column; Taylor about `at`) has a root."""
    reach = max(at - lo, hi - at)
    scaled = (coefficients * reach ** np.arange(len(coefficients))[:, None]).T
    rest = np.abs(scaled[:, 1:])
    # No root within reach where the constant outweighs the rest.
    scaled = scaled[(np.abs(scaled[:, 0]) <= rest.sum(axis=1)) & np.any(rest > 0, axis=1)]
    if not len(scaled):
        return lo, hi
    if np.any(np.abs(scaled[:, 0]) <= UNIT * np.abs(scaled).max(axis=1)):
        return at, at
    # Companion matrices of the reversed polynomials: their leading coefficient is the value at `at`, not 0.
    size = scaled.shape[1] - 1
    companion = np.zeros((len(scaled), size, size))
    companion[:, 0, :] = -scaled[:, 1:] / scaled[:, :1]
    companion[:, np.arange(1, size), np.arange(size - 1)] = 1.0
    z = np.linalg.eigvals(companion)
    s = np.where(z == 0, np.inf, 1 / np.where(z == 0, 1.0, z))
    # Two real roots that almost meet may be found as a complex pair; a false root is merged away later.
    row, column = np.nonzero((np.abs(s) <= 2) & (np.abs(s.imag) <= math.sqrt(UNIT)))
    root, own = s[row, column].real, scaled[row]
    for _ in range(3):  # Newton, which the reversal may have left to do
        value, slope = _evaluate(own, root), _evaluate(own[:, 1:] * np.arange(1, size + 1), root)
        trial = root - value / np.where(slope == 0, np.inf, slope)
        root = np.where(np.abs(_evaluate(own, trial)) < np.abs(value), trial, root)
    t = at + reach * root
    return float(max([lo, *t[root <= 0]])), float(min([hi, *t[root >= 0]]))


def _evaluate(rows: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Σ_k rows[:, k] s^k."""
    return np.sum(rows * s[:, None] ** np.arange(rows.shape[1]), axis=1)


def _split(network: Network, params: Params, direction: Params, x: Array, upto: float, degree: int) -> Iterator[_Part]:
    """Kink-free parts of [0, upto] from left to right; gaps below the resolution are left out.

    A Taylor expansion anywhere inside a part gives its two ends, as the nearest roots of the pre-activations.
    What is left on either side is treated alike, so that no step over a kink has to be guessed.
    """
    resolution = ROUNDINGS * UNIT * upto
    todo: list[tuple[float, float] | _Part] = [(0.0, upto)]
    while todo:
        item = todo.pop()
        if isinstance(item, _Part):
            yield item
            continue
        lo, hi = item
        if hi - lo <= resolution:
            continue
        at = lo + 0.618 * (hi - lo)  # not the middle, where kinks of symmetric inputs like to be
        hidden, output = map(np.asarray, _expand(network, degree, params, direction, x, at))
        if not (np.all(np.isfinite(hidden)) and np.all(np.isfinite(output))):
            raise InputError("upto", upto, "must keep the outputs finite")
        a, b = _around(hidden, at, lo, hi)
        for end in (a, b):
            for terms, value in zip((hidden, output), _values(network, params, direction, x, end), strict=True):
                if not _reproduces(terms, end - at, np.asarray(value)):
                    raise InputError("network", network.name, f"must be a polynomial of degree {degree} between kinks")
        inner = [_Part(a, b, at, hidden[0] > 0, output)] if a < b else []
        todo += [(b, hi), *inner, (lo, a)]


def _reproduces(coefficients: np.ndarray, t: float, value: np.ndarray) -> bool:
    """Whether Σ_k coefficients[k] t^k is `value` to rounding."""
    terms = coefficients * t ** np.arange(len(coefficients)).reshape(-1, *[1] * value.ndim)
    off, size = np.abs(terms.sum(axis=0) - value), np.abs(terms).sum(axis=0)
    return bool(np.max(off, initial=0.0) <= ROUNDINGS * UNIT * (1 + np.max(size, initial=0.0)))


def _parts(network: Network, params: Params, direction: Params, x: Array, upto: float, degree: int) -> Iterator[_Part]:
    """The same without gaps, and joined where no pre-activation has changed its sign: each end is a kink."""
    last: _Part | None = None
    for part in _split(network, params, direction, x, upto, degree):
        if last is None:
            last = part._replace(start=0.0)
        elif np.array_equal(last.positive, part.positive):
            last = last._replace(end=part.end)
        else:
            yield last
            last = part._replace(start=last.end)
    if last is not None:
        yield last._replace(end=upto)


def first_kink_on(network: Network, params: Params, direction: Params, x: Array, upto: float) -> float:
    """The first kink in (0, upto], inf without one, 0 if the start has another pattern than what follows it.

    Where a pre-activation that starts at 0 turns positive, the slope that autodiff takes is not the one ahead.
    """
    layers = _layers(network, params, x)
    if not layers:
        return math.inf
    first = next(_parts(network, params, direction, x, upto, layers + 1))
    start, _ = _values(network, params, direction, x, 0.0)
    if not np.array_equal(np.asarray(start) > 0, first.positive):
        return 0.0
    return first.end if first.end < upto else math.inf


def _degree(d: Distillation, degree: int | None) -> int:
    """The degree in t that was asked for, by default one more than the layers of pre-activations."""
    layers = _layers(d.network, d.theta0, d.x)
    if degree is None and layers is None:
        raise InputError("degree", None, f"{d.network.name} reports no pre-activations, so its degree must be given")
    return (layers or 0) + 1 if degree is None else arguments.whole("degree", degree, 1, MOST_DEGREE)


def kinks(d: Distillation, upto: float, degree: int | None = None) -> np.ndarray:
    """Every t in (0, upto) at which a pre-activation changes sign on the segment θ0 + tΔ, ascending, (count,).

    From roots of polynomials, hence exact but for rounding; kinks closer than ROUNDINGS · u · upto count as one.
    `degree` bounds the degree of the pre-activations in t between kinks (default: one more than the layers
    that are reported). () for an analytic network. Source: theory gap g1.

    Raises InputError for a network that reports no pre-activations or is not such a polynomial to rounding, and
    if the outputs overflow.
    """
    require_positive(upto=upto)
    layers = _layers(d.network, d.theta0, d.x)
    if layers is None:
        raise InputError("network", d.network.name, "must report its pre-activations")
    if layers == 0:
        return np.zeros(0)
    parts = list(_parts(d.network, d.theta0, d.delta, d.x, upto, _degree(d, degree)))
    return np.asarray([part.end for part in parts[:-1]])


@jax.jit
def _start(d: Distillation) -> tuple[Array, Array, Array]:
    """Outputs z_S of the student, weights c with D = Σ c·(y − z_S) for squared error, and y at ε = 0."""
    # A frozen parameter takes its share of Δ out of the inner product.
    seen = optax.tree.mul(d.trainable, d.delta)
    z, velocity = jax.jvp(lambda theta: outputs(d.network, theta, d.x), (d.student,), (seen,))
    return z, averaged(d, 2 * d.outputs * velocity), labels(d, jnp.zeros(()))


def alignment_pieces(d: Distillation, upto: float, degree: int | None = None) -> list[Piece]:
    """D(t) on [0, upto] as polynomials in t, one `Piece` between two kinks, for squared error.

    D(t) = 2E Σ w (y_t − f_S)·u is linear in the labels y_t, which are polynomials of `degree` in t between
    kinks (default: one more than the layers of pre-activations that are reported; give it for a polynomial
    network that reports none). Two layers: D = 2tE‖u‖² + 2t²E[u·v] up to the first kink, φ = f + tu + t²v.
    A student of any init, frozen in part or not; its view may add a constant to the logits. Source: theory §1.5.

    Raises InputError for another loss, rule or view, and if the outputs are not such polynomials to rounding.
    """
    # A subclass may redefine the loss, so that only the class itself will do.
    if type(d.loss) is not SquaredError:
        raise InputError("loss", d.loss.name, f"must be {SquaredError().name}")
    if d.rule != Descent():
        raise InputError("rule", d.rule.shown, f"must be {Descent.name}: else D need be no polynomial")
    if not isinstance(d.view, Full | Added):
        raise InputError("view", d.view.shown, f"must be {Full.name}, or add a constant to the logits")
    require_positive(upto=upto)
    degree = _degree(d, degree)
    z, c, y0 = map(np.asarray, _start(d))
    added = d.view.rates(np.asarray(d.outputs)) if isinstance(d.view, Added) else 0.0
    offset = np.sum((y0 - z) * c)  # D(0), which is 0 for a student that starts at θ0
    offset = np.where(np.abs(offset) > ROUNDINGS * UNIT * np.sum(np.abs(z * c)), offset, 0.0)
    found = []
    for part in _parts(d.network, d.theta0, d.delta, d.x, upto, degree):
        local = np.tensordot(part.outputs, c, axes=c.ndim)
        local[0] += np.sum((added - z) * c)
        coefficients = np.zeros(degree + 1)
        shifted = Polynomial(local)(Polynomial([-part.at, 1.0])).coef
        coefficients[: len(shifted)] = shifted
        if part.start == 0:
            coefficients[0] = offset
        found.append(Piece(part.start, part.end, coefficients))
    return found


def alignment_roots(d: Distillation, upto: float, degree: int | None = None) -> np.ndarray:
    """Every t in (0, upto) at which D changes sign, ascending, (count,): roots of `alignment_pieces`, no grid.

    Exact but for rounding; roots closer than ROUNDINGS · u · upto count as one. `degree` and errors as there.
    """
    pieces = alignment_pieces(d, upto, degree)
    resolution = ROUNDINGS * UNIT * upto
    candidates = [0.0]
    for piece in pieces:
        # A root at 0 is not meant, and a leading coefficient of rounding size is no degree.
        size = np.abs(piece.coefficients) * upto ** np.arange(len(piece.coefficients))
        c = np.trim_zeros(np.where(size > UNIT * size.max(), piece.coefficients, 0.0))
        roots = polynomial.polyroots(c) if len(c) > 1 else np.zeros(0)
        real = roots.real[np.abs(roots.imag) <= math.sqrt(UNIT) * upto]
        # A root on a kink may be found just outside of either piece.
        near = real[(real >= piece.start - resolution) & (real <= piece.end + resolution)]
        candidates += [r for r in sorted(near) if r > candidates[-1] + resolution]
    edges = [*candidates, upto]
    ends = [piece.end for piece in pieces[:-1]]

    def sign(t: float) -> float:
        return float(np.sign(polynomial.polyval(t, pieces[int(np.searchsorted(ends, t))].coefficients)))

    signs = [sign((a + b) / 2) for a, b in pairwise(edges)]
    return np.asarray([r for r, a, b in zip(candidates[1:], signs, signs[1:], strict=False) if a * b < 0 and r < upto])
