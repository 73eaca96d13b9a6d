"""A loss at its match z = y, at outputs of a network: whether that is a smooth minimum, of which order, what M sees."""

from typing import Any, NamedTuple

import numpy as np

from subtheory.errors import InputError
from subtheory.kernels.local import Local, fourth, local
from subtheory.numerics import ROUNDINGS, UNIT

CORNERS = 8
"""Outputs at which all of M is looked at."""

APART = 1e-3
"""How far off a difference quotient of ∂l/∂z may be: a kink is off by its size over the step."""

BENT, CUBIC = 1e-3, 0.05
"""The step at which a loss with M = 0 is held to its cubic law, and how far off it may be: the next order is a step."""

SEEN, CLAUSE = 1e-6, 1e-6
"""Eigenvalues of M, scaled to a diagonal of ones, that are surely not 0; what its null space may see by rounding."""

WIDEST = 512
"""Outputs up to which the null space of M is found: it takes all of the matrix."""


class Looks(NamedTuple):
    """A loss at outputs y (n, V), with directions v of length 1 and what its numbers may be off by."""

    loss: Any
    name: str
    y: np.ndarray
    w: np.ndarray
    v: np.ndarray
    match: Local
    curvature: np.ndarray
    """The largest of ∂²l/∂z² v at the match and at a distance of 1, (n, 1)."""
    pulled: np.ndarray
    """The largest of ∂l/∂z between two examples, (n, 1)."""

    @property
    def size(self) -> np.ndarray:
        """1 + max |y|, (n, 1)."""
        return np.asarray(1 + np.abs(self.y).max(axis=-1, keepdims=True))

    @property
    def rounding(self) -> np.ndarray:
        """Of ∂l/∂z and Mv, (n, 1): outputs, off by ROUNDINGS·u of their size, times the curvature; and pulls alike."""
        return np.asarray(ROUNDINGS * UNIT * (self.size * self.curvature + self.pulled))

    @property
    def step(self) -> np.ndarray:
        """Of difference quotients: √(u·size), where outputs that are off and the next order cost alike, ten times."""
        return np.asarray(10 * np.sqrt(UNIT * self.size))

    def at(self, shift: np.ndarray) -> Local:
        return local(self.loss, self.y + shift, self.y, self.w, self.v)

    def wrong(self, wanted: str, wrong: str) -> InputError:
        return InputError("loss", f"{self.name}: {wrong}", wanted)


def looked_at(name: str, loss: Any, y: np.ndarray, w: np.ndarray) -> Looks:
    """Numbers at the match. Raises InputError where one of them, or l between two examples, is not finite."""
    v = np.random.default_rng(0).standard_normal(y.shape) * (w > 0)
    v /= np.linalg.norm(v, axis=-1, keepdims=True)
    match, apart = local(loss, y, y, w, v), local(loss, np.roll(y, 1, axis=0), y, w, v)
    for where, found in (("= y", match), ("and y are outputs of two examples", apart)):
        for part, wrong in zip(("l", "∂l/∂z", "∂²l/∂z²"), found, strict=True):
            if not np.isfinite(wrong).all():
                row = int(np.argwhere(~np.isfinite(wrong))[0][0])
                shown = f"{name}: {part} = {wrong[~np.isfinite(wrong)].flat[0]} at row {row} of the outputs"
                raise InputError("loss", shown, f"must be finite, with its derivatives, where z {where}")
    ends = [np.abs(local(loss, y + side * v, y, w, v).curved) for side in (1, -1)]
    largest = np.max(np.nan_to_num([np.abs(match.curved), *ends], nan=0.0, posinf=0.0), axis=(0, 2))
    return Looks(loss, name, y, w, v, match, largest[:, None], np.abs(apart.gradient).max(axis=-1, keepdims=True))


def order_of(looks: Looks) -> int:
    """1 if M ≠ 0 somewhere, 3 if it is 0 and the fourth derivative is not.

    Raises InputError where the match is not stationary, not smooth, no minimum, or flat beyond that.
    """
    m, v = looks.match, looks.v
    step, allowed = looks.step, APART * looks.curvature + 2 * looks.rounding / looks.step
    for side in (1, -1):
        grown = (looks.at(side * step * v).gradient - m.gradient) / (side * step)
        off = np.abs(grown - m.curved) > allowed
        wanted = "must be smooth where z = y: ∂l/∂z must grow along every line at the rate ∂²l/∂z²"
        refuse(looks, off, wanted, "a rate of {}", grown)
    refuse(looks, np.abs(m.gradient) > looks.rounding, "must be stationary where z = y", "∂l/∂z = {}", m.gradient)
    form = (v * m.curved).sum(axis=-1, keepdims=True)
    refuse(looks, form < -looks.rounding, "must have a minimum over z where z = y", "a curvature of {}", form)
    if (np.abs(m.curved) > looks.rounding).any():
        return 1
    _require_cubic(looks, fourth(looks.loss, looks.y, looks.w, v)[:, None])
    return 3


def _require_cubic(looks: Looks, bent: np.ndarray) -> None:
    """Raise InputError unless ∂l/∂z(y + tv)·v = t³/6 d⁴l/dt⁴ + O(t⁴), with a fourth derivative above 0."""
    flat = "must have a second or a fourth derivative over z above 0 where z = y"
    refuse(looks, bent <= ROUNDINGS * UNIT * looks.curvature, flat, "a fourth derivative of {}", bent)
    step = BENT + looks.size * UNIT / BENT**2  # as far from the match as outputs are surely told apart
    for side in (1, -1):
        grown = (
            6 * (looks.at(side * step * looks.v).gradient * looks.v).sum(axis=-1, keepdims=True) / (side * step) ** 3
        )
        smooth = "must be smooth where z = y: without a second derivative, ∂l/∂z must grow like the fourth"
        refuse(looks, np.abs(grown - bent) > CUBIC * bent, smooth, "{} along a line", grown)


def refuse(looks: Looks, wrong: np.ndarray, wanted: str, text: str, values: np.ndarray) -> None:
    """Raise InputError at the first entry that is wrong."""
    if wrong.any():
        row, i = (int(k) for k in np.argwhere(wrong)[0])
        raise looks.wrong(wanted, f"{text.format(f'{values[row, i]:.4g}')} at row {row} of the outputs")


def null_clause(looks: Looks) -> tuple[bool, int, str]:
    """Whether Mc = 0 implies c·∂l/∂z(z, y) = 0 for other outputs y; at how many points that can be told; a witness.

    M is scaled to a diagonal of ones, S M S with S = diag(M)^(−½): small probabilities are then as clear as others.
    A point at which some eigenvalue is neither 0 nor clearly above is left out. Raises InputError for one below 0.
    """
    n, width = looks.y.shape
    if width > WIDEST:
        return False, 0, ""
    rows, told, witness = np.unique(np.linspace(0, n - 1, CORNERS).astype(int)), 0, ""
    for row in rows:
        z = looks.y[row]
        M = local(looks.loss, z, z, looks.w, np.eye(width)).curved
        basis = _null_space(looks, (M + M.T) / 2, int(row))
        if basis is None:
            continue
        others = np.roll(looks.y, -row, axis=0)[1 : CORNERS + 1] if n > 1 else z + looks.v
        pulls = local(looks.loss, z, others, looks.w, np.zeros(width)).gradient
        told += 1
        seen, size = np.abs(pulls @ basis), np.abs(pulls) @ np.abs(basis)
        if (bad := seen > CLAUSE * size).any():
            witness = witness or f"Mc = 0 and c·∂l/∂z = {seen[bad][0]:.4g} for another y, at row {row} of the outputs"
    return not witness and told > 0, told, witness


def _null_space(looks: Looks, M: np.ndarray, row: int) -> np.ndarray | None:
    """Vectors c with Mc = 0, (V, dimension); None where rounding does not tell."""
    if (least := np.linalg.eigvalsh(M)[0]) < -len(M) * looks.rounding[row, 0]:
        wanted = "must have a minimum over z where z = y"
        raise looks.wrong(wanted, f"M with an eigenvalue of {least:.4g} at row {row} of the outputs")
    diagonal = np.diag(M)
    blank = ~(np.abs(M).max(axis=1) > 0)
    if (diagonal[~blank] <= 0).any():
        return None
    scale = 1 / np.sqrt(diagonal[~blank])
    values, vectors = np.linalg.eigh(scale[:, None] * M[np.ix_(~blank, ~blank)] * scale)
    zero = np.abs(values) <= ROUNDINGS * UNIT * len(M)
    if (values[~zero] < SEEN).any():
        return None
    basis = np.zeros((len(M), int(zero.sum())))
    basis[~blank] = scale[:, None] * vectors[:, zero]
    return np.concatenate([basis, np.eye(len(M))[:, blank]], axis=1)
