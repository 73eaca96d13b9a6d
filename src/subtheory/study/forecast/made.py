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
from subtheory.study.forecast.assembled import Control, Measured, assembled
from subtheory.study.forecast.given import Data, parameters, rows_of
from subtheory.study.forecast.results import Forecast
from subtheory.theory import forecast as theory
from subtheory.theory.losses import CrossEntropy
from subtheory.theory.network import Params
from subtheory.verification.own import listen, prepared

DRAWS = 32
"""Directions of the null: its root mean square is then off by about 1/√(2·32) = 12 %."""


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
    at = (f, theta0, z, d.x, d.y, w, d.mask)
    step = theory.step(*at)
    felt = float(np.sum(np.abs(theory.cotangents(z, d.y, w, d.mask) * u))) / d.counted
    measured = Measured(
        known, readout, null, theory.gradient_norms(*at),
        oracle=here.log_p(d, taught) + known.difficulty,
        kernel=theory.student_scores(f, theta0, step, d.x, d.y, w, d.mask),
        student=None if student is None else here.log_p(d, here.logits("student", student, d)) + known.difficulty,
        divergence=float(np.sum(d.mask * theory.token_divergences(z, taught, w))),
        step=float(step @ delta),
        rounding=ROUNDINGS * UNIT * (felt + float(np.linalg.norm(step) * np.linalg.norm(delta))),
        control=None if control is None else Control(here.rows(control, delta), here.rows(control, here.readout)),
    )  # fmt: skip
    return assembled(measured, rate, messages, provenance((), "") | {"null directions": draws})
