"""A student that takes many steps on one teacher's labels, beside the spectrum that says where they lead."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import optax

from subtheory.errors import InputError
from subtheory.instruments.ensemble import Ensemble, within
from subtheory.instruments.first_order import outputs_rounding, rough_outputs
from subtheory.instruments.instrument import Instrument
from subtheory.kernels.stack import (
    Descend,
    Stack,
    averaged,
    each_eps,
    inner,
    inputs,
    labels,
    norm,
    on_channel,
    trained,
)
from subtheory.kernels.whitened import whitened
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.setting.preparation import started
from subtheory.setting.setting import Setting
from subtheory.theory.beyond.training import orders
from subtheory.theory.dynamics.linearised import coefficients
from subtheory.theory.dynamics.spectrum import Spectrum, modes, spectrum
from subtheory.theory.losses import Loss


@dataclass(frozen=True)
class Training:
    """One student's T steps; K values of ε. All distances are of parameters."""

    eps: np.ndarray
    """ε, (K,), largest first."""
    rate: float
    """α of every step: the setting's, in units of 1/λmax(G)."""
    spectrum: Spectrum
    """Of Δ under G at the teacher's init, (n,)."""
    travelled: np.ndarray
    """(θ_S(t) − θ_S(0)) · Δ, (K, T + 1)."""
    distance: np.ndarray
    """‖θ_S(t) − θ0 − εΔ‖ to the teacher, (K, T + 1)."""
    step: np.ndarray
    """Δθ_S(t) · Δ of the step after t others, (K, T)."""
    size: np.ndarray
    """‖Δθ_S(t)‖, (K, T)."""
    trait: np.ndarray
    """L_T(θ_S(t)), (K, T + 1)."""
    linear: np.ndarray
    """d(t) · Δ of the linearised student at θ0 + εd(t), by the recursion of `theory.dynamics.linearised`, (T + 1,)."""
    missed: np.ndarray
    """½⟨−∂L_S/∂z, y − z⟩ at θ_S(t), (K, T + 1): L_S above its minimum, exactly in squared error, else up to O(ε³)."""
    slope: np.ndarray
    """v · (−∇L_T(θ0)) along the modes v of the spectrum, (n,)."""
    rounding: np.ndarray
    """Size of the rounding error of what is travelled, (T + 1,)."""
    blur: np.ndarray
    """Size of the rounding error of θ_S(t), in norm, (T + 1,)."""
    trait_rounding: np.ndarray
    """Size of the rounding error of L_T(θ_S(t)) − L_T(θ0): of the loss, and of where the student is, (T + 1,)."""

    @property
    def steps(self) -> int:
        """T."""
        return self.step.shape[1]

    @property
    def cosine(self) -> np.ndarray:
        """Of the angle between Δ and the step after t others, (K, T)."""
        return self.step / (self.size * np.sqrt(self.spectrum.form(np.ones_like)))


@dataclass(frozen=True)
class Trajectory(Instrument):
    """Records `Training`s of so many steps of the student's own rule, whose memory is momentum, or in mini-batches.

    Mini-batches are epochs of the channel's inputs in fresh orders, the same for every seed. Raises InputError on
    "loss" for one without a Gauss-Newton matrix, on "student" for one with an architecture of its own. Predictions P21
    and P22.
    """

    steps: int
    batch: int | None = None
    """Inputs of one step; None: all of them."""

    def records(self, setting: Setting, seeds: Sequence[int], losses: Sequence[Loss]) -> dict[str, Sequence[Training]]:
        return {
            loss.name: list(_trainings(s, loss, self))
            for s, some in started(setting, tuple(seeds), losses)
            for loss in some
        }


@dataclass(frozen=True)
class Trainings(Ensemble):
    """Records a tuple of `Training`s of so many steps for each seed, one a draw of everything; as `Trajectory`."""

    steps: int

    def sample(self, setting: Setting, seed: int) -> tuple[Training, ...]:
        found = Trajectory(self.steps).records(setting, within(seed, self.draws), (setting.loss,))
        return tuple(found[setting.loss.name])


def ball(memory: Any) -> optax.GradientTransformation:
    """m ← bm + ∇L, the update of every step: optax's `trace`, in NumPy, for a number b or one of each distillation."""
    b = np.asarray(memory)[..., None, None]

    def update(gradient: Any, m: Any, theta: Any = None) -> tuple[Any, Any]:
        m = gradient + b * m
        return m, m

    return optax.GradientTransformation(np.zeros_like, update)


def steps(
    s: Stack,
    descents: Iterable[Any],
    rate: Any,
    optimizer: optax.GradientTransformation | None = None,
    moved: Any = 0.0,
    seen: Any = None,
) -> Iterator[tuple[Any, Any]]:
    """Δθ_S(t) and where it leads, θ_S(t + 1) − θ_S(0), (..., K, P) each, for every −∇L_S of `descents`, t = 0, 1, ...

    θ_S(t + 1) = θ_S(t) + αΔθ_S(t) with a rate α (...) of every distillation, `moved` away from the student's init at
    first, (..., K, P). Δθ_S(t) is what an optimizer on NumPy arrays makes of the step of the student's rule, by default
    the rule's own memory: a transformation of gradients without a rate, as `trace` or `scale_by_adam`. `seen`,
    (..., K, P), is a gradient before the first one, which only the optimizer's memory knows of.
    """
    start, rate = each_eps(s, s.student, 1), np.asarray(rate)[..., None, None]
    metric = None if s.metric is None else each_eps(s, s.metric, 1)
    moved = moved + np.zeros((*s.eps.shape, s.student.shape[-1]))
    init, changed = optimizer or ball(s.rule.memory)
    memory = init(moved)
    if seen is not None:
        _, memory = changed(seen, memory, start + moved)
    for descend in descents:
        update = trained(s, s.rule.update(descend, start + moved, metric))
        change, memory = changed(-update, memory, start + moved)  # which descends along what it is given
        moved = moved - rate * change
        yield -change, moved


def path(
    s: Stack,
    loss: Loss,
    rate: Any,
    shares: np.ndarray,
    optimizer: optax.GradientTransformation | None = None,
    seen: Any = None,
) -> Iterator[tuple[Any, Any]]:
    """`steps` on the labels of `s`, each input's weight times its share in the batch of step t, `shares` (T, N)."""
    y, of_batch = labels(s, s.eps), (replace(s, weights=s.weights * share) for share in shares)
    return steps(s, (Descend(each, loss, y, None, None) for each in of_batch), rate, optimizer, seen=seen)


def batches(count: int, steps: int, batch: int | None) -> np.ndarray:
    """The share of N inputs in every step's mean, N/batch of those in its batch, (T, N).

    Raises InputError on "batch" beyond N.
    """
    if batch is None:
        return np.ones((steps, count))
    if not 1 <= batch <= count:
        raise InputError("batch", batch, f"must be 1 ... {count}, the inputs of the channel")
    chosen = orders(np.random.default_rng((count, batch)), count, steps, batch)
    return np.array([np.bincount(rows, minlength=count) for rows in chosen]) * count / batch


def rounded(s: Stack, loss: Loss, rate: Any, size: Any) -> Any:
    """How far one step of size ‖Δθ_S‖ (...) and of rate α is off along Δ, as D is, (...)."""
    return rate * (outputs_rounding(s, loss, on_channel(s)) + ROUNDINGS * UNIT * size * norm(s.delta))


def blurred(s: Stack, loss: Loss) -> Any:
    """How far Δθ_S may be off in norm, (...): outputs off as far as they may be, pulled back."""
    known = on_channel(s)
    rough = [averaged(s, loss.hessian(known.taylor.z0, each, s.outputs)) for each in rough_outputs(known)]
    return 2 * ROUNDINGS * UNIT * sum(map(norm, s.functions.pulls(s.theta0, np.stack(rough), s.x)))


def growth(rate: Any, largest: Any) -> Any:
    """How far steps may stretch what is off before them, of λmax of the matrix of each, (..., T): 1 up to 2/λmax."""
    return np.prod(np.maximum(1.0, abs(1 - rate[..., None] * largest)), axis=-1)


def require(s: Stack, loss: Loss) -> None:
    """InputError on "student" or "loss" for what has no Gauss-Newton matrix in the teacher's parameters."""
    if s.other is not None:
        raise InputError("student", s.other.network.name, "must have the teacher's parameters")
    if loss.order != 1:
        raise InputError("loss", loss.name, "must have a Gauss-Newton matrix at a match")


def _trainings(s: Stack, loss: Loss, how: Trajectory) -> Iterator[Training]:
    """One for every seed of a stack with one leading axis."""
    require(s, loss)
    B, shares = whitened(s, loss), batches(s.x.shape[1], how.steps, how.batch)
    known = modes(B)
    found = spectrum(known, s.delta)
    gradient = s.trait.gradient(s.functions, s.theta0)
    slope = spectrum(known, -gradient).along
    unit = 1 / found.largest
    rate, delta = s.alpha * unit, each_eps(s, s.delta, 1)
    away = each_eps(s, s.student - s.theta0, 1) - s.eps[..., None] * delta
    momentum = s.rule.memory
    taken = zip(*path(s, loss, rate, shares), strict=True)
    update, moved = (np.stack(each, axis=-2) for each in taken)
    moved = np.concatenate([np.zeros_like(moved[..., :1, :]), moved], axis=-2)
    start = each_eps(s, each_eps(s, s.student, 1), 1)
    trait = s.trait.value(s.functions, start + moved)
    loss_left = missed(s, loss, start + moved)
    u = (B @ s.delta[..., None])[..., 0]
    each = np.repeat(shares, B.shape[-2] // s.x.shape[1], axis=1)
    own = np.sqrt(each)[:, :, None] * (B @ B.mT)[:, None] * np.sqrt(each)[:, None]  # the kernel of every batch
    reach = rate * growth(rate, np.linalg.eigvalsh(own)[..., -1]) / (1 - momentum)
    longest, counts = norm(update).max(axis=(1, 2)), np.arange(how.steps + 1)
    rounding = rounded(s, loss, reach, longest)[:, None] * counts
    blur = (reach * (blurred(s, loss) + ROUNDINGS * UNIT * longest))[:, None] * counts
    trait_rounding = ROUNDINGS * UNIT * (1 + abs(trait[:, 0, :1])) + norm(gradient)[:, None] * blur
    linear = (coefficients(B @ B.mT, u, each, rate, momentum) @ u[..., None])[..., 0]
    travelled, step = (inner(each, delta[..., None, :]) for each in (moved, update))
    distance, size = norm(away[..., None, :] + moved), norm(update)
    for i in range(len(s.eps)):
        yield Training(
            eps=s.eps[i],
            rate=float(rate[i]),
            spectrum=found.one(i),
            travelled=travelled[i],
            distance=distance[i],
            step=step[i],
            size=size[i],
            trait=trait[i],
            linear=linear[i],
            missed=loss_left[i],
            slope=slope[i],
            rounding=rounding[i],
            blur=blur[i],
            trait_rounding=trait_rounding[i],
        )


def missed(s: Stack, loss: Loss, theta: np.ndarray) -> np.ndarray:
    """½⟨−∂L_S/∂z, y − z⟩ at θ (S, K, T, P), (S, K, T): L_S above its minimum, as `Training` says."""
    y = labels(s, s.eps)[:, :, None]
    z = s.functions.values(theta, each_eps(s, inputs(s), 2 + len(s.functions.example)))
    pull = averaged(s, s.functions.terms(loss, z, y, s.outputs).r, 2)
    return np.asarray((pull * (y - z)).reshape(*theta.shape[:-1], -1).sum(axis=-1) / 2)
