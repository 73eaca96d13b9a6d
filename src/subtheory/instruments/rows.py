"""Rows of labels drawn from a teacher: what each forecasts of a student's step, beside the step itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from subtheory.instruments.first_order import outputs_rounding
from subtheory.instruments.instrument import OnStack
from subtheory.kernels.stack import (
    OnChannel,
    Stack,
    averaged,
    each_eps,
    expectation,
    inner,
    inputs,
    norm,
    on_channel,
    pull,
    teacher_logits,
    updates,
)
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.theory.forecast import (
    hot,
    log_likelihoods,
    token_bends,
    token_curvatures,
    token_informations,
    token_scores,
)
from subtheory.theory.losses import OFF, Loss, covariance, namespace, softmax


@dataclass(frozen=True)
class Sums:
    """Row scores added up, beside real steps on the same rows; K values of ε, and the untrained teacher behind them.

    Rows have one drawn label at every place, those of every ε and of the untrained teacher from numbers of their own.
    """

    eps: np.ndarray
    """ε, (K,), largest first."""
    forecast: np.ndarray
    """(1/n) Σ s_i at θ0 of the teacher's rows, and of the untrained teacher's, (K + 1,)."""
    measured: np.ndarray
    """Δθ_S · Δ of the student's real step on the rows that it is shown, (K + 1,)."""
    expected: np.ndarray
    """D(ε) − D(0) of the student of the labels' laws, the mean over rows, by real steps, (K,)."""
    form: float
    """q = E Var_p0(s), the variance of the scores of the untrained teacher's rows."""
    curvature: float
    """h″(0) of the mean score of the teacher's rows."""
    rounding: np.ndarray
    """Size of the rounding error of forecast and measured, (K + 1,)."""
    expected_rounding: np.ndarray
    """Size of the rounding error of what is left of `expected` after εq, (K,)."""


@dataclass(frozen=True)
class RowSums(OnStack):
    """Records `Sums`; labels are drawn from softmaxes over the distilled outputs, whatever the loss. Source: P49."""

    def record(self, s: Stack, losses: Sequence[Loss], reference: Any) -> dict[str, Any]:
        xp, lead, w = namespace(s.theta0), s.weights.ndim - 1, s.outputs
        known = on_channel(s)
        z, u, v = known.taylor
        y = teacher_logits(s, xp.concatenate([s.eps, xp.zeros_like(s.eps[..., :1])], axis=-1))
        at = each_eps(s, z, z.ndim - lead)
        label = drawn(softmax(y, w), lead)
        score = token_scores(at, xp.broadcast_to(each_eps(s, u, u.ndim - lead), y.shape), label, w)
        shown = s.view.beside(xp.where(hot(label, w) > 0, 0.0, OFF), w, at), s.view.beside(y, w, at)
        form = expectation(s, token_informations(z, u, w))
        found = {
            "eps": s.eps,
            "forecast": expectation(s, score, 1),
            "form": form,
            "curvature": expectation(s, token_curvatures(z, u, v, w)),
        }
        start = z if s.shared else s.functions.values(s.student, s.x)
        each = [_aligned(s, loss, start, shown, known) for loss in losses]
        return found | {name: xp.stack([one[name] for one in each]) for name in each[0]}

    def read(self, found: dict[str, Any], losses: Sequence[Loss]) -> dict[str, list[Sums]]:
        own = {"measured", "expected", "rounding", "expected_rounding"}
        return {
            loss.name: [
                Sums(**{n: _plain(value[i][k] if n in own else value[k]) for n, value in found.items()})
                for k in range(len(found["eps"]))
            ]
            for i, loss in enumerate(losses)
        }


def _aligned(s: Stack, loss: Loss, start: Any, shown: tuple[Any, Any], known: OnChannel) -> dict[str, Any]:
    """Alignments of real steps on rows, (..., K + 1), and added ones on their laws, (..., K), and roundings.

    A pull r times a velocity is off by r's rounding, by that of the velocity, and by that of the inner product over
    parameters.
    """
    lead, delta = s.weights.ndim - 1, each_eps(s, s.delta, 1)
    u, rough = abs(known.taylor.u), outputs_rounding(s, loss, known)[..., None]
    steps = [updates(s, loss, y, start) for y in shown]
    blur = each_eps(s, u + known.of_delta, u.ndim - lead)
    size = abs(pull(s, loss, each_eps(s, start, start.ndim - lead), shown[0])) * blur
    felt = size.sum(axis=tuple(range(lead + 1, size.ndim)))
    product = [norm(one) * norm(delta) for one in steps]
    curved = abs(covariance(softmax(known.taylor.z0, s.outputs), u + known.of_delta))
    slope = s.eps * expectation(s, (curved * known.of_delta).sum(axis=-1))[..., None]
    return {
        "measured": inner(steps[0], delta),
        "expected": _added(inner(steps[1], delta)),
        "rounding": ROUNDINGS * UNIT * (felt + product[0]) + rough,
        "expected_rounding": ROUNDINGS * UNIT * (product[1][..., :-1] + product[1][..., -1:] + 2 * slope) + 2 * rough,
    }


def _added(values: Any) -> Any:
    """What the first K have beyond the last, (..., K + 1) to (..., K)."""
    return values[..., :-1] - values[..., -1:]


def drawn(p: Any, lead: int) -> Any:
    """A label from every law (..., V), (...): by numbers that are the same behind all of the first `lead` axes."""
    xp = namespace(p)
    below = xp.cumsum(p, axis=-1)
    numbers = 1 - np.random.default_rng(0).random(p.shape[lead:-1])  # above 0: where p is 0, nothing is drawn
    return xp.argmax(below >= numbers[..., None] * below[..., -1:], axis=-1)


@dataclass(frozen=True)
class Scores:
    """What a student's scores of N drawn rows are, beside what the kernel of the rows says; K sizes α of its step.

    The teacher stands at the largest ε, and labels every position of an input.
    """

    rates: np.ndarray
    """α, (K,), largest first."""
    scores: np.ndarray
    """log p_S(y_i|x_i) − log p0(y_i|x_i) of the student at θ0_S + αΔθ_S, (K, N)."""
    first: np.ndarray
    """Σ_j Θ_ij e_j, (N,): Θ and e at θ0, from the teacher's full labels."""
    second: np.ndarray
    """d² log p(y_i|x_i)/dα² along Σ_j J_jᵀe_j at θ0, (N,)."""
    oracle: np.ndarray
    """log p_ε(y_i|x_i) − log p0(y_i|x_i) of the teacher, (N,)."""
    rounding: np.ndarray
    """Size of the rounding error of the scores, (N,)."""


@dataclass(frozen=True)
class RowKernel(OnStack):
    """Records `Scores`. α changes the outputs as much as the teacher's ε do, and stays below half of the first kink.

    Θe is one pullback of e and one derivative along it, without Θ. Source: P48.
    """

    def record(self, s: Stack, losses: Sequence[Loss], reference: Any) -> dict[str, Any]:
        xp, f, w, lead = namespace(s.theta0), s.functions, s.outputs, s.weights.ndim - 1
        known = on_channel(s)
        z, u, _ = known.taylor
        y = teacher_logits(s, s.eps[..., :1])
        p, law, at = softmax(z, w), softmax(y, w), each_eps(s, z, z.ndim - lead)
        first = (*(slice(None),) * lead, 0)
        label = drawn(law[first], lead)
        before = log_likelihoods(z, label, w)
        move = f.pulls(s.theta0, averaged(s, law[first] - p), s.x)
        along = f.taylor(s.theta0, move, s.x)
        size = s.eps * xp.sqrt(_ratio(_squares(s, u), _squares(s, along.u)))[..., None]
        alpha = size * xp.minimum(1.0, _ratio(0.5 * f.kink(s.theta0, move, s.x), size[..., 0]))[..., None]
        start, many = z if s.shared else f.values(s.student, s.x), each_eps(s, label, label.ndim - lead)
        scores = []
        for loss in losses:
            step = updates(s, loss, s.view.beside(y, w, at), start)
            after = f.values(each_eps(s, s.student, 1) + alpha[..., None] * step, inputs(s))
            score = log_likelihoods(after, xp.broadcast_to(many, after.shape[:-1]), w)
            scores.append(_examples(score - each_eps(s, before, before.ndim - lead), lead + 1))
        return {
            "rates": alpha,
            "scores": xp.stack(scores),
            "first": _examples(token_scores(z, along.u, label, w), lead),
            "second": _examples(token_bends(z, along.u, along.v, label, w), lead),
            "oracle": _examples(log_likelihoods(y[first], label, w) - before, lead),
            "rounding": 4 * ROUNDINGS * UNIT * _examples((1 + abs(z) + known.of_theta).max(axis=-1), lead),
        }

    def read(self, found: dict[str, Any], losses: Sequence[Loss]) -> dict[str, list[Scores]]:
        return {
            loss.name: [
                Scores(**{n: _plain(value[i][k] if n == "scores" else value[k]) for n, value in found.items()})
                for k in range(len(found["rates"]))
            ]
            for i, loss in enumerate(losses)
        }


def _squares(s: Stack, u: Any) -> Any:
    """E ‖u‖², (...)."""
    return expectation(s, (u * u).sum(axis=-1))


def _ratio(a: Any, b: Any) -> Any:
    """a/b, and 1 where b is 0."""
    xp = namespace(a, b)
    return xp.where(b > 0, a / xp.where(b > 0, b, 1.0), 1.0)


def _examples(values: Any, lead: int) -> Any:
    """The sum over positions of (..., N, *positions), with so many axes in front of N, (..., N)."""
    return values.reshape(*values.shape[: lead + 1], -1).sum(axis=-1)


def _plain(value: Any) -> Any:
    found = np.asarray(value)
    return found if found.ndim else float(found)
