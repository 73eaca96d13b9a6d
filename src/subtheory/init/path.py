"""A path leads from the teacher's init to the student's: starts, an amount and seeds in, flat parameters out."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf, prod
from typing import Any, ClassVar

import jax
import numpy as np
from flax.errors import FlaxError
from jax import Array

from subtheory.data import Channel
from subtheory.errors import InputError
from subtheory.kernels.compiled import Kernels
from subtheory.kernels.draws import data, inits
from subtheory.kernels.functions import output_shape, shapes_of
from subtheory.kernels.source import FromTask, Source
from subtheory.numerics import float64
from subtheory.theory.layout import Layout
from subtheory.theory.losses import Loss, SquaredError
from subtheory.theory.network import Network, Params
from subtheory.theory.trait import Bowl, Trait

FRACTIONS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Default amounts of a path that ends at 1."""

Key = int | tuple[int, ...]
"""What `numpy.random.default_rng` takes as a seed."""
Keys = Sequence[Key]


@dataclass(frozen=True, eq=False)
class Start:
    """What a path may depend on, for S seeds at once; arrays are NumPy's, and are not to be written to.

    Shapes: N examples of the channel, V outputs (last axis of f), P parameters.
    """

    theta0: np.ndarray
    """θ0, the teacher's inits, (S, P)."""
    other: np.ndarray
    """θ0', independent draws from the same initial law, (S, P)."""
    x: np.ndarray
    """Channel inputs, (S, N, *example), each of weight 1/N."""
    outputs: np.ndarray
    """Output weights w ≥ 0, (V,): which logits are distilled."""
    trait: Trait
    """L_T, what the teacher is trained on; leaves (S, ...), but a `Bowl` may be the same for all."""
    functions: Kernels
    """The network, known by its outputs and pullbacks."""
    loss: Loss = SquaredError()
    pretraining: Trait | None = None
    """L_P, what a fork is trained on before it forks; None stands for the trait."""

    @property
    def network(self) -> Network:
        return self.functions.network

    @property
    def layout(self) -> Layout:
        return self.functions.layout

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the outputs of one example, (..., V); computes nothing."""
        return output_shape(self.network, self.layout, self.functions.example, np.asarray(self.x).dtype.str)

    def take(self, rows: Any) -> "Start":
        """The start of some of the seeds: a slice, or an array of row numbers."""

        def of(trait: Any) -> Any:
            if isinstance(trait, Bowl) and np.ndim(self.layout.flatten(trait.bottom)) < 2:
                return trait
            return jax.tree.map(lambda leaf: leaf[rows], trait)

        return replace(
            self, theta0=self.theta0[rows], other=self.other[rows], x=self.x[rows], trait=of(self.trait),
            pretraining=of(self.pretraining),
        )  # fmt: skip


class Path(ABC):
    """θ0_S = path(start, amount, keys), (S, P); paths are frozen dataclasses that compare by value.

    `amount` (0 = shared init, larger = farther) is a number or one for every seed, (S,); `keys` are S seeds of NumPy
    generators. A draw depends on its own key alone, so that the students of one key lie on one curve. A start of one
    seed serves any number of keys. A start that the path does not fit raises InputError.
    """

    amounts: ClassVar[tuple[float, ...]] = FRACTIONS
    """Default grid, from shared to far."""
    largest: ClassVar[float] = 1.0
    """The largest amount with a meaning."""
    reaches_start: ClassVar[bool] = True
    """Whether amount 0 is the teacher's own init."""
    redraws: ClassVar[bool] = False
    """Whether it leads to an independent init, which a network of one's own need not have."""
    shares_parameters: ClassVar[bool] = True
    """Whether the student's parameters live in the teacher's space, so that Δθ_S·Δ means something."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Kebab-case name."""

    @property
    @abstractmethod
    def says(self) -> str:
        """What the path does, in one sentence."""

    @abstractmethod
    def __call__(self, start: Start, amount: Any, keys: Keys) -> np.ndarray:
        """θ0_S, the students' inits, (S, P)."""

    def teacher(self, start: Start, amount: Any, keys: Keys) -> np.ndarray:
        """θ0_T, the teachers' inits, (S, P): θ0, unless the path moves the teacher too."""
        return np.broadcast_to(start.theta0, (len(keys), start.layout.size))

    def metric(self, start: Start, amount: Any, keys: Keys) -> np.ndarray | None:
        """Diagonal of TTᵀ where θ0_S = Tθ0 with T not orthogonal, (S, P); None everywhere else."""
        return None

    def require(self, start: Start) -> None:  # noqa: B027
        """Raise InputError unless the path can leave from this start; looks at shapes alone."""

    def layout(self, start: Start) -> Layout:
        """Where the student's parameters lie in θ0_S."""
        return start.layout


@dataclass(frozen=True)
class Another(Path):
    """θ0_S ~ the initial law of another network: other width, depth, activation or family.

    θ0_S lives in that network's own space, (S, P'), whatever the amount (there is only far). A caller may compare
    outputs and the trait loss, L_T(θ) = `trait.loss(path.network.apply, θ)`; Δθ_S·Δ and every distance between
    parameters are undefined. The other network has to take the same inputs and to have the same outputs, or
    InputError is raised on "network". Prediction P18, far end.
    """

    network: Network
    amounts = (1.0,)
    reaches_start = False
    shares_parameters = False

    @property
    def name(self) -> str:
        return f"another-{self.network.name}"

    @property
    def says(self) -> str:
        return f"The student is a {self.network.name} of its own init; only its function can be compared."

    def __call__(self, start: Start, amount: Any, keys: Keys) -> np.ndarray:
        self.require(start)
        layout = self.layout(start)
        with float64():
            drawn = [self.network.init(self.key(key)) for key in keys]
        return np.stack([layout.flatten(jax.tree.map(np.asarray, params)) for params in drawn])

    @staticmethod
    def key(key: Key) -> Array:
        """The JAX key of a seed."""
        return jax.random.key(int(generator(key).integers(2**32)))

    def layout(self, start: Start) -> Layout:
        return Layout.of(shapes_of(self.network))

    def require(self, start: Start) -> None:
        try:
            found = output_shape(
                self.network, self.layout(start), start.functions.example, np.asarray(start.x).dtype.str
            )
        except (TypeError, ValueError, FlaxError) as error:
            raise InputError("network", self.network.name, "must take the teacher's inputs") from error
        if found != start.shape:
            raise InputError("network", f"outputs {found}", f"must have the teacher's outputs {start.shape}")


def begin(
    network: Network, seed: int, *, source: Source | None = None, channel: Channel | None = None,
    outputs: Any = "all", loss: Loss | None = None, examples: int = 24, trait_examples: int = 32,
) -> Start:  # fmt: skip
    """The start, S = 1, that a `Setting` of the same coordinates has for this seed: same θ0, θ0', x and trait.

    `source` is by default the network's own task, `loss` squared error. Raises InputError for outputs or a channel that
    the task does not have.
    """
    origin: Source = source or FromTask(network.task)  # type: ignore[attr-defined]
    x, trait = data(origin, channel, examples, trait_examples, (seed,))
    layout, theta0, other = inits(network, origin, (seed,))
    functions = Kernels(network, layout, x.shape[2:])
    weights = np.asarray(origin.weights(outputs), np.float64)
    return Start(theta0, other, x, weights, trait, functions, loss or SquaredError())


def students(path: Path, start: Start, amounts: Sequence[float], keys: Keys) -> Params:
    """θ0_S for every amount (A) and key (K): a pytree of leaves (A, K, ...), from a start of one seed.

    What depends on neither (a projection onto null(G)) is computed once. Raises InputError on "amount" outside
    0 ... `path.largest`, on "start" for more than one seed, or for a start that the path does not fit.
    """
    return _grid(path, path.__call__, start, amounts, keys, path.layout(start))


def teachers(path: Path, start: Start, amounts: Sequence[float], keys: Keys) -> Params:
    """θ0_T for every amount (A) and key (K), as `students` gives θ0_S."""
    return _grid(path, path.teacher, start, amounts, keys, start.layout)


def _grid(
    path: Path, inits: Callable[..., np.ndarray], start: Start, amounts: Sequence[float], keys: Keys, layout: Layout
) -> Params:
    """Inits for amounts × keys as one stack of rows."""
    if len(start.theta0) != 1:
        raise InputError("start", f"{len(start.theta0)} seeds", "must be a start of one seed")
    each = checked(path, amounts)
    found = inits(start, np.repeat(each, len(keys)), [*keys] * len(each))
    return layout.unflatten(found.reshape(len(each), len(keys), layout.size))


def apart(path: Path, starts: Start, amount: Any, keys: Keys) -> tuple[np.ndarray, np.ndarray]:
    """θ0_S and θ0_T of S starts, each with its own key, (S, P) each.

    Raises InputError on "amount" outside 0 ... `path.largest`, or for a start that the path does not fit.
    """
    amount = checked(path, amount)
    return path(starts, amount, keys), path.teacher(starts, amount, keys)


def fits(path: Path, start: Start) -> bool:
    """Whether the path can leave from this start; looks at shapes alone."""
    try:
        path.require(start)
    except InputError:
        return False
    return True


def generator(key: Key, use: int = 1) -> np.random.Generator:
    """The generator of a seed for one of its uses, from 1 on: SeedSequence does not see a 0 at the end."""
    return np.random.default_rng((*(key if isinstance(key, tuple) else (key,)), use))


def normal(start: Start, keys: Keys) -> np.ndarray:
    """Standard normal parameters, a draw for every key, (S, P)."""
    return np.stack([generator(key).standard_normal(start.layout.size) for key in keys])


def column(amount: Any, keys: Keys) -> np.ndarray:
    """The amount of every key, (S, 1)."""
    return np.broadcast_to(np.asarray(amount, np.float64), len(keys))[:, None]


def leafwise(layout: Layout, function: Callable[..., np.ndarray], *thetas: np.ndarray) -> np.ndarray:
    """A function of the entries (..., n) of one leaf, on every leaf of parameters (..., P)."""
    ends = np.cumsum([prod(shape) for shape in layout.shapes])[:-1]
    leaves = zip(*(np.split(theta, ends, axis=-1) for theta in thetas), strict=True)
    return np.concatenate([function(*each) for each in leaves], axis=-1)


def names_of(key_path: Any) -> tuple[str, ...]:
    """The names on the way to a leaf of a pytree, such as ("Block_0", "Dense_0", "kernel")."""
    return tuple(jax.tree_util.keystr((entry,), simple=True) for entry in key_path)


def mix(amount: Any, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """(1 − amount) start + amount end, exact at both ends."""
    return np.asarray((1 - amount) * start + amount * end)


def checked(path: Path, amounts: Any) -> np.ndarray:
    """The amounts as an array; InputError on "amount" outside 0 ... `path.largest`."""
    for amount in np.asarray(amounts, float).ravel():
        if not (np.isfinite(amount) and 0 <= amount <= path.largest):
            upper = "must be a number ≥ 0" if path.largest == inf else f"must lie in 0 ... {path.largest:g}"
            raise InputError("amount", amount, upper)
    return np.asarray(amounts, np.float64)
