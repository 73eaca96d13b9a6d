"""How well aligned are a student's steps along its training, and does the spectrum of its channel say so beforehand?

A teacher learns digits by its class logits, by Adam until its loss is small; students descend on its other logits, or
on all of them, on noise. To first order the angle between step t and Δ = θ_T − θ0 follows from the spectral measure of
Δ under the Gauss-Newton matrix G (P22), which Lanczos' recursion gives from a few dozen products Gv, for any number of
outputs. Near: labels of θ0 + εΔ at a small ε, where that is the law. Far: labels of the teacher itself, where no law is
known and the mean over students is all that there is (g11). Other students start from another init, or lose the part
along Δ of every step, which removes the transfer along Δ and leaves the imitation loss to a recursion of its own (P22).
Last, the loss of every other way to read the digits, k as k + j: does its first change tell the sign of the next ones
(P53)? It does up to a bound of the spectrum; the control asks as many random directions as the channel has outputs.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from subtheory.figure import COLOURS, MARKERS, sheet, style
from subtheory.instruments.dynamics.trajectory import missed, path
from subtheory.kernels.stack import Stack, inner, norm
from subtheory.kernels.whitened import product
from subtheory.ledger import parts
from subtheory.networks import MLP
from subtheory.setting.preparation import stack
from subtheory.setting.setting import Setting
from subtheory.setting.student import Redrawn
from subtheory.setting.teachers import Converged
from subtheory.statistics import mean_interval
from subtheory.study.experiment import Progress
from subtheory.study.finding import Finding, most, rate, shown
from subtheory.study.options import at_least
from subtheory.theory.dynamics.lanczos import ritz
from subtheory.theory.dynamics.spectrum import Modes, Spectrum, cosine, foreseen, gained, spectrum, without
from subtheory.theory.losses import CrossEntropy
from subtheory.theory.rule import Orthogonal

QUESTION = "How well aligned are a student's steps along its training, and does the spectrum of its channel say so?"
COMMAND = "subtheory run alignment_along_training"
EXPECTED = (
    "near its init every step lies on the spectrum's curve, positive and not monotone; students of a really trained "
    "teacher stay aligned on average until the labels are learned, others do not; steps without their part along Δ "
    "learn the labels, and less of the trait; no other loss turns round before the bound of the first step"
)

CAPTIONS = {
    "alignment_along_training": "Students along training, means over {alignment_along_training.seed} inits with 95 % "
    "Student intervals as bands. (a) Cosine of the step with the teacher's displacement Δ: for a teacher near the "
    "init (rings) predicted by the spectrum of the kernel (line); for a trained teacher, and for a student of another "
    "init, predicted 0; dotted 0.008, of arXiv 2604.25779 for another pair of gradients. (b) Imitation loss left and "
    "(c) change of the trait loss of students of the trained teacher, with and without the part of each step along "
    "Δ.",
}

LOSS = CrossEntropy()
NEAR = 1e-3
"""ε of students that are to be within the linear range: what the law leaves out is of this order beside it."""
NODES = 48
"""Products Gv for a curve."""
OFF = 0.05
"""How far a near student may be off the spectrum's curve: what counts as the end of the linear range elsewhere, too."""
HALF = 0.5
"""Of the shared init's mean cosine, what another init has to stay below."""
LEARNED = 0.01
"""Of the imitation loss: what is left once the labels are learned. Nothing is claimed of later steps."""
DECIDES = 8
"""Seeds from which on means are judged."""
PUBLISHED = 0.008
LEVEL = 0.01

Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """Inits; steps and inputs of students of the three auxiliary logits, and of those of all logits."""

    seeds: int = 16
    steps: int = 1024
    examples: int = 128
    all_steps: int = 256
    all_examples: int = 512
    width: int = 24

    def __post_init__(self) -> None:
        at_least(self, seeds=2, steps=8, examples=2, all_steps=8, all_examples=2, width=1)


PLAN, QUICK = Plan(), Plan(seeds=8, steps=96, examples=48, all_steps=32, all_examples=96)


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> dict[str, list[Row]]:
    """Students at log-spaced steps, near and far; and other losses after each of these steps."""
    aux = setting(plan, "aux", plan.examples)
    arms = {
        "shared": (aux, plan.steps), "other init": (aux.but(init=Redrawn()), plan.steps),
        "without Δ": (aux.but(rule=Orthogonal()), plan.steps),
        "all logits": (setting(plan, "all", plan.all_examples), plan.all_steps),
    }  # fmt: skip
    both = parts.rows(
        {name: partial(student_rows, name, one, steps, plan.seeds) for name, (one, steps) in arms.items()}, progress
    )
    found, others = ([row for row in both if ("bound" in row) == bound] for bound in (False, True))
    return {"alignment_along_training": found, "first_step": others}


def setting(plan: Plan, outputs: str, examples: int) -> Setting:
    """A trained teacher's students on noise; ε are sizes of Δ = θ_T − θ0 itself."""
    return Setting(
        MLP(plan.width), LOSS, outputs=outputs, teacher=Converged(), eps=(1.0, NEAR), relative=False,
        examples=examples, trait_examples=256,
    )  # fmt: skip


def recorded(steps: int) -> list[int]:
    """0, 1, 2, 4, ... and the last of so many steps."""
    return [0, *(2**k for k in range(steps.bit_length()) if 2**k < steps - 1), steps - 1]


def student_rows(name: str, one: Setting, steps: int, seeds: int) -> list[Row]:
    """Every recorded step of the students of some inits, beside the spectrum of the shared init."""
    s = stack(one, tuple(range(seeds)))
    known = ritz(lambda v: product(s, LOSS, v), s.delta, NODES)
    found = spectrum(known, s.delta)
    rate, size = 1 / found.largest, norm(s.delta)
    recursion = list(without(found, rate[:, None], steps - 1)) if name == "without Δ" else []
    before, start, times = s.trait.value(s.functions, s.student), s.student[:, None], recorded(steps)
    first = missed(s, LOSS, np.repeat(start, len(s.eps[0]), axis=1)[:, :, None])[:, :, 0]
    form = lambda a: (found.values * a**2).sum(axis=-1)  # noqa: E731
    rows, moves, unknown = list[Row](), list[np.ndarray](), np.full(seeds, np.nan)
    ahead = np.zeros((*s.eps.shape, s.student.shape[-1]))
    for t, (update, then) in enumerate(path(s, LOSS, rate, np.ones((steps, s.x.shape[1])))):
        moved, ahead = ahead, then
        if t not in times:
            continue
        moves.append(moved[:, -1])
        curve = unknown if name == "other init" else cosine(found, rate[:, None], t)
        law = form(recursion[t]) / form(found.along) if recursion else unknown
        each = {
            "cosine": inner(update, s.delta[:, None]) / (norm(update) * size[:, None]),
            "predicted": np.stack([curve] * 2, axis=1),
            "along": inner(moved, s.delta[:, None]) / (s.eps * size[:, None] ** 2),
            "left": missed(s, LOSS, (start + moved)[:, :, None])[:, :, 0] / first,
            "left_predicted": np.stack([law] * 2, axis=1),
            "trait_change": (s.trait.value(s.functions, start + moved) - before[:, None]) / s.eps,
        }
        rows += [
            {"student": name, "reach": reach, "seed": i, "step": t, **{key: float(v[i, k]) for key, v in each.items()}}
            for k, reach in enumerate(("far", "near")) for i in range(seeds)
        ]  # fmt: skip
    return rows + (list(loss_rows(s, known, found, rate, times, np.array(moves))) if name == "shared" else [])


def loss_rows(
    s: Stack, known: Modes, found: Spectrum, rate: np.ndarray, times: list[int], moves: np.ndarray
) -> Iterator[Row]:
    """Losses that read digit k as k + j, after each recorded step of near students; `moves` are (times, S, P)."""
    outputs = s.x.shape[1] * int(s.outputs.sum())
    basis = [np.linalg.qr(np.random.default_rng((i, outputs)).standard_normal((s.delta.shape[1], outputs)))[0]
             for i in range(len(s.delta))]  # fmt: skip
    for j in range(1, 10):
        other = replace(s.trait, labels=(np.asarray(s.trait.labels) + j) % 10)  # type: ignore[type-var]
        slope = -other.gradient(s.functions, s.theta0)
        along, gain = spectrum(known, slope).along, other.value(s.functions, s.theta0)
        bound = foreseen(rate[:, None], along, found)
        change = np.array([gain - other.value(s.functions, s.theta0 + move) for move in moves])
        for i in range(len(s.delta)):
            m = along[i] * found.along[i]
            random = (basis[i].T @ slope[i]) @ (basis[i].T @ s.delta[i])
            for t, measured in zip(times[1:], change[1:, i], strict=True):
                yield {"seed": i, "shift": j, "step": t, "bound": float(bound[i]), "change": float(measured),
                       "predicted": float(NEAR * (m * gained(rate[i], t)(found.values[i])).sum()),
                       "first": float(change[1, i]), "random": float(random)}  # fmt: skip


def of(rows: list[Row], student: str, reach: str, name: str) -> np.ndarray:
    """A column of some students, (seeds, steps)."""
    own = [row for row in rows if row["student"] == student and row["reach"] == reach]
    own.sort(key=lambda row: (row["seed"], row["step"]))
    return np.array([row[name] for row in own]).reshape(len({row["seed"] for row in own}), -1)


def above(values: np.ndarray, among: int = 1) -> float:
    """The lower end of a mean over inits, wrong in `LEVEL` of runs for all of so many together."""
    return float(mean_interval(values, 1 - 2 * LEVEL / among)[1])


def findings(tables: dict[str, list[Row]]) -> list[Finding]:
    """The law near θ0 at every step and init; means over inits far from it; the first step and its bound."""
    rows, others = tables["alignment_along_training"], tables["first_step"]
    near = [
        (of(rows, name, "near", "cosine"), of(rows, name, "near", "predicted")) for name in ("shared", "all logits")
    ]
    far, other, left = (
        of(rows, name, "far", key) for name, key in (("shared", "cosine"), ("other init", "cosine"), ("shared", "left"))
    )
    taught, decided = far[:, left.mean(axis=0) >= LEARNED], len(far) >= DECIDES
    beside = HALF * far.mean(axis=1)
    apart = [above(beside + sign * other.mean(axis=1), 2) for sign in (-1, 1)]
    removed, law = (of(rows, "without Δ", "near", name)[:, 1:] for name in ("left", "left_predicted"))
    change, without_it = (of(rows, name, "far", "trait_change")[:, -1] for name in ("shared", "without Δ"))
    early = [row["change"] * row["first"] > 0 for row in others if row["step"] < row["bound"]]
    told = np.array([[row["change"] * row[name] > 0 for name in ("first", "random")] for row in others], float)
    ends = {name: of(rows, name, "far", "left")[:, -1].mean() for name in ("shared", "without Δ")}
    return [
        most("P22: near, cosine over the spectrum's curve, off 1", [np.abs(a / b - 1).max() for a, b in near], OFF),
        Finding("g11: trained teacher, mean cosine of any step before the labels are learned, at least",
                min(above(each, taught.shape[1]) for each in taught.T), 0.0, claimed=decided),
        Finding("control: half the mean cosine beyond another init's, at least", min(apart), 0.0, claimed=decided),
        most("P22: without Δ, near, loss over the recursion's, off 1", np.abs(removed / law - 1).ravel(), OFF),
        Finding("P22: trained teacher, fall of trait loss lost without Δ, at least", above(without_it - change), 0.0,
                claimed=decided),
        rate("P53: changes before the bound with the first one's sign", early),
        shown("P53: signs of all changes told by the first", told[:, 0].mean()),
        shown("P53: signs of all changes told by random directions", told[:, 1].mean()),
        *(shown(f"imitation loss left at the end, {name}", end) for name, end in ends.items()),
    ]  # fmt: skip


def figure(tables: dict[str, list[Row]]) -> Figure:
    """Cosine, imitation loss and trait loss against the number of steps."""
    rows = tables["alignment_along_training"]
    steps = sorted({row["step"] for row in rows if row["student"] == "shared"})
    with style():
        drawn = sheet(2.5)
        left, middle, right = drawn.subplots(1, 3)
        peak = of(rows, "shared", "near", "predicted").mean(0).max()
        left.plot(_axis(steps), of(rows, "shared", "near", "predicted").mean(0), color="black", label="spectrum")
        left.plot(_axis(steps), of(rows, "shared", "near", "cosine").mean(0), linestyle="", marker="o", color="black",
                  markerfacecolor="none", markersize=5, label="near")  # fmt: skip
        for i, (name, label) in enumerate((("shared", "trained teacher"), ("other init", "other init"))):
            _mean(left, steps, of(rows, name, "far", "cosine"), i, label)
        left.axhline(PUBLISHED, color="#777777", linewidth=0.8, linestyle=(0, (1, 2)))
        left.set(title="(a) Cosine with Δ", ylim=(-0.1 * peak, 1.8 * peak))
        for i, (name, label) in enumerate((("shared", "with"), ("without Δ", "without Δ"))):
            _mean(middle, steps, of(rows, name, "far", "left"), i, label)
            _mean(right, steps, of(rows, name, "far", "trait_change"), i, label)
        middle.set(yscale="log", title="(b) Imitation loss left")
        right.axhline(0, color="#777777", linewidth=0.8)
        right.set(title="(c) Change of trait loss")
        for axes in (left, middle, right):
            axes.set(xscale="log", xlabel="steps before, and 1")
            axes.legend()
    return drawn


def _axis(steps: list[int]) -> np.ndarray:
    return 1.0 + np.array(steps)


def _mean(axes: Axes, steps: list[int], values: np.ndarray, i: int, label: str) -> None:
    """The mean over inits and its 95 % interval."""
    mean, low, high = np.array([mean_interval(each) for each in values.T]).T
    axes.plot(_axis(steps), mean, color=COLOURS[i], marker=MARKERS[i], label=label)
    axes.fill_between(_axis(steps), low, high, color=COLOURS[i], alpha=0.2, linewidth=0)
