"""Imitation losses l(z, y): student outputs z against teacher outputs y of one example.

Every loss acts on the last axis and takes output weights w ≥ 0 of shape (outputs,): squared
error weights by them, softmax losses restrict the softmax to the outputs with w > 0 (a *fixed*
subset of logits, which is what distilling auxiliary logits needs; Cloud, Le et al., App. C).

Each states its output Hessian at the match, M = ∂²l/∂z² at z = y (which equals −∂²l/∂y∂z
wherever z = y is an interior minimum), in closed form; what leads the alignment,
D(ε) = ε^order · E[leading] + ...; and whether the null-space clause holds: Mc = 0 implies
c · ∂l/∂z(z, y) = 0 for *every* y, without which a zero slope need not mean an exact zero.
Hessians and leading terms take NumPy and JAX arrays alike, and give back what they were given.
"""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory import arguments
from subtheory.errors import InputError

SMALLEST = 1e-100
"""Temperatures beyond this, or its inverse, have no square in float64."""

OFF = -1e30
"""The logit of an output that a masked softmax leaves out: its probability is exactly 0."""


@runtime_checkable
class Loss(Protocol):
    """l(z, y) of one example; frozen and compared by value, so that it can be static under jit.

    `subtheory.verify` takes objects that have `value` alone, and functions l(z, y): it finds the rest by autodiff, and
    compares what is stated with it.
    """

    @property
    def name(self) -> str:
        """How it is called, as in `LOSSES`."""
        ...

    @property
    def order(self) -> int:
        """The power of ε that leads the alignment: 1 at a regular minimum."""
        ...

    @property
    def null_clause(self) -> bool:
        """Whether Mc = 0 implies c · ∂l/∂z(z, y) = 0 for every y."""
        ...

    def value(self, z: Array, y: Array, w: Array) -> Array:
        """l(z, y), shape z.shape[:-1]."""
        ...

    def hessian(self, y: Array, v: Array, w: Array) -> Array:
        """M v with M = ∂²l/∂z² at z = y, shape of v."""
        ...

    def leading(self, y: Array, u: Array, w: Array) -> Array:
        """Coefficient c of D(ε) = c ε^order + ... for output velocity u, shape u.shape[:-1]."""
        ...

    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class _Regular:
    """An interior minimum at z = y with M ≠ 0: D(ε) = ε uᵀMu + O(ε²) (Theorem 1, remark 2)."""

    @property
    def order(self) -> int:
        return 1

    @property
    def null_clause(self) -> bool:
        return True

    def hessian(self, y: Array, v: Array, w: Array) -> Array:
        raise NotImplementedError

    def leading(self, y: Array, u: Array, w: Array) -> Array:
        return (u * self.hessian(y, u, w)).sum(axis=-1)


def require_loss(loss: Any, field: str = "loss") -> None:
    """Raise InputError on `field` for what is no loss, such as a class of losses, or has impossible numbers of its own.

    A loss may have a `fault` that says so; where it is made, it is only a record.
    """
    if isinstance(loss, type):
        raise InputError(field, arguments.shown(loss), "must be a loss such as KL(), not a class of them")
    # First, because a loss with such numbers may not even have a name.
    if fault := getattr(loss, "fault", ""):
        raise InputError(field, arguments.shown(loss), fault)
    if not isinstance(loss, Loss) or not isinstance(loss.name, str):
        raise InputError(field, arguments.shown(loss), "must be the name of a loss, or a loss such as KL()")
    arguments.hashable(field, loss)


def namespace(*arrays: Any) -> Any:
    """jax.numpy if one of the arrays is JAX's, else NumPy."""
    return jnp if any(isinstance(a, jax.Array) for a in arrays) else np


def log_softmax(z: Array, w: Array) -> Array:
    """log σ(z) over the outputs with w > 0; about −1e30 elsewhere."""
    xp = namespace(z, w)
    masked = xp.where(w > 0, z, OFF)
    if xp is jnp:
        return jax.nn.log_softmax(masked, axis=-1)
    shifted = masked - np.max(masked, axis=-1, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))


def softmax(z: Array, w: Array) -> Array:
    """σ(z) over the outputs with w > 0; 0 elsewhere."""
    return namespace(z, w).exp(log_softmax(z, w))


def covariance(p: Array, v: Array) -> Array:
    """(diag(p) − ppᵀ) v, the covariance of a one-hot draw from p applied to v."""
    return p * (v - (p * v).sum(axis=-1, keepdims=True))


@dataclass(frozen=True)
class SquaredError(_Regular):
    """l = Σ_i w_i (z_i − y_i)²; M = 2 diag(w), null space = the outputs with w_i = 0."""

    name: str = "squared-error"

    def value(self, z: Array, y: Array, w: Array) -> Array:
        return jnp.sum(w * (z - y) ** 2, axis=-1)

    def hessian(self, y: Array, v: Array, w: Array) -> Array:
        return 2 * w * v


@dataclass(frozen=True)
class CrossEntropy(_Regular):
    """l = −Σ_i σ(y)_i log σ(z)_i with logits y as labels; M = diag(p) − ppᵀ, p = σ(y), null = span{1}."""

    name: str = "cross-entropy"

    def value(self, z: Array, y: Array, w: Array) -> Array:
        return -jnp.sum(jnp.exp(log_softmax(y, w)) * log_softmax(z, w), axis=-1)

    def hessian(self, y: Array, v: Array, w: Array) -> Array:
        return covariance(softmax(y, w), v)


@dataclass(frozen=True)
class KL(_Regular):
    """l = KL(σ(y/T) ‖ σ(z/T)), temperature T; M = (diag(p) − ppᵀ)/T², p = σ(y/T)."""

    temperature: float = 2.0
    name: str = "kl"

    @property
    def fault(self) -> str:
        """What is wrong with its own numbers; empty if nothing is."""
        found = arguments.number(self.temperature)
        if found is not None and SMALLEST < found < 1 / SMALLEST:
            return ""
        return f"must have a temperature between {SMALLEST:g} and {1 / SMALLEST:g}"

    def value(self, z: Array, y: Array, w: Array) -> Array:
        log_p, log_q = log_softmax(y / self.temperature, w), log_softmax(z / self.temperature, w)
        return jnp.sum(jnp.exp(log_p) * (log_p - log_q), axis=-1)

    def hessian(self, y: Array, v: Array, w: Array) -> Array:
        return covariance(softmax(y / self.temperature, w), v) / self.temperature**2


@dataclass(frozen=True)
class ReverseKL(_Regular):
    """l = KL(σ(z) ‖ σ(y)); M = diag(p) − ppᵀ, as for the forward divergence."""

    name: str = "reverse-kl"

    def value(self, z: Array, y: Array, w: Array) -> Array:
        log_q, log_p = log_softmax(z, w), log_softmax(y, w)
        return jnp.sum(jnp.exp(log_q) * (log_q - log_p), axis=-1)

    def hessian(self, y: Array, v: Array, w: Array) -> Array:
        return covariance(softmax(y, w), v)


@dataclass(frozen=True)
class JensenShannon(_Regular):
    """l = ½KL(p‖m) + ½KL(q‖m), m = (p + q)/2, p = σ(y), q = σ(z); M = (diag(p) − ppᵀ)/4."""

    name: str = "jensen-shannon"

    def value(self, z: Array, y: Array, w: Array) -> Array:
        log_p, log_q = log_softmax(y, w), log_softmax(z, w)
        log_m = jnp.logaddexp(log_p, log_q) - jnp.log(2.0)
        halves = jnp.exp(log_p) * (log_p - log_m) + jnp.exp(log_q) * (log_q - log_m)
        return 0.5 * jnp.sum(halves, axis=-1)

    def hessian(self, y: Array, v: Array, w: Array) -> Array:
        return covariance(softmax(y, w), v) / 4


@runtime_checkable
class Potential(Protocol):
    """A convex φ of one example's outputs, with its Hessian applied to a vector."""

    @property
    def name(self) -> str: ...

    @property
    def null_clause(self) -> bool: ...

    def value(self, z: Array, w: Array) -> Array: ...

    def hessian(self, z: Array, v: Array, w: Array) -> Array: ...


@dataclass(frozen=True)
class Logistic:
    """φ = Σ_i w_i log(1 + e^{z_i}): each output is the logit of an independent yes or no."""

    name: str = "logistic"
    null_clause: bool = True

    def value(self, z: Array, w: Array) -> Array:
        return jnp.sum(w * jax.nn.softplus(z), axis=-1)

    def hessian(self, z: Array, v: Array, w: Array) -> Array:
        xp = namespace(z, v)
        return w * xp.exp(-xp.logaddexp(z, 0.0) - xp.logaddexp(-z, 0.0)) * v


@dataclass(frozen=True)
class HyperbolicCosine:
    """φ = Σ_i w_i cosh(z_i): curvature that grows with the output."""

    name: str = "cosh"
    null_clause: bool = True

    def value(self, z: Array, w: Array) -> Array:
        return jnp.sum(w * jnp.cosh(z), axis=-1)

    def hessian(self, z: Array, v: Array, w: Array) -> Array:
        return w * namespace(z).cosh(z) * v


@dataclass(frozen=True)
class Bregman(_Regular):
    """l = φ(z) − φ(y) − ∇φ(y)·(z − y) for a convex potential φ; M = ∇²φ(y)."""

    potential: Potential = Logistic()

    @property
    def fault(self) -> str:
        """What is wrong with its potential; empty if nothing is."""
        fits = isinstance(self.potential, Potential) and not isinstance(self.potential, type)
        return "" if fits else "must have a Potential such as Logistic()"

    @property
    def name(self) -> str:
        return f"bregman-{self.potential.name}"

    @property
    def null_clause(self) -> bool:
        return self.potential.null_clause

    def value(self, z: Array, y: Array, w: Array) -> Array:
        def phi(o: Array) -> Array:
            return self.potential.value(o, w)

        base, slope = jax.vjp(phi, y)
        (gradient,) = slope(jnp.ones_like(base))
        return phi(z) - base - jnp.sum(gradient * (z - y), axis=-1)

    def hessian(self, y: Array, v: Array, w: Array) -> Array:
        return self.potential.hessian(y, v, w)


@dataclass(frozen=True)
class L1:
    """l = Σ_i w_i |z_i − y_i|: no Hessian at the match, the student's step is of order 1, not ε."""

    name: str = "l1"
    order: int = 0
    null_clause: bool = True

    def value(self, z: Array, y: Array, w: Array) -> Array:
        return jnp.sum(w * jnp.abs(z - y), axis=-1)

    def hessian(self, y: Array, v: Array, w: Array) -> Array:
        return namespace(v).zeros_like(v)

    def leading(self, y: Array, u: Array, w: Array) -> Array:
        return (w * abs(u)).sum(axis=-1)


@dataclass(frozen=True)
class Quartic:
    """l = Σ_i w_i (z_i − y_i)⁴: M = 0, so D(ε) = 4 ε³ Σ_i w_i u_i⁴ + O(ε⁴)."""

    name: str = "quartic"
    order: int = 3
    null_clause: bool = True

    def value(self, z: Array, y: Array, w: Array) -> Array:
        return jnp.sum(w * (z - y) ** 4, axis=-1)

    def hessian(self, y: Array, v: Array, w: Array) -> Array:
        return namespace(v).zeros_like(v)

    def leading(self, y: Array, u: Array, w: Array) -> Array:
        return (4 * w * u**4).sum(axis=-1)


@dataclass(frozen=True)
class TopK(_Regular):
    """Cross-entropy on the teacher's k largest logits: the subset depends on y.

    M = diag(p) − ppᵀ with p the softmax over those k. Its null space moves with y, so the
    null-space clause fails and the zero branch need not be exact (theory gap g12). Where the k-th
    logit ties with the next there is no second derivative at the match, and M is not a number.
    """

    k: int = 3
    name: str = "top-k"

    @property
    def fault(self) -> str:
        """What is wrong with its own number; empty if nothing is."""
        return "" if (arguments.integer(self.k) or 0) >= 1 else "must have a whole number k, at least 1"

    @property
    def null_clause(self) -> bool:
        return False

    def kept(self, y: Array, w: Array) -> Array:
        """1 where the teacher's logit is among its k largest, 0 elsewhere."""
        xp = namespace(y, w)
        masked = xp.where(w > 0, y, OFF)
        threshold = xp.sort(masked, axis=-1)[..., -min(self.k, y.shape[-1])][..., None]
        return xp.where(masked >= threshold, w, 0.0)

    def value(self, z: Array, y: Array, w: Array) -> Array:
        return CrossEntropy().value(z, y, self.kept(y, w))

    def tied(self, y: Array, w: Array) -> Array:
        """Whether the k-th largest logit equals the next, shape y.shape[:-1] + (1,)."""
        xp = namespace(y, w)
        masked = xp.where(w > 0, y, OFF)
        if self.k >= y.shape[-1]:
            return xp.zeros((*y.shape[:-1], 1), bool)
        ordered = xp.sort(masked, axis=-1)
        last, beyond = ordered[..., -self.k], ordered[..., -self.k - 1]
        return ((last == beyond) & (beyond > OFF))[..., None]

    def hessian(self, y: Array, v: Array, w: Array) -> Array:
        product = CrossEntropy().hessian(y, v, self.kept(y, w))
        return namespace(y, v).where(self.tied(y, w), np.nan, product)


def read(loss: Loss, z: Array, w: Array) -> Array:
    """Whether a loss near its match reads an output, (..., V): not what is left out, nor a logit masked by −1e9.

    The largest logit is read even where it has all the probability, and no curvature is left.
    """
    xp = namespace(z)
    generic = xp.cos(1.0 + xp.arange(z.shape[-1])) + 0.0 * z
    distilled = xp.where(w > 0, z, -xp.inf)
    top = (distilled == distilled.max(axis=-1, keepdims=True)) & (w > 0)
    return (loss.hessian(z, generic, w) != 0) | top | ((loss.order != 1) & (w > 0))


LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        SquaredError(),
        CrossEntropy(),
        KL(),
        ReverseKL(),
        JensenShannon(),
        Bregman(Logistic()),
        Bregman(HyperbolicCosine()),
        L1(),
        Quartic(),
        TopK(),
    )
}
"""Every built-in loss by name; the last three break the class on purpose."""
