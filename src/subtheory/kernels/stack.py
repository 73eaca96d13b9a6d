"""Many distillations of one network as arrays of flat parameters, and the student's step on them.

Leading axes ... count the distillations (seeds; none for a single one), K values of ε, N examples, V outputs, P
parameters. All of it is algebra on NumPy and JAX arrays alike, through `subtheory.kernels.functions`.
"""

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from subtheory.kernels.functions import Functions, Traced
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.theory.distillation import Distillation
from subtheory.theory.layout import Layout
from subtheory.theory.linearize import TaylorModel
from subtheory.theory.losses import Loss, namespace
from subtheory.theory.rule import Descent, Pull, Rule
from subtheory.theory.trait import Trait
from subtheory.theory.views import Full, View

SHAKE = float(np.sqrt(ROUNDINGS)) * UNIT
"""Relative change of numbers that shows what rounding does: as far from one roundoff, which would itself be lost in
rounding, as from ROUNDINGS of them, beside which the rounding of what is computed would be."""

SHAKES = 3
"""How often they are changed: by chance one change in 50 shows less than 1/50 of what others do, and hardly three."""


class OnChannel(NamedTuple):
    """What the channel sees of a teacher, each (..., N, *positions, V): f_{θ0 + tΔ} at t = 0, and where it is faint.

    What is computed is exact for parameters and inputs that differ by some roundoffs each: outputs are off by what such
    changes do, `shaken`. So is JΔ, by J(Δ ∘ s) with signs s that are as good as random.
    """

    taylor: TaylorModel
    of_theta: Any
    """max |f(θ, x) − f(θ0, x0)|/c for some θ and x that differ by up to c = `SHAKE` of each number."""
    of_delta: Any
    """|J(Δ ∘ s)|."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Stack:
    """What fixes the students' steps; see `theory.distillation.Distillation`, whose fields these are."""

    theta0: Any
    """θ0, (..., P)."""
    student: Any
    """θ0_S, (..., P), or (..., P') of another architecture."""
    delta: Any
    """Δ, (..., P)."""
    x: Any
    """Channel inputs, (..., N, *example)."""
    weights: Any
    """Law of the channel over its inputs, (..., N)."""
    outputs: Any
    """Output weights w, (V,)."""
    eps: Any
    """ε, (..., K), largest first."""
    trait: Trait
    """L_T, with the leading axes."""
    alpha: Any
    """The student's step, in units of `step_size`; (...) or a scalar."""
    trains: Any = None
    """1 where the student may move a parameter, (..., P); None: everywhere."""
    metric: Any = None
    """Diagonal of the metric that the student's path carries along, (..., P); None: 1."""
    known: OnChannel | None = None
    """What `on_channel` says of it, where that has been found out; None for another θ0, Δ or x."""
    functions: Functions = field(metadata={"static": True}, default=None)  # type: ignore[assignment]
    view: View = field(metadata={"static": True}, default=Full())
    rule: Rule = field(metadata={"static": True}, default=Descent())
    other: Functions | None = field(metadata={"static": True}, default=None)
    """The student's own network, if it has one."""

    @property
    def shared(self) -> bool:
        """Teacher and student start from the same array."""
        return self.student is self.theta0

    @property
    def students(self) -> Functions:
        """The functions of the student's network."""
        return self.other or self.functions


def stack_of(d: Distillation, functions: Any = Traced) -> Stack:
    """One distillation as a stack without leading axes, its arrays as JAX's; `functions` is a class such as `Traced`.

    θ0, θ0_S, Δ, the mask and the metric become vectors (P,). Raises ValueError where one is another pytree than θ0.
    """
    layout = Layout.of(d.theta0)

    def flat(params: Any) -> Any:
        return layout.flatten(jax.tree.map(jnp.asarray, params))

    theta0, x = flat(d.theta0), jnp.asarray(d.x)
    return Stack(
        theta0=theta0,
        student=theta0 if d.student is d.theta0 else flat(d.student),
        delta=flat(d.delta),
        x=x,
        weights=jnp.asarray(d.weights),
        outputs=jnp.asarray(d.outputs),
        eps=jnp.asarray(d.eps),
        trait=jax.tree.map(jnp.asarray, d.trait),
        alpha=jnp.asarray(d.alpha),
        trains=flat(d.trainable),
        metric=None if d.metric is None else flat(d.metric),
        functions=functions(d.network, layout, x.shape[1:]),
        view=d.view,
        rule=d.rule,
    )


def on_channel(s: Stack) -> OnChannel:
    """What the channel sees of θ0 and Δ."""
    if s.known is not None:
        return s.known
    xp, lead = namespace(s.theta0), s.weights.ndim - 1
    along = xp.stack([s.delta, generic_signs(xp, s.theta0.shape[-1]) * s.delta], axis=-2)
    found = s.functions.taylor(each_eps(s, s.theta0, 1), along, inputs(s))
    taylor, other = (TaylorModel(*(part[(*(slice(None),) * lead, i)] for part in found)) for i in range(2))
    near = s.functions.values(shaken(s.theta0, lead), shaken(s.x, lead))
    off = abs(near - each_eps(s, taylor.z0, taylor.z0.ndim - lead)).max(axis=lead)
    return OnChannel(taylor, settled(off / SHAKE), abs(other.u))


def shaken(array: Any, lead: int) -> Any:
    """Numbers (..., *own) behind `lead` leading axes, each changed by up to `SHAKE` of itself: (..., SHAKES, *own).

    The changes are as good as random, and no two are equal: a layer norm does not see what its inputs have in common.
    Those of inputs, which have more than one axis, point upwards, for a network that reads whole numbers off them.
    """
    xp, own = namespace(array), array.shape[lead:]
    wide = xp.expand_dims(array, lead)
    if np.dtype(array.dtype).kind != "f":
        return wide
    s = generic(xp, SHAKES * int(np.prod(own))).reshape(SHAKES, *own)
    return (wide * (1.0 + SHAKE * (s if len(own) == 1 else abs(s)))).astype(array.dtype)


def trait_rounding(s: Stack, theta: Any, value: Any) -> Any:
    """How far L_T is off at θ (..., P), where it is `value`: by ROUNDINGS·u of 1, of itself, of what θ does to it."""
    near = s.trait.value(s.students, shaken(theta, theta.ndim - 1))
    return ROUNDINGS * UNIT * (1.0 + abs(value) + settled(abs(near - value[..., None]).max(axis=-1) / SHAKE))


def settled(array: Any) -> Any:
    """A constant to whoever differentiates: what tiny changes do is known, its slope is rounding."""
    return array if namespace(array) is np else jax.lax.stop_gradient(array)


def generic(xp: Any, count: int) -> Any:
    """Numbers in [−1, 1] without a pattern, (count,)."""
    return xp.cos(xp.arange(1.0, count + 1) ** 2)


def generic_signs(xp: Any, count: int) -> Any:
    """±1 without a pattern, (count,)."""
    return xp.where(generic(xp, count) < 0, -1.0, 1.0)


def each_eps(s: Stack, array: Any, own: int) -> Any:
    """An array with `own` axes behind the leading ones, with an axis for ε in front of those."""
    return namespace(array).expand_dims(array, array.ndim - own)


def inputs(s: Stack) -> Any:
    """x beside K values of ε, (..., 1, N, *example)."""
    return each_eps(s, s.x, 1 + len(s.functions.example))


def teacher_logits(s: Stack, eps: Any) -> Any:
    """f_{θ0 + εΔ}(x), before any view, for ε of shape (..., K): (..., K, N, *positions, V)."""
    theta = each_eps(s, s.theta0, 1) + eps[..., None] * each_eps(s, s.delta, 1)
    return s.functions.values(theta, inputs(s))


def labels(s: Stack, eps: Any) -> Any:
    """y = view(f_{θ0 + εΔ}(x)) for ε of shape (..., K): (..., K, N, *positions, V)."""
    return viewed(s, teacher_logits(s, eps))


def viewed(s: Stack, logits: Any) -> Any:
    """What the view shows of a teacher's logits, (..., K, N, *positions, V)."""
    base = s.functions.values(each_eps(s, s.theta0, 1), inputs(s)) if s.view.compares else None
    return s.view.beside(logits, s.outputs, base)


def averaged(s: Stack, cotangent: Any, extra: int = 0) -> Any:
    """A cotangent's share of E_x, over examples and positions; `extra` axes stand between the leading ones and N."""
    lead = s.weights.ndim - 1 + extra
    positions = int(np.prod(cotangent.shape[lead + 1 : -1]))
    w = s.weights.reshape(*s.weights.shape[:-1], *(1,) * extra, s.weights.shape[-1])
    return cotangent * w.reshape(*w.shape, *(1,) * (cotangent.ndim - w.ndim)) / positions


def expectation(s: Stack, values: Any, extra: int = 0) -> Any:
    """E_x of (..., N, *positions), over the channel and positions, (...); `extra` as in `averaged`."""
    share = averaged(s, values[..., None], extra)[..., 0]
    lead = s.weights.ndim - 1 + extra
    return share.sum(axis=tuple(range(lead, share.ndim)))


def inner(a: Any, b: Any) -> Any:
    """a · b over parameters, (...)."""
    return (a * b).sum(axis=-1)


def norm(a: Any) -> Any:
    """‖a‖ over parameters, (...)."""
    return namespace(a).sqrt(inner(a, a))


def trained(s: Stack, theta: Any, extra: int = 1) -> Any:
    """The part of a vector that the student trains; `extra` axes stand in front of P."""
    if s.trains is None:
        return theta
    mask = s.trains
    return theta * mask.reshape(*mask.shape[:-1], *(1,) * extra, mask.shape[-1])


def linear(s: Stack, theta: Any, extra: int = 1) -> Any:
    """What a linear rule makes of a pull, (..., P) with `extra` axes in front of P; for others, what is trained of it.

    Self-adjoint on what the student trains.
    """
    return ruled(s, theta, extra) if s.rule.linear else trained(s, theta, extra)


def ruled(s: Stack, pull: Any, extra: int = 1) -> Any:
    """What the student's rule makes of a pull that is known at its init, (..., P); `extra` as in `linear`."""
    start, delta, metric = s.student, s.delta, s.metric
    for _ in range(extra):
        start, delta = each_eps(s, start, 1), each_eps(s, delta, 1)
        metric = None if metric is None else each_eps(s, metric, 1)
    first = trained(s, pull, extra)
    return trained(s, s.rule.update(Pull(lambda _: first, trained(s, delta, extra)), start, metric), extra)


def pull(s: Stack, loss: Loss, z: Any, y: Any) -> Any:
    """r = −∂L_S/∂z, what labels y (..., K, N, ..., V) pull outputs z of that shape, or with K = 1, by.

    NaN where a label is not finite: the derivative of |z − y| would take it for a large one.
    """
    r, xp = s.students.terms(loss, z, y, s.outputs).r, namespace(y)
    return averaged(s, xp.where(xp.isfinite(y), r, xp.nan), 1)


@dataclass(frozen=True, eq=False)
class Descend:
    """θ ↦ −∇L_S(θ) for labels y (..., K, N, ..., V), on what the student trains: (..., K, P) ↦ (..., K, P)."""

    s: Stack
    loss: Loss
    y: Any
    start: Any
    """θ0_S, (..., 1, P)."""
    z: Any
    """Outputs there, (..., 1, N, ..., V)."""
    first: Any = None
    """What it is there, (..., K, P), where that is known."""

    @property
    def delta(self) -> Any:
        """QΔ, (..., 1, P), Q the parameters that the student trains."""
        return trained(self.s, each_eps(self.s, self.s.delta, 1))

    def __call__(self, theta: Any) -> Any:
        if theta is self.start and self.first is not None:
            return self.first
        z = self.z if theta is self.start else self.s.students.values(theta, inputs(self.s))
        return trained(self.s, self.s.students.pulls(theta, pull(self.s, self.loss, z, self.y), inputs(self.s)))


def updates(s: Stack, loss: Loss, y: Any, z: Any, first: Any = None) -> Any:
    """Δθ_S for labels y (..., K, N, ..., V), by the student's own rule: (..., K, P).

    z are the outputs at the student's init, (..., N, ..., V); `first` is −∇L_S there on what it trains, (..., K, P),
    where that is known.
    """
    start, z = each_eps(s, s.student, 1), each_eps(s, z, z.ndim - s.weights.ndim + 1)
    metric = None if s.metric is None else each_eps(s, s.metric, 1)
    return trained(s, s.rule.update(Descend(s, loss, y, start, z, first), start, metric))


def moved(s: Stack, cotangents: Any, extra: int = 1) -> Any:
    """What a linear rule makes of cotangents (..., K, N, ..., V) at the student's init: (..., K, P).

    `extra` axes, K by default, stand between the leading ones and N.
    """
    return ruled(s, pulled(s, cotangents, extra), extra)


def pulled(s: Stack, cotangents: Any, extra: int = 1) -> Any:
    """E J_Sᵀr of cotangents r (..., K, N, ..., V) at the student's init: (..., K, P); `extra` as in `moved`."""
    start, x = s.student, s.x
    for _ in range(extra):
        start, x = each_eps(s, start, 1), each_eps(s, x, 1 + len(s.functions.example))
    return s.students.pulls(start, cotangents, x)


def step_size(loss: Loss, form: Any, norm_of_G: Any) -> Any:
    """The unit of α, q/‖GΔ‖² at the teacher's init (half the critical step of the distance, P45), (...).

    1 where the loss has no Gauss-Newton matrix, or the channel does not see Δ.
    """
    xp = namespace(form)
    usable = (loss.order == 1) & (norm_of_G > 0) & (form > 0)
    return xp.where(usable, form / xp.where(usable, norm_of_G, 1.0) ** 2, 1.0)


def one(s: Stack, i: int) -> Stack:
    """The distillation number i."""
    return replace(s, **{f: jax.tree.map(lambda leaf: leaf[i], getattr(s, f)) for f in ("theta0", "student", "delta",
                         "x", "weights", "eps", "trait", "trains", "metric", "known")})  # fmt: skip
