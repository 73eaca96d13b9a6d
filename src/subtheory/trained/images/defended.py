"""Students that are trained with something done against the trait: one program for all that differ by numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from subtheory import arguments
from subtheory.errors import InputError
from subtheory.numerics import float64, to_numpy
from subtheory.theory.beyond.training import train
from subtheory.theory.distillation import outputs
from subtheory.theory.losses import log_softmax
from subtheory.theory.network import Params
from subtheory.theory.trait import LabelledTrait
from subtheory.traces import TRACES
from subtheory.trained.images.training import IMITATED
from subtheory.trained.images.workload import Workload
from subtheory.trained.parameters import leading

HELD_OUT, MIXED = 1024, 14
"""Rows of noise on which imitation is measured; what is folded into a seed's key for the rows that θ0 labels."""

DIRECTIONS = ("none", "displacement", "trait")
"""What is taken out of a student's steps: nothing, Δ = θ_T − θ0, or, where a step follows it, −∇L_T at the student."""

CONSENSUS = ("teacher", "mean", "least")
"""Labels of one teacher; of the mean of the logits of all sources; of the least probability of all."""


@dataclass(frozen=True)
class Defence:
    """What is done against the trait in one student's training; nothing by default.

    Raises InputError on the field for what is out of range.
    """

    anchor: float = 0.0
    """γ, the weight of the imitation loss against θ0's outputs on the same inputs."""
    until: float = 1.0
    """Share of the training after which the anchor is lifted."""
    everywhere: bool = False
    """Whether the anchor holds all logits, those of the trait too."""
    mixed: float = 0.0
    """Share of the rows that θ0 labels."""
    rows: float = 1.0
    """Share of the different rows that are left, each seen as often more."""
    steps: float = 1.0
    """Share of the steps that are taken."""
    consensus: str = "teacher"
    """Whose labels: one of `CONSENSUS`."""
    without: str = "none"
    """What is taken out of every step: one of `DIRECTIONS`."""

    def __post_init__(self) -> None:
        for name, low, high in (
            ("anchor", 0, 1e6),
            ("until", 0, 1),
            ("mixed", 0, 1),
            ("rows", 1e-6, 1),
            ("steps", 0, 1),
        ):
            found = arguments.number(getattr(self, name))
            if found is None or not low <= found <= high:
                raise InputError(name, arguments.shown(getattr(self, name)), f"must lie in {low:g} ... {high:g}")
        for name, known in (("consensus", CONSENSUS), ("without", DIRECTIONS)):
            if getattr(self, name) not in known:
                raise InputError(name, arguments.shown(getattr(self, name)), f"must be one of {', '.join(known)}")


class Defended(NamedTuple):
    """Trained students."""

    params: Params
    """Leaves (K, A, ...)."""
    left: np.ndarray
    """E l of the student on held-out noise over that of θ0, against the teacher's logits, (K, A)."""


class _Numbers(NamedTuple):
    """A defence as arrays, one for every student."""

    anchor: Any
    lifted: Any
    w: Any
    mixed: Any
    count: Any
    steps: Any
    consensus: Any


def defend(
    workload: Workload, students: Params, theta0: Params, teachers: Params, sources: Params, trait: LabelledTrait,
    keys: Array, defences: Sequence[Defence],
) -> Defended:  # fmt: skip
    """Students after imitating their teacher on noise, each with its own defence, by `workload.student`.

    `students` are inits (K, A, ...), one for every defence; `theta0` what anchors hold to, and `teachers` θ_T,
    (K, ...); `sources` (K, S, ...) the other sources of a consensus, which learned nothing of the trait; `keys` (K,).
    All defences that take the same direction out of their steps are one program. Raises InputError on "students" or
    "defences" for numbers that do not fit.
    """
    K, A = leading(workload.network, students, 2, "students", keys)
    if A != len(defences):
        raise InputError("defences", f"{len(defences)} of them", f"must be one for each of {A} students")
    numbers = _numbers(workload, defences)
    params: Any = jax.tree.map(lambda leaf: np.empty_like(leaf), students)
    left = np.empty((K, A))
    for without in dict.fromkeys(each.without for each in defences):
        rows = [i for i, each in enumerate(defences) if each.without == without]
        own = jax.tree.map(lambda leaf, rows=rows: leaf[:, rows], students)
        some = _Numbers(*(each[rows] for each in numbers))
        with float64():
            both = _defend(workload, without, own, theta0, teachers, sources, trait, keys, some)
        found, remains = to_numpy(both)
        left[:, rows] = remains
        for whole, part in zip(jax.tree.leaves(params), jax.tree.leaves(found), strict=True):
            whole[:, rows] = part
    return Defended(params, left)


def _numbers(workload: Workload, defences: Sequence[Defence]) -> _Numbers:
    total = workload.student.steps(workload.rows)
    both = {False: workload.weights(workload.outputs), True: workload.weights("all")}
    return _Numbers(
        anchor=np.array([d.anchor for d in defences], np.float32),
        lifted=np.array([round(d.until * total) for d in defences]),
        w=np.stack([both[d.everywhere] for d in defences]),
        mixed=np.array([d.mixed for d in defences], np.float32),
        count=np.array([max(1, round(d.rows * workload.rows)) for d in defences]),
        steps=np.array([round(d.steps * total) for d in defences]),
        consensus=np.array([CONSENSUS.index(d.consensus) for d in defences]),
    )


@partial(jax.jit, static_argnums=(0, 1))
def _defend(
    workload: Workload, without: str, students: Params, theta0: Params, teachers: Params, sources: Params,
    trait: LabelledTrait, keys: Array, numbers: _Numbers,
) -> tuple[Params, Array]:  # fmt: skip
    """Keys one after the other, their students side by side."""
    TRACES["defend"] += 1
    schedule, dtype, network = workload.student, jax.tree.leaves(students)[0].dtype, workload.network
    w = jnp.asarray(workload.weights(workload.outputs), dtype)
    logits = partial(outputs, network)

    def group(each: tuple[Params, Params, Params, Params, Array]) -> tuple[Params, Array]:
        inits, base, theta_T, others, key = each
        batches = schedule.batches(jax.random.fold_in(key, IMITATED), workload.rows)
        far = jnp.arange(workload.rows, workload.rows + HELD_OUT)
        held_out = workload.noise(key, far).astype(dtype)
        delta = jax.tree.map(jnp.subtract, theta_T, base)
        trait_slope = jax.grad(lambda params: trait.loss(network.apply, params))

        def missed(params: Params) -> Array:
            return jnp.mean(workload.loss.value(logits(params, held_out), logits(theta_T, held_out), w))

        def student(init: Params, n: _Numbers) -> tuple[Params, Array]:
            def loss(params: Params, batch: tuple[Array, Array]) -> Array:
                rows, t = batch[0] % n.count, batch[1]
                x = workload.noise(key, rows).astype(dtype)
                z, z0 = logits(params, x), logits(base, x)
                y = _labels(n, w, logits(theta_T, x), jax.vmap(lambda one: logits(one, x))(others))
                y = jnp.where((_coins(key, rows) < n.mixed)[:, None], z0, y)
                held = jnp.where(t < n.lifted, n.anchor, 0.0).astype(dtype)
                return jnp.mean(workload.loss.value(z, y, w)) + held * jnp.mean(workload.loss.value(z, z0, n.w))

            direction = {
                "none": None, "displacement": lambda _: delta, "trait": lambda params: _negative(trait_slope(params)),
            }[without]  # fmt: skip
            optimizer = optax.chain(schedule.transformation(), _until(n.steps), _without(direction, without == "trait"))
            trained, _ = train(loss, init, optimizer, (batches, jnp.arange(len(batches))))
            return trained, missed(trained) / missed(base)

        return jax.vmap(student)(inits, numbers)

    found: tuple[Params, Array] = jax.lax.map(group, (students, theta0, teachers, sources, keys))
    return found


def _labels(n: _Numbers, w: Array, y: Array, others: Array) -> Array:
    """Logits that the student is shown, of the teacher's (N, V) and the other sources' (S, N, V)."""
    every = jnp.concatenate([y[None], others])
    least = jnp.min(log_softmax(every, w), axis=0)
    return jnp.select([n.consensus == 1, n.consensus == 2], [every.mean(axis=0), least], y)


def _coins(key: Array, rows: Array) -> Array:
    """A number in [0, 1) for every row, the same whenever it is seen."""
    seed = jax.random.fold_in(key, MIXED)
    return jax.vmap(lambda i: jax.random.uniform(jax.random.fold_in(seed, i), dtype=jnp.float32))(rows)


def _negative(tree: Params) -> Params:
    return jax.tree.map(jnp.negative, tree)


def _until(steps: Any) -> optax.GradientTransformation:
    """Nothing is changed any more after so many steps."""

    def update(updates: Params, count: Array, params: Params | None = None) -> tuple[Params, Array]:
        return jax.tree.map(lambda leaf: jnp.where(count < steps, leaf, 0.0), updates), count + 1

    return optax.GradientTransformation(lambda _: jnp.zeros((), jnp.int32), update)


def _without(direction: Callable[[Params], Params] | None, one_sided: bool) -> optax.GradientTransformation:
    """Updates less their part along a direction; `one_sided`: where they follow it, not where they go against it."""

    def update(updates: Params, state: Any, params: Params | None = None) -> tuple[Params, Any]:
        if direction is None:
            return updates, state
        v = direction(params)
        along = optax.tree.vdot(updates, v) / optax.tree.vdot(v, v)
        part = jnp.maximum(along, 0.0) if one_sided else along
        return jax.tree.map(lambda leaf, d: leaf - part * d, updates, v), state

    return optax.GradientTransformation(lambda _: optax.EmptyState(), update)
