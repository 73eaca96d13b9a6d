"""For which sizes ε of the teacher's update and which steps α of the student does the trait loss fall?

The theorem takes α as it is and ε to 0. With L_T smooth along the student's step, ΔL_T ≤ −αD(ε) + ½α²β‖Δθ_S‖²,
so that L_T falls for α < 2D(ε)/(β‖Δθ_S‖²), which is about 2q/(βε‖GΔ‖²) for small ε: a boundary of slope −1 in
log α against log ε, on which the student moves by one and the same distance. It is measured on a grid and by
dividing intervals, laid beside the formula with the β of the segment that it speaks of, and certified in ball
arithmetic for some α. For a quadratic L_T of curvature β the formula is exact, and doubling β halves the
boundary. The network is one whose boundary has a straight part, then a level one, and ends where D changes its
sign. Half a minute on two cores.
"""

from dataclasses import dataclass, replace
from math import inf
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import subtheory as st
from subtheory.certificate.cases import CASES
from subtheory.certificate.search import CLOSE
from subtheory.figure import COLOURS, below, blank, mark, style
from subtheory.ledger.parts import each
from subtheory.numerics import LADDER_RATIO, ROUNDINGS, UNIT, extrapolation_constant, public
from subtheory.study.experiment import Progress
from subtheory.study.finding import Finding, farthest
from subtheory.study.options import at_least
from subtheory.theory.distillation import Distillation, student_update, trait_loss
from subtheory.theory.trait import Bowl

QUESTION = "For which sizes ε of the teacher's update and steps α of the student does the trait loss fall?"
COMMAND = "subtheory run phase_diagram"
EXPECTED = (
    "Below a boundary of slope −1 in log α against log ε, as far as D > 0; the formula lies below it and the certified "
    "points on it; for a quadratic trait loss it is exact, and twice the curvature halves it."
)
CAPTIONS = {
    "phase": "Signs of the change of the trait loss by one step α of a student behind a teacher's update ε, for one "
    "small tanh network. (a) It falls below the measured boundary (solid) and rises in the hatched part; the formula "
    "2D/(β‖Δθ_S‖²) (dashed) must lie below the boundary, and near its law 2q/(βε‖GΔ‖²) of slope −1 for small ε. "
    "Horizontal lines: sizes ε at which ball arithmetic certifies the fall, up to the diamonds; crosses: first root "
    "in ε. (b) A quadratic trait loss of curvature β: measured boundaries (markers) on the exact formula (lines); "
    "twice the curvature halves it.",
}

CASE, SEED, LOSS = "tanh-2-4-2", 3, st.CrossEntropy()
EPS, ALPHA = (1e-4, 20.0), (1e-1, 1e4)
"""Ends of the two axes."""
RANGE = (1e-3, 1e6)
"""Where a boundary in α is looked for."""
ROUNDS, DIVIDED, FINE = 4, 256, 4096
"""How often the interval of the first wrong sign is divided, into how many in α, and in ε."""
GRID = ((RANGE[1] / RANGE[0]) ** (1 / (DIVIDED - 1)) - 1) / DIVIDED ** (ROUNDS - 1) / 2
"""How far off a boundary in α may be for that, relative to it."""
CURVATURES = (1.0, 2.0)
HUGE = 1e30
"""Beyond every change of a loss."""
SMALL = 1e-3
"""A slope is fitted to the ε up to here."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """Points of a grid in ε and in α; one α in so many of it is certified."""

    points: int = 89
    every: int = 8

    def __post_init__(self) -> None:
        at_least(self, points=9, every=1)


PLAN, QUICK = Plan(), Plan(points=23, every=4)


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> dict[str, list[Row]]:
    """The diagram, its boundary and its certified points; the quadratic; the slopes and what must not be."""
    d = replace(CASES[CASE].distillation(SEED, LOSS), eps=np.geomspace(*EPS, plan.points))
    alpha = np.geomspace(*ALPHA, plan.points)
    todo = {
        "phase": lambda: phase_rows(d, alpha),
        "boundary": lambda: boundary_rows(d),
        "certified": lambda: [certified_row(d, a) for a in alpha[:: plan.every]],
        "quadratic": lambda: [row for beta in CURVATURES for row in quadratic_rows(d, beta)],
    }
    found = each(todo, progress=progress)
    return {**found, "slopes": slope_rows(found)}


@public
@jax.jit
def changes(d: Distillation, alpha: Array) -> Array:
    """L_T(θ0 + αΔθ_S(ε)) − L_T(θ0) for the ε of `d` and the α of their rows, (K, A)."""
    before = trait_loss(d, d.student)

    def at(pair: tuple[Array, Array]) -> Array:
        update = student_update(d, pair[0])
        return jax.vmap(lambda a: trait_loss(d, optax.tree.add_scale(d.student, a, update)) - before)(pair[1])

    return jax.lax.map(at, (d.eps, jnp.asarray(alpha)))


def phase_rows(d: Distillation, alpha: np.ndarray) -> list[Row]:
    """ΔL_T at every point of the grid."""
    found = changes(d, np.broadcast_to(alpha, (len(d.eps), len(alpha))))
    return [
        {"eps": float(e), "alpha": float(a), "change": float(value)}
        for e, line in zip(d.eps, found, strict=True)
        for a, value in zip(alpha, line, strict=True)
    ]


def critical(d: Distillation) -> np.ndarray:
    """The smallest α at which L_T does not fall, for every ε, (K,); 0 if it never falls, nan if it always does."""
    low, high = np.zeros(len(d.eps)), np.full(len(d.eps), np.nan)
    grid = np.broadcast_to(np.geomspace(*RANGE, DIVIDED), (len(d.eps), DIVIDED))
    for turn in range(ROUNDS):
        wrong = ~(changes(d, grid) < 0)
        i, row = np.argmax(wrong, axis=1), np.arange(len(grid))
        if turn == 0:
            never, always = wrong[:, 0], ~wrong.any(axis=1)
        low, high = np.where(i > 0, grid[row, i - 1], low), grid[row, i]
        grid = low[:, None] + (high - low)[:, None] * np.arange(1, DIVIDED + 1) / DIVIDED
    return np.where(never, 0.0, np.where(always, np.nan, (low + high) / 2))


def sizes(d: Distillation) -> np.ndarray:
    """‖Δθ_S‖² for every ε, (K,)."""
    return np.array([sum(float(np.sum(v**2)) for v in jax.tree.leaves(st.student_update(d, e))) for e in d.eps])


def boundary_rows(d: Distillation) -> list[Row]:
    """The boundary as it is measured, by the formula, and by the law for small ε with the β found at the smallest."""
    # Δ = −∇L_T(θ0), so that D(ε) is the slope of L_T along the student's step.
    alignment, step = st.alignment(d), st.trait_step(d)
    beta = np.where(step > 0, 2 * alignment / (np.where(step > 0, step, 1.0) * sizes(d)), np.nan)
    g_delta = sum(float(np.sum(v**2)) for v in jax.tree.leaves(st.ggn(d)(d.delta)))
    law = 2 * st.quadratic_form(d) / (beta[0] * d.eps * g_delta)
    columns = {"eps": d.eps, "measured": critical(d), "formula": step, "law": law, "beta": beta, "alignment": alignment}
    return [dict(zip(columns, map(float, row), strict=True)) for row in zip(*columns.values(), strict=True)]


def certified_row(d: Distillation, alpha: float) -> Row:
    """How far the fall is certified at one α, and the first ε at which L_T does not fall: nan if there is none."""
    # No search ends for want of time, which a busy machine would be short of: its own end is what is judged.
    found = st.certify(d, EPS[1], alpha=float(alpha), kinds=("trait-loss",), seconds=inf).found["trait-loss"]
    low, high = 0.0, EPS[1]
    for _ in range(ROUNDS):
        grid = low + (high - low) * np.arange(1, FINE + 1) / FINE
        wrong = np.flatnonzero(~(changes(replace(d, eps=grid), np.full((len(grid), 1), alpha))[:, 0] < 0))
        if not wrong.size:
            break
        low, high = (grid[wrong[0] - 1] if wrong[0] else low), grid[wrong[0]]
    row = {"alpha": float(alpha), "certified": found.statement.upto}
    row |= {"measured": float((low + high) / 2) if wrong.size else np.nan, "reached_limit": found.complete}
    return row | {"boxes": len(found.statement.ends), "seconds": found.seconds}


def quadratic_rows(d: Distillation, beta: float) -> list[Row]:
    """L_T(θ) = −Δ·(θ − θ0) + ½β‖θ − θ0‖² but for a constant: a bowl with its bottom at θ0 + Δ/β."""
    curvature = jax.tree.map(lambda leaf: np.full_like(leaf, beta), d.theta0)
    bottom = jax.tree.map(lambda leaf, step: leaf + step / beta, d.theta0, d.delta)
    d = replace(d, trait=Bowl(curvature, bottom))
    alignment = st.alignment(d)
    predicted = np.where(alignment > 0, 2 * alignment / (beta * sizes(d)), 0.0)
    columns = {"eps": d.eps, "measured": critical(d), "predicted": predicted}
    return [
        {"beta": beta, **dict(zip(columns, map(float, row), strict=True))}
        for row in zip(*columns.values(), strict=True)
    ]


def slope_rows(found: dict[str, list[Row]]) -> list[Row]:
    """Slopes for small ε, ratios and counts, each beside what it must be."""
    boundary, certified = found["boundary"], found["certified"]
    once, twice = ([row for row in found["quadratic"] if row["beta"] == beta] for beta in CURVATURES)
    falling = [row for row in boundary if row["measured"] > 0]
    halves = [b["measured"] / a["measured"] for a, b in zip(once, twice, strict=True) if a["measured"] > 0]
    off = [abs(row["measured"] / row["predicted"] - 1) for row in once + twice if row["predicted"] > 0]
    reach = [row["certified"] / row["measured"] for row in certified if not np.isnan(row["measured"])]
    rises = {(row["eps"], row["alpha"]) for row in found["phase"] if not row["change"] < 0}
    below = {row["eps"]: row["formula"] for row in boundary}
    upto = {row["alpha"]: row["certified"] for row in certified}
    values = [
        ("slope of the measured boundary", _slope(boundary, "measured"), "-1"),
        ("slope of the formula", _slope(boundary, "formula"), "-1"),
        *((f"slope with a quadratic trait loss, beta {b:g}", _slope(r, "measured"), "-1") for b, r in
          zip(CURVATURES, (once, twice), strict=True)),
        ("smallest boundary of 2 beta over that of beta", min(halves), "0.5"),
        ("largest boundary of 2 beta over that of beta", max(halves), "0.5"),
        ("largest relative error of a quadratic's boundary", max(off), "0"),
        ("smallest formula over measured boundary", min(r["formula"] / r["measured"] for r in falling), "at most 1"),
        ("largest formula over measured boundary", max(r["formula"] / r["measured"] for r in falling), "at most 1"),
        ("smallest certified over measured eps", min(reach), "at most 1"),
        ("largest certified over measured eps", max(reach), "at most 1"),
        ("rising points of the grid below the formula", sum(a < below[e] for e, a in rises), "0"),
        ("rising points of the grid that are certified to fall", sum(e <= upto.get(a, 0.0) for e, a in rises), "0"),
    ]  # fmt: skip
    return [{"quantity": name, "value": float(value), "predicted": wanted} for name, value, wanted in values]


def _slope(rows: list[Row], name: str) -> float:
    """Of log α against log ε for ε ≤ SMALL, by least squares."""
    small = [row for row in rows if row["eps"] <= SMALL]
    return float(np.polyfit(np.log([row["eps"] for row in small]), np.log([row[name] for row in small]), 1)[0])


def findings(tables: dict[str, list[Row]]) -> list[Finding]:
    """P6: order of the boundary, formula and certificates inside it, and twice the curvature as the control."""
    once, twice = ([row for row in tables["quadratic"] if row["beta"] == beta] for beta in CURVATURES)
    exact = [_shown(row["measured"]) / _shown(row["predicted"]) - 1 for row in once + twice]
    half = CURVATURES[0] / CURVATURES[1]
    pairs = [(a["measured"], b["measured"]) for a, b in zip(once, twice, strict=True)]
    halves = [b / a for a, b in pairs if not a * half <= RANGE[0]]
    falling = [row for row in tables["boundary"] if not row["measured"] == row["formula"] == 0]
    inside = [row["formula"] / _shown(row["measured"]) for row in falling]
    return [
        _order(tables["boundary"]),
        Finding("P6: 2D/(β‖Δθ_S‖²) over the boundary, at most", float(np.max(inside)), 0, 1 + GRID),
        farthest("P6, quadratic trait loss: boundary over 2D/(β‖Δθ_S‖²) less 1, farthest", exact, -GRID, GRID),
        farthest(
            "P6 control, twice the curvature: boundary over that of β, farthest",
            halves,
            half * (1 - 2 * GRID),
            half * (1 + 2 * GRID),
        ),
        _rising(tables),
        _short(tables["certified"]),
    ]


def _shown(alpha: float) -> float:
    """A boundary where it is looked for: below the range it cannot be told from 0."""
    return float(np.maximum(alpha, RANGE[0]))


def _order(rows: list[Row]) -> Finding:
    """Slope from one ε to the next, which is −1 + O(ε): for ε ≤ SMALL within Λ·C·ε, C from ε in (SMALL, 4⁴·SMALL].

    Of those, three stand in the ratio of a ladder at least, which is what Λ asks for.
    """
    x, y = (np.log([row[name] for row in rows if row["measured"] != 0]) for name in ("eps", "measured"))
    slope, eps = np.diff(y) / np.diff(x), np.exp(x[:-1])
    small, coarse = eps <= SMALL, (eps > SMALL) & (eps <= SMALL * LADDER_RATIO**4)
    constant = extrapolation_constant() * np.max(np.abs(slope + 1)[coarse] / eps[coarse])
    bound = constant * eps[small] + 2 * GRID / np.diff(x)[small]
    at = int(np.argmax(np.abs(slope + 1)[small] / bound))
    says = f"P6: log-log slope of the boundary in α, farthest at ε up to {SMALL:g}"
    return Finding(says, float(slope[at]), float(-1 - bound[at]), float(-1 + bound[at]))


def _rising(tables: dict[str, list[Row]]) -> Finding:
    """Points of the grid at which L_T must fall and does not."""
    below = {row["eps"]: row["formula"] for row in tables["boundary"]}
    upto = {row["alpha"]: row["certified"] for row in tables["certified"]}
    falls = [row["change"] < 0 for row in tables["phase"]
             if row["alpha"] < below[row["eps"]] or row["eps"] <= upto.get(row["alpha"], 0.0)]  # fmt: skip
    says = f"P6: rising points of the {len(falls)} below 2D/(β‖Δθ_S‖²) or certified"
    return Finding(says, len(falls) - sum(falls) if falls else np.nan, 0, 0)


def _short(rows: list[Row]) -> Finding:
    """How far certificates end short: a search gives up below the first box under 2·CLOSE that it cannot decide."""
    ends = np.array([EPS[1] if np.isnan(row["measured"]) else row["measured"] for row in rows])
    off = 1 - np.array([row["certified"] for row in rows]) / ends
    # A root in ε is known to its grid, and a sign of ΔL_T to its rounding.
    low, high = -EPS[1] / FINE**ROUNDS / ends - ROUNDINGS * UNIT, 2 * float(CLOSE)
    at = int(np.argmax(np.abs(2 * off - low - high) / (high - low)))
    says = "P6: how far short of the boundary in ε a certificate ends, farthest"
    return Finding(says, float(off[at]), float(low[at]), high)


def figure(tables: dict[str, list[Row]]) -> Figure:
    """Left: where the trait loss falls. Right: its boundary for a quadratic trait loss with two curvatures."""
    with style():
        drawn = blank(columns=2, height=3.7)
        left, right = drawn.panels
        _phase(left, tables)
        _quadratic(right, tables["quadratic"])
        for axes in drawn.panels:
            axes.set(xscale="log", yscale="log", xlabel="ε, size of the teacher's update", ylabel="α, student's step")
            below(axes, handlelength=3)
    return drawn


def _phase(axes: Axes, tables: dict[str, list[Row]]) -> None:
    """Signs as two fills, one of them hatched; boundaries as lines; certified points, each for all ε to its left."""
    eps, alpha = (np.unique([row[name] for row in tables["phase"]]) for name in ("eps", "alpha"))
    change = np.array([row["change"] for row in tables["phase"]]).reshape(len(eps), len(alpha)).T
    shades = axes.contourf(
        eps, alpha, change, levels=[-HUGE, 0, HUGE], colors=["#e3eef7", "#f6e6dc"], hatches=["", "////"]
    )
    shades.set(edgecolor="#e0c4b2", linewidth=0)
    boundary = [row for row in tables["boundary"] if row["measured"] > 0]
    lines = {
        "measured": "measured boundary",
        "formula": r"$2D/\beta\|\Delta\theta_S\|^2$",
        "law": r"$2q/\beta\varepsilon\|G\Delta\|^2$",
    }
    for i, (name, label) in enumerate(lines.items()):
        axes.plot([row["eps"] for row in boundary], [row[name] for row in boundary], label=label,
                  **{**mark(i), "marker": ""})  # fmt: skip
    ends = [(row["certified"], row["alpha"]) for row in tables["certified"] if row["certified"] > 0]
    axes.hlines([a for _, a in ends], eps[0], [e for e, _ in ends], color=COLOURS[3], linewidth=0.5)
    look = {**mark(3), "linestyle": "", "markeredgewidth": 1, "markersize": 5, "fillstyle": "none"}
    axes.plot(*zip(*ends, strict=True), **look, label="certified for all ε to the left")
    roots = [(row["measured"], row["alpha"]) for row in tables["certified"] if not np.isnan(row["measured"])]
    axes.plot(*zip(*roots, strict=True), color="black", marker="x", markersize=3, linestyle="", label="first root in ε")
    axes.text(0.12, 0.12, "falls", transform=axes.transAxes)
    axes.text(0.7, 0.85, "rises", transform=axes.transAxes, bbox={"color": "#f6e6dc", "pad": 1.5})
    axes.set(xlim=(eps[0], eps[-1]), ylim=(alpha[0], alpha[-1]))
    axes.set_title("(a) Where the trait loss falls")


def _quadratic(axes: Axes, rows: list[Row]) -> None:
    """Measured boundaries on the predicted ones, and a guide of slope −1."""
    for i, beta in enumerate(CURVATURES):
        mine = [row for row in rows if row["beta"] == beta and row["predicted"] > 0]
        x, look = [row["eps"] for row in mine], {**mark(i), "linestyle": "", "markevery": 4}
        axes.plot(x, [row["predicted"] for row in mine], **{**mark(i), "marker": ""}, label=f"predicted, β = {beta:g}")
        axes.plot(x, [row["measured"] for row in mine], **look, label=f"measured, β = {beta:g}")
    guide = np.array([3 * EPS[0], 1e-1])
    top = max(row["predicted"] for row in rows)
    axes.plot(guide, 3 * top * EPS[0] / guide, color="black", linewidth=0.7, linestyle=(0, (4, 2)))
    axes.text(1.2e-2, 3 * top * EPS[0] / 1e-2, r"$\propto 1/\varepsilon$")
    axes.set_title("(b) A quadratic trait loss")
