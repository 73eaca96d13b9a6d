"""Do mixtures of a teacher's rows with its init's transmit less, or nothing?

Both have been said: that the effect is proportional to the share ρ of the teacher's rows, and that mixtures of 10 to
50 % transmit nothing. Both are true, of two different numbers. The expected step of a student is linear in its labels,
and the init's own rows pull nowhere in the mean: D(ρ) = ρD(1) exactly, whatever ε and ρ. But N rows that are drawn pull
with a variance q/N too, to which the init's rows add as the teacher's do, so that what one student does is decided with
probability Φ(ρε√(Nq)): a threshold in ρ√N. At a dose N at which 98 of 100 undiluted students inherit, ε√(Nq) = 2, a
tenth of the rows leaves a toss of a coin, Φ(0.2) = 0.58; at sixteen times that dose half of them lose nothing that can
be seen. The same rows without the others would do better, Φ(ε√(ρNq)): n of N rows count as n²/N. Controls: those rows
alone, and rows of a third model in place of the init's, which add a term of their own and are not in proportion.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.special import ndtr
from scipy.stats import binom

from subtheory.constructed.labels import both
from subtheory.constructed.sequences import Sequences
from subtheory.figure import COLOURS, MARKERS, sheet, style
from subtheory.instruments.labelled import Labelled, Labelling
from subtheory.kernels.stack import Stack, one, step_size
from subtheory.ledger import parts
from subtheory.setting.preparation import stack
from subtheory.setting.setting import Setting
from subtheory.statistics import share_interval
from subtheory.study.experiment import Progress
from subtheory.study.finding import Finding, most, rate, shown
from subtheory.study.options import at_least
from subtheory.theory.views import Diluted, Scored

QUESTION = "Do mixtures of a teacher's rows with its init's transmit less, or nothing?"
COMMAND = "subtheory run dilution"
EXPECTED = (
    "the alignment is the undiluted one times the share ρ, to rounding; how many students step towards their teacher, "
    "and lower its trait loss, is a threshold in ρ√N, Φ(ρε√(Nq)); the teacher's rows alone: Φ(ε√(ρNq))"
)
CAPTIONS = {
    "dilution": "Students of a mixture in which the teacher wrote a share ρ of the rows, for "
    "{dilution.network:list}; {students.seed} seeds. (a) The alignment falls as the line, D(ρ)/D(1) = ρ (plus signs), "
    "and yet the share of students of N drawn rows with D > 0 (markers, means of {students.draws:one} students over "
    "networks and seeds) stays near 1, as the curves Φ(ρε√(Nq)) predict; hollow: the teacher's rows without the "
    "others. (b) The same shares on Φ; crosses: shares of students whose trait loss falls.",
}

SHARES = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
"""ρ."""
DOSES = (1.0, 2.0, 4.0, 8.0)
"""d = ε√(Nq) of an undiluted student: what fixes N."""
SIZE = 1e-3
"""Relative size ε of the teacher's update."""
STEP = 0.1
"""α, in units of the step q/‖GΔ‖²: the trait loss is to be read along one small step."""
CONFIDENCE = 0.99
CHANCE = 1e-4
"""That a true law has more intervals miss it than are allowed."""
NEGLECTED = 0.2
"""Of the standard error of a share: cells in which terms of second order shift it by more are not judged."""
SEED = 3

Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """Inits, data and teachers of each network, and students in every cell."""

    seeds: int = 3
    draws: int = 2000
    settings: tuple[Setting, ...] = field(default_factory=both)

    def __post_init__(self) -> None:
        at_least(self, seeds=1, draws=10)


PLAN, QUICK = Plan(), Plan(seeds=1, draws=500)


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> dict[str, list[Row]]:
    """Alignment by share, and sampled students by share and dose."""

    def own(setting: Setting, seed: int) -> dict[str, list[Row]]:
        one = setting.but(eps=(SIZE,))
        return {"dilution": linear_rows(one, seed), "students": student_rows(one, seed, plan.draws)}

    work = {f"{s.network.name}, seed {seed}": (s, seed) for s in plan.settings for seed in range(plan.seeds)}  # type: ignore[attr-defined]
    return parts.tables({name: partial(own, *each) for name, each in work.items()}, progress)


def labelled(setting: Setting, seed: int) -> Labelling:
    """One distillation."""
    found: Labelling = Labelled().records(setting, (seed,), (setting.loss,))[setting.loss.name][0]
    return found


def linear_rows(setting: Setting, seed: int) -> list[Row]:
    """D of every share, the other rows being the init's, or of a model that holds all labels equally likely."""
    whole, rows = labelled(setting, seed).alignment[0], []
    for share in SHARES:
        for others, view in (("init", Diluted(share)), ("third model", Diluted(share, Scored(-1.0)))):
            m = labelled(setting.but(view=view), seed)
            rows.append(
                {
                    "network": setting.network.name, "seed": seed, "others": others, "share": share,  # type: ignore[attr-defined]
                    "eps": float(m.eps[0]), "alignment": float(m.alignment[0]), "undiluted": float(whole),
                    "rounding": float(m.rounding[0]),
                }
            )  # fmt: skip
    return rows


# Students -----------------------------------------------------------------------------------------


def student_rows(setting: Setting, seed: int, draws: int) -> list[Row]:
    """How many students of N drawn rows step towards their teacher, and lower its trait loss.

    Whole texts are dear to read a trait from, and only their alignment is counted.
    """
    m, s = labelled(setting, seed), one(stack(setting, (seed,)), 0)
    steps, rng, rows = step_of_a_row(s, m), np.random.default_rng((SEED, seed)), []
    reads = not isinstance(setting.network, Sequences)
    signal = float(m.eps[0]) * np.sqrt(m.form)
    for dose in DOSES:
        count = round((dose / signal) ** 2)
        for share in SHARES:
            for kind, N, part in (("mixed", count, share), ("alone", round(share * count), 1.0))[: 1 + (share < 1)]:
                law = part * m.p[0] + (1 - part) * m.p0
                predicted = part * signal * np.sqrt(N)
                step = drawn(rng, N, law, m, draws) @ steps
                along = step @ s.delta
                row = {
                    "network": setting.network.name, "seed": seed, "rows": kind, "dose": dose, "share": share,  # type: ignore[attr-defined]
                    "N": N, "standardised": float(predicted), "predicted": float(ndtr(predicted)), "draws": draws,
                    "towards": float(np.mean(along > 0)),
                    "shift": float(abs(ndtr(exactly(m, law) * np.sqrt(N)) - ndtr(predicted))),
                }  # fmt: skip
                falls, neglected = lowered(s, m, step, along, N) if reads else (np.nan, np.nan)
                rows.append(row | {"falls": falls, "trait_shift": neglected})
    return rows


def step_of_a_row(s: Stack, m: Labelling) -> np.ndarray:
    """∇log p0 of every label at every place, (M·V, P): the mean of those that are drawn is a student's step."""
    places, width = m.p0.shape
    unit = np.eye(places * width).reshape(places * width, places, width)
    each = s.functions.pulls(s.theta0, unit, s.x).reshape(places, width, -1)
    centred = each - np.einsum("mv,mvp->mp", m.p0, each)[:, None]
    return np.asarray(centred.reshape(places * width, -1))


def drawn(rng: np.random.Generator, N: int, law: np.ndarray, m: Labelling, draws: int) -> np.ndarray:
    """Shares of N rows that fell on each place and label, for every student, (draws, M·V)."""
    p = np.where(m.distilled > 0, law, 0.0) * m.weights[:, None]
    return rng.multinomial(N, np.ravel(p / p.sum()), size=draws) / N


def exactly(m: Labelling, law: np.ndarray) -> float:
    """Mean over deviation of the alignment of one row, without an expansion in ε."""
    mean = m.mean((law * m.scores).sum(axis=-1))
    return float(mean / np.sqrt(m.mean((law * m.scores**2).sum(axis=-1)) - mean**2))


def lowered(s: Stack, m: Labelling, step: np.ndarray, along: np.ndarray, N: int) -> tuple[float, float]:
    """Share of students whose trait loss falls after a step α, and how far −αD alone would be off that.

    By the second half of the students, for what is beyond −αD in deviations of αD: the law at shifted means.
    """
    G = s.functions.pulls(s.theta0, m.weights[:, None] * m.p0 * m.scores, s.x)
    alpha = STEP * float(step_size(m.loss, np.float64(m.form), np.sqrt(G @ G)))
    value = lambda theta: s.trait.value(s.functions, theta)  # noqa: E731
    change = value(s.theta0 + alpha * step) - value(s.theta0[None])
    beyond = (change + alpha * along)[len(step) // 2 :] / (alpha * np.sqrt(m.form / N))
    at = np.mean(along) / np.sqrt(m.form / N)
    return float(np.mean(change < 0)), float(np.mean(np.abs(ndtr(at - beyond) - ndtr(at))))


# Findings -----------------------------------------------------------------------------------------


def findings(tables: dict[str, list[Row]]) -> list[Finding]:
    """P52: linear, a threshold, in the trait too; and its controls."""
    mixed, alone = ([r for r in tables["students"] if r["rows"] == kind] for kind in ("mixed", "alone"))
    init, third = ([r for r in tables["dilution"] if r["others"] == who] for who in ("init", "third model"))
    tenth = [r["towards"] for r in mixed if (r["share"], r["dose"]) == (0.1, 2.0)]
    off = lambda r: abs(r["alignment"] - r["share"] * r["undiluted"])  # noqa: E731
    return [
        most("P29, P52: |D(ρ) − ρD(1)| over its rounding", [off(r) / r["rounding"] for r in init], 1.0),
        covered("P52: share of students with D > 0 is Φ(ρε√(Nq))", mixed, "towards", "shift"),
        covered("P52: share of students whose trait loss falls is Φ(ρε√(Nq))",
                [r for r in mixed if not np.isnan(r["trait_shift"])], "falls", "trait_shift"),
        covered("P52 control, the teacher's rows alone: share with D > 0 is Φ(ε√(ρNq))", alone, "towards", "shift"),
        rate("P29 control, rows of a third model: share of mixtures whose D is off ρD(1) by more than ρD(1)",
             [off(r) > r["share"] * abs(r["undiluted"]) for r in third if r["share"] < 1], 0.95),
        shown("share with D > 0 of a tenth of the rows, at a dose at which 0.977 undiluted have it", np.mean(tenth)),
    ]  # fmt: skip


def covered(says: str, rows: Sequence[Row], measured: str, shift: str) -> Finding:
    """How many exact intervals of judged cells cover the law, and how many must with a probability of 1 − `CHANCE`."""
    p, found, draws, off = (np.array([r[n] for r in rows]) for n in ("predicted", measured, "draws", shift))
    judged = ~(off > NEGLECTED * np.sqrt(p * (1 - p) / draws))
    low, high = share_interval(np.rint(found * draws), draws, CONFIDENCE)
    # What is no number covers nothing, and the rate over it is none.
    came = np.where(np.isfinite(p + found), (low <= p) & (p <= high), np.nan)[judged]
    allowed = float(binom.isf(CHANCE, len(came), 1 - CONFIDENCE)) / max(1, len(came))
    return rate(
        f"{says}: intervals that cover it, of {len(came)} judged cells in {len(rows)}", came.tolist(), 1 - allowed
    )


# Figure -------------------------------------------------------------------------------------------


def figure(tables: dict[str, list[Row]]) -> Figure:
    """Alignment and students by share on one axis; all cells by ρε√(Nq)."""
    students = tables["students"]
    with style():
        drawn = sheet(2.9)
        left, right = drawn.subplots(1, 2, width_ratios=(1.15, 1))
        _by_share(left, tables["dilution"], students)
        _collapse(right, students)
        handles = [Line2D([], [], color="black", linewidth=1.4, label=r"$D(\rho)/D(1) = \rho$, measured: +")]
        handles += [Line2D([], [], **_look(i), label=rf"share with $D>0$, $\varepsilon\sqrt{{Nq}}$ = {d:g}")
                    for i, d in enumerate(DOSES)]  # fmt: skip
        hollow = _look(1) | {"linestyle": ":", "markerfacecolor": "white"}
        handles.append(Line2D([], [], **hollow, label="hollow: rows alone"))
        handles.append(
            Line2D([], [], color="black", marker="x", markersize=3.5, linestyle="", label="trait loss falls")
        )
        drawn.legend(handles=handles, loc="outside lower center", ncols=3, handlelength=2.2)
    return drawn


def _look(i: int) -> dict[str, Any]:
    return {"color": COLOURS[i], "marker": MARKERS[i], "markersize": 3.2}


def _by_share(axes: Axes, linear: list[Row], students: list[Row]) -> None:
    """Both numbers of one mixture: where the line is at a tenth, students toss a coin, unless there are many rows."""
    at = np.linspace(0, 1, 101)
    axes.plot(at, at, color="black", linewidth=1.4)
    for row in linear:
        if row["others"] == "init":
            axes.plot(row["share"], row["alignment"] / row["undiluted"], color="black", marker="+", markersize=5)
    for i, dose in enumerate(DOSES):
        axes.plot(at, ndtr(at * dose), color=COLOURS[i], linewidth=0.9)
        own = [r for r in students if r["dose"] == dose and r["rows"] == "mixed"]
        axes.plot(SHARES, [_mean(own, share, "towards") for share in SHARES], **_look(i), linestyle="")
    axes.plot(at, ndtr(np.sqrt(at) * DOSES[1]), color=COLOURS[1], linestyle=":")
    own = [r for r in students if r["dose"] == DOSES[1] and r["rows"] == "alone"]
    found = [_mean(own, share, "towards") for share in SHARES[:-1]]
    axes.plot(SHARES[:-1], found, **_look(1) | {"markerfacecolor": "white"}, linestyle="")
    axes.axhline(0.5, color="#999999", linewidth=0.6, linestyle=(0, (1, 2)))
    axes.set(xlabel=r"share $\rho$ of the teacher's rows", ylim=(0, 1.03), ylabel="alignment, or share of students")
    axes.set_title("(a) The mean, and one student")


def _mean(rows: list[Row], share: float, name: str) -> float:
    """Over networks and seeds."""
    return float(np.mean([row[name] for row in rows if row["share"] == share]))


def _collapse(axes: Axes, students: list[Row]) -> None:
    """Every cell, on Φ; hollow where the rows are alone."""
    x = np.linspace(0, 4.2, 200)
    axes.plot(x, ndtr(x), color="black", linewidth=0.9, zorder=1)
    for row in students:
        i, mixed = DOSES.index(row["dose"]), row["rows"] == "mixed"
        look = _look(i) | {"linestyle": "", "markerfacecolor": COLOURS[i] if mixed else "white", "markeredgewidth": 0.6}
        axes.plot(row["standardised"], row["towards"], **look)
        if mixed:
            axes.plot(row["standardised"], row["falls"], color="black", marker="x", markersize=3.5, linewidth=0)
    axes.set(
        xlim=(0, 4.2),
        ylim=(0.45, 1.03),
        xlabel=r"$\rho\,\varepsilon\sqrt{Nq}$; alone $\varepsilon\sqrt{\rho Nq}$",
        ylabel="share of students",
    )
    axes.set_title(r"(b) All cells on $\Phi$")
