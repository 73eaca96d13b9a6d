"""How far may a teacher move before a student's training leaves the closed form, and can one know it beforehand?

Trained on the labels of θ0 + εΔ, a student stands after t steps at θ0 + εd + ε²h + O(ε³), d = (I − (I − αG)ᵗ)Δ: the
closed form is the first term. How small ε has to be follows from the second, which the second derivative along the path
gives without any run at such ε: the lazy radius is the ε at which ε‖h‖/‖d‖, or ε|h·Δ|/|d·Δ| if that is more, is 5 %.
Training goes on until half of what a converged student travels is covered, ½‖ΠΔ‖². Then exact students at ε from a
quarter of the radius to four times as much say where they really leave: perceptrons, convolutional networks and
transformers of three widths each. Mini-batches and momentum have closed forms of their own; what these leave out has to
fall like ε too (training-leaves-the-lazy-range-at-second-order, mini-batch-steps-have-a-product-form,
momentum-follows-its-companion-matrix, many-steps-have-a-closed-form). Control: students from another init, for whom
there is no lazy range. What comes beyond the radius no closed form knows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from subtheory.figure import COLOURS, MARKERS, sheet, style
from subtheory.instruments.dynamics.lazy import expansion, lazy
from subtheory.instruments.dynamics.trajectory import Trajectory
from subtheory.kernels.whitened import whitened
from subtheory.ledger import parts
from subtheory.networks import MLP, ConvNet, LinenNetwork, Transformer
from subtheory.setting.preparation import stack
from subtheory.setting.setting import Setting
from subtheory.setting.student import Redrawn, Student
from subtheory.study.experiment import Progress
from subtheory.study.finding import Finding, least, most, shown
from subtheory.study.options import at_least
from subtheory.theory.dynamics.spectrum import Spectrum, modes, spectrum
from subtheory.theory.losses import CrossEntropy
from subtheory.theory.rule import HeavyBall

QUESTION = "How far may a teacher move before a student's training leaves the closed form, and is it known before?"
COMMAND = "subtheory run lazy_range"
EXPECTED = (
    "half of the way behind them, students at half the predicted radius are at most 5 % off the closed form along "
    "Δ, for three kinds of network of three widths; the measured radius is within 1.5 times the predicted one; what "
    "is left out falls like ε, with momentum and in mini-batches too; from another init nothing is near"
)
CAPTIONS = {
    "students": "How far the closed form of a converged student holds: {students.kind:list} networks, "
    "{students.seed} seeds each. (a) What it leaves out along the teacher's update Δ, against ε over the radius that "
    "the second derivative along the path predicts; predicted below the line of second order, 0.05 (dotted) at the "
    "radius. (b) The radius at which the whole displacement is 5 % off, measured against predicted; on the line they "
    "agree.",
}

TOLERANCE = 0.05
"""Of the student's displacement: where the lazy range ends."""
HALF = 0.5
"""Share of ‖ΠΔ‖² that is covered before anything is judged."""
MULTIPLES = (4.0, 2.0, 1.0, 0.5, 0.25)
"""Of the predicted radius."""
INSIDE = 0.5
"""Of the radius: there the third order, of the size of the second at the radius, is a quarter of the tolerance."""
FACTOR = 1.5
"""Between the measured radius and the predicted one: as far as a third order moves it that is a third of the second."""
MOST_STEPS = 400
SLOPE = 0.1
"""How far a slope of 1 over a factor of 16 in ε may be off: by a third order of a third of the second."""

Row = dict[str, Any]

WIDTHS: dict[str, tuple[LinenNetwork, ...]] = {
    "perceptron": tuple(MLP(width=width, depth=1) for width in (8, 16, 32)),
    "convolutional": tuple(ConvNet((width,)) for width in (2, 4, 8)),
    "transformer": tuple(Transformer(width=width, heads=1) for width in (4, 8, 16)),
}
"""Three kinds, narrow to wide."""


@dataclass(frozen=True)
class Plan:
    """So many seeds of the first so many widths of every kind."""

    seeds: int = 4
    widths: int = 3
    examples: int = 3
    kinds: tuple[str, ...] = field(default=tuple(WIDTHS))

    def __post_init__(self) -> None:
        at_least(self, seeds=1, widths=1, examples=2)


PLAN, QUICK = Plan(), Plan(seeds=2, widths=1, examples=2)


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> dict[str, list[Row]]:
    """Students by kind, width, seed and ε; and by how they are trained."""
    seeds = tuple(range(plan.seeds))
    first = Setting(WIDTHS["perceptron"][0], CrossEntropy(), examples=4, trait_examples=8)
    todo: dict[str, Callable[[], list[Row]]] = {"ways of training": partial(trained_rows, first, seeds)}
    for kind in plan.kinds:
        for network in WIDTHS[kind][: plan.widths]:
            setting = Setting(network, CrossEntropy(), examples=plan.examples, trait_examples=8)
            todo[f"{kind} {width_of(network)}"] = partial(student_rows, kind, setting, seeds)
    found = parts.each(todo, progress=progress)
    trained = found.pop("ways of training")
    return {"students": [row for several in found.values() for row in several], "training": trained}


def width_of(network: Any) -> str:
    """The width of a network."""
    return str(getattr(network, "width", None) or network.channels[0])


def steps_to(found: Spectrum) -> int:
    """Steps of rate 1/λmax until every seed has travelled `HALF` of ‖ΠΔ‖², or `MOST_STEPS`."""
    total = (found.along**2).sum(axis=-1)
    left = 1 - found.values / found.largest[:, None]
    for steps in range(1, MOST_STEPS):
        if np.all((found.along**2 * (1 - left**steps)).sum(axis=-1) >= HALF * total):
            return steps
    return MOST_STEPS


def student_rows(kind: str, setting: Setting, seeds: tuple[int, ...]) -> list[Row]:
    """Students at multiples of the radius that is predicted for them, and those of another init at the radius."""
    s, loss = stack(setting, seeds), setting.loss
    B = whitened(s, loss)
    spread = spectrum(modes(B), s.delta)
    steps = steps_to(spread)
    known = expansion(s, loss, B, 1 / spread.largest, steps)
    radius = np.array([each.radius(TOLERANCE) for each in lazy(s, loss, spread, 1, known)])
    near = lazy(replace(s, eps=radius[:, None] * np.array(MULTIPLES)), loss, spread, steps, known)
    elsewhere = stack(setting.but(student=Student(Redrawn())), seeds).student
    far = lazy(replace(s, eps=radius[:, None], student=elsewhere), loss, spread, steps, known)
    return [
        {"kind": kind, "width": width_of(setting.network), "parameters": s.theta0.shape[-1], "seed": seed,
         "init": init, "steps": steps, "covered": one.covered, "radius": float(radius[i]),
         "multiple": float(eps / radius[i]), "off_along": abs(float(one.travelled[k] / (eps * one.first) - 1)),
         "off": float(one.strayed[k]), "predicted": float(eps * one.bend)}
        for init, each in (("shared", near), ("another", far))
        for i, (seed, one) in enumerate(zip(seeds, each, strict=True))
        for k, eps in enumerate(one.eps)
    ]  # fmt: skip


def trained_rows(setting: Setting, seeds: tuple[int, ...]) -> list[Row]:
    """How far off their own closed form students are that are trained in other ways, by ε."""
    ways = {
        "full batch": (Trajectory(16), setting),
        "momentum": (Trajectory(16), setting.but(rule=HeavyBall(0.8))),
        "batches": (Trajectory(16, batch=1), setting),
    }
    found = list[Row]()
    for way, (how, own) in ways.items():
        for seed, one in zip(seeds, how.records(own, seeds, (own.loss,))[own.loss.name], strict=True):
            off = np.abs(one.travelled[:, -1] / (one.eps * one.linear[-1]) - 1)
            both = zip(one.eps.tolist(), off.tolist(), strict=True)
            found += [{"way": way, "seed": seed, "eps": eps, "off_along": each} for eps, each in both]
    return found


def radii(rows: Sequence[Row]) -> list[tuple[Row, float]]:
    """Where the whole displacement of each student is `TOLERANCE` off, in units of the predicted radius of the same.

    Between two multiples the error is a power of ε.
    """
    found = []
    for one in {(r["kind"], r["width"], r["seed"]): r for r in rows}.values():
        own = [r for r in rows if all(r[name] == one[name] for name in ("kind", "width", "seed"))]
        own.sort(key=lambda r: r["multiple"])
        x, y = (np.log([r[name] for r in own]) for name in ("multiple", "off"))
        end = TOLERANCE * own[0]["multiple"] / own[0]["predicted"]
        inside = y[0] <= np.log(TOLERANCE) <= y[-1]
        found.append((one, float(np.exp(np.interp(np.log(TOLERANCE), y, x)) / end) if inside else np.nan))
    return found


def slopes(rows: Sequence[Row]) -> list[float]:
    """d log off/d log ε between the second and the fourth ε of every student."""
    found = []
    for way, seed in {(r["way"], r["seed"]): None for r in rows}:
        own = [r for r in rows if (r["way"], r["seed"]) == (way, seed)]
        a, b = own[1], own[3]
        found.append(float(np.log(a["off_along"] / b["off_along"]) / np.log(a["eps"] / b["eps"])))
    return found


def findings(tables: dict[str, list[Row]]) -> list[Finding]:
    """Half of the way, within the radius; where it ends; its slope; and no such range from another init."""
    shared, another = ([r for r in tables["students"] if r["init"] == init] for init in ("shared", "another"))
    inside = [r["off_along"] for r in shared if r["multiple"] <= INSIDE * (1 + 1e-9)]
    ratio = [each for _, each in radii(shared)]
    return [
        least("share of a converged student's way that is covered", [r["covered"] for r in shared], HALF),
        most("off the closed form along Δ at half the predicted radius, or less", inside, TOLERANCE),
        most("measured radius over the predicted one, or its inverse", [max(r, 1 / r) for r in ratio], FACTOR),
        most("slope of what is left out, by ε, off 1", [abs(s - 1) for s in slopes(tables["training"])], SLOPE),
        least("control, another init: off the closed form, of the displacement", [r["off"] for r in another], 1.0),
        shown("measured radius over the predicted one, median", float(np.median(ratio))),
    ]


def figure(tables: dict[str, list[Row]]) -> Figure:
    """Left: what is left out against ε over the predicted radius. Right: measured against predicted radius."""
    rows = [r for r in tables["students"] if r["init"] == "shared"]
    with style():
        drawn = sheet(2.7)
        left, right = drawn.subplots(1, 2)
        errors(left, rows)
        ends(right, rows)
    return drawn


def errors(axes: Axes, rows: Sequence[Row]) -> None:
    for i, kind in enumerate(dict.fromkeys(r["kind"] for r in rows)):
        own = [r for r in rows if r["kind"] == kind]
        beside = 1.12 ** (i - 1)
        axes.plot([r["multiple"] * beside for r in own], [r["off_along"] for r in own], linestyle="", marker=MARKERS[i],
                  color=COLOURS[i], markersize=3, alpha=0.7, label=kind)  # fmt: skip
    x = np.array([min(MULTIPLES), max(MULTIPLES)])
    axes.plot(x, TOLERANCE * x, color="black", linewidth=0.9, label="second order, at most")
    axes.axhline(TOLERANCE, color="grey", linewidth=0.6, linestyle=":")
    axes.set(xscale="log", yscale="log", xlabel="ε over the predicted radius", ylabel="off the closed form along Δ",
             title="(a) Leaving the lazy range")  # fmt: skip
    axes.set_xticks(MULTIPLES, [f"{m:g}" for m in MULTIPLES])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.legend()


def ends(axes: Axes, rows: Sequence[Row]) -> None:
    found = radii(rows)
    for i, kind in enumerate(dict.fromkeys(r["kind"] for r in rows)):
        own = [(r, ratio) for r, ratio in found if r["kind"] == kind]
        end = [TOLERANCE * r["multiple"] * r["radius"] / r["predicted"] for r, _ in own]
        axes.plot(end, [e * ratio for e, (_, ratio) in zip(end, own, strict=True)], linestyle="", marker=MARKERS[i],
                  color=COLOURS[i], markersize=4, label=kind)  # fmt: skip
    x = np.array([f([TOLERANCE * r["multiple"] * r["radius"] / r["predicted"] for r in rows]) for f in (min, max)])
    axes.plot(x, x, color="black", linewidth=0.9, zorder=0)
    axes.set(xscale="log", yscale="log", xlabel="predicted radius ε", ylabel="measured radius ε",
             title="(b) Where it ends")  # fmt: skip
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_formatter(NullFormatter())
    axes.legend()
