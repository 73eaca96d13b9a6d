"""Every number of a user's network, looked at once before a claim is judged: f, JΔ, Jᵀr, their next order, L_T, ∇L_T.

All of it runs through the kernels that the claims run on, so that it compiles nothing of its own.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from subtheory.errors import InputError
from subtheory.kernels.compiled import Kernels
from subtheory.theory.trait import Trait

STEP = 1e-6
"""Of the difference quotient, relative to the parameters: its error is about STEP² and the rounding over STEP."""

APART = 1e-3
"""How far off a derivative may be that somebody has written, relative to the largest."""

LARGEST = 1e150
"""Outputs beyond this have squares that no float64 holds."""


def require_finite(functions: Kernels, theta: np.ndarray, rows: dict[str, np.ndarray], trait: Trait) -> None:
    """Raise InputError at the first number that is not finite, in one line that names leaf, row and value.

    On "apply" for f, "derivative of apply" for J, and "trait" or "derivative of trait" for L_T. `rows` are inputs
    (N, *example) by the field that they come from.
    """
    with np.errstate(all="ignore"):
        for field, x in rows.items():
            _require_outputs(functions, theta, x, field)
        value, slope = np.asarray(trait.value(functions, theta)), np.asarray(trait.gradient(functions, theta))
    if not np.isfinite(value):
        raise InputError("trait", value, "must be a finite number")
    if not np.isfinite(slope).all():
        raise InputError("derivative of trait", f"{_first(slope)} at {_leaf(functions, slope)}", "must be finite")


def direction(theta: np.ndarray, seed: int) -> np.ndarray:
    """Some Δ that moves every parameter by about its own size."""
    return np.random.default_rng(seed).standard_normal(theta.shape) * (np.abs(theta) + np.std(theta))


def _require_outputs(functions: Kernels, theta: np.ndarray, x: np.ndarray, field: str) -> None:
    """Outputs and derivatives on all rows; which row and leaf it is, is found out only where something is wrong."""
    taylor = functions.taylor(theta, direction(theta, 0), x)
    _require("apply", "must return finite outputs", taylor.z0, field)
    if np.abs(taylor.z0).max() > LARGEST:
        wanted = f"must return outputs of a size below {LARGEST:g}, whose squares are numbers"
        raise InputError("apply", np.abs(taylor.z0).max(), wanted)
    generic = np.cos(1.0 + np.arange(taylor.z0[0].size)).reshape(taylor.z0.shape[1:])
    pull = functions.pulls(theta, np.broadcast_to(generic, taylor.z0.shape), x)
    if not np.isfinite(pull).all():
        for i in range(len(x)):
            own = functions.pulls(theta, generic[None], x[i : i + 1])
            if not np.isfinite(own).all():
                where = f"{_first(own)} at {_leaf(functions, own)} for row {i} of the {field}"
                raise InputError("derivative of apply", where, "must be finite")
    _require("derivative of apply", "must be finite", taylor.u, field)
    _require("second derivative of apply", "must be finite", taylor.v, field)


def _require(name: str, wanted: str, values: Any, field: str) -> None:
    """Raise InputError for the first row of outputs, or of what becomes of them, that is not finite."""
    if not np.isfinite(values).all():
        row = int(np.argwhere(~np.isfinite(values))[0][0])
        raise InputError(name, f"{_first(values[row])} for row {row} of the {field}", wanted)


def _first(values: np.ndarray) -> float:
    return float(values[~np.isfinite(values)].flat[0])


def _leaf(functions: Kernels, vector: np.ndarray) -> str:
    """Where the first entry that is not finite lies in the parameters."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(functions.layout.unflatten(vector)):
        if not np.isfinite(leaf).all():
            index = [int(i) for i in np.argwhere(~np.isfinite(leaf))[0]]
            return f"{jax.tree_util.keystr(path)}{index if index else ''}"
    return ""


def require_derivative(functions: Kernels, theta: np.ndarray, rows: dict[str, np.ndarray], rules: list[str]) -> None:
    """Raise InputError on "derivative of apply" where the custom rules of these functions give no derivative.

    JΔ has to be the difference quotient of f on half of the rows at least: a kink may lie beside some. Without it, a
    claim about f would be refuted for what is no derivative of it (straight-through estimators, clipped gradients).
    """
    delta = direction(theta, 1)
    for field, x in rows.items():
        u = np.asarray(functions.taylor(theta, delta, x).u)
        quotient = _quotient(partial(_values, functions, x), theta, delta)
        off = np.abs(u - quotient).reshape(len(x), -1)
        if np.mean(off.max(axis=1) > APART * max(np.abs(u).max(), np.abs(quotient).max())) > 0.5:
            row, at = np.unravel_index(np.argmax(off), off.shape)
            shown = f"{u[row].flat[at]:.4g} for {quotient[row].flat[at]:.4g} in row {row} of the {field}"
            raise InputError("derivative of apply", shown, _HONEST.format(", ".join(rules)))


def require_slope(functions: Kernels, theta: np.ndarray, trait: Trait, rules: list[str]) -> None:
    """The same for ∇L_T·Δ, on "derivative of trait"."""
    delta = direction(theta, 1)
    slope = float(np.sum(np.asarray(trait.gradient(functions, theta)) * delta))
    quotient = float(_quotient(lambda at: trait.value(functions, at), theta, delta))
    if abs(slope - quotient) > APART * max(abs(slope), abs(quotient)):
        shown = f"{slope:.4g} for {quotient:.4g}"
        raise InputError("derivative of trait", shown, _HONEST.format(", ".join(rules)))


def _values(functions: Kernels, x: np.ndarray, theta: np.ndarray) -> np.ndarray:
    return functions.values(theta, x)


_HONEST = "what {} says must be the derivative of the function"


def _quotient(function: Callable[[np.ndarray], Any], theta: np.ndarray, delta: np.ndarray) -> np.ndarray:
    """(F(θ + hΔ) − F(θ − hΔ))/2h."""
    ends = [np.asarray(function(theta + side * STEP * delta)) for side in (1, -1)]
    return (ends[0] - ends[1]) / (2 * STEP)
