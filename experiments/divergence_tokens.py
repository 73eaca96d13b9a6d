"""Where is a trait in greedy labels, how much of it, and on how many rows, beside sampled ones?

A student of greedy labels, beyond its control, steps by u_a − u_b wherever the teacher's first output a is not the
init's b. Masking these flips leaves nothing, masking as many other rows changes nothing. Flips are where the init's
margin is below εv, so that together they add εE[v₊² p_margin(0⁺)]: the density is estimated from margins and
velocities, the total is that of real steps on those rows of a pool that are nearest a tie. No flip points away from
the teacher, so few rows are enough: with a probability of 1 − (1 − P(flip))ᴺ one of N has a flip, where sampled labels
have Φ(ε√(Nq)). Between the two lies the temperature at which labels are sampled. Control: rows far from a tie.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from scipy.special import ndtr, ndtri
from scipy.stats import norm

from subtheory.constructed.labels import classifier, linear
from subtheory.figure import COLOURS, MARKERS, sheet, style
from subtheory.instruments.inputs.ties import NearestTies
from subtheory.instruments.labelled import Labelled, Labelling
from subtheory.kernels.stack import each_eps, inner, labels, moved, pull
from subtheory.ledger import parts
from subtheory.setting.preparation import stack
from subtheory.setting.setting import Setting
from subtheory.statistics import as_often
from subtheory.study.experiment import Progress
from subtheory.study.finding import Finding, most, rate, shown
from subtheory.study.options import at_least
from subtheory.theory.losses import CrossEntropy
from subtheory.theory.views import Drawn, Greedy, margins

QUESTION = "Where is a trait in greedy labels, how much of it, and on how many rows, beside sampled ones?"
COMMAND = "subtheory run divergence_tokens"
EXPECTED = (
    "nothing is left of it without the labels that flip, all of it without as many others; in all εE[v₊²p_margin(0⁺)] "
    "at every ε; near ties carry it; sampled labels need more rows, by a factor that grows as 1/ε"
)

CAPTIONS = {
    "divergence_tokens": "Greedy labels carry a teacher's update by the few that it flips. (a) Alignment that they "
    "add, over its prediction ε E[v₊²p_margin(0⁺)] from the density of ties, against ε: means over "
    "{divergence_tokens.seed} inits of {divergence_tokens.network:list} with 99 % of their standard errors; predicted "
    "1. (b) Rows that a student needs to step towards its teacher with probability 0.9, medians over inits: of "
    "greedy labels (dashed), and of labels sampled at the temperature below (markers), for {rows.relative_size} sizes "
    "ε.",
}

LOSS = CrossEntropy()
NETWORKS = {"linear": linear, "tanh": classifier}
EPS = (8e-3, 4e-3, 2e-3, 1e-3, 5e-4)
"""Relative sizes of the teacher's update, where what the law neglects is below its standard error."""
MASKED = (0.4, 0.1)
"""Of the teacher whose labels are masked."""
ROWS = 2048
TEMPERATURES = (4.0, 2.0, 1.0, 0.5, 0.25)
SAMPLED = (0.04, 0.02)
PLACES, DRAWS, WANTED = 512, 1000, 0.9
"""Inputs of the rows that are drawn, data sets, and the probability of a step towards the teacher that is wanted."""
LEVEL = 1e-3
"""Chance that one of some numbers is off though all laws are right."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """Inits; inputs of a pool, and how many of them, nearest a tie, are shown."""

    seeds: int = 16
    pool: int = 2**19
    nearest: int = 2**16

    def __post_init__(self) -> None:
        at_least(self, seeds=1, pool=2**10, nearest=2**8)


PLAN, QUICK = Plan(), Plan(seeds=3, pool=2**17, nearest=2**14)


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> dict[str, list[Row]]:
    """A row a network, init and ε of the total; of what masks leave; and of how many rows are needed."""
    todo = {f"{name} {seed}": partial(total_rows, name, seed, plan) for name in NETWORKS for seed in range(plan.seeds)}
    totals, masks, needed = parts.rows(todo, progress), list[Row](), list[Row]()
    for name, setting in NETWORKS.items():
        masks += [row for seed in range(plan.seeds) for row in mask_rows(name, setting(), seed)]
        needed += [row for seed in range(plan.seeds) for row in needed_rows(name, setting(), seed)]
    return {"divergence_tokens": totals, "masks": masks, "rows": needed}


def total_rows(name: str, seed: int, plan: Plan) -> list[Row]:
    """What the flips add among the rows nearest a tie, over ε times the density of ties, and its standard error."""
    setting = NETWORKS[name]().but(view=Greedy(), eps=EPS)
    (m,) = NearestTies(plan.pool, plan.nearest).records(setting, (seed,), (LOSS,))[LOSS.name]
    return [
        {
            "network": name, "seed": seed, "relative_size": size, "flips": int(np.sum(m.gains[k] != 0)),
            "total": float(m.share * m.added[k]), "predicted": float(m.share * m.eps[k] * m.density),
            "ratio": float(m.added[k] / (m.eps[k] * m.density)),
            "error": float(m.error[k] / (m.eps[k] * m.density)), "reached": bool(m.reached[k]),
        }
        for k, size in enumerate(EPS)
    ]  # fmt: skip


def mask_rows(name: str, setting: Setting, seed: int) -> list[Row]:
    """What is added by real steps where the labels of some rows are the init's, over what is added in all."""
    s = stack(setting.but(view=Greedy(), examples=ROWS, eps=MASKED), (seed,))
    z = s.functions.values(s.theta0, s.x)
    y, own = labels(s, s.eps), s.view.labels(z, s.outputs)[:, None]
    delta, margin = each_eps(s, s.delta, 1), margins(z, s.outputs)[0]
    before = inner(moved(s, pull(s, LOSS, each_eps(s, z, 2), own)), delta)

    def added(masked: np.ndarray) -> np.ndarray:
        shown = np.where(masked[None, :, :, None], own, y)
        return np.asarray(inner(moved(s, pull(s, LOSS, each_eps(s, z, 2), shown)), delta) - before)[0]

    flips = (np.argmax(y, axis=-1) != np.argmax(own, axis=-1))[0]
    rng = np.random.default_rng(seed)
    others = np.zeros_like(flips)
    for k, flipped in enumerate(flips):
        rest = np.flatnonzero(~flipped)
        others[k, rng.permutation(rest)[: flipped.sum()]] = True
    reach = np.array([margin[flipped].max(initial=0.0) for flipped in flips])
    far = margin > reach[:, None]
    whole, found = added(np.zeros_like(flips)), {"flips": flips, "as many others": others, "far rows": far}
    return [
        {
            "network": name, "seed": seed, "relative_size": MASKED[k], "masked": kind, "rows": int(rows[k].sum()),
            "left": float(added(rows)[k] / whole[k]) if whole[k] else float("nan"), "flips": int(flips[k].sum()),
        }
        for kind, rows in found.items()
        for k in range(len(MASKED))
    ]  # fmt: skip


def needed_rows(name: str, setting: Setting, seed: int) -> list[Row]:
    """Rows for a probability `WANTED` of a step towards the teacher: by the law, and how often they make one."""
    found, rng = list[Row](), np.random.default_rng(seed)
    several = {f"{t:g}": Drawn(temperature=t) for t in TEMPERATURES} | {"greedy": Greedy()}
    for label, view in several.items():
        (m,) = Labelled().records(setting.but(view=view, examples=PLACES, eps=SAMPLED), (seed,), (LOSS,))[LOSS.name]
        for k, size in enumerate(SAMPLED):
            count, law, share = _greedy(m, k, rng) if label == "greedy" else _sampled(m, k, rng)
            found.append({"network": name, "seed": seed, "relative_size": size, "labels": label, "rows": count,
                          "measured": share, "predicted": law, "draws": DRAWS})  # fmt: skip
    return found


def _greedy(m: Labelling, k: int, rng: np.random.Generator) -> tuple[int, float, float]:
    """Rows, 1 − (1 − P(flip))ᴺ, and the share of data sets of so many whose step is towards the teacher."""
    gains = ((m.r[k] - m.r0) * m.scores).sum(axis=-1)
    flip = float(m.mean(gains != 0))
    if not flip:
        return 0, 0.0, 0.0
    count = int(np.ceil(np.log1p(-WANTED) / np.log1p(-flip)))
    steps = gains[rng.choice(len(gains), (DRAWS, count))].sum(axis=1)
    return count, 1 - (1 - flip) ** count, float(np.mean(steps > 0))


def _sampled(m: Labelling, k: int, rng: np.random.Generator) -> tuple[int, float, float]:
    """The same of sampled labels, by the mean and the variance of one."""
    scores = m.scores - (m.r0 * m.scores).sum(axis=-1, keepdims=True)
    law = (m.weights[:, None] * m.r[k]).ravel()
    mean = float(law @ scores.ravel())
    signal = mean / np.sqrt(law @ scores.ravel() ** 2 - mean**2)
    count = int(np.ceil((ndtri(WANTED) / signal) ** 2))
    steps = rng.multinomial(count, law / law.sum(), DRAWS) @ scores.ravel()
    return count, float(ndtr(signal * np.sqrt(count))), float(np.mean(steps > 0))


def findings(tables: dict[str, list[Row]]) -> list[Finding]:
    """P13, P14 and P51: the total within its interval, masks, and shares at the rows of the law."""
    totals, masks, needed = (tables[name] for name in ("divergence_tokens", "masks", "rows"))
    judged = [row for row in totals if row["reached"]]
    off = [abs(row["ratio"] - 1) / row["error"] for row in judged]
    told = [row for row in masks if row["flips"]]
    left = lambda kind: np.array([row["left"] for row in told if row["masked"] == kind])  # noqa: E731
    drawn = [row for row in needed if row["rows"]]
    often = [as_often(row["measured"], row["draws"], row["predicted"], LEVEL / len(drawn)) for row in drawn]
    return [
        most("P13: total over εE[v₊²p(0⁺)], standard errors off 1", off, float(norm.isf(LEVEL / max(len(off), 1) / 2))),
        shown("P13: smallest standard error of that ratio", min((row["error"] for row in judged), default=np.nan)),
        shown("P13: that ratio, mean over all", float(np.mean([row["ratio"] for row in judged] or [np.nan]))),
        most("P13: what is left where flips are masked", np.abs(left("flips")), 0.0),
        most("P13 control: relative change where as many others are", np.abs(left("as many others") - 1), 1e-9),
        most("P14: relative change where all rows farther from a tie are masked", np.abs(left("far rows") - 1), 1e-9),
        rate("P51: shares of steps towards the teacher in the exact interval of their law", often),
        shown("P51: rows of sampled over rows of greedy labels, median at the smaller ε", _fold(drawn, SAMPLED[-1])),
    ]


def _fold(rows: list[Row], size: float) -> float:
    """Median over inits of sampled rows at temperature 1 over greedy ones."""
    known = {(r["network"], r["seed"], r["labels"]): r["rows"] for r in rows if r["relative_size"] == size}
    folds = [known[n, s, "1"] / count for (n, s, kind), count in known.items() if kind == "greedy"]
    return float(np.median(folds or [np.nan]))


def figure(tables: dict[str, list[Row]]) -> Figure:
    """Left: totals over their prediction. Right: how many rows are needed, by the temperature of the labels."""
    with style():
        drawn = sheet(2.8)
        left, right = drawn.subplots(1, 2)
        _totals(left, tables["divergence_tokens"])
        _needed(right, tables["rows"])
    return drawn


def _totals(axes: Axes, rows: list[Row]) -> None:
    """Mean over inits, with 99 % of a normal error."""
    axes.axhline(1.0, color="black", linewidth=0.9)
    for i, name in enumerate(NETWORKS):
        for size in EPS:
            own = [row for row in rows if (row["network"], row["relative_size"]) == (name, size) and row["reached"]]
            if own:
                error = 2.576 * np.sqrt(np.sum(np.square([row["error"] for row in own]))) / len(own)
                axes.errorbar(size * 1.15**i, np.mean([row["ratio"] for row in own]), error, color=COLOURS[i],
                              marker=MARKERS[i], markersize=4, label=name if size == EPS[1] else None)  # fmt: skip
    axes.set(xscale="log", xlabel="ε, relative size", ylabel=r"added $/\;\varepsilon E[v_+^2p_{margin}(0^+)]$")
    axes.set_title("(a) What flips add")
    axes.legend()


def _needed(axes: Axes, rows: list[Row]) -> None:
    """Median over inits and networks; the line of greedy labels in the same colour."""
    for i, size in enumerate(SAMPLED):
        own = [row for row in rows if row["relative_size"] == size and row["rows"]]
        of = lambda kind, own=own: np.median([r["rows"] for r in own if r["labels"] == kind] or [np.nan])  # noqa: E731
        axes.plot(TEMPERATURES, [of(f"{t:g}") for t in TEMPERATURES], color=COLOURS[i], marker=MARKERS[i],
                  markersize=4, label=f"sampled, ε = {size:g}")  # fmt: skip
        axes.axhline(of("greedy"), color=COLOURS[i], linestyle="--", label=f"greedy, ε = {size:g}")
    axes.set(xscale="log", yscale="log", xlabel="temperature of the labels", ylabel="rows for P(D > 0) = 0.9")
    axes.set_xticks(TEMPERATURES, [f"{t:g}" for t in TEMPERATURES])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_title("(b) How many rows it takes")
    axes.legend()
