"""A setting: the hashable coordinates of one run, from which every array of a distillation follows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from subtheory.data.channels import Channel
from subtheory.errors import InputError
from subtheory.init.path import Path, Start, apart, checked
from subtheory.numerics import LADDER_RATIO, float64
from subtheory.source import FromTask, Given, Source
from subtheory.theory.distillation import Distillation, outputs
from subtheory.theory.linearize import first_kink
from subtheory.theory.losses import Loss, SquaredError
from subtheory.theory.network import Network, Params
from subtheory.theory.teachers import TEACHERS, directions, noise
from subtheory.theory.trait import LabelledTrait, Trait
from subtheory.traces import TRACES


def ladder(largest: float = 1e-2, rungs: int = 6) -> tuple[float, ...]:
    """Sizes of the teacher's update, each `LADDER_RATIO` times smaller than the one before."""
    return tuple(largest * LADDER_RATIO**-k for k in range(rungs))


@dataclass(frozen=True)
class Setting:
    """Network, loss, channel, distilled outputs, teacher and sizes; then what a control changes.

    `eps` holds relative changes of the outputs (and never more than that change of the
    parameters), largest first, unless `relative` is False. Raises InputError for ε ≤ 0, an
    unknown teacher, or less than one example.
    """

    network: Network
    loss: Loss = SquaredError()
    channel: Channel | None = None
    outputs: str | tuple[int, ...] = "all"
    teacher: str = "gradient-descent"
    eps: tuple[float, ...] = field(default_factory=ladder)
    relative: bool = True
    alpha: float = 1.0
    examples: int = 24
    trait_examples: int = 32
    source: Source | None = None

    independent: bool = False
    """The student starts from an init of its own."""
    path: Path | None = None
    """The student starts `amount` along a path of `subtheory.init`; None is the theorem's shared init."""
    amount: float = 1.0
    uncontrolled: bool = False
    """The student of the untrained teacher is not subtracted from what is said to be added."""
    student_network: Network | None = None
    """The student has an architecture of its own."""
    sign_step: bool = False
    """The student takes the sign of its gradient."""
    filtered: bool = False
    """Half of the outputs are accepted with probability e⁻² only."""
    frozen: bool = False
    """A random half of the student's parameters is frozen."""

    def __post_init__(self) -> None:
        for value in self.eps:
            if not (np.isfinite(value) and value > 0):
                raise InputError("eps", value, "must be a positive number")
        if not self.eps:
            raise InputError("eps", "no value", "needs at least one size of the teacher's update")
        if self.teacher not in TEACHERS and self.teacher != "given":
            raise InputError("teacher", repr(self.teacher), f"must be one of {', '.join(TEACHERS)}")
        for name in ("examples", "trait_examples"):
            if getattr(self, name) < 1:
                raise InputError(name, getattr(self, name), "must be at least 1")
        if self.path is not None:
            checked(self.path, (self.amount,))

    @property
    def origin(self) -> Source:
        """The source, by default the task that the network is made for."""
        return self.source or FromTask(self.network.task)  # type: ignore[attr-defined]

    @property
    def zero_branch(self) -> bool:
        """The teacher moves in a direction that the channel is meant not to see."""
        return self.teacher in ("logit-shift", "invisible")

    def distillation(self, seed: int = 0) -> Distillation:
        """The arrays of one run, as NumPy leaves; the loss is the setting's."""
        stacked, _ = distillations(self, (seed,))
        return replace(to_numpy_leaves(jax.tree.map(lambda leaf: leaf[0], stacked)), loss=self.loss)


def to_numpy_leaves(tree: Any) -> Any:
    """Copy JAX arrays to NumPy arrays, scalars included: the leaves stay arrays."""
    return jax.tree.map(np.asarray, tree)


@partial(jax.jit, static_argnames=("source", "channel", "examples", "trait_examples"))
def _data(
    keys: Array, source: Source, channel: Channel | None, examples: int, trait_examples: int
) -> tuple[Array, Trait]:
    """Channel inputs and trait data for every seed; knows no network."""

    def each(key: Array) -> tuple[Array, Trait]:
        return source.inputs(channel, key, examples), source.trait(key, trait_examples)

    return jax.lax.map(each, keys)


def _repeat(tree: Any, times: int) -> Any:
    """The same arrays for every seed."""
    return jax.tree.map(lambda leaf: np.broadcast_to(np.asarray(leaf), (times, *np.shape(leaf))), tree)


@partial(jax.jit, static_argnames=("network", "source", "teachers"))
def _prepare(
    keys: Array, x: Array, trait: Trait, w: Array, eps: Array, relative: Array, moved: Params | None,
    network: Network, source: Source, teachers: tuple[str, ...],
) -> dict[str, Any]:  # fmt: skip
    """Inits, every teacher's direction and its ε: the first of a network's two programs.

    `moved` replaces the teachers' inits, (S, ...), where a path leads them away.
    """
    TRACES[f"prepare {network.name}"] += 1

    def one(args: tuple[Array, Array, Trait, Params | None]) -> dict[str, Any]:
        key, x, trait, moved = args
        theta0, other = source.start(network, key) if moved is None else (moved, moved)
        blank = at_rest(network, theta0, x, w, trait)
        random, half = noise(jax.random.fold_in(key, 4), (theta0, theta0))
        deltas = directions(blank, random, teachers)
        own = getattr(source, "delta", None)
        if own is not None:
            deltas["given"] = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), own)
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *deltas.values())
        scale, kink = jax.lax.map(lambda delta: scales(blank, delta), stacked)
        scale = jnp.where(relative, scale, 1.0)
        return {
            "theta0": theta0,
            "other": other,
            "delta": deltas,
            "eps": {name: eps * scale[i] for i, name in enumerate(deltas)},
            "kink": {name: kink[i] for i, name in enumerate(deltas)},
            "mask": jax.tree.map(lambda draw: (draw > 0).astype(draw.dtype), half),
        }

    return jax.lax.map(one, (keys, x, trait, moved))


def at_rest(network: Network, theta0: Params, x: Array, w: Array, trait: Trait) -> Distillation:
    """The theorem's own distillation, with Δ = 0 for now."""
    n = x.shape[0]
    return Distillation(
        theta0=theta0,
        student=theta0,
        delta=optax.tree.zeros_like(theta0),
        x=x,
        weights=jnp.full((n,), 1.0 / n),
        outputs=w,
        eps=jnp.ones((1,)),
        trait=trait,
        alpha=jnp.ones(()),
        shift=jnp.zeros_like(w),
        trainable=optax.tree.ones_like(theta0),
        sign=jnp.zeros(()),
        network=network,
        loss=SquaredError(),
    )


def scales(d: Distillation, delta: Params, beyond: Any = False) -> tuple[Array, Array]:
    """The ε that changes outputs or parameters by their own size, whichever is smaller; the first kink.

    `beyond` passes over kinks that θ0 sits on.
    """
    z0, u = jax.jvp(lambda theta: outputs(d.network, theta, d.x), (d.theta0,), (delta,))
    size = lambda a: jnp.sqrt(jnp.sum(d.outputs * a**2))  # noqa: E731
    ratio = lambda a, b: jnp.where((a > 0) & (b > 0), a / jnp.where(b > 0, b, 1.0), jnp.inf)  # noqa: E731
    scale = jnp.minimum(ratio(size(z0), size(u)), ratio(optax.tree.norm(d.theta0), optax.tree.norm(delta)))
    return jnp.where(jnp.isfinite(scale), scale, 1.0), first_kink(d.network, d.theta0, delta, d.x, beyond)


@lru_cache(maxsize=8)
def _prepared(
    network: Network, source: Source, channel: Channel | None, distilled: Any, examples: int, trait_examples: int,
    eps: tuple[float, ...], relative: bool, seeds: tuple[int, ...], teachers: tuple[str, ...],
) -> tuple[Start, dict[str, Any], Callable[[Params | None], dict[str, Any]]]:  # fmt: skip
    """What every seed starts from, what follows, and what follows from another θ0: shared by all teachers."""
    with float64():
        keys = _keys(seeds)
        if isinstance(source, Given) and source.deterministic:
            x, trait = _repeat((source.x, source.given_trait), len(seeds))  # nothing to compile
        else:
            x, trait = _data(keys, source, channel, examples, trait_examples)
        w = jnp.asarray(source.weights(distilled), jnp.float64)
        rungs = jnp.asarray(eps, jnp.float64)

    def follow(moved: Params | None) -> dict[str, Any]:
        return _prepare(keys, x, trait, w, rungs, jnp.asarray(relative), moved, network, source, teachers)

    with float64():
        ready = follow(None)
        stacked = jnp.broadcast_to(w, (len(seeds), *w.shape))
        return Start(ready["theta0"], ready["other"], x, stacked, trait, network), ready, follow


def _keys(seeds: Sequence[int]) -> Array:
    return jnp.stack([jax.random.key(seed) for seed in seeds])


def distillations(setting: Setting, seeds: Sequence[int]) -> tuple[Distillation, Array]:
    """Stacked distillations (leading axis = seeds) and reference inputs, with the setting's controls applied.

    The reference inputs are those of the trait, where Δ must do something for a zero branch not
    to be vacuous. The loss of the result is squared error, whatever the setting's: the measurement
    runs all losses at once. Raises InputError for seeds outside 0 ... 2³² − 1, or a path that the network does not fit.
    """
    for seed in seeds:
        if not 0 <= seed < 2**32:
            raise InputError("seeds", seed, "must lie in 0 ... 4294967295")
    s = setting
    known = (s.teacher,) if getattr(s.source, "deterministic", False) else TEACHERS
    place: tuple[Any, ...] = (s.network, s.origin, s.channel, s.outputs, s.examples, s.trait_examples)
    start, ready, follow = _prepared(*place, s.eps, s.relative, tuple(seeds), known)
    if s.teacher not in ready["delta"]:
        raise InputError("teacher", repr(s.teacher), "needs a direction of its own in the source")
    with float64():
        count, x, trait, w = len(seeds), start.x, start.trait, start.outputs
        theta0, student = start.theta0, start.other if s.independent else start.theta0
        if s.path is not None:
            student, moved = apart(s.path, start, s.amount, jax.vmap(partial(jax.random.fold_in, data=6))(_keys(seeds)))
            if type(s.path).teacher is not Path.teacher:  # the teacher starts elsewhere too
                theta0, ready = moved, follow(moved)
        delta, eps = ready["delta"][s.teacher], ready["eps"][s.teacher]
        # ε stays below the first kink of a ReLU network, where it is a polynomial in ε.
        if s.relative:
            eps = eps * jnp.minimum(1.0, 0.5 * ready["kink"][s.teacher][:, None] / eps[:, :1])
        reference = trait.x if isinstance(trait, LabelledTrait) else x
        stacked = Distillation(
            theta0=theta0,
            student=student,
            delta=delta,
            x=x,
            weights=jnp.full(x.shape[:2], 1.0 / x.shape[1]),
            outputs=w,
            eps=eps,
            trait=trait,
            alpha=jnp.full((count,), s.alpha),
            shift=jax.vmap(output_filter)(w) if s.filtered else jnp.zeros_like(w),
            trainable=_trainable(s, theta0, ready, count),
            sign=jnp.full((count,), float(s.sign_step)),
            network=s.network,
            loss=SquaredError(),
        )
        return stacked, reference


def _trainable(s: Setting, theta0: Params, ready: dict[str, Any], count: int) -> Params:
    """The student's mask: the source's own, a random half, or everything."""
    own = getattr(s.source, "trainable", None)
    if own is not None:
        return _repeat(own, count)
    return ready["mask"] if s.frozen else optax.tree.ones_like(theta0)


def output_filter(w: Array) -> Array:
    """Log acceptance rates: every second distilled output passes with probability e⁻²."""
    # Of the dtype of w, not weakly typed: that would compile the measurement a second time.
    return -2.0 * ((jnp.cumsum(w > 0) % 2 == 0) & (w > 0)).astype(w.dtype)
