"""Does a student of N drawn labels know anything of its teacher but N times the divergence of the two laws?

Labels, or whole texts with prefixes of the teacher's own, are drawn from the teacher, ε away from the init. The step on
N of them has mean εq and variance q/N along Δ, with one and the same q, and ε²q = 2KL: it points towards the teacher
with probability Φ(√(2N KL)), whatever the network, ε, N and temperature (P9). A student at another temperature than
its labels' has a mean without any teacher; less a student of as many labels of the init, on the same inputs, it turns
with Φ(√(N KL)). Measured for two classifiers, a convolutional network and two language models, each at three sizes ε,
three temperatures and five N. Before any label is drawn, what the law neglects is known from exact moments; a cell is
judged only where that shifts the probability by less than a fifth of the share's standard error. One larger ε is there
to show how the law ends. Control: as many labels of the init, a toss of a coin.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.stats import binom, norm

from subtheory.constructed.labels import classifier
from subtheory.constructed.sequences import sequences
from subtheory.data.toys import toy
from subtheory.figure import COLOURS, MARKERS, sheet, style
from subtheory.instruments.sampled import Cells, Sampled
from subtheory.ledger import parts
from subtheory.networks import MLP, ConvNet, LinenNetwork
from subtheory.setting.setting import Setting
from subtheory.statistics import as_often, share_interval, unlike
from subtheory.study.experiment import Progress
from subtheory.study.finding import Finding, most, shown
from subtheory.study.options import at_least
from subtheory.theory.beyond.sign_law import SHARE
from subtheory.theory.losses import CrossEntropy
from subtheory.theory.views import Untaught

QUESTION = "Does a student of N drawn labels know anything of its teacher but N times the divergence of the two laws?"
COMMAND = "subtheory run sampled_signs"
EXPECTED = (
    "the share of students that step towards their teacher lies on Φ(√(2N KL)), and on Φ(√(N KL)) beyond a control, in "
    "the exact 99 % intervals of at least 97 % of the judged cells, of labels and of texts; labels of the init: ½"
)
CAPTIONS = {
    "sampled_signs": "Share of {sampled_signs.draws:one} students of N drawn labels that step towards their teacher, "
    "for {sampled_signs.network} networks, {sampled_signs.temperature} temperatures and "
    "{sampled_signs.relative_size} sizes ε. (a) Labels and (b) whole texts against √(2N KL), or √(N KL) beyond as "
    "many labels of the init (squares): predicted on Φ, with the band that holds 99 % of such shares; crosses are "
    "students of the init's own labels, a coin; hollow is outside the regime in which the law is judged. (c) The same "
    "shares against N alone.",
}

SIZES = (0.2, 4e-4, 1e-4, 2.5e-5)
"""Relative sizes of the teacher's update: one beyond the regime, and inside."""
TEMPERATURES = (0.5, 1.0, 2.0)
DEFLECTIONS = 5
"""For every network and seed, others for each."""
LEAST, MOST = 0.15, 2.2
"""√(2N KL): probabilities from 0.56 to 0.986."""
EXAMPLES = 3
"""Inputs, or prompts, whose labels are drawn."""
CONFIDENCE, WANTED = 0.99, 0.97
NORMAL = float(norm.isf((1 - CONFIDENCE) / 2))
KINDS = ("labels", "texts")
OWN, BEYOND = "as drawn", "beyond a control"
COIN: dict[str, Any] = {"color": "#444444", "marker": "+", "markersize": 3, "linestyle": ""}

Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """Networks of labels and of texts, seeds of each, and students in every cell."""

    labels: tuple[LinenNetwork, ...] = (classifier().network, MLP(width=12, task=toy((8,), 3, 4)), ConvNet((2, 4)))  # type: ignore[assignment, arg-type]
    texts: tuple[LinenNetwork, ...] = (sequences(), sequences(letters=3))
    seeds: int = 3
    draws: int = 2000

    def __post_init__(self) -> None:
        at_least(self, seeds=1, draws=100)


PLAN, QUICK = Plan(), Plan(seeds=1, draws=500)


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> dict[str, list[Row]]:
    """One row a cell and kind of student, and the same with labels of the init."""
    networks = [("labels", one) for one in plan.labels] + [("texts", one) for one in plan.texts]
    runs = [(kind, one, seed) for kind, one in networks for seed in range(plan.seeds)]
    wanted = np.geomspace(LEAST, MOST, len(runs) * DEFLECTIONS).reshape(DEFLECTIONS, len(runs)).T

    def own(i: int) -> dict[str, list[Row]]:
        kind, network, seed = runs[i]
        outputs = "aux" if kind == "texts" else "all"
        setting = Setting(network, CrossEntropy(), outputs=outputs, examples=EXAMPLES, trait_examples=8, eps=SIZES)
        instrument = Sampled(plan.draws, tuple(wanted[i].tolist()), TEMPERATURES)
        arms = {"sampled_signs": setting, "control": setting.but(view=Untaught())}
        about = {"kind": kind, "run": i, "seed": seed}
        return {name: [about | row for row in rows_of(one, instrument.sample(one, seed))] for name, one in arms.items()}

    return parts.tables({f"{i}: {run[1].name}": partial(own, i) for i, run in enumerate(runs)}, progress)


def rows_of(setting: Setting, cells: Cells) -> list[Row]:
    """All cells of one network and seed; which of them are judged was fixed before anything was drawn."""
    return [
        {
            "network": f"{setting.network.name}-{setting.network.task.outputs}", "student": student,  # type: ignore[attr-defined]
            "relative_size": SIZES[c % len(SIZES)], "eps": float(cells.eps[c]),
            "temperature": float(cells.temperature[c]), "labels": int(cells.labels[c, j]),
            "divergence": float(cells.divergence[c]), "deflection": float(norm.ppf(steps.predicted[c, j])),
            "predicted": float(steps.predicted[c, j]), "measured": float(steps.counts[c, j] / cells.draws),
            "shift": float(steps.shift[c, j]), "judged": bool(steps.shift[c, j] < SHARE), "draws": cells.draws,
            "group": j,
        }
        for student, steps in ((OWN, cells.own), (BEYOND, cells.added))
        for c, j in np.ndindex(cells.labels.shape)
    ]  # fmt: skip


def findings(tables: dict[str, list[Row]]) -> list[Finding]:
    """P9 in the judged cells: one curve, for labels and for texts, whatever ε and temperature are; and a control."""
    cells = tables["sampled_signs"]
    judged, rest = ([row for row in cells if row["judged"] is yes] for yes in (True, False))
    if not judged:
        return [Finding("P9: cells that can be judged", 0, 1)]
    own = [row for row in judged if row["student"] == OWN]
    control = [row for row in tables["control"] if row["judged"] and row["student"] == OWN]
    parts = [
        *((f"P9, {kind}: share of cells whose interval covers Φ(√(2N KL))", [r for r in own if r["kind"] == kind])
          for kind in KINDS),
        ("P9, beyond a control: that share for Φ(√(N KL))", [row for row in judged if row["student"] == BEYOND]),
    ]  # fmt: skip
    found = [_covering(says, rows, "predicted") for says, rows in parts if rows]
    return [
        *found,
        _collapse(own),
        _covering("P9 control, labels of the init: share of cells whose interval covers ½", control, None),
        shown("P9: share beyond the regime, where the law must end", _covered(rest, "predicted")),
    ]


def _covered(rows: list[Row], law: str | None) -> float:
    """Share of rows whose exact interval covers a law; nan if there are none, or one was not measured."""
    level = 1 - CONFIDENCE
    came = [
        np.nan
        if np.isnan(row["measured"])
        else as_often(row["measured"], row["draws"], row[law] if law else 0.5, level)
        for row in rows
    ]
    return float(np.mean(came)) if came else float("nan")


def _covering(says: str, rows: list[Row], law: str | None) -> Finding:
    """At least 97 %, or what a law that is off by `SHARE` of an error keeps of so few with 99 %."""
    miss = norm.sf(NORMAL - SHARE) + norm.cdf(-NORMAL - SHARE)
    least = 1 - binom.isf(1 - CONFIDENCE, len(rows), miss) / len(rows)
    return Finding(says, _covered(rows, law), min(WANTED, float(least)), 1)


def _collapse(rows: list[Row]) -> Finding:
    """The cell that is farthest from the others of the same N · KL, by the exact law of one count beside the others."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["run"], row["group"]), []).append(row)
    several = [group for group in groups.values() if len(group) > 1]
    off = [_off(np.array([row["measured"] * row["draws"] for row in group]), group[0]["draws"]) for group in several]
    # Two cells whose laws are each off by SHARE of an error lie no farther apart than twice that.
    bound = norm.isf((1 - CONFIDENCE) / 2 / sum(map(len, several))) + 2 * SHARE if several else np.nan
    return most(
        "P9: cells of one N · KL, of other ε and temperature, standard errors off each other", off, float(bound)
    )


def _off(counts: np.ndarray, draws: int) -> float:
    """Of the count that is farthest from the others; nan if one is no number."""
    return float(np.max(unlike(np.rint(counts), draws))) if np.all(np.isfinite(counts)) else float("nan")


def figure(tables: dict[str, list[Row]]) -> Figure:
    """Shares on the law for labels and for texts, and the same shares by N alone."""
    rows = tables["sampled_signs"]
    with style():
        drawn = sheet(2.9)
        panels = drawn.subplots(1, 3, sharey=True)
        for axes, kind, letter in zip(panels, KINDS, "ab", strict=False):
            _shares(axes, [row for row in rows if row["kind"] == kind])
            _coins(axes, [row for row in tables["control"] if row["kind"] == kind])
            axes.set(title=f"({letter}) {kind}", xlabel="√(2N KL), or √(N KL)", xlim=(0, MOST * 1.05))
        own = [row for row in rows if row["student"] == OWN and row["judged"]]
        for row in own:
            panels[2].plot(row["labels"], row["measured"], **_look(row))
        panels[2].set(xscale="log", xlabel="N", title="(c) all, by N alone")
        panels[0].set(ylabel="share towards the teacher", ylim=(0.38, 1.03))
        drawn.legend(handles=_handles(), loc="outside lower center", ncols=3, handlelength=2.0)
    return drawn


def _look(row: Row) -> dict[str, Any]:
    """Colour of the temperature, marker of the student; hollow outside the regime."""
    colour = COLOURS[TEMPERATURES.index(row["temperature"])]
    return {"color": colour, "marker": MARKERS[row["student"] == BEYOND], "markersize": 3, "markeredgewidth": 0.6,
            "markerfacecolor": colour if row["judged"] else "white", "linestyle": ""}  # fmt: skip


def _shares(axes: Axes, rows: list[Row]) -> None:
    """Measured shares on Φ, between which 99 % of the shares of so many draws lie."""
    x = np.linspace(0, MOST * 1.05, 100)
    p, draws = norm.cdf(x), rows[0]["draws"]
    axes.fill_between(x, *share_interval(p * draws, draws, CONFIDENCE), color="#dddddd", linewidth=0, zorder=0)
    axes.plot(x, p, color="black", linewidth=0.9, zorder=4)
    axes.axhline(0.5, color="#999999", linewidth=0.6, linestyle=(0, (1, 2)))
    for row in rows:
        axes.plot(row["deflection"], row["measured"], **_look(row), zorder=3 if row["judged"] else 2)


def _coins(axes: Axes, rows: list[Row]) -> None:
    """Shares of students of the init's labels, at the N of the cells that are judged."""
    judged = [row for row in rows if row["judged"] and row["student"] == OWN]
    axes.plot([r["deflection"] for r in judged], [r["measured"] for r in judged], **COIN, zorder=1)


def _handles() -> list[Line2D]:
    """Temperatures, kinds of students, and what hollow, line and crosses mean."""
    row = {"temperature": 1.0, "student": OWN, "judged": True}
    handles = [
        Line2D([], [], **_look(row | {"temperature": tau}), label=f"temperature {tau:g}") for tau in TEMPERATURES
    ]
    black = {"color": "black", "markerfacecolor": "black"}
    handles.append(Line2D([], [], **(_look(row) | black), label=OWN))
    handles.append(Line2D([], [], **(_look(row | {"student": BEYOND}) | black), label=BEYOND))
    hollow = _look(row | {"judged": False}) | {"color": "black"}
    handles.append(Line2D([], [], **hollow, label="hollow: outside the regime"))
    handles.append(Line2D([], [], color="black", linewidth=0.9, label="Φ; grey: 99 % of shares"))
    handles.append(Line2D([], [], **COIN, label="control: labels of the init"))
    return handles
