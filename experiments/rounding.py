"""Does rounding a teacher's outputs to a grid keep a trait from crossing?

Labels g·round(f/g) of a teacher that moves an output by ε|u|, far less than g, change for a share ε|u|/g of the outputs
only, and then by all of g: on average by εu. So over many outputs the student beyond its control takes all of εq, with
the spread of as many independent crossings, however coarse the grid is beside ε|u|. Nothing crosses only where no
single output meets a boundary: exactly nothing, with probability Π(1 − ε|u|/g) ≈ e^(−εΣ|u|/g) over all outputs.
Squared error, which is linear in its labels. Claims: rounding-dithers-over-many-outputs and
rounding-below-every-boundary-carries-nothing. Control: a grid that is wide beside the spread of the outputs.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import norm

from subtheory.constructed.labels import linear
from subtheory.figure import COLOURS, MARKERS, sheet, style
from subtheory.instruments.labelled import Labelled, Labelling
from subtheory.ledger import parts
from subtheory.statistics import as_often
from subtheory.study.experiment import Progress
from subtheory.study.finding import Finding, least, most, rate, shown
from subtheory.study.options import at_least
from subtheory.theory.losses import SquaredError
from subtheory.theory.views import Rounded

QUESTION = "Does rounding a teacher's outputs to a grid keep a trait from crossing?"
COMMAND = "subtheory run rounding"
EXPECTED = (
    "over many outputs all of εq crosses, also 1,000 times below the grid; over few outputs exactly nothing as often "
    "as no output crosses a boundary; a grid wider than the spread of the outputs lets nothing pass"
)

CAPTIONS = {
    "rounding": "A student sees outputs rounded to a grid g that is wider than the teacher's mean move εE|u|. (a) Of "
    "{rounding.outputs:one} outputs: alignment added, over εq, predicted 1; a point for each of {rounding.seed} "
    "inits; grey: twice the standard deviation that independent crossings give. (b) Of few outputs: share of students "
    "to whom exactly nothing is added, predicted the chance Π(1 − ε|u|/g) that no output crosses a boundary (rings); "
    "{few.students:one} students.",
}

GRID, WIDE = 0.1, 64.0
FINENESS = (10.0, 100.0, 1000.0)
"""The grid over the mean move ε E|u| of an output."""
FEW = 4
"""Inputs of a student that may see no change at all."""
LEVEL = 1e-3
"""Chance that one of some numbers is off though all laws are right."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """Inits, and inputs of a student of many outputs; students of few outputs in every cell."""

    seeds: int = 16
    rows: int = 2**17
    few: int = 2000

    def __post_init__(self) -> None:
        at_least(self, seeds=1, rows=2**10, few=100)


PLAN, QUICK = Plan(), Plan(seeds=4, rows=2**15, few=400)


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> dict[str, list[Row]]:
    """Students of many outputs, by init and grid; and of few, by how far the teacher moves."""
    todo = {f"seed {seed}": partial(many_rows, seed, plan.rows) for seed in range(plan.seeds)}
    found = parts.each(todo | {"few outputs": partial(few_rows, plan.few)}, progress=progress)
    few = found.pop("few outputs")
    return {"rounding": [row for several in found.values() for row in several], "few": few}


def measured(seeds: tuple[int, ...], rows: int, grid: float, eps: tuple[float, ...]) -> list[Labelling]:
    """Students of labels on a grid; ε are sizes of the step itself."""
    setting = linear().but(loss=SquaredError(), view=Rounded(grid), examples=rows, eps=eps, relative=False)
    return list(Labelled().records(setting, seeds, (setting.loss,))[setting.loss.name])


def sizes(seed: int) -> tuple[float, ...]:
    """ε at which an output moves by 1/`FINENESS` of the grid on average."""
    (m,) = measured((seed,), 1024, GRID, (1.0,))
    return tuple(float(GRID / (fine * np.mean(np.abs(m.velocity)))) for fine in FINENESS)


def many_rows(seed: int, rows: int) -> list[Row]:
    """What is added over εq, and the standard deviation that the law of crossings gives it."""
    found, eps = list[Row](), sizes(seed)
    for grid in (GRID, WIDE):
        (m,) = measured((seed,), rows, grid, eps)
        w = m.weights[:, None] * m.distilled
        for k, fine in enumerate(FINENESS):
            p = np.abs(eps[k] * m.velocity) / GRID % 1.0
            form = eps[k] * np.sum(2 * w * m.velocity**2)
            spread = np.sqrt(np.sum((2 * w * m.velocity * GRID) ** 2 * p * (1 - p)))
            found.append({"seed": seed, "grid": grid, "fineness": fine, "outputs": w.size,
                          "share": float(m.added[k] / form), "error": float(spread / form)})  # fmt: skip
    return found


def few_rows(students: int) -> list[Row]:
    """Share of students of few outputs to whom exactly nothing is added, beside Π(1 − ε|u|/g)."""
    silent, law = [], []
    for seed in range(0, students, 100):
        for m in measured(tuple(range(seed, min(seed + 100, students))), FEW, GRID, sizes(0)):
            silent.append(m.added == 0.0)
            stays = 1 - np.minimum(m.eps[:, None, None] * np.abs(m.velocity) / GRID, 1.0)
            law.append(np.prod(stays, axis=(1, 2)))
    counts, means = np.array(silent).mean(axis=0), np.array(law).mean(axis=0)
    return [{"fineness": fine, "students": students, "silent": float(counts[k]), "predicted": float(means[k])}
            for k, fine in enumerate(FINENESS)]  # fmt: skip


def findings(tables: dict[str, list[Row]]) -> list[Finding]:
    """All of εq over many outputs, nothing as often as no output crosses, nothing on a grid that is too wide."""
    fine, wide = ([row for row in tables["rounding"] if row["grid"] == grid] for grid in (GRID, WIDE))
    off = [abs(row["share"] - 1) / row["error"] for row in fine]
    few = tables["few"]
    last = [row for row in fine if row["fineness"] == FINENESS[-1]]
    mean, error = np.mean([r["share"] for r in last]), np.sqrt(np.sum([r["error"] ** 2 for r in last])) / len(last)
    limit = float(norm.isf(LEVEL / len(off) / 2))
    # Coins of different probabilities vary less than as many of their mean: the interval is too wide, if at all.
    often = [as_often(row["silent"], row["students"], row["predicted"], LEVEL / len(few)) for row in few]
    edge = float(norm.isf(LEVEL / 2)) * error
    return [
        most("share of εq through the grid, standard deviations of the crossings off 1", off, limit),
        Finding("share of εq 1,000 times below the grid, mean over inits", float(mean), 1 - edge, 1 + edge),
        rate("few outputs: share with exactly nothing in the exact interval of Π(1 − ε|u|/g)", often),
        shown("few outputs: share with exactly nothing 1,000 times below the grid", few[-1]["silent"]),
        most("control, a grid wider than the outputs spread: share of εq", [abs(r["share"]) for r in wide], 0.0),
        least("the same, standard deviations off 1 at ten times below the finer grid",
              [1 / r["error"] for r in wide if r["fineness"] == FINENESS[0]], limit),
    ]  # fmt: skip


def figure(tables: dict[str, list[Row]]) -> Figure:
    """Left: share of εq that crosses, on two deviations of the law. Right: few outputs, in rings of the law."""
    with style():
        drawn = sheet(2.7)
        left, right = drawn.subplots(1, 2)
        for i, (grid, name) in enumerate(((GRID, "fine grid"), (WIDE, "control: wide grid"))):
            own = [row for row in tables["rounding"] if row["grid"] == grid]
            x = [row["fineness"] for row in own]
            left.plot(x, [row["share"] for row in own], linestyle="", marker=MARKERS[i], markersize=4,
                      color=COLOURS[i], label=name)  # fmt: skip
        bands = np.array([np.mean([r["error"] for r in tables["rounding"] if r["fineness"] == f]) for f in FINENESS])
        left.axhline(1.0, color="black", linewidth=0.9)
        left.errorbar(FINENESS, np.ones(len(bands)), 2 * bands, linestyle="", ecolor="#c0c0c0", elinewidth=12, zorder=1,
                      label="two deviations of the law")  # fmt: skip
        left.set(
            xscale="log", xlabel="grid over ε E|u|", ylabel=r"added $/\;(\varepsilon q)$", title="(a) Many outputs"
        )
        left.legend()
        few = tables["few"]
        right.plot(FINENESS, [row["silent"] for row in few], linestyle="", marker="o", color=COLOURS[0],
                   label="measured")  # fmt: skip
        right.plot(FINENESS, [row["predicted"] for row in few], linestyle="", marker="o", markersize=8, color="black",
                   markerfacecolor="none", label=r"$\prod(1-\varepsilon|u|/g)$")  # fmt: skip
        right.set(xscale="log", xlabel="grid over ε E|u|", ylabel="share with exactly nothing", title="(b) Few outputs")
        right.legend()
    return drawn
