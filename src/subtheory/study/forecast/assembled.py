"""What a forecast says of what was measured on rows: columns, sums with their intervals, the audit of scores."""

from typing import Any, NamedTuple

import numpy as np

from subtheory.statistics import half_width, pearson, spearman
from subtheory.study.forecast.results import Forecast, Row
from subtheory.theory import forecast as theory

TENTH = 0.1
"""Share of the rows that a score puts first, of which the audit says what they add to D."""


class Control(NamedTuple):
    """Rows of the untrained teacher, along Δ and along the gradient of the readout."""

    known: theory.Rows
    readout: theory.Rows


class Measured(NamedTuple):
    """What is known of N rows at the init, of whatever network, arrays (N,)."""

    known: theory.Rows
    """Along Δ."""
    readout: theory.Rows
    """Along ∇L_T."""
    null: np.ndarray
    """Scores along the directions of the null, (R, N)."""
    norms: np.ndarray
    """‖∇log p0‖, NaN for a row of which it was not asked."""
    oracle: np.ndarray
    """log p_T − log p0."""
    kernel: np.ndarray
    """∇log p0 · Δθ_S."""
    student: np.ndarray | None
    """log p_S − log p0 of a student at hand."""
    divergence: float
    """N·KL of the teacher from the init."""
    step: float
    """Δθ_S · Δ of the real step on the rows."""
    rounding: float
    """By how much it may be off their sum."""
    control: Control | None


def assembled(
    m: Measured, rate: float, messages: tuple[str, ...], provenance: dict[str, Any], **more: Any
) -> Forecast:  # fmt: skip
    """The `Forecast` of a student that steps at this rate; `more` are further fields of it.

    `texts` among them is a column of the rows, what they say.
    """
    known, readout = m.known, m.readout
    usual, n = np.sqrt(np.mean(m.null**2, axis=0)), float(known.count.sum())
    scored = {
        "score": known.score,
        "share": known.score / n,
        "information": known.information,
        "readout": rate * readout.score / n,
        "difficulty": known.difficulty,
        "gradient_norm": m.norms,
        "null": np.divide(known.score, usual, out=np.zeros_like(usual), where=usual > 0),
        "labels": known.count,
        "oracle": m.oracle,
        "kernel": m.kernel,
    }
    if m.student is not None:
        scored["student"] = m.student
    totals = {
        "rows": float(len(known.score)),
        "labels": n,
        **_summed("alignment", known, None if m.control is None else m.control.known, 1.0),
        **_summed("readout", readout, None if m.control is None else m.control.readout, rate),
        **_divergence(known, m.divergence),
        "step": m.step,
        "adds_up": float(abs(known.alignment - m.step) / m.rounding),
        **_chance(known.score.sum(), m.null.sum(axis=1), n),
    }
    said = more.pop("texts", None)
    rows: list[Row] = [
        {"row": i, **{name: float(values[i]) for name, values in scored.items()}} for i in range(len(known.score))
    ]
    if said is not None:
        rows = [row | {"text": text} for row, text in zip(rows, said, strict=True)]
    against = [] if m.control is None else [float(value) for value in m.control.known.score]
    return Forecast(rows, totals, _audit(scored, m.null), against, messages, provenance, **more)


def _divergence(known: theory.Rows, exact: float) -> Row:
    """q, N·KL to second order and exactly, and how likely N such rows have D > 0."""
    kl = float(known.information.sum()) / 2
    return {"form": float(known.form), "kl": kl, "kl_exact": exact, "sign_probability": theory.sign_probability(kl)}


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
    """Correlations to the log-ratio, root mean squares over the directions of a null, and the mean sum of a tenth.

    A score of some rows alone is judged by them, and their tenth stands for as many of all rows.
    """
    there = np.isfinite(several).all(axis=0)
    oracle, share, several = scored["oracle"][there], scored["share"][there], several[:, there]
    first = max(1, round(TENTH * len(share)))
    kept = np.mean([share[np.argsort(-one, kind="stable")[:first]].sum() for one in several])
    size = lambda values: float(values[0] if len(values) == 1 else np.sqrt(np.mean(np.square(values))))  # noqa: E731
    return {
        "scores": name,
        "pearson": size([pearson(one, oracle) for one in several]),
        "spearman": size([spearman(one, oracle) for one in several]),
        "first_tenth": float(kept) * len(there) / len(share),
    }
