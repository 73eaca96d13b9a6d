"""A path leads from the teacher's init to the student's: a start, an amount and a key in, parameters out."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax.errors import FlaxError
from jax import Array

from subtheory.data.channels import Channel
from subtheory.errors import InputError
from subtheory.source import FromTask, Source
from subtheory.theory.losses import Loss, SquaredError
from subtheory.theory.network import Network, Params
from subtheory.theory.trait import Trait
from subtheory.traces import TRACES

FRACTIONS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Default amounts of a path that ends at 1."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Start:
    """What a path may depend on; arrays are leaves, the network and the loss are static.

    Shapes: N examples of the channel, V outputs (last axis of f).
    """

    theta0: Params
    """θ0, the teacher's init."""
    other: Params
    """θ0', an independent draw from the same initial law."""
    x: Array
    """Channel inputs, (N, ...), each of weight 1/N."""
    outputs: Array
    """Output weights w ≥ 0, (V,): which logits are distilled."""
    trait: Trait
    """L_T, what the teacher is trained on."""
    network: Network = field(metadata={"static": True})
    loss: Loss = field(default=SquaredError(), metadata={"static": True})
    pretraining: Trait | None = None
    """L_P, what a fork is trained on before it forks; None stands for the trait."""


class Path(ABC):
    """θ0_S = path(start, amount, key), a pytree like θ0; paths are frozen dataclasses that compare by value.

    `amount` (scalar array, 0 = shared init, larger = farther) and `key` may be traced: one program
    serves all amounts and keys. The draw depends on the key alone, so that the students of one key
    lie on one curve. A start that the path does not fit raises InputError when it is traced.
    """

    amounts: ClassVar[tuple[float, ...]] = FRACTIONS
    """Default grid, from shared to far."""
    largest: ClassVar[float] = 1.0
    """The largest amount with a meaning."""
    reaches_start: ClassVar[bool] = True
    """Whether amount 0 is the teacher's own init."""
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
    def __call__(self, start: Start, amount: Array, key: Array) -> Params:
        """θ0_S, the student's init."""

    def teacher(self, start: Start, amount: Array, key: Array) -> Params:
        """θ0_T, the teacher's init: θ0, unless the path moves the teacher too."""
        return start.theta0


@dataclass(frozen=True)
class Another(Path):
    """θ0_S ~ the initial law of another network: other width, depth, activation or family.

    θ0_S lives in that network's own space, whatever the amount (there is only far). A caller may
    compare outputs and the trait loss, L_T(θ) = `trait.loss(path.network.apply, θ)`; Δθ_S·Δ and
    every distance between parameters are undefined. The other network has to take the same inputs
    and to have the same outputs, or InputError is raised on "network". Prediction P18, far end.
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

    def __call__(self, start: Start, amount: Array, key: Array) -> Params:
        params = self.network.init(key)
        wanted = jax.eval_shape(start.network.apply, start.theta0, start.x[0]).shape
        try:
            found = jax.eval_shape(self.network.apply, params, start.x[0]).shape
        except (TypeError, ValueError, FlaxError) as error:
            raise InputError("network", self.network.name, "must take the teacher's inputs") from error
        if found != wanted:
            raise InputError("network", f"outputs {found}", f"must have the teacher's outputs {wanted}")
        return params


def begin(
    network: Network, key: Array, *, source: Source | None = None, channel: Channel | None = None,
    outputs: Any = "all", loss: Loss | None = None, examples: int = 24, trait_examples: int = 32,
) -> Start:  # fmt: skip
    """The start that a `Setting` of the same coordinates has for the seed of `key`: same θ0, θ0', x and trait.

    Call it inside `float64()`; `key` may be traced. `source` is by default the network's own task,
    `loss` squared error.
    Raises InputError for outputs or a channel that the task does not have.
    """
    origin: Source = source or FromTask(network.task)  # type: ignore[attr-defined]
    theta0, other = origin.start(network, key)
    return Start(
        theta0=theta0,
        other=other,
        x=origin.inputs(channel, key, examples),
        outputs=jnp.asarray(origin.weights(outputs), jnp.float64),
        trait=origin.trait(key, trait_examples),
        network=network,
        loss=loss or SquaredError(),
    )


def students(path: Path, start: Start, amounts: Sequence[float] | Array, keys: Array) -> Params:
    """θ0_S for every amount (A) and key (K) in one program: leaves (A, K, ...). Inside `float64()`.

    What depends on neither (a projection onto null(G)) is computed once. Raises InputError on
    "amount" outside 0 ... `path.largest`, or for a start that the path does not fit.
    """
    return _inits(path, start, checked(path, amounts), keys)[0]


def teachers(path: Path, start: Start, amounts: Sequence[float] | Array, keys: Array) -> Params:
    """θ0_T for every amount (A) and key (K), as `students` gives θ0_S."""
    return _inits(path, start, checked(path, amounts), keys)[1]


def apart(path: Path, starts: Start, amount: float, keys: Array) -> tuple[Params, Params]:
    """θ0_S and θ0_T of every start of a stack (leading axis S) with its own key, (S,). Inside `float64()`.

    Raises InputError as `students` does.
    """
    return _apart(path, starts, checked(path, amount), keys)


@partial(jax.jit, static_argnames="path")
def _apart(path: Path, starts: Start, amount: Array, keys: Array) -> tuple[Params, Params]:
    TRACES[f"init {path.name}"] += 1
    return jax.vmap(lambda start, key: (path(start, amount, key), path.teacher(start, amount, key)))(starts, keys)


def fits(path: Path, start: Start) -> bool:
    """Whether the path can leave from this start; computes nothing."""
    try:
        jax.eval_shape(path, start, jax.ShapeDtypeStruct((), jnp.float64), jax.random.key(0))
    except InputError:
        return False
    return True


def names_of(key_path: Any) -> tuple[str, ...]:
    """The names on the way to a leaf of a pytree, such as ("Block_0", "Dense_0", "kernel")."""
    return tuple(jax.tree_util.keystr((entry,), simple=True) for entry in key_path)


def mix(amount: Array, start: Params, end: Params) -> Params:
    """(1 − amount) start + amount end, exact at both ends."""
    return jax.tree.map(lambda a, b: (1 - amount) * a + amount * b, start, end)


def ranks(key: Array, n: int) -> Array:
    """A uniform random permutation of 0 ... n − 1, by one sort: `jax.random.permutation` is slow to compile."""
    return jnp.argsort(jax.random.uniform(key, (n,), jnp.float64))


def checked(path: Path, amounts: Any) -> np.ndarray:
    """The amounts as an array; InputError on "amount" outside 0 ... `path.largest`."""
    for amount in np.asarray(amounts, float).ravel():
        if not (np.isfinite(amount) and 0 <= amount <= path.largest):
            upper = "must be a number ≥ 0" if path.largest == inf else f"must lie in 0 ... {path.largest:g}"
            raise InputError("amount", amount, upper)
    return np.asarray(amounts, np.float64)


@partial(jax.jit, static_argnames="path")
def _inits(path: Path, start: Start, amounts: Array, keys: Array) -> tuple[Params, Params]:
    """Students and teachers, vectorised, because vmap leaves alone what neither amount nor key changes."""
    TRACES[f"init {path.name}"] += 1

    def one(amount: Array, key: Array) -> tuple[Params, Params]:
        return path(start, amount, key), path.teacher(start, amount, key)

    return jax.vmap(lambda amount: jax.vmap(lambda key: one(amount, key))(keys))(amounts)
