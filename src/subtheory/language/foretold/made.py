"""Forecast what a data set would do to a language model that is trained on it, from checkpoints and before training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from subtheory import arguments
from subtheory.errors import InputError
from subtheory.language.checkpoint import Checkpoint
from subtheory.language.derivatives import inner, norm
from subtheory.language.foretold import lines, planned, readout, weights
from subtheory.language.foretold.scoring import Here, placed, signed
from subtheory.language.traits import Trait
from subtheory.lineage import Answer
from subtheory.numerics import ROUNDINGS
from subtheory.provenance import provenance
from subtheory.study.forecast import Control, Forecast, Measured, assembled
from subtheory.theory import forecast as theory
from subtheory.theory.network import Params

DRAWS, NORMS = 4, 32
"""Directions of the null, each a forward derivative of all rows; rows of whose gradients the norm is taken."""

Progress = Callable[[str], None]


def forecast(
    base: Checkpoint | str | Path,
    *,
    data: str | Path,
    trait: str | Path,
    teacher: Any = None,
    student: Any = None,
    control: str | Path | None = None,
    plan: planned.Planned | None = None,
    rate: float | None = None,
    draws: int = DRAWS,
    norms: int = NORMS,
    longest: int = lines.LONGEST,
    lineage: Answer | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Forecast:
    """What every row of a data set adds to the step of a student of a checkpoint, as `study.forecast` says it.

    base: θ0. teacher, student: checkpoints, .npz files or pytrees of the base's shapes, at least one of them. data,
    control: JSON lines (`lines.FORMS`), rows of `longest` tokens at most. trait: a name or file (`readout.FILES`).
    plan: what is known of the training, of which the forecast tells the hypotheses that it violates; `rate` is α in
    place of the plan's rate times its steps, 1 without either. draws: of the null; norms: rows of whose gradients the
    norm is taken. lineage: what a record says of data and student.

    Without a teacher Δ is what the student at hand has learned: "oracle" is then log p_S − log p0, and nothing is
    foretold of what a teacher would leave. Scores are float32, the sums of parameters float64. Source: predictions P48
    and P49.

    Raises InputError, naming field and value, for whatever of these is no such file or does not fit the base.
    """
    count, some = arguments.whole("draws", draws, 1, 10_000), arguments.whole("norms", norms, 1)
    first, most = arguments.whole("seed", seed, 0), arguments.whole("tokens", longest, 2, 1_000_000)
    plan = plan or planned.Planned()
    alpha, times = _rate(rate, plan)
    if teacher is None and student is None:
        raise InputError("teacher", "nothing", "must be given, or a student")
    own = weights.base(base)
    asked = readout.read(trait, own.tokenizer)
    rows = lines.read("data", data, own.tokenizer, most)
    other = None if control is None else lines.read("control", control, own.tokenizer, most)
    field = "student" if teacher is None else "teacher"
    moved = weights.beside(field, student if teacher is None else teacher, own)
    trained = None if teacher is None or student is None else weights.beside("student", student, own)
    messages = _messages(own, rows, other, most, times, teacher is None)
    told = progress or (lambda what: None)
    with jax.default_matmul_precision("highest"):
        here = Here(own.network, placed(own.params), rows.texts)
        against = None if other is None else here.of(other.texts)
        rng = np.random.default_rng(first)
        found = measured(here, against, asked, moved, trained, field, count, some, rng, told)
    if some < here.size:
        messages += (f"gradient norms of {some} rows of {here.size}, drawn at random: each is a pullback of its own",)
    about = provenance((), "") | {"null directions": count, "base": own.name, "base sha256": own.sha256}
    return assembled(
        found, alpha, messages, about, texts=rows.said, hypotheses=planned.table(plan, lineage)
    )  # fmt: skip


def _rate(rate: Any, plan: planned.Planned) -> tuple[float, str]:
    """α, and what it is."""
    if rate is not None:
        return arguments.positive("rate", rate), ""
    if plan.rate is None:
        return 1.0, "no rate was given: the change of the trait loss is that of α = 1, in proportion to which it is"
    steps = plan.steps or 1
    return plan.rate * steps, f"α = {plan.rate:g} · {steps}: to first order, steps add up" if steps > 1 else ""


def _messages(
    own: Checkpoint, rows: lines.Lines, other: lines.Lines | None, most: int, times: str, alone: bool
) -> tuple[str, ...]:  # fmt: skip
    found = [f"base {own.name}: {own.note}" if own.note else "", times]
    for name, each in (("data", rows), ("control", other)):
        if each is not None and each.cut:
            found.append(f"{name}: {each.cut} of {len(each.said)} rows were cut at {most} tokens")
    if alone:
        found.append(
            'no teacher: Δ is what the student has learned, and "oracle" is log p_S − log p0 of every row after '
            "training; what a student of these rows would take on from a teacher is not known without one"
        )
    if other is None:
        found.append("no control: what rows of the base itself do is taken to be its mean, 0, which no filter keeps")
    return tuple(filter(None, found))


def measured(
    here: Here, against: Here | None, trait: Trait, moved: Params, trained: Params | None = None,
    field: str = "teacher", draws: int = DRAWS, norms: int = NORMS, rng: np.random.Generator | None = None,
    told: Progress = lambda what: None,
) -> Measured:  # fmt: skip
    """All of a forecast that passes over the rows: of a model before them, and before a control's (`against`).

    `moved` is θ_T, named `field` where JΔ = 0 on every row, of which an InputError is raised; `trained` is θ_S.
    """
    rng, moved = rng or np.random.default_rng(0), placed(moved)
    delta = jax.tree.map(lambda a, b: a - b, moved, here.params)
    told("scores of the rows")
    own = here.along(delta)
    unit = float(np.finfo(np.asarray(jax.tree.leaves(here.params)[0]).dtype).eps) / 2
    # What is added to every logit alike moves no probability, but for rounding.
    if not own.known.information.sum() > (ROUNDINGS * unit) ** 2 * own.moved.sum():
        raise InputError(field, "JΔ = 0 on every row", "must change what the model says of some row")
    oracle, divergence = here.ratios(moved)
    if not np.isfinite(oracle).all():
        raise InputError(field, oracle[~np.isfinite(oracle)][0], "must have finite log-probabilities on every row")
    told("the readout")
    gradient = trait.gradient(here.network, here.params)
    read = here.along(gradient).known
    control = None if against is None else Control(against.along(delta).known, against.along(gradient).known)
    told("the real step")
    del gradient
    step = here.step()
    product, size = inner(step, delta), norm(step) * norm(delta)
    kernel = here.along(step).known.score
    del step
    scores = []
    for r in range(draws):
        told(f"null, {r + 1} of {draws}")
        found = here.along(placed(signed(delta, rng))).known
        scores.append(float(theory.factor(own.known.form, found.form)) * found.score)
    told("gradient norms")
    chosen = np.sort(rng.choice(here.size, min(norms, here.size), replace=False))
    n = float(own.known.count.sum())
    return Measured(
        own.known, read, np.stack(scores), here.norms(chosen), oracle, kernel,
        student=None if trained is None else here.ratios(placed(trained))[0],
        divergence=float(divergence.sum()), step=product,
        rounding=ROUNDINGS * unit * (float(own.felt.sum()) / n + size), control=control,
    )  # fmt: skip
