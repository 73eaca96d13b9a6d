"""One case of a search: everything that may be chosen about a distillation, before Δ and ε follow from it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.claim import Check
from subtheory.instruments.first_order import FirstOrder
from subtheory.instruments.instrument import OnStack
from subtheory.kernels.compiled import Kernels
from subtheory.kernels.functions import Functions, Traced, has_kinks
from subtheory.kernels.stack import Stack
from subtheory.numerics import float64, to_numpy_leaves
from subtheory.setting.preparation import reference
from subtheory.setting.smallness import scales
from subtheory.setting.teachers import Random, Teacher
from subtheory.theory.distillation import Distillation
from subtheory.theory.layout import Layout
from subtheory.theory.linearize import first_kink, off_kinks
from subtheory.theory.losses import Loss
from subtheory.theory.network import Network
from subtheory.theory.rule import Descent, Rule
from subtheory.theory.trait import Bowl, Trait
from subtheory.theory.views import Full, View
from subtheory.traces import TRACES


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Case:
    """The free choices: arrays, which a search varies without compiling, and the parts of a setting as records.

    Vectors (P,) lie as `layout` says. Under a shared init the student starts at θ0, else at factor·θ0 + offset. Δ is
    the teacher's direction on the parameters with a 1 in `moves`; ε = rungs × the relative scale, below the first kink.
    """

    theta0: Any
    factor: Any
    offset: Any
    drawn: Any
    """Numbers of a teacher that draws; the direction itself if it is random. (P,)."""
    x: Any
    """Channel inputs, (N, *example)."""
    weights: Any
    """Law of the channel over them, (N,)."""
    outputs: Any
    """Output weights, (V,)."""
    trait: Trait
    rungs: Any
    """Relative sizes of ε, (K,), largest first."""
    finer: Any
    """What all ε are divided by, after they have been put below the first kink; scalar."""
    alpha: Any
    trains: Any
    """1 where the student may move a parameter, (P,); None: everywhere."""
    moves: Any
    """1 where the teacher may, (P,); None: everywhere."""
    network: Network = field(metadata={"static": True})
    layout: Layout = field(metadata={"static": True}, repr=False)
    loss: Loss = field(metadata={"static": True})
    teacher: Teacher = field(metadata={"static": True})
    view: View = field(metadata={"static": True}, default=Full())
    rule: Rule = field(metadata={"static": True}, default=Descent())
    shared: bool = field(metadata={"static": True}, default=True)
    kinks: bool = field(metadata={"static": True}, default=False)
    """True: θ0 may sit on kinks of a ReLU, on inputs or the trait's examples. False: ε becomes 0 there."""

    @property
    def free(self) -> tuple[str, ...]:
        """Fields that may be moved without leaving the claim's domain: Δ only where any direction will do."""
        own = ("drawn",) if isinstance(self.teacher, Random) else ()
        apart = () if self.shared or not np.any(self.offset) else ("offset",)
        return ("theta0", *own, *apart, *(("x",) if np.asarray(self.x).dtype.kind == "f" else ()))

    @property
    def program(self) -> tuple[Any, ...]:
        """What a pullback is compiled for."""
        return self.network, self.loss, self.teacher, self.view, self.rule, self.shared, self.free

    def stack(self, eps: Any, functions: Callable[..., Functions] = Kernels) -> Stack:
        """The distillation as a stack without leading axes; NumPy and JAX arrays alike."""
        blank = Stack(
            theta0=self.theta0,
            student=self.theta0 if self.shared else self.factor * self.theta0 + self.offset,
            delta=0.0 * self.theta0,
            x=self.x,
            weights=self.weights,
            outputs=self.outputs,
            eps=eps,
            trait=self.trait,
            alpha=self.alpha,
            trains=self.trains,
            functions=functions(self.network, self.layout, tuple(np.shape(self.x)[1:])),
            view=self.view,
            rule=self.rule,
        )
        delta = self.teacher.direction(blank, lambda: self.drawn)
        delta = delta if self.moves is None else self.moves * delta
        trait = self.trait
        if isinstance(trait, Bowl):  # a converged teacher sits at the bottom
            trait = replace(trait, bottom=self.layout.unflatten(self.theta0 + delta))
        return replace(blank, delta=delta, trait=trait)

    def distillation(self) -> Distillation:
        """The distillation itself, as NumPy leaves; ε is 0 on a kink, unless kinks are allowed."""
        with np.errstate(all="ignore"):
            s = self.stack(np.zeros(0))
            eps = self._eps(s)
        params = self.layout.unflatten
        return Distillation(
            theta0=params(s.theta0),
            student=params(s.student),
            delta=params(s.delta),
            x=s.x,
            weights=s.weights,
            outputs=s.outputs,
            eps=eps,  # type: ignore[arg-type]
            trait=s.trait,
            alpha=s.alpha,
            trainable=params(np.ones_like(s.theta0) if s.trains is None else s.trains),
            network=self.network,
            loss=self.loss,
            view=self.view,
            rule=self.rule,
        )

    def _eps(self, s: Stack) -> np.ndarray:
        scale, kink = scales(s)
        smooth = True
        if has_kinks(self.network, self.layout, s.functions.example, np.asarray(self.x).dtype.str):
            # Where an example of the trait sits on a kink, it is L_T that is not differentiable.
            examples = getattr(self.trait, "x", self.x[:0])
            with float64():
                beyond, off = _kinks(s.theta0, s.delta, self.x, examples, self.network, self.layout)
            kink, smooth = (np.asarray(beyond), True) if self.kinks else (kink, bool(off))
        eps = self.rungs * scale * smooth
        below = np.minimum(1.0, 0.5 * kink / np.maximum(eps[0], np.finfo(float).tiny))
        return np.asarray(eps * below / self.finer)

    def measure(self, instrument: OnStack = FirstOrder()) -> Any:
        """What an instrument records of it; compiles nothing but the kernels of the network and the loss."""
        return instrument.of(self.distillation())

    def gradient(self, weights: dict[str, Any], instrument: OnStack = FirstOrder()) -> dict[str, np.ndarray]:
        """Σ weights · ∂(numbers of the record)/∂(free fields), by one pullback; ε held where it is.

        `weights` has the names and shapes of what the instrument records of one distillation.
        """
        moved = {name: np.asarray(getattr(self, name)) for name in self.free}
        with float64():
            found = _pulled_back(moved, self, self.distillation().eps, weights, instrument)
        return dict(to_numpy_leaves(found))

    def moved(self, slope: dict[str, np.ndarray], length: float) -> "Case | None":
        """Every free field moved against its slope by `length` times its own size; None without a usable slope."""
        changed = {}
        for name, direction in slope.items():
            value = np.asarray(getattr(self, name))
            size, steep = np.linalg.norm(value), np.linalg.norm(direction)
            if np.isfinite(steep) and steep > 0 and np.isfinite(size):
                changed[name] = value - length * (size or 1.0) / steep * direction
        return replace(self, **changed) if changed else None


# Records as numbers -------------------------------------------------------------------------------


def numbers(record: Any) -> dict[str, Any]:
    """What a record has of numbers, arrays, and both by name."""
    return {name: value for name, value in vars(record).items() if isinstance(value, float | np.ndarray | dict)}


def read_by(check: Check, record: Any) -> dict[str, Any]:
    """The `numbers` of a record that a check reads: the others need not be differentiated, nor compiled."""
    seen: set[str] = set()

    class Watched(type(record)):  # type: ignore[misc]
        def __getattribute__(self, name: str) -> Any:
            seen.add(name)
            return super().__getattribute__(name)

    watched = object.__new__(Watched)
    watched.__dict__.update(vars(record))
    check(watched)
    return {name: value for name, value in numbers(record).items() if name in seen}


def sensitivity(check: Check, record: Any) -> dict[str, Any]:
    """∂margin/∂(what the check reads of a record) by finite differences: it is a black box of some fifty numbers.

    Without ε, which is no function of the rest. Arrays of the same names and shapes.
    """
    with np.errstate(all="ignore"):
        read = {name: value for name, value in read_by(check, record).items() if name != "eps"}
        leaves, tree = jax.tree.flatten(read)

        def margin(i: int, value: np.ndarray) -> float:
            plain: Any = value if value.ndim else float(value)
            changed = jax.tree.unflatten(tree, [*leaves[:i], plain, *leaves[i + 1 :]])
            return check(replace(record, **changed)).margin

        base = check(record).margin
        found = []
        for i, leaf in enumerate(leaves):
            value = np.asarray(leaf, float)
            slope = np.zeros_like(value)
            for index in np.ndindex(value.shape):
                step = 1e-8 * (abs(value[index]) or 1.0)
                moved = value.copy()
                moved[index] += step
                slope[index] = (margin(i, moved) - base) / step
            found.append(np.nan_to_num(slope, nan=0.0, posinf=0.0, neginf=0.0))
    return dict(jax.tree.unflatten(tree, found))


# Compiled -----------------------------------------------------------------------------------------


@partial(jax.jit, static_argnames=("network", "layout"))
def _kinks(theta: Array, delta: Array, x: Array, examples: Array, network: Network, layout: Layout) -> Any:
    """The first kink after those that θ sits on, and whether it sits on none at these examples."""
    TRACES[f"on kinks {network.name}"] += 1
    params = layout.unflatten(theta)
    return first_kink(network, params, layout.unflatten(delta), x, True), off_kinks(network, params, examples)


@partial(jax.jit, static_argnames="instrument")
def _pulled_back(
    moved: dict[str, Array], case: Case, eps: Array, weights: dict[str, Any], instrument: OnStack
) -> dict[str, Array]:
    TRACES[f"pullback {case.network.name}"] += 1

    def score(free: dict[str, Array]) -> Array:
        changed: dict[str, Any] = dict(free)
        s = replace(case, **changed).stack(eps, Traced)
        record = instrument.record(s, (case.loss,), reference(s))
        own = {name: record[name] for name in weights}
        parts = jax.tree.map(lambda w, value: jnp.sum(w * value.reshape(jnp.shape(w))), weights, own)
        return sum(jax.tree.leaves(parts), jnp.zeros(()))

    return jax.grad(score)(moved)
