"""Teachers on labels and students on noise: one scan over steps, one compiled program for many models."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.errors import InputError
from subtheory.networks import LinenNetwork
from subtheory.numerics import float64, to_numpy
from subtheory.theory.beyond.training import train
from subtheory.theory.distillation import outputs
from subtheory.theory.network import Params
from subtheory.theory.trait import LabelledTrait
from subtheory.traces import TRACES
from subtheory.trained.images.lessons import Images, pixels
from subtheory.trained.images.workload import Workload
from subtheory.trained.parameters import leading, single

LABELLED, IMITATED = 11, 13
"""What is folded into a seed's key for the order of the labelled images, and for that of the noise."""

TOGETHER, CACHED = 8, 2**18
"""On a CPU so many teachers are trained side by side, and no more parameters than a core's cache holds: that is fewer
and larger operations for small networks; MNIST's cost no less four at once than singly (`benchmarks/layouts.py`)."""

ACCELERATED = 128
"""Keys side by side on an accelerator, which a single network would leave idle."""


class Imitation(NamedTuple):
    """Trained students, and their loss before every step."""

    params: Params
    """Leaves (K, A, ...)."""
    losses: np.ndarray
    """(K, A, steps)."""


def inits(workload: Workload, keys: Array) -> Params:
    """θ0 of the network for K keys, float32 leaves (K, ...); drawn in float64, as the inits of `subtheory.init`."""
    with float64():
        return single(_drawn(workload.network, keys))


@partial(jax.jit, static_argnums=0)
def _drawn(network: LinenNetwork, keys: Array) -> Params:
    return jax.lax.map(network.init, keys)


def teach(workload: Workload, theta0: Params, images: Images, keys: Array, together: int | None = None) -> Params:
    """θ_T: cross-entropy on the class logits of labelled images alone, by `workload.teacher`.

    `theta0` has leaves (K, ...) and `keys` draws the order of the batches, (K,); leaves (K, ...) of the same
    dtype come back. So many teachers are trained side by side as `together` says, or as suits the machine. Raises
    InputError on "theta0", "keys" or "images" for shapes that do not fit, on "batch" if it exceeds the images.
    """
    (_,) = leading(workload.network, theta0, 1, "theta0", keys)
    if len(images.x) != len(images.labels) or images.x.shape[1:] != workload.network.task.shape:
        wanted = f"must be labelled inputs of shape {workload.network.task.shape}"
        raise InputError("images", f"{images.x.shape} and {len(images.labels)} labels", wanted)
    workload.teacher.steps(len(images.x))
    if together is None:
        size = sum(leaf[0].size for leaf in jax.tree.leaves(theta0))
        together = max(1, min(TOGETHER, CACHED // size)) if jax.default_backend() == "cpu" else ACCELERATED
    with float64():
        return to_numpy(_teach(workload, min(together, len(keys)), theta0, images.x, images.labels, keys))


@partial(jax.jit, static_argnums=(0, 1))
def _teach(workload: Workload, together: int, theta0: Params, x: Array, labels: Array, keys: Array) -> Params:
    TRACES["teach"] += 1
    schedule, dtype = workload.teacher, jax.tree.leaves(theta0)[0].dtype
    w = jnp.asarray(workload.weights("class"), dtype)

    def one(each: tuple[Params, Array]) -> Params:
        theta, key = each

        def loss(params: Params, rows: Array) -> Array:
            return LabelledTrait(pixels(x[rows], dtype), labels[rows], w).loss(workload.network.apply, params)

        batches = schedule.batches(jax.random.fold_in(key, LABELLED), len(x))
        return train(loss, theta, schedule.transformation(), batches)[0]

    return jax.lax.map(one, (theta0, keys), batch_size=together)


def teach_all(workload: Workload, theta0: Params, images: Images, keys: Array) -> Params:
    """`teach` for inits with leaves (K, A, ...): all A of a key see its order of batches, as their teacher does."""
    K, A = leading(workload.network, theta0, 2, "theta0", keys)
    flat = jax.tree.map(lambda leaf: np.reshape(leaf, (K * A, *np.shape(leaf)[2:])), theta0)
    taught = teach(workload, flat, images, jnp.repeat(keys, A))
    return jax.tree.map(lambda leaf: leaf.reshape(K, A, *leaf.shape[1:]), taught)


def imitate(
    workload: Workload, students: Params, teachers: Params, keys: Array, teacher_network: LinenNetwork | None = None,
    outputs: Sequence[str | tuple[int, ...]] | None = None,
) -> Imitation:  # fmt: skip
    """Students after imitating their teacher's distilled logits on noise, by `workload.student`.

    `students` are inits with leaves (K, A, ...), `teachers` (K, ...), `keys` (K,): the A students of a key share
    teacher, noise and order of batches. Training is in the students' dtype. `teacher_network` is the teacher's
    architecture, if the students (of `workload.network`) have another. `outputs` has the distilled logits of each of
    the A students, if they are not all the workload's. Raises InputError on "students", "teachers" or "keys" for
    shapes that do not fit, on "teacher_network" for other inputs or outputs, on "outputs" unless A are known.
    """
    origin = teacher_network or workload.network
    _, A = leading(workload.network, students, 2, "students", keys)
    leading(origin, teachers, 1, "teachers", keys)
    if (origin.task.shape, origin.task.outputs) != (workload.network.task.shape, workload.network.task.outputs):
        raise InputError("teacher_network", origin.name, "must have the students' inputs and outputs")
    if outputs is not None and len(outputs) != A:
        raise InputError("outputs", f"{len(outputs)} of them", f"must be one for each of {A} students")
    w = workload.weights(workload.outputs) if outputs is None else np.stack([workload.weights(o) for o in outputs])
    with float64():
        return Imitation(*to_numpy(_imitate(workload, origin, students, teachers, keys, w)))


@partial(jax.jit, static_argnums=(0, 1))
def _imitate(
    workload: Workload, origin: LinenNetwork, students: Params, teachers: Params, keys: Array, weights: Array
) -> tuple[Params, Array]:
    """Keys one after the other, their students side by side: the noise and the teacher's logits are made once."""
    TRACES["imitate"] += 1
    schedule, dtype = workload.student, jax.tree.leaves(students)[0].dtype
    weights = weights.astype(dtype)

    def group(each: tuple[Params, Params, Array]) -> tuple[Params, Array]:
        inits, theta_T, key = each
        batches = schedule.batches(jax.random.fold_in(key, IMITATED), workload.rows)

        def student(init: Params, w: Array) -> tuple[Params, Array]:
            def loss(params: Params, rows: Array) -> Array:
                x = workload.noise(key, rows).astype(dtype)
                y = outputs(origin, theta_T, x)
                return jnp.mean(workload.loss.value(outputs(workload.network, params, x), y, w))

            return train(loss, init, schedule.transformation(), batches)

        return jax.vmap(student, in_axes=(0, 0 if weights.ndim > 1 else None))(inits, weights)

    together = 1 if jax.default_backend() == "cpu" else min(ACCELERATED, keys.shape[0])
    return jax.lax.map(group, (students, teachers, keys), batch_size=together if together > 1 else None)
