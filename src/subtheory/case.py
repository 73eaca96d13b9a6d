"""One case of a search: everything that may be chosen about a distillation, before Δ and ε follow from it."""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from subtheory.measurement import Measurement, read_record, record_of
from subtheory.numerics import float64
from subtheory.setting import at_rest, scales, to_numpy_leaves
from subtheory.theory.distillation import Distillation
from subtheory.theory.linearize import off_kinks
from subtheory.theory.losses import Loss, SquaredError
from subtheory.theory.network import Network, Params
from subtheory.theory.teachers import directions
from subtheory.theory.trait import Bowl, LabelledTrait, Trait

FOLLOWING = ("gradient-descent", "random", "logit-shift", "invisible")
"""Teachers of which one program computes all: one step, any direction at all, and the two zero branches."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Case:
    """The free choices, as arrays: what a search may vary without compiling again.

    The student starts at factor·θ0 + offset (1 and 0 under shared init). Δ is that of the chosen
    teacher, "random" meaning `drawn` itself; ε = rungs × the relative scale, below the first kink.
    """

    theta0: Params
    factor: Params
    offset: Params
    drawn: Params
    x: Any
    weights: Any
    outputs: Any
    trait: Trait
    rungs: Any
    finer: Any
    """What all ε are divided by, after they have been put below the first kink."""
    alpha: Any
    shift: Any
    trainable: Params
    sign: Any
    teacher: Any
    """Index into `teachers`."""
    kinks: Any
    """True: θ0 may sit on kinks of a ReLU, on inputs or the trait's examples. False: ε becomes 0 there."""
    network: Network = field(metadata={"static": True})
    loss: Loss = field(metadata={"static": True})
    together: tuple[Loss, ...] = field(metadata={"static": True})
    """Losses that one program measures, the case's own among them."""
    teachers: tuple[str, ...] = field(metadata={"static": True}, default=FOLLOWING)

    @property
    def free(self) -> tuple[str, ...]:
        """Fields that may be moved without leaving the claim's domain: Δ only where any direction will do."""
        own = ("drawn",) if self.teachers[int(self.teacher)] == "random" else ()
        shared = () if np.all([np.all(leaf == 0) for leaf in jax.tree.leaves(self.offset)]) else ("offset",)
        return ("theta0", *own, *shared, *(("x",) if np.asarray(self.x).dtype.kind == "f" else ()))

    def distillation(self) -> Distillation:
        """The distillation itself, as NumPy leaves."""
        with float64():
            d, _ = _assembled(replace(self, loss=SquaredError()))
        return replace(to_numpy_leaves(d), loss=self.loss)

    def measure(self) -> Measurement:
        """What it measures; one program for a network, whatever the loss."""
        with float64():
            found = _measured(replace(self, loss=SquaredError()))
        found = {name: np.asarray(value) for name, value in found.items()}
        return read_record(found, self.loss, self.together.index(self.loss))

    def gradient(self, weights: dict[str, np.ndarray]) -> dict[str, Params]:
        """Σ weights · ∂(record of this loss)/∂(free fields), by one pullback; ε held where it is."""
        with float64():
            moved = {name: getattr(self, name) for name in self.free}
            return to_numpy_leaves(_pulled_back(moved, replace(self, loss=SquaredError()), weights, self.loss))


def assemble(case: Case) -> tuple[Distillation, Array]:
    """The distillation of a case, and its reference inputs; ε is 0 on a kink, unless kinks are allowed."""
    blank = replace(at_rest(case.network, case.theta0, case.x, case.outputs, case.trait), weights=case.weights)
    found = directions(blank, case.drawn, case.teachers)
    delta = jax.tree.map(lambda *leaves: jnp.stack(leaves)[case.teacher], *found.values())
    scale, kink = scales(blank, delta, case.kinks)
    trait = case.trait
    # Where an example of the trait sits on a kink, it is L_T that is not differentiable.
    smooth = case.kinks | (off_kinks(case.network, case.theta0, trait.x) if isinstance(trait, LabelledTrait) else True)
    eps = case.rungs * scale * smooth
    below = jnp.minimum(1.0, 0.5 * kink / jnp.maximum(eps[0], jnp.finfo(eps.dtype).tiny))
    eps = jax.lax.stop_gradient(eps * below / case.finer)
    if isinstance(trait, Bowl):  # a converged teacher sits at the bottom
        trait = replace(trait, bottom=optax.tree.add(case.theta0, delta))
    student = optax.tree.add(optax.tree.mul(case.factor, case.theta0), case.offset)
    d = replace(
        blank, student=student, delta=delta, eps=eps, trait=trait, alpha=case.alpha, shift=case.shift,
        trainable=case.trainable, sign=case.sign,
    )  # fmt: skip
    return d, trait.x if isinstance(trait, LabelledTrait) else case.x


_assembled = jax.jit(assemble)


@jax.jit
def _measured(case: Case) -> dict[str, Array]:
    return record_of(*assemble(case), case.together)


@partial(jax.jit, static_argnames="loss")
def _pulled_back(moved: dict[str, Params], case: Case, weights: dict[str, Array], loss: Loss) -> dict[str, Params]:
    def score(free: dict[str, Params]) -> Array:
        record = record_of(*assemble(replace(case, **free)), (loss,))
        return sum((jnp.sum(weights[name] * jnp.squeeze(record[name])) for name in weights), jnp.zeros(()))

    return jax.grad(score)(moved)
