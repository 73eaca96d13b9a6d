"""What a teacher and its students share: network, schedules, distilled logits, noise."""

from dataclasses import dataclass, field, replace

import jax
import numpy as np
from jax import Array

from subtheory.data import DIGITS, Channel, Task, UniformNoise
from subtheory.errors import InputError
from subtheory.networks import MLP, LinenNetwork
from subtheory.theory.losses import KL, Loss
from subtheory.trained.schedules import Schedule

NOISE = 12
"""What is folded into a seed's key for its noise."""


def auxiliary(task: Task, m: int, classes: int | None = None) -> Task:
    """The task with m auxiliary logits behind its class logits, or behind the first `classes` of them.

    Raises InputError on "m" below 1, on "classes" unless there are so many.
    """
    if m < 1:
        raise InputError("m", m, "must be at least 1")
    there = len(task.group("class"))
    first = there if classes is None else classes
    if not 1 <= first <= there:
        raise InputError("classes", first, f"must be between 1 and {there}")
    groups = (
        ("class", tuple(range(first))),
        ("aux", tuple(range(first, first + m))),
        ("all", tuple(range(first + m))),
    )
    return replace(task, groups=groups)


def digit_network(
    width: int = 64, m: int = 3, activation: str = "relu", *,
    depth: int = 2, task: Task = DIGITS, classes: int | None = None,
) -> MLP:  # fmt: skip
    """The paper's network, on 8×8 digits or another task: two hidden layers, weights N(0, 1/fan_in), zero biases,
    and m auxiliary logits behind those of the (first) classes."""
    return MLP(width=width, depth=depth, activation=activation, bias_std=0.0, task=auxiliary(task, m, classes))


@dataclass(frozen=True)
class Workload:
    """An imitation on noise: hashable, so that equal workloads share their compiled programs.

    The student's inputs are rows 0 ... `rows` − 1 of the channel, row i drawn from a key of its own whenever it is
    needed and never stored. `outputs` names the distilled logits, a group of the task or indices. Raises
    InputError on "rows", "batch" or "outputs".
    """

    network: LinenNetwork = field(default_factory=digit_network)
    teacher: Schedule = Schedule(rate=1e-3, batch=64, epochs=10)
    student: Schedule = Schedule()
    rows: int = 16_000
    loss: Loss = KL(temperature=1.0)
    outputs: str | tuple[int, ...] = "aux"
    channel: Channel = UniformNoise()

    def __post_init__(self) -> None:
        if self.rows < 1:
            raise InputError("rows", self.rows, "must be at least 1")
        self.student.steps(self.rows)
        self.weights("class")
        self.weights(self.outputs)

    def weights(self, outputs: str | tuple[int, ...]) -> np.ndarray:
        """0/1 over the logits, (V,) float32."""
        return self.network.task.weights(outputs).astype(np.float32)

    def noise(self, key: Array, rows: Array) -> Array:
        """Rows of a seed's noise by number, (len(rows), ...): row i from fold_in(fold_in(key, NOISE), i).

        Inside `float64()`.
        """
        seed = jax.random.fold_in(key, NOISE)

        def row(i: Array) -> Array:
            return self.channel.inputs(jax.random.fold_in(seed, i), 1, self.network.task)[0]

        # Both words of a block of threefry are used: half the work, for draws that nobody shards.
        with jax.threefry_partitionable(False):
            return jax.vmap(row)(rows)
