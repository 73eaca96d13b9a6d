"""What does each labelled row add to a student's step, and how much is lost without the rows that theory puts first?

A student takes one step on N rows with labels drawn from a teacher at θ0 + Δ. Row i adds s_i/n to its alignment,
s_i = Δ · ∇log p0(y_i|x_i), and α∇L_T · ∇log p0(y_i|x_i)/n to the change of a trait loss, here on examples that the
teacher has not seen: all of them from one forward derivative at the init, before there is a student (P49). So the sums
are known, and so is what is left of them when rows are left out and the student takes its step again. That the rows
which the forecast puts first cost most of all sets of their size is arithmetic; how much less is lost without difficult
rows, rows of large gradients, rows that a direction like Δ puts first, and random ones, is what an audit has to show
beside it. The dose is the same for every network: N·KL = 12.5, at which D is positive in all but 3 of 10⁷ draws (P9).
How a student of one step scores the rows itself is known from their kernel (P48). Control: a student of the same labels
beside other inputs, whose step the rows do not forecast, and random rows, which cost nothing in the mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from subtheory.envelope import outgrown
from subtheory.figure import mark, sheet, style
from subtheory.kernels.stack import Stack, one
from subtheory.ledger import parts
from subtheory.networks import NETWORKS, LinenNetwork
from subtheory.numerics import LADDER_RATIO, ROUNDINGS, UNIT
from subtheory.setting.preparation import stack
from subtheory.setting.setting import Setting
from subtheory.statistics import pearson, spearman, standard_error
from subtheory.study.experiment import Progress
from subtheory.study.finding import Finding, farthest, least, most, shown
from subtheory.study.options import at_least
from subtheory.theory import forecast as theory
from subtheory.theory.losses import CrossEntropy, log_softmax

QUESTION = "What does each labelled row add to a student's step, and what is lost without the rows that come first?"
COMMAND = "subtheory run row_forecast"
EXPECTED = (
    "scores of rows add up to the alignment of the real step on them, and on every subset, within rounding; the trait "
    "loss changes as forecast; no rows cost more than the forecast's first, random ones nothing; a minute of CPU"
)
CAPTIONS = {
    "sums": "Rows of a teacher's labels, forecast by one forward derivative at the init, for {sums.network:list}; "
    "{dropped.inits:one} inits each. (a) Added alignment over q: the sum Σs_i/n of row scores against one real step, "
    "predicted on the line. (b) Alignment and (c) fall of the trait loss that are lost when a share of the rows is "
    "left out, in the order of six scores: means over networks with standard errors (markers) on the forecast "
    "(lines), in units of what all rows do.",
}

DOSE = 12.5
"""N·KL of all rows: √(2N·KL) = 5 standard deviations."""
UNSEEN = 2**20
"""Added to a seed for the examples of the trait that the student is read by."""
SHARES = (0.05, 0.1, 0.2, 0.4)
"""Of the rows that are left out."""
TENTH = 0.1
SCORES = ("forecast of the trait", "forecast", "difficulty", "gradient norm", "null", "random")
"""What rows are put in order by: what they take off the trait loss, s, the baselines, and chance."""
RUNGS, SHOWN = 6, 3
"""Step sizes α of a ladder from a change of 1 % of the outputs on; the one at which rows are left out."""
DRAWS = 400
"""Random subsets of every size, of which the mean is compared with all rows."""
SIGMAS = 4.5
"""Standard errors that such a mean may be off: 7·10⁻⁶ for each of 16."""
SAME = 1e-9
"""Of what is added: sets of rows that differ by ties alone."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """Networks, inits of each, and rows of every student."""

    networks: tuple[LinenNetwork, ...] = tuple(NETWORKS[name] for name in ("mlp", "convnet", "vit", "transformer"))
    seeds: int = 32
    rows: int = 96

    def __post_init__(self) -> None:
        at_least(self, seeds=2, rows=20)


PLAN, QUICK = Plan(), Plan(seeds=4, rows=40)


@dataclass(frozen=True, eq=False)
class Base:
    """One init and what is known there: Δ of the dose, the gradient of the readout, rows of the teacher and of θ0."""

    s: Stack
    trait: Any
    """L_T on examples that the teacher has not seen."""
    delta: np.ndarray
    z: np.ndarray
    y: np.ndarray
    """Labels of the teacher's rows, (N, *positions)."""
    own: np.ndarray
    """Labels of θ0's rows."""

    def known(self, y: np.ndarray, along: np.ndarray) -> theory.Rows:
        """What rows of these labels say along a direction."""
        u = self.s.functions.taylor(self.s.theta0, along, self.s.x).u
        return theory.rows(self.z, u, y, self.s.outputs)

    def steps(self, y: np.ndarray, keep: np.ndarray) -> np.ndarray:
        """Real steps on some of the rows, keep (M, N) of 0 and 1: (M, P)."""
        pull = theory.cotangents(self.z, y, self.s.outputs)
        share = keep / (keep.sum(axis=1, keepdims=True) * (y.size / len(y)))
        pulls = share.reshape(*keep.shape, *(1,) * (pull.ndim - 1)) * pull
        return np.asarray(self.s.functions.pulls(self.s.theta0, pulls, self.s.x))

    def changes(self, steps: np.ndarray, alpha: float) -> np.ndarray:
        """Changes of the trait loss by α times these steps, over α, (M,)."""
        f, theta0 = self.s.functions, self.s.theta0
        after = self.trait.value(f, theta0 + alpha * np.concatenate([steps, 0 * steps[:1]]))
        return np.asarray((after[:-1] - after[-1]) / alpha)


def base(s: Stack, trait: Any, rng: np.random.Generator) -> Base:
    """The init of a stack without leading axes, its teacher at the dose, and labels drawn from both."""
    f, w = s.functions, s.outputs
    z, u, _ = f.taylor(s.theta0, s.delta, s.x)
    delta = s.delta * np.sqrt(2 * DOSE / np.sum(theory.token_informations(z, u, w)))

    def drawn(logits: np.ndarray) -> np.ndarray:
        return np.asarray(np.argmax(log_softmax(logits, w) + rng.gumbel(size=logits.shape), axis=-1))

    return Base(s, trait, delta, z, drawn(f.values(s.theta0 + delta, s.x)), drawn(z))


def ladder(b: Base, step: np.ndarray) -> np.ndarray:
    """α of a step: the first changes the outputs by 1 %, (RUNGS,)."""
    moved = b.s.functions.taylor(b.s.theta0, step, b.s.x).u
    return 1e-2 * np.sqrt(np.mean(b.z**2) / np.mean(moved**2)) * LADDER_RATIO ** -np.arange(RUNGS)


def order(b: Base, trait: theory.Rows, own: theory.Rows, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Rows in the order of every score, first ones first, (N,)."""
    s, signs = b.s, rng.choice([-1.0, 1.0], (1, b.delta.size))
    null, _ = theory.null_scores(s.functions, s.theta0, b.delta, signs, s.x, b.y, s.outputs)
    norms = theory.gradient_norms(s.functions, s.theta0, b.z, s.x, b.y, s.outputs)
    scores = (-trait.score, own.score, own.difficulty, norms, null[0], rng.random(len(s.x)))
    return {name: np.argsort(-score, kind="stable") for name, score in zip(SCORES, scores, strict=True)}


def measured(b: Base, rng: np.random.Generator) -> dict[str, Any]:
    """Forecasts of one init beside real steps: of all rows, of the control's, and without the first of every score."""
    s, count = b.s, len(b.s.x)
    g = b.trait.gradient(s.functions, s.theta0)
    own, control, trait, trait0 = (b.known(y, v) for v in (b.delta, g) for y in (b.y, b.own))
    keep = np.ones((1 + len(SCORES) * len(SHARES), count))
    for i, rows in enumerate(order(b, trait, own, rng).values()):
        for j, share in enumerate(SHARES):
            keep[1 + i * len(SHARES) + j, rows[: round(share * count)]] = 0
    steps, (step0, turned) = b.steps(b.y, keep), (b.steps(y, keep[:1])[0] for y in (b.own, np.roll(b.y, 1, axis=0)))
    mean = lambda rows: keep @ rows.score / (keep @ rows.count)  # noqa: E731
    D = steps @ b.delta
    alpha = ladder(b, steps[0])
    curve = np.array([b.changes(np.stack([steps[0], step0]), a) for a in alpha])
    slopes = np.array([trait.alignment, trait0.alignment])
    felt = (
        np.abs(theory.cotangents(b.z, b.y, s.outputs) * s.functions.taylor(s.theta0, b.delta, s.x).u).sum() / b.y.size
    )
    rounding = ROUNDINGS * UNIT * (felt + np.linalg.norm(steps, axis=1).max() * np.linalg.norm(b.delta))
    sets = [rng.permuted(np.arange(count) < round(share * count)) for share in SHARES for _ in range(DRAWS)]
    rest = np.reshape([own.score[~out].sum() / own.count[~out].sum() for out in sets], (len(SHARES), DRAWS))
    return {
        "D": D, "D_forecast": mean(own), "D0": float(step0 @ b.delta), "D0_forecast": control.alignment,
        "L": b.changes(steps, alpha[SHOWN]), "L_forecast": mean(trait),
        "L0": float(curve[SHOWN, 1]), "L0_forecast": trait0.alignment,
        "off": float(np.max(np.abs(D - mean(own))) / rounding),
        "permuted": float(abs(turned @ b.delta - own.alignment) / rounding),
        "outgrown": max(outgrown(each, alpha) for each in np.abs(curve - slopes).T),
        "form": float(own.form), "random": rest, **scored(b, steps[0], alpha),
    }  # fmt: skip


def scored(b: Base, step: np.ndarray, alpha: np.ndarray) -> Row:
    """How a student's own scores of the rows go with the teacher's log-ratio, at every α and as the kernel says."""
    f, theta0, w = b.s.functions, b.s.theta0, b.s.outputs

    def log_p(theta: np.ndarray) -> np.ndarray:
        return np.asarray(theory.by_row(theory.log_likelihoods(f.values(theta, b.s.x), b.y, w)))

    before, kernel = log_p(theta0), theory.student_scores(f, theta0, step, b.s.x, b.y, w)
    oracle, after = log_p(theta0 + b.delta) - before, [log_p(theta0 + a * step) - before for a in alpha]
    off = np.array([pearson(each, oracle) for each in after]) - pearson(kernel, oracle)
    return {
        "pearson": pearson(after[SHOWN], oracle), "pearson_forecast": pearson(kernel, oracle),
        "spearman": spearman(after[SHOWN], oracle), "spearman_forecast": spearman(kernel, oracle),
        "pearson_outgrown": outgrown(np.abs(off), alpha),
    }  # fmt: skip


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> dict[str, list[Row]]:
    """A row an init of what adds up, and one a network, score and share of what is lost without its first rows."""
    return parts.tables({network.name: partial(network_rows, network, plan) for network in plan.networks}, progress)


def network_rows(network: LinenNetwork, plan: Plan) -> dict[str, list[Row]]:
    """Of one network."""
    setting = Setting(network, CrossEntropy(), examples=plan.rows)
    seeds = tuple(range(plan.seeds))
    s, unseen = stack(setting, seeds), stack(setting, tuple(UNSEEN + seed for seed in seeds))
    found = []
    for seed in seeds:
        rng = np.random.default_rng((seed, 9))
        found.append(measured(base(one(s, seed), one(unseen, seed).trait, rng), rng))
    sums = [sum_row(network.name, seed, each) for seed, each in zip(seeds, found, strict=True)]
    return {"sums": sums, "dropped": drop_rows(network.name, found)}


def sum_row(network: str, seed: int, m: Row) -> Row:
    """Added alignment and change of the trait loss, forecast beside measured, of all rows; and the students' scores."""
    names = ("form", "off", "permuted", "outgrown", "pearson", "pearson_forecast", "spearman", "spearman_forecast",
             "pearson_outgrown")  # fmt: skip
    added = {name: float(m[name][0] - m[f"{name[0]}0{name[1:]}"]) for name in ("D", "D_forecast", "L", "L_forecast")}
    return {"network": network, "seed": seed, **added, **{name: float(m[name]) for name in names}}


def drop_rows(network: str, found: Sequence[Row]) -> list[Row]:
    """What is lost of the alignment, and of the fall of the trait loss, in the mean over inits.

    In units of the mean that is added to D, and of the root mean square of what is added to the change of L_T, whose
    sign need not be the same for all inits. "beyond" is the least over inits of what the forecast's own first rows lose
    of D more than these; "deviations" how far the mean of D without random rows is from all rows', in standard errors.
    """
    of = lambda name: np.array([m[name] for m in found])  # noqa: E731
    added = {name: of(name)[:, 0] - of(f"{name}0") for name in ("D", "L")}
    units = {"D": float(np.mean(added["D"])), "L": -float(np.sqrt(np.mean(added["L"] ** 2)))}
    rows = []
    for i, score in enumerate(SCORES):
        for j, share in enumerate(SHARES):
            at, first = 1 + i * len(SHARES) + j, 1 + SCORES.index("forecast") * len(SHARES) + j
            row: Row = {"network": network, "score": score, "share": share, "inits": len(found)}
            for name in ("D", "D_forecast", "L", "L_forecast"):
                lost = (of(name)[:, 0] - of(name)[:, at]) / units[name[0]]
                row |= {f"lost_{name}": float(np.mean(lost)), f"error_{name}": float(standard_error(lost))}
            row["beyond"] = float(np.min(of("D")[:, at] - of("D")[:, first]) / units["D"])
            off = of("random")[:, j] - of("D_forecast")[:, :1]
            error = np.sqrt(np.sum(np.var(off, axis=1, ddof=1) / DRAWS)) / len(found)
            row["deviations"] = float(off.mean() / error) if score == "random" else 0.0
            rows.append(row)
    return rows


def findings(tables: dict[str, list[Row]]) -> list[Finding]:
    """P49 of sums, subsets and readouts, its two controls, and P48 of what students say of the rows."""
    sums, dropped = tables["sums"], tables["dropped"]
    of = lambda rows, name: [row[name] for row in rows]  # noqa: E731
    others = [row for row in dropped if row["score"] != "forecast"]
    chance = [row for row in dropped if row["score"] == "random"]
    tenth = lambda score: np.mean(  # noqa: E731
        [row["lost_L"] for row in dropped if (row["score"], row["share"]) == (score, TENTH)]
    )
    return [
        most("P49: |Σ s_i/n − D| of real steps on all rows and on what is left, over its rounding", of(sums, "off"), 1),
        most("P49: change of the trait loss less its forecast, over its envelope O(α)", of(sums, "outgrown"), 1),
        least("P49: alignment lost with the forecast's first rows beyond any others', of what is added",
              of(others, "beyond"), -SAME),
        farthest("P49 control, random rows: what they lose in the mean, in standard errors", of(chance, "deviations"),
                 -SIGMAS, SIGMAS),
        least("P49 control, permuted rows: |Σ s_i/n − D| over its rounding", of(sums, "permuted"), 1),
        most("P48: correlation of a student's scores to log p_T − log p0 less the kernel's, over its envelope O(α)",
             of(sums, "pearson_outgrown"), 1),
        *(shown(f"trait change lost with the tenth that comes first by {score}, mean over networks", tenth(score))
          for score in SCORES),
    ]  # fmt: skip


def figure(tables: dict[str, list[Row]]) -> Figure:
    """Sums of rows against real steps; then what is lost of D and of the trait change, forecast lines and markers."""
    with style():
        drawn = sheet(2.7)
        sums, D, L = drawn.subplots(1, 3)
        _sums(sums, tables["sums"])
        for axes, name, title in ((D, "D", "(b) alignment lost"), (L, "L", "(c) trait change lost")):
            _lost(axes, tables["dropped"], name)
            axes.set(title=title, xlabel="share of the rows left out")
        handles = {label: handle for axes in (sums, D) for handle, label in zip(*axes.get_legend_handles_labels())}  # noqa: B905
        drawn.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=5, columnspacing=1.2)
    return drawn


def _sums(axes: Axes, rows: list[Row]) -> None:
    """Added alignment over q, measured against forecast."""
    for i, network in enumerate(dict.fromkeys(row["network"] for row in rows)):
        own = [row for row in rows if row["network"] == network]
        x, y = ([row[name] / row["form"] for row in own] for name in ("D_forecast", "D"))
        axes.plot(x, y, **mark(i) | {"linestyle": "", "color": "#666666"}, label=network)
    ends = axes.get_xlim()
    axes.plot(ends, ends, color="black", linewidth=0.8, zorder=1)
    axes.set(title="(a) all rows", xlabel=r"forecast, $\sum s_i/nq$", ylabel="real step, D/q")


def _lost(axes: Axes, rows: list[Row], name: str) -> None:
    """Mean over networks: the forecast as a line, markers with standard errors; curves side by side."""
    axes.axhline(0, color="#999999", linewidth=0.6)
    for i, score in enumerate(SCORES):
        own = [[row for row in rows if (row["score"], row["share"]) == (score, share)] for share in SHARES]
        middle, line = (np.array([np.mean([row[f"lost_{n}"] for row in each]) for each in own])
                        for n in (name, f"{name}_forecast"))  # fmt: skip
        error = [np.sqrt(np.sum([row[f"error_{name}"] ** 2 for row in each])) / len(each) for each in own]
        look = mark(i + 2)
        axes.plot(SHARES, line, color=look["color"], linestyle=look["linestyle"])
        point = {part: look[part] for part in ("color", "marker", "markeredgewidth")}
        axes.errorbar(SHARES, middle, error, linestyle="", elinewidth=0.7, label=score, **point)
