"""A problem: one distillation as exact rational numbers, which is all that a certificate speaks of."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from flint import arb, arb_mat, fmpq

from subtheory.certificate.balls import rational
from subtheory.certificate.networks import described
from subtheory.errors import InputError
from subtheory.theory.distillation import Distillation
from subtheory.theory.rule import Descent
from subtheory.theory.trait import LabelledTrait, TargetTrait
from subtheory.theory.views import Full

LOSSES = ("squared-error", "cross-entropy")
"""Imitation losses that can be certified: those of the paper's theorem."""


@dataclass(frozen=True)
class Table:
    """A matrix of rationals, row by row."""

    rows: int
    columns: int
    values: tuple[fmpq, ...]

    def balls(self) -> arb_mat:
        return arb_mat(self.rows, self.columns, [arb(value) for value in self.values])


Examples = Table | tuple[tuple[int, ...], ...]
"""Inputs: a table with one row an example, or token sequences."""


@dataclass(frozen=True)
class Lesson:
    """What the teacher was trained on: L_T by labels (cross-entropy) or by targets (squared error)."""

    x: Examples
    outputs: tuple[fmpq, ...]
    labels: tuple[int, ...] = ()
    targets: Table | None = None


@dataclass(frozen=True)
class Problem:
    """Network, loss, θ0, Δ, channel inputs x with their law, output weights w, trait, and the step α.

    Everything is a rational number.
    """

    network: Mapping[str, Any]
    loss: str
    theta0: Mapping[str, Table]
    delta: Mapping[str, Table]
    x: Examples
    weights: tuple[fmpq, ...]
    outputs: tuple[fmpq, ...]
    alpha: fmpq
    trait: Lesson | None = None


def problem(d: Distillation, alpha: float = 1.0) -> Problem:
    """The exact numbers of a distillation under the theorem's assumptions; α is the plain step size.

    Every float64 is taken for the rational that it is. Raises InputError for a network or a loss that cannot be
    certified, and where the student does not start at θ0, is frozen, or has a view or a rule of its own.
    """
    network = described(d.network)
    if network is None:
        raise InputError("network", repr(d.network.name), "must be an MLP, a ConvNet or a Transformer, without relu")
    if d.loss.name not in LOSSES:
        raise InputError("loss", repr(d.loss.name), f"must be one of {', '.join(LOSSES)}")
    plain = [d.view != Full(), d.rule != Descent(), *(np.any(leaf != 1) for leaf in jax.tree.leaves(d.trainable))]
    apart = jax.tree.map(lambda a, b: not np.array_equal(a, b), d.theta0, d.student)
    if any(plain) or any(jax.tree.leaves(apart)):
        raise InputError("student", "another init, mask, view or rule", "must be as the theorem assumes")
    found = Problem(
        network=network,
        loss=d.loss.name,
        theta0=tables("theta0", d.theta0),
        delta=tables("delta", d.delta),
        x=inputs("x", d.x),
        weights=numbers("weights", d.weights),
        outputs=numbers("outputs", d.outputs),
        alpha=numbers("alpha", [alpha])[0],
    )
    return replace(found, trait=lesson(d.trait))


def lesson(trait: Any) -> Lesson | None:
    """The trait in rationals; None for one that is a function of its own."""
    if isinstance(trait, LabelledTrait):
        labels = tuple(int(label) for label in np.asarray(trait.labels))
        return Lesson(inputs("trait", trait.x), numbers("trait", trait.outputs), labels=labels)
    if isinstance(trait, TargetTrait):
        targets = table("trait", trait.targets)
        return Lesson(inputs("trait", trait.x), numbers("trait", trait.outputs), targets=targets)
    return None


def numbers(field: str, values: Any) -> tuple[fmpq, ...]:
    """Rationals of a flat list of floats. Raises InputError naming the field for one that is not finite."""
    try:
        return tuple(rational(float(value)) for value in np.ravel(values))
    except ValueError as error:
        raise InputError(field, str(error).split("got ")[-1], "must be finite") from None


def table(field: str, values: Any) -> Table:
    """A matrix of rationals; all axes but the last are flattened, a vector becomes one row."""
    array = np.atleast_1d(np.asarray(values))
    flat = array.reshape(-1, array.shape[-1])
    return Table(*flat.shape, numbers(field, flat))


def tables(field: str, params: Any) -> dict[str, Table]:
    """Parameters by Flax's names. Query, key and value kernels (D, H, d) become (D, H·d), their biases one row."""
    found = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(params)[0]:
        name = "/".join(str(part.key) for part in path)
        array = np.asarray(leaf)
        if any(f"/{part}/" in name for part in ("query", "key", "value")):
            array = array.reshape(array.shape[0], -1) if name.endswith("kernel") else array.reshape(1, -1)
        found[name] = table(field, array)
    return found


def inputs(field: str, x: Any) -> Examples:
    """One row an example; integers stay token sequences."""
    array = np.asarray(x)
    if array.dtype.kind in "iu":
        return tuple(tuple(int(token) for token in row) for row in array)
    return table(field, array.reshape(len(array), -1))
