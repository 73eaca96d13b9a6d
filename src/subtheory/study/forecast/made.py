"""Forecast what rows of data would do to a student of a network of your own, in one call and before any training."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

import numpy as np

from subtheory import arguments
from subtheory.errors import InputError
from subtheory.kernels.compiled import Kernels
from subtheory.kernels.functions import output_shape
from subtheory.networks import inputs
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.provenance import provenance
from subtheory.setting.setting import Setting
from subtheory.statistics import half_width, pearson, spearman
from subtheory.study.forecast.given import Data, parameters, rows_of
from subtheory.study.forecast.results import Forecast, Row
from subtheory.theory import forecast as theory
from subtheory.theory.losses import CrossEntropy
from subtheory.theory.network import Params
from subtheory.verification.own import listen, prepared

DRAWS = 32
"""Directions of the null: its root mean square is then off by about 1/√(2·32) = 12 %."""

TENTH = 0.1
"""Share of the rows that a score puts first, of which the audit says what they add to D."""


def forecast(
    model: Any,
    params: Params = None,
    *,
    teacher: Any,
    data: Any,
    trait: Callable[[Params], Any] | Sequence[Any],
    student: Any = None,
    control: Any = None,
    outputs: Any = "all",
    rate: float = 1.0,
    draws: int = DRAWS,
    seed: int = 0,
) -> Forecast:
    """What every row of data adds to the step of a student of these rows, and to a readout, from the init alone.

    model, params, trait, outputs: as `verify` takes them; params are θ0, the trait's L_T is the readout. teacher: the
    parameters θ_T of whoever made the rows, like params or the .npz file that `named_arrays` fills; Δ = θ_T − θ0.
    data: the rows, inputs "x" (N, ...) with labels "y" (N,) or one at every position, or whole texts "tokens" (N, T),
    each with a "mask" of the labels, or tokens, that count; a mapping or an .npz file. control: rows of the untrained
    teacher, whose sum is subtracted; without them their mean, which is 0. student: parameters of a student that was
    trained from θ0, whose scores log p_S − log p0 are set beside the teacher's. rate: α of the student's step
    θ0 + αΔθ_S. draws, seed: of the null.

    The student takes one gradient step on the mean of −log p over the n labels that count. A `Forecast` has `rows`:
    s_i = Δ · ∇log p0(y_i|x_i), its share s_i/n of the alignment D = Δθ_S · Δ, the share of α∇L_T · Δθ_S, and always
    beside them three baselines: difficulty, gradient norm, and a null of directions that keep Δ's sizes and its form
    ΔᵀGΔ (`theory.forecast`). `totals` are sums with their 95 % intervals over rows, N·KL, Φ(√(2N·KL)), and by how much
    of its rounding the sum misses the real step; `audit` says how each score ranks the rows beside the teacher's
    log-ratio. Source: predictions P48 and P49.

    Raises InputError, naming the field and the value, for what `verify` refuses, parameters of another layout, labels
    out of range, a mask of another shape, teacher or student that are θ0 itself, and rows that Δ does not move.
    """
    listen("forecast", None)
    with np.errstate(all="ignore"):
        count, first = arguments.whole("draws", draws, 1, 10_000), arguments.whole("seed", seed, 0)
        alpha = _rate(rate)
        rows = rows_of("data", data)
        setting, messages = _prepared(model, params, trait, rows.x, outputs)
        source: Any = setting.source
        here = _Here.of(setting)
        delta = here.flat(parameters("teacher", teacher, source.params, model)) - here.theta0
        trained = None if student is None else here.flat(parameters("student", student, source.params, model))
        rows = here.fit("data", rows)
        other = None if control is None else here.fit("control", rows_of("control", control))
        return _made(here, rows, other, delta, trained, alpha, np.random.default_rng(first), count, messages)


def _rate(value: Any) -> float:
    found = arguments.number(value)
    if found is None or not isfinite(found) or found == 0:
        raise InputError("rate", arguments.shown(value), "must be a finite number other than 0")
    return found


def _prepared(model: Any, params: Params, trait: Any, x: Any, outputs: Any) -> tuple[Setting, tuple[str, ...]]:
    """The network, looked at as `verify` looks at it, with the rows' inputs for its channel."""
    try:
        own = prepared(
            model, params, trait=trait, channel=x, losses=[CrossEntropy()], outputs=outputs, eps=(1e-2,), seeds=(0,),
            init=None, examples=len(x), units=[],
        )  # fmt: skip
    except InputError as error:
        if error.field != "channel":
            raise
        raise InputError("data.x", error.value, error.wanted) from error
    return own.settings[0], own.messages[:1] if own.messages[0].startswith("parameters") else ()


@dataclass(frozen=True, eq=False)
class _Here:
    """The init of a network, and what its outputs are read for."""

    functions: Kernels
    theta0: np.ndarray
    """θ0, (P,)."""
    w: np.ndarray
    """Output weights, (V,)."""
    readout: np.ndarray
    """∇L_T(θ0), (P,)."""

    @classmethod
    def of(cls, setting: Setting) -> "_Here":
        source: Any = setting.source
        f = Kernels.of(setting.network, source.params, source.x[0])
        theta0 = f.layout.flatten(source.params)
        return cls(f, theta0, source.weights(setting.outputs), source.given_trait.gradient(f, theta0))

    def flat(self, params: Params) -> np.ndarray:
        return np.asarray(self.functions.layout.flatten(params))

    def fit(self, field: str, rows: Data) -> Data:
        """Rows whose inputs, labels and mask fit the network. Raises InputError on the part of `field` otherwise."""
        f, x = self.functions, inputs.rows_of(f"{field}.x", rows.x)
        if x.shape[1:] != f.example:
            raise InputError(f"{field}.x", f"inputs of shape {x.shape[1:]}", f"must have shape {f.example}")
        shape = output_shape(f.network, f.layout, f.example, x.dtype.str)
        return replace(rows, x=x).fit(field, (len(x), *shape), self.w)

    def rows(self, d: Data, along: np.ndarray) -> theory.Rows:
        """What every row says along a direction (P,)."""
        taylor = self.functions.taylor(self.theta0, along, d.x)
        return theory.rows(taylor.z0, taylor.u, d.y, self.w, d.mask)

    def logits(self, field: str, theta: np.ndarray, d: Data) -> np.ndarray:
        """What parameters say on the rows. Raises InputError on `field` where that is not finite."""
        z = self.functions.values(theta, d.x)
        if not np.isfinite(z).all():
            raise InputError(field, f"outputs of {z[~np.isfinite(z)][0]}", "must have finite outputs on every row")
        return z

    def log_p(self, d: Data, z: np.ndarray) -> np.ndarray:
        """log p(y_i|x_i) of every row from its logits, (N,)."""
        return np.asarray(theory.by_row(d.mask * theory.log_likelihoods(z, d.y, self.w)))


def _made(
    here: _Here, d: Data, control: Data | None, delta: np.ndarray, student: np.ndarray | None, rate: float,
    rng: np.random.Generator, draws: int, messages: tuple[str, ...],
) -> Forecast:  # fmt: skip
    f, theta0, w = here.functions, here.theta0, here.w
    z, u, _ = f.taylor(theta0, delta, d.x)
    known, readout = theory.rows(z, u, d.y, w, d.mask), here.rows(d, here.readout)
    # What is added to every logit of a row alike moves no probability, but for rounding.
    if not known.form > (ROUNDINGS * UNIT) ** 2 * float(np.mean(u**2)):
        raise InputError("teacher", "JΔ = 0 on every row", "must change what the model says of some row")
    taught = here.logits("teacher", theta0 + delta, d)
    signs = (rng.choice([-1.0, 1.0], delta.size) for _ in range(draws))
    null, _ = theory.null_scores(f, theta0, delta, signs, d.x, d.y, w, d.mask)
    usual, n = np.sqrt(np.mean(null**2, axis=0)), d.counted
    at = (f, theta0, z, d.x, d.y, w, d.mask)
    step = theory.step(*at)
    scored = {
        "score": known.score,
        "share": known.score / n,
        "information": known.information,
        "readout": rate * readout.score / n,
        "difficulty": known.difficulty,
        "gradient_norm": theory.gradient_norms(*at),
        "null": np.divide(known.score, usual, out=np.zeros_like(usual), where=usual > 0),
        "labels": known.count,
        "oracle": here.log_p(d, taught) + known.difficulty,
        "kernel": theory.student_scores(f, theta0, step, d.x, d.y, w, d.mask),
    }
    if student is not None:
        scored["student"] = here.log_p(d, here.logits("student", student, d)) + known.difficulty
    own, of_readout = (None if control is None else here.rows(control, v) for v in (delta, here.readout))
    felt = float(np.sum(np.abs(theory.cotangents(z, d.y, w, d.mask) * u))) / n
    totals = {
        "rows": float(len(d.x)),
        "labels": n,
        **_summed("alignment", known, own, 1.0),
        **_summed("readout", readout, of_readout, rate),
        **_divergence(known, float(np.sum(d.mask * theory.token_divergences(z, taught, w)))),
        **_step(known, step, delta, felt),
        **_chance(known.score.sum(), null.sum(axis=1), n),
    }
    rows = [{"row": i, **{name: float(values[i]) for name, values in scored.items()}} for i in range(len(d.x))]
    against = [] if own is None else [float(value) for value in own.score]
    told = provenance((), "") | {"null directions": draws}
    return Forecast(rows, totals, _audit(scored, null), against, messages, told)


def _divergence(known: theory.Rows, exact: float) -> Row:
    """q, N·KL to second order and exactly, and how likely N such rows have D > 0."""
    kl = float(known.information.sum()) / 2
    return {"form": float(known.form), "kl": kl, "kl_exact": exact, "sign_probability": theory.sign_probability(kl)}


def _step(known: theory.Rows, step: np.ndarray, delta: np.ndarray, felt: float) -> Row:
    """Δθ_S · Δ of the real step, and how far the rows' sum is from it in roundings of what both are made of."""
    rounding = ROUNDINGS * UNIT * (felt + float(np.linalg.norm(step) * np.linalg.norm(delta)))
    return {"step": float(step @ delta), "adds_up": float(abs(known.alignment - step @ delta) / rounding)}


def _chance(total: float, null: np.ndarray, n: float) -> Row:
    """Root mean square of D along the null's directions, and the share of them and Δ whose D is as far from 0."""
    as_far = 1 + int(np.sum(np.abs(null) >= abs(total)))
    return {"null": float(np.sqrt(np.mean((null / n) ** 2))), "null_share": as_far / (len(null) + 1)}


def _summed(name: str, rows: theory.Rows, control: theory.Rows | None, factor: float) -> Row:
    """factor·Σ s_i/n less that of the control's rows, and the ends of its 95 % interval over independent rows.

    Half of the interval is t·s/√N, s the deviation of N s_i/n over the rows; that of a difference is √(a² + b²).
    """
    parts = [rows] if control is None else [rows, control]
    means = [factor * float(one.alignment) for one in parts]
    halves = [abs(factor) * half_width(len(one.score) * one.score / one.count.sum()) for one in parts]
    added, half = means[0] - sum(means[1:]), float(np.sqrt(np.sum(np.square(halves))))
    return {name: means[0], f"added_{name}": added, f"{name}_low": added - half, f"{name}_high": added + half}


def _audit(scored: dict[str, np.ndarray], null: np.ndarray) -> list[Row]:
    """How every score ranks the rows beside the teacher's log-ratio, and what its first tenth of them adds to D."""
    names = {"score": "forecast", "kernel": "student, predicted", "student": "student", "difficulty": "difficulty",
             "gradient_norm": "gradient norm"}  # fmt: skip
    own = [(names[name], scored[name][None]) for name in names if name in scored]
    return [_judged(name, several, scored) for name, several in [*own, ("null", null)]]


def _judged(name: str, several: np.ndarray, scored: dict[str, np.ndarray]) -> Row:
    """Correlations to the log-ratio, root mean squares over the directions of a null, and the mean sum of a tenth."""
    oracle, share = scored["oracle"], scored["share"]
    first = max(1, round(TENTH * len(share)))
    kept = np.mean([share[np.argsort(-one, kind="stable")[:first]].sum() for one in several])
    size = lambda values: float(values[0] if len(values) == 1 else np.sqrt(np.mean(np.square(values))))  # noqa: E731
    return {
        "scores": name,
        "pearson": size([pearson(one, oracle) for one in several]),
        "spearman": size([spearman(one, oracle) for one in several]),
        "first_tenth": float(kept),
    }
