"""How far off may a student's init be before its step towards the teacher is a toss of a coin?

Students start at θ0 + δ with δ uniform on a sphere of radius r, the teacher goes from θ0 to θ0 + εΔ. To first
order D = ε ΔᵀGΔ − ΔᵀGδ, so that P(D > 0) is a function of r/r* alone, with r* = ε√P ΔᵀGΔ/‖GΔ‖: the init may be
off by an amount proportional to what the teacher learned, √P times the radius within which no δ does harm.
Measured for three networks at six ε and five radii each, all radii in units of r* different, so that the points of
all ε have to lie on one curve. Before any draw the terms that the law neglects are
bounded, from other draws; a cell is judged only where they shift the probability by less than a fifth of the
frequency's standard error. The two largest ε are there to show how the law ends. Control: δ orthogonal to GΔ,
which holds all of null(G), is harmless at the same radii.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter
from scipy.stats import binom, norm, poisson

from subtheory.figure import COLOURS, MARKERS, sheet, style
from subtheory.instruments.sign_law import CHUNK, Law, alignments, harmless, law, regime
from subtheory.ledger import parts
from subtheory.networks import MLP, ConvNet, LinenNetwork, Transformer
from subtheory.numerics import public
from subtheory.setting.setting import Setting
from subtheory.statistics import share_interval
from subtheory.study.experiment import Progress
from subtheory.study.finding import Finding, shown
from subtheory.study.options import at_least
from subtheory.theory.beyond import sign_law
from subtheory.theory.losses import CrossEntropy

QUESTION = "How far off may a student's init be, and is that proportional to the size ε of the teacher's update?"
COMMAND = "subtheory run sign_law"
EXPECTED = (
    "P(D > 0) against r/r* is one curve for every ε and network, within the exact 99 % interval in at least 95 % of "
    "the judged cells; r* has slope 1 in log-log; δ orthogonal to GΔ is harmless. Large ε depart from the curve."
)
CAPTIONS = {
    "sign_law": "How often a student whose init is off by δ, uniform on a sphere of radius r, steps towards its "
    "teacher: shares of {sign_law.draws:one} draws with exact 99 % intervals against r/r*, r* = ε√P ΔᵀGΔ/‖GΔ‖, for "
    "{sign_law.network:list} and {sign_law.relative_size} sizes ε of the teacher's update. The line is the law of one "
    "coordinate of a sphere, Φ(r*/r) for many parameters P; hollow: outside the regime in which it is judged; "
    "crosses: δ orthogonal to GΔ, which does no harm. The last panel shows the fitted over the predicted r*, with 99 "
    "% of a normal error: level, if r* is proportional to ε.",
}

LOSS = CrossEntropy()
EXAMPLES = 8
LARGE = (0.5, 2e-2)
SMALL = tuple(1e-4 * 4.0**-k for k in range(4))
"""Relative sizes of the teacher's update: beyond the regime, and inside."""
RADII = 5
"""For every ε."""
NEAREST, FARTHEST = 0.45, 4.5
"""In units of r*: probabilities from 0.99 to 0.59."""
CONFIDENCE = 0.99
NORMAL = 2.576
"""Half of a normal interval of that confidence."""
TICKS = (0.5, 1.0, 2.0, 4.0)
ASIDE = 1.5
"""Ratio of neighbours that stand for one and the same ε."""
SEED = 1

Row = dict[str, Any]

probability, inside = public(sign_law.sign_probability), public(sign_law.inside)
fitted, slope_of = public(sign_law.fitted_radius), public(sign_law.log_slope)


@dataclass(frozen=True)
class Plan:
    """Networks, and students of each in every cell."""

    networks: tuple[LinenNetwork, ...] = (MLP(width=12), ConvNet(channels=(2, 4)), Transformer(width=8))
    draws: int = 2000

    def __post_init__(self) -> None:
        at_least(self, draws=1)


PLAN, QUICK = Plan(), Plan(draws=200)


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> dict[str, list[Row]]:
    """One row a cell, fitted critical radii, the control, and the summary."""
    cells = parts.rows({each.name: partial(network_rows, each, plan.draws) for each in plan.networks}, progress)
    radii = [row for network in plan.networks for row in radius_rows(network.name, cells, plan.draws)]
    return {"sign_law": cells, "critical_radius": radii, "summary": summary_rows(cells, radii)}


def network_rows(network: LinenNetwork, draws: int) -> list[Row]:
    """All cells of one network; which of them are judged is fixed before anything is drawn."""
    relative = relative_radii(len(LARGE + SMALL))
    known = law(Setting(network, LOSS, eps=LARGE + SMALL, examples=EXAMPLES), SEED, relative)
    eps, r, predicted = known.s.eps, known.radius, known.predicted
    shift = regime(known, LOSS, (SEED, 1))
    judged = inside(shift, predicted, draws)
    found = share_towards(known, draws)
    unharmed = np.mean(harmless(known, LOSS, (SEED, 3)) > 0, axis=-1)
    low, high = share_interval(np.rint(found * draws), draws, CONFIDENCE)
    return [
        {
            "network": network.name, "parameters": known.P, "relative_size": (LARGE + SMALL)[k], "eps": float(eps[k]),
            "radius": float(r[k, j]), "relative_radius": float(relative[k, j]), "predicted": float(predicted[k, j]),
            "measured": float(found[k, j]), "low": float(low[k, j]), "high": float(high[k, j]),
            "covered": bool(low[k, j] <= predicted[k, j] <= high[k, j]), "shift": float(shift[k, j]),
            "judged": bool(judged[k, j]), "draws": draws, "harmless": float(unharmed[k, j]),
            "of_initial_norm": float(r[k, j] / np.linalg.norm(known.s.theta0)),
        }
        for k, j in np.ndindex(r.shape)
    ]  # fmt: skip


def relative_radii(sizes: int) -> np.ndarray:
    """r/r*, (sizes, RADII): a geometric progression dealt out to the sizes in turn."""
    return np.geomspace(NEAREST, FARTHEST, sizes * RADII).reshape(RADII, sizes).T


def share_towards(known: Law, draws: int) -> np.ndarray:
    """How often students off by an isotropic δ step towards their teacher, (K, R)."""
    rng, towards = np.random.default_rng((SEED, 2)), 0.0
    for start in range(0, draws, CHUNK):
        drawn = rng.standard_normal((*known.radius.shape, min(CHUNK, draws - start), known.P))
        towards = towards + np.sum(alignments(known.s, LOSS, known.students(drawn)) > 0, axis=-1)
    return np.asarray(towards / draws)


def radius_rows(network: str, cells: list[Row], draws: int) -> list[Row]:
    """r* as it fits the measured frequencies of one network and ε, with its standard error, beside the formula."""
    own = [row for row in cells if row["network"] == network]
    rows = []
    for eps in dict.fromkeys(row["eps"] for row in own):
        here = [row for row in own if row["eps"] == eps]
        fitted, error = fitted_radius(here, draws)
        rows.append(
            {
                "network": network,
                "relative_size": here[0]["relative_size"],
                "eps": eps,
                "predicted": here[0]["radius"] / here[0]["relative_radius"],
                "fitted": fitted,
                "relative_error": error,
                "judged": all(row["judged"] for row in here),
            }
        )
    return rows


def fitted_radius(cells: list[Row], draws: int) -> tuple[float, float]:
    """The most likely r* of some frequencies, and its relative standard error by Fisher's information."""
    r, share = (np.array([row[name] for row in cells]) for name in ("radius", "measured"))
    radius, error = fitted(r, share * draws, draws, cells[0]["parameters"])
    return float(radius), float(error)


def summary_rows(cells: list[Row], radii: list[Row]) -> list[Row]:
    """Counts and slopes, each beside what it must be."""
    judged, rest = ([row for row in cells if row["judged"] is yes] for yes in (True, False))
    values = [
        ("cells", len(cells), "at least 60"),
        ("judged cells", len(judged), "at least 60"),
        ("share of judged cells whose interval covers the law", share(judged, "covered"), "at least 0.95"),
        ("share of the other cells whose interval covers the law", share(rest, "covered"), "not judged"),
        ("least frequency of D > 0 in judged cells, δ orthogonal to GΔ", min(r["harmless"] for r in judged), "1"),
    ]
    for name in dict.fromkeys(row["network"] for row in radii):
        slope, error = log_slope([row for row in radii if row["network"] == name and row["judged"]])
        values.append((f"slope of log r* against log ε, {name}", slope, "1 ± 0.05"))
        values.append((f"standard error of that slope, {name}", error, "below 0.02"))
    return [{"quantity": name, "value": float(value), "predicted": wanted} for name, value, wanted in values]


def share(rows: list[Row], name: str) -> float:
    """Of the rows in which something is so; nan if there are none."""
    return float(np.mean([row[name] for row in rows])) if rows else float("nan")


def log_slope(rows: list[Row]) -> tuple[float, float]:
    """Slope of log r* against log ε by weighted least squares, and its standard error."""
    if len(rows) < 2:
        return float("nan"), float("nan")
    x, y, error = (np.array([row[name] for row in rows]) for name in ("eps", "fitted", "relative_error"))
    slope, off = slope_of(x, y, error)
    return float(slope), float(off)


def findings(tables: dict[str, list[Row]]) -> list[Finding]:
    """P16 in the judged cells: one curve, constant and order of r*, and a mismatch that is harmless."""
    cells, radii = tables["sign_law"], [row for row in tables["critical_radius"] if row["judged"]]
    judged, rest = ([row for row in cells if row["judged"] is yes] for yes in (True, False))
    if not radii:
        return [Finding("P16: sizes of ε that can be judged", 0, 1)]
    # A law that is off by SHARE of an error is missed by an interval so often; the misses of all are binomial.
    miss = 1 - norm.cdf(NORMAL - sign_law.SHARE) + norm.cdf(-NORMAL - sign_law.SHARE)
    least = 1 - binom.isf(1 - CONFIDENCE, len(judged), miss) / len(judged)
    return [
        Finding("P16: share of judged cells whose exact interval covers the law", _covered(judged), least, 1),
        _constant(radii, cells),
        _order(radii, cells),
        _control(judged),
        shown("P16: that share beyond the regime, where the law must end", _covered(rest)),
    ]


def _columns(rows: list[Row], *names: str) -> list[np.ndarray]:
    return [np.array([row[name] for row in rows]) for name in names]


def _covered(cells: list[Row]) -> float:
    """Share of cells whose exact interval covers the law; nan if there are none, or one has no interval."""
    measured, draws, p = _columns(cells, "measured", "draws", "predicted")
    low, high = share_interval(np.rint(measured * draws), draws, CONFIDENCE)
    covered = np.where(np.isnan(measured), np.nan, (low <= p) & (p <= high))
    return float(np.mean(covered)) if cells else float("nan")


def _constant(radii: list[Row], cells: list[Row]) -> Finding:
    """Fitted over predicted r*, the mean of all weighted by their errors."""
    fitted, predicted, error = _columns(radii, "fitted", "predicted", "relative_error")
    weight = error**-2.0
    mean = np.sum(weight * np.log(fitted / predicted)) / np.sum(weight)
    bound = _errors(radii, cells) * np.sum(weight) ** -0.5
    return Finding("P16: fitted over predicted r*, mean", *(float(np.exp(x)) for x in (mean, -bound, bound)))


def _order(radii: list[Row], cells: list[Row]) -> Finding:
    """The slope of the network that is farthest off, by its error."""
    names, found = list(dict.fromkeys(row["network"] for row in radii)), []
    for name in names:
        mine = [row for row in radii if row["network"] == name]
        slope, error = log_slope(mine)
        found.append((slope, _errors(mine, cells, len(names)) * error))
    slope, bound = found[int(np.argmax([abs(slope - 1) / bound for slope, bound in found]))]
    return Finding("P16: log-log slope of r* against ε, farthest network", slope, 1 - bound, 1 + bound)


def _errors(radii: list[Row], cells: list[Row], several: int = 1) -> float:
    """How many standard errors a mean or a slope of fitted log r* may be off, the farthest of several.

    They are linear in the shares: terms that shift share j by so many of its standard errors s_j shift them by √Σs_j²
    of theirs at most (Cauchy and Schwarz).
    """
    known = {(row["network"], row["eps"]) for row in radii}
    mine = [row for row in cells if (row["network"], row["eps"]) in known]
    p, shift, draws = _columns(mine, "predicted", "shift", "draws")
    chance = norm.isf((1 - CONFIDENCE) / 2 / several)
    return float(chance + np.sqrt(np.sum(shift**2 * draws / (p * (1 - p)))))


def _control(judged: list[Row]) -> Finding:
    """Share of D > 0 for δ orthogonal to GΔ, which is 1 to first order, not that of the law.

    D turns only if the neglected terms reach εq. They would shift P(D > 0) by at least `least`, and shift it by
    `shift` on average: so they do with a probability of no more than shift/least (Markov).
    """
    p, shift, unharmed, P, r = _columns(judged, "predicted", "shift", "harmless", "parameters", "relative_radius")
    twice = np.array([probability(2.0, a * np.sqrt(n), 1.0, 1.0, int(n)) for a, n in zip(r, P, strict=True)])
    least = np.minimum(p - 0.5, twice - p)
    harmed = poisson.isf(1 - CONFIDENCE, CHUNK * np.sum(shift / least))
    says = f"P16 control, δ orthogonal to GΔ: share of D > 0 in judged cells, by the law {np.mean(p):.3f}"
    return Finding(says, float(np.mean(unharmed)), float(1 - harmed / (CHUNK * len(judged))), 1)


def figure(tables: dict[str, list[Row]]) -> Figure:
    """Three panels of frequencies on the predicted curve, one network each; the last, r* over its prediction."""
    cells, radii = tables["sign_law"], tables["critical_radius"]
    names = list(dict.fromkeys(row["network"] for row in cells))
    sizes = list(dict.fromkeys(row["relative_size"] for row in cells))
    with style():
        drawn = sheet(5.2)
        panels = list(drawn.subplots(2, 2).flat)
        for axes, name, letter in zip(panels, names, "abc", strict=False):
            _frequencies(axes, [row for row in cells if row["network"] == name], sizes)
            axes.set_title(f"({letter}) {name}, P = {next(r['parameters'] for r in cells if r['network'] == name):,}")
        _radius(panels[-1], radii, names, sizes)
        drawn.legend(handles=_handles(sizes), loc="outside lower center", ncols=3, handlelength=2.4)
    return drawn


def _look(i: int, judged: bool) -> dict[str, Any]:
    """Colour and marker of a size; hollow outside the regime."""
    colour = COLOURS[i % len(COLOURS)]
    return {"color": colour, "marker": MARKERS[i % len(MARKERS)], "markersize": 4, "markeredgewidth": 0.9,
            "markerfacecolor": colour if judged else "white", "linestyle": ""}  # fmt: skip


def _cross(judged: bool) -> dict[str, Any]:
    """The control; pale outside the regime."""
    return {"color": "#444444" if judged else "#b5b5b5", "marker": "+", "markersize": 4, "linestyle": ""}


def _frequencies(axes: Axes, rows: list[Row], sizes: list[float]) -> None:
    """Frequencies with their intervals on the predicted curve, and the control."""
    x = np.geomspace(NEAREST / 1.2, FARTHEST * 1.2, 200)
    P = rows[0]["parameters"]
    axes.plot(x, probability(1.0, x * np.sqrt(P), 1.0, 1.0, P), color="black", linewidth=0.9, zorder=1)
    axes.axhline(0.5, color="#999999", linewidth=0.6, linestyle=(0, (1, 2)))
    for row in rows:
        at, look = row["relative_radius"], _look(sizes.index(row["relative_size"]), row["judged"])
        ends = [[max(row["measured"] - row["low"], 0)], [max(row["high"] - row["measured"], 0)]]
        axes.errorbar(at, row["measured"], ends, elinewidth=0.8, zorder=3, **look)
        axes.plot(at, row["harmless"], **_cross(row["judged"]), zorder=2)
    axes.set(xscale="log", xlim=(x[0], x[-1]), ylim=(0.4, 1.04), xlabel=r"$r/r^*$", ylabel=r"$P(D>0)$")
    axes.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
    axes.xaxis.set_minor_formatter(NullFormatter())


def _radius(axes: Axes, rows: list[Row], names: list[str], sizes: list[float]) -> None:
    """Fitted over predicted r*, with 99 % of a normal error; the networks side by side, ordered as their panels."""
    axes.axhline(1.0, color="black", linewidth=0.9, zorder=1)
    for row in rows:
        at = row["relative_size"] * ASIDE ** (names.index(row["network"]) - 1)
        ratio, look = row["fitted"] / row["predicted"], _look(sizes.index(row["relative_size"]), row["judged"])
        axes.errorbar(at, ratio, NORMAL * row["relative_error"] * ratio, elinewidth=0.8, zorder=3, **look)
    axes.set(xscale="log", ylim=(0.5, 1.25), xlabel="ε, relative size (a, b, c side by side)")
    axes.set(ylabel=r"fitted over predicted $r^*$", title="(d) Critical radius: level, so that it is ∝ ε")
    axes.xaxis.set_minor_formatter(NullFormatter())


def _handles(sizes: list[float]) -> list[Line2D]:
    """Sizes, then what hollow, line and crosses mean."""
    handles = [Line2D([], [], **_look(i, True), label=f"ε = {size:.2g}") for i, size in enumerate(sizes)]
    hollow = _look(0, False) | {"color": "black", "marker": "o"}
    handles.append(Line2D([], [], **hollow, label="hollow: outside the regime, not judged"))
    handles.append(Line2D([], [], color="black", linewidth=0.9, label=r"predicted; $\Phi(r^*/r)$ for large $P$"))
    handles.append(Line2D([], [], **_cross(True), label=r"control: $\delta$ orthogonal to $G\Delta$; pale: outside"))
    return handles
