"""How small is "sufficiently small", and how much of that do an explicit bound and a certificate give away?

The theorem says D(ε) > 0, and that the trait loss falls, "for ε sufficiently small". Four numbers say how small:
the explicit bound 2q/N(ε*) ≥ ε* in ball arithmetic, from one second derivative and therefore pessimistic; the
certificate, which covers (0, E] with boxes on which the sign is certain; the first root of the curve in float64,
found by JAX on a grid and then on ever finer ones, which no ball has touched; and the smallest of many random ε at
which the sign is wrong, which is what sampling alone would report. 1,000 random networks then look for a negative D
below a bound or a certificate, with D in 50 digits by a third spelling of it, and f = sin(kθ) is the control: its D
is negative just above π/k, so that no threshold holds for all networks. Minutes on two cores, most of them for
the random networks.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from math import inf, isnan, nan
from typing import Any

import jax
import mpmath as mp
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import subtheory as st
from subtheory.certificate.cases import CASES, GRID, CertifiedCase
from subtheory.certificate.search import CLOSE
from subtheory.data.toys import toy
from subtheory.figure import below, blank, mark, style
from subtheory.ledger.parts import each
from subtheory.numerics import UNIT
from subtheory.study.experiment import Progress
from subtheory.study.finding import Finding, farthest
from subtheory.study.options import at_least

QUESTION = "How small is sufficiently small, and how close to the truth do a bound and a certificate come?"
COMMAND = "subtheory run thresholds"
EXPECTED = (
    "The certificate ends at the true first root, the explicit bound far below it, and sampling above it; of random "
    "settings none has a negative D below a bound or a certificate; sin(kθ) has one just above π/k."
)
CAPTIONS = {
    "thresholds": "How small the teacher's update ε has to be. (a) Alignment D(ε) over its first-order law εq, q = "
    "ΔᵀGΔ, for {curves.case:list}; thin lines: the lower bound 1 − ε/ε*, which is 0 at the explicit bound ε* "
    "(triangles); circles: end of the certificate in ball arithmetic; crosses: first root of D. (b) Explicit bound "
    "and certificate over the first root, in every of {thresholds.case} small networks, two losses and several seeds, "
    "that has a root; predicted at most 1.",
}

LOSSES = (st.SquaredError(), st.CrossEntropy())
FEW, MANY = 2, {"tanh-2-4-2": 8, "tanh-5-12-4": 8}
"""Seeds of most cases, and of those that have more."""
POINTS, ROUNDS = 4096, 3
"""Points of a grid in ε, and how often the interval of the first wrong sign is divided into as many again."""
SMALLEST = 1e-3
STREAM = 1000
"""Of the random numbers of random settings."""
UPTO, SECONDS, TRIED = 5.0, 2.0, 8
"""Where the search in a random setting ends, when it gives up, and at how many random ε D is then looked at."""
KINDS, KS = ("alignment", "trait-loss"), (1.0, 2.0, 3.0, 5.0, 8.0, 13.0)
ASIDE = 1e-3
"""So far below and above π/k the control is looked at, relative to π/k."""

Row = dict[str, Any]
Curve = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Plan:
    """Cases, seeds of each (none: `FEW` or `MANY`), and how many random settings."""

    cases: tuple[str, ...] = tuple(CASES)
    seeds: int | None = None
    settings: int = 1000

    def __post_init__(self) -> None:
        at_least(self, seeds=1, settings=1)


PLAN, QUICK = Plan(), Plan(tuple(MANY), seeds=FEW, settings=60)


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> dict[str, list[Row]]:
    """Four numbers a statement and what they come to; some curves; random settings; the control."""
    count = {name: plan.seeds or MANY.get(name, FEW) for name in plan.cases}
    chosen = [(name, loss, s) for name in plan.cases for loss in LOSSES for s in range(count[name])]
    cases = {f"{name}, {loss.name}, {s}": partial(case_rows, name, loss, s) for name, loss, s in chosen}
    random = {f"random setting {i}": partial(random_setting, i) for i in range(plan.settings)}
    both = each({**cases, **random}, progress=progress)
    rows, found = [row for name in cases for row in both[name]], [both[name] for name in random]
    shown = {"thresholds": rows, "summary": summary(rows), "curves": curve_rows(rows)}
    return {**shown, "random_settings": counted(found), "control": list(map(control_row, KS))}


def case_rows(name: str, loss: Any, seed: int) -> list[Row]:
    """One row a statement; nan where there is no such number."""
    case = CASES[name]
    d = case.distillation(seed, loss)
    limits = {"alignment": float(case.limit), "trait-loss": float(case.trait_limit)}
    kinds = KINDS if isinstance(case.network, st.MLP) else KINDS[:1]
    # No search ends for want of time, which a busy machine would be short of: its own end is what is judged.
    certificate = st.certify(d, limits, alpha=1.0, kinds=kinds, seconds=inf)
    bounds = {"alignment": (certificate.threshold.eps, st.alignment_threshold(d, limits["alignment"]).eps)}
    rows = []
    for kind in kinds:
        found, curve = certificate.found[kind], curve_of(d, kind)
        explicit, estimated = bounds.get(kind, (nan, nan))
        certified, root = found.statement.upto, first_root(curve, limits[kind])
        row = {"case": name, "loss": loss.name, "seed": seed, "statement": kind, "limit": limits[kind]}
        row |= {"explicit_bound": explicit, "estimated_bound": estimated, "certified": certified, "root": root}
        row |= {"sampled": sampled(curve, limits[kind], seed), "certified_over_root": certified / root}
        row |= {"certainly_wrong": nan if found.wrong is None else found.wrong, "reached_limit": found.complete}
        rows.append({**row, "boxes": len(found.statement.ends), "seconds": found.seconds})
    return rows


def curve_of(d: Any, kind: str) -> Curve:
    """ε ↦ D(ε), or minus the change of the trait loss at α = 1: what is positive by the theorem; float64, by JAX."""
    if kind == "alignment":
        return lambda eps: st.alignment_by_jvp(replace(d, eps=eps))
    return lambda eps: -st.trait_change(replace(d, eps=eps), 1.0)


def first_root(curve: Curve, limit: float) -> float:
    """The first sign change on a grid over (0, limit], then on a grid between its neighbours, and so on; or nan."""
    low, high = 0.0, limit
    for _ in range(ROUNDS):
        grid = low + (high - low) * np.arange(1, POINTS + 1) / POINTS
        wrong = np.flatnonzero(~(curve(grid) > 0))
        if not wrong.size:
            return nan
        i = int(wrong[0])
        low, high = (grid[i - 1] if i else low), grid[i]
    return float((low + high) / 2)


def sampled(curve: Curve, limit: float, seed: int) -> float:
    """The smallest of `POINTS` random ε with the wrong sign; nan if there is none."""
    eps = log_uniform(np.random.default_rng(seed), limit, POINTS)
    return float(min(eps[~(curve(eps) > 0)], default=nan))


def log_uniform(rng: np.random.Generator, largest: float, count: int) -> np.ndarray:
    """Random ε in [SMALLEST · largest, largest]."""
    return largest * SMALLEST ** rng.uniform(0, 1, count)


def summary(rows: list[Row]) -> list[Row]:
    """One row a statement: how many have a root, and how near to it the thresholds are; two counts that must be 0."""
    found = []
    for kind in KINDS:
        mine = [row for row in rows if row["statement"] == kind]
        rooted = [row for row in mine if not isnan(row["root"])]
        row = {"statement": kind, "rows": len(mine), "roots": len(rooted)}
        row["reached_limit"] = sum(row["reached_limit"] for row in mine)
        for name in ("explicit_bound", "certified", "sampled"):
            ratios = [one[name] / one["root"] for one in rooted] or [nan]
            row |= {f"smallest_{name}_over_root": min(ratios), f"largest_{name}_over_root": max(ratios)}
        row["certified_beyond_root"] = sum(one["certified"] > one["root"] for one in rooted)
        row["bound_beyond_certified"] = sum(one["explicit_bound"] > one["certified"] for one in mine)
        row["most_seconds_to_a_root"] = max((one["seconds"] for one in rooted), default=nan)
        found.append({**row, "most_seconds": max(one["seconds"] for one in mine)})
    return found


def curve_rows(rows: list[Row]) -> list[Row]:
    """D(ε)/(εq) to a quarter beyond its root: the first row with a root of the first three cases and losses."""
    first: dict[Any, Row] = {}
    for row in rows:
        if row["statement"] == "alignment" and not isnan(row["root"]):
            first.setdefault((row["case"], row["loss"]), row)
    found = []
    for row in list(first.values())[:3]:
        d = CASES[row["case"]].distillation(row["seed"], next(one for one in LOSSES if one.name == row["loss"]))
        eps = np.geomspace(row["explicit_bound"] / 100, 1.25 * row["root"], 200)
        ratio = curve_of(d, "alignment")(eps) / (eps * st.quadratic_form(d))
        keys = {key: row[key] for key in ("case", "loss", "seed", *MARKS)}
        found += [{**keys, "eps": float(e), "ratio": float(r)} for e, r in zip(eps, ratio, strict=True)]
    return found


# A third spelling of D, in 50 digits: neither JAX nor balls.

ACTIVATIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "tanh": (mp.tanh, lambda z: mp.sech(z) ** 2),
    "gelu-erf": (lambda z: z * mp.ncdf(z), lambda z: mp.ncdf(z) + z * mp.npdf(z)),
    "softplus": (lambda z: mp.log1p(mp.exp(z)), lambda z: 1 / (1 + mp.exp(-z))),
    "sigmoid": (lambda z: 1 / (1 + mp.exp(-z)), lambda z: 1 / (2 + mp.exp(z) + mp.exp(-z))),
    "sine": (mp.sin, mp.cos),
}
"""φ and φ′ of one number."""
exact = np.vectorize(mp.mpf, otypes=[object])


def values(d: Any, eps: Any) -> tuple[np.ndarray, np.ndarray]:
    """φ(ε) = f_{θ0+εΔ}(x) and φ′(ε) of an MLP, both (N, V), by forward differentiation."""
    f, slope = (np.vectorize(one, otypes=[object]) for one in ACTIVATIONS[d.network.activation])
    h, dh = exact(d.x), exact(np.zeros(d.x.shape))
    for name in [*sorted(d.theta0.keys() - {"head"}), "head"]:
        w, b, v, c = (exact(tree[name][part]) for tree in (d.theta0, d.delta) for part in ("kernel", "bias"))
        h, dh = h @ (w + eps * v) + b + eps * c, dh @ (w + eps * v) + h @ v + c
        h, dh = (h, dh) if name == "head" else (f(h), slope(h) * dh)
    return h, dh


def alignment(d: Any, several: Iterable[float]) -> tuple[list[Any], Any]:
    """D(ε) = Σ_x p (a(φ(ε)) − a(φ(0)))·u for every ε, and q = Σ_x p uᵀ(∂a/∂z)u; a(z) = 2wz, or σ(z) for softmax."""
    with mp.workdps(50):
        w, p, squared = exact(d.outputs), exact(d.weights)[:, None], d.loss.name == "squared-error"

        def pull(z: np.ndarray) -> np.ndarray:
            e = np.vectorize(mp.exp, otypes=[object])(z) * (w > 0)
            return 2 * w * z if squared else e / e.sum(axis=1, keepdims=True)

        z, u = values(d, mp.mpf(0))
        a = pull(z)
        slope = 2 * w * u if squared else a * (u - (a * u).sum(axis=1, keepdims=True))
        return [(p * (pull(values(d, mp.mpf(e))[0]) - a) * u).sum() for e in several], (p * slope * u).sum()


def random_setting(seed: int) -> Row:
    """A network with a random activation and random numbers, every other pair with a random Δ: D below thresholds."""
    rng, loss = np.random.default_rng([seed, STREAM]), LOSSES[seed % 2]
    # Widths 1-4 and inputs 1-3 in every pair; each stays for 20 settings, because JAX compiles for every shape.
    activation, task = str(rng.choice([*ACTIVATIONS][:4])), toy((1 + seed // 20 % 3,), 1, 1)
    network = st.MLP(width=1 + seed // 20 % 4, depth=1, activation=activation, task=task)
    d = CertifiedCase(network, examples=3, trait_examples=4).distillation(seed, loss)
    direction = "random" if seed // 2 % 2 else "gradient"
    if direction == "random":
        d = replace(d, delta=jax.tree.map(lambda leaf: np.round(rng.normal(0, GRID, leaf.shape)) / GRID, d.delta))
    certificate = st.certify(d, UPTO, seconds=SECONDS)
    found = certificate.found["alignment"]
    row = {"loss": loss.name, "direction": direction, "settings": 1, "reached_limit": int(found.complete)}
    for name, end in (("bound", certificate.threshold.eps), ("certificate", certificate.upto())):
        eps = [*log_uniform(rng, end, TRIED), end] if end > 0 else []
        values, q = alignment(d, eps)
        ratios = [float(value / (e * q)) for value, e in zip(values, eps, strict=True)]
        row |= {f"without_{name}": int(not end > 0), f"below_{name}": len(eps)}
        row |= {f"negative_below_{name}": sum(not value > 0 for value in values)}
        row |= {f"smallest_below_{name}": min(ratios, default=inf)}
    wrong = [] if found.wrong is None else [found.wrong]
    there = sum(value < 0 for value in alignment(d, wrong)[0])
    return row | {"certainly_wrong": len(wrong), "negative_there": there, "zero_branch": int(q == 0)}


def counted(found: list[Row]) -> list[Row]:
    """Sums over random settings and the smallest D/(εq) below a threshold: by loss and direction, then of all."""
    rows, every = [], ("all", "all")
    for group in [*sorted({(row["loss"], row["direction"]) for row in found}), every]:
        mine = [row for row in found if group in ((row["loss"], row["direction"]), every)]
        row = dict(zip(("loss", "direction"), group, strict=True))
        for key in list(mine[0])[2:]:
            row[key] = (min if key.startswith("smallest") else sum)(one[key] for one in mine)
        rows.append(row)
    return rows


def control_row(k: float) -> Row:
    """f = sin(kθ) on one input, one parameter moving: D(ε) = 2k sin(kε), negative on (π/k, 2π/k)."""
    network = st.MLP(width=1, depth=1, activation="sine", task=toy((1,), 1, 1))
    d = CertifiedCase(network, examples=1).distillation(0, LOSSES[0])
    zero = jax.tree.map(np.zeros_like, d.theta0)
    theta0 = {**zero, "head": {**zero["head"], "kernel": np.array([[0.0, 1.0]])}}
    delta = {**zero, "Dense_0": {**zero["Dense_0"], "kernel": np.ones((1, 1))}}
    d = replace(d, theta0=theta0, student=theta0, delta=delta, x=np.array([[k]]))
    certificate, first = st.certify(d, 60.0), float(np.pi / k)
    below, above = map(float, alignment(d, ((1 - ASIDE) * first, (1 + ASIDE) * first))[0])
    row = {"k": k, "first_zero": first, "explicit_bound": certificate.threshold.eps, "certified": certificate.upto()}
    row |= {"certified_over_zero": certificate.upto() / first, "just_below": below, "just_above": above}
    return row | {"predicted_above": 2 * k * float(np.sin(k * (1 + ASIDE) * first))}


def findings(tables: dict[str, list[Row]]) -> list[Finding]:
    """P5: bound, certificate and root beside each other, signs below them, and the control that turns where it must."""
    rows, total, control = tables["thresholds"], tables["random_settings"][-1], tables["control"]
    rooted = [row for row in rows if not isnan(row["root"])]
    bounds = [row["explicit_bound"] / row["root"] for row in rooted if row["statement"] == KINDS[0]]
    drawn = [row["sampled"] / row["root"] - 1 for row in rooted if not isnan(row["sampled"])]
    below = [row for row in tables["curves"] if not row["eps"] >= row["explicit_bound"]]
    spare = [row["ratio"] - 1 + row["eps"] / row["explicit_bound"] for row in below]
    tried, negative = (total[f"{key}_bound"] + total[f"{key}_certificate"] for key in ("below", "negative_below"))
    wrong = negative + total["certainly_wrong"] - total["negative_there"]
    turned = [row["just_above"] / row["predicted_above"] - 1 for row in control]
    # A rounding of kε, which is about π, is 1/ASIDE times larger relative to the sine.
    rounding = 4 * UNIT / ASIDE
    return [
        _short(rows, control),
        Finding("P5: explicit bound over the first root, at most", _extreme(np.max, bounds), 0, 1),
        # N(ε) ≤ N(ε*) = 2q/ε* turns D ≥ εq − ½ε²N(ε) into D/(εq) ≥ 1 − ε/ε*.
        Finding("P5: D/(εq) less 1 − ε/ε* at ε below an explicit bound ε*, at least", _extreme(np.min, spare), 0),
        Finding("P5: random ε with a wrong sign over the first root less 1, at least",
                _extreme(np.min, drawn), -_extreme(np.max, [_resolution(row) for row in rooted])),
        Finding(f"P5: wrong signs of D in 50 digits, {tried} ε in random settings", wrong if tried else nan, 0, 0),
        farthest("P5 control, sin(kθ): D over 2k sin(kε) < 0 less 1, just above π/k, farthest",
                  turned, -rounding, rounding),
    ]  # fmt: skip


def _short(rows: list[Row], control: list[Row]) -> Finding:
    """How far certificates end short: a search gives up below the first box under 2·CLOSE that it cannot decide."""
    ends = [row["limit"] if isnan(row["root"]) else row["root"] for row in rows]
    off = [1 - row["certified"] / end for row, end in zip(rows, ends, strict=True)]
    off += [1 - row["certified_over_zero"] for row in control]
    close = 2 * float(CLOSE)
    # No certificate goes beyond its limit.
    beyond = [close if isnan(row["root"]) else _resolution(row) for row in rows] + [2 * UNIT for _ in control]
    says = "P5: how far short of its first root, or of its limit, a certificate ends, farthest"
    return farthest(says, off, -np.array(beyond), close)


def _resolution(row: Row) -> float:
    """How far off a root may be for the grid that it was found on, relative to it."""
    return row["limit"] / POINTS**ROUNDS / row["root"]


def _extreme(which: Callable[[Any], Any], values: list[float]) -> float:
    """The largest or smallest; nan if there is none, or if one is."""
    return float(which(values or [nan]))


MARKS: dict[str, tuple[str, dict[str, Any]]] = {
    "explicit_bound": ("explicit bound", {"marker": "v", "markersize": 4.5}),
    "certified": ("certificate", {"marker": "o", "markersize": 6, "fillstyle": "none"}),
    "root": ("first root", {"marker": "x", "markersize": 4.5}),
}
"""What the thresholds are called, and their markers."""


def figure(tables: dict[str, list[Row]]) -> Figure:
    """Left: D over its first-order law, and its thresholds. Right: thresholds relative to the first root."""
    with style():
        drawn = blank(columns=2, height=3.5)
        left, right = drawn.panels
        _curves(left, tables["curves"])
        _tightness(right, tables["thresholds"])
        below(left, ncols=2)
        below(right)
        drawn.supxlabel(_counts(tables), fontsize=6.5, x=0.01, ha="left")
    return drawn


def _curves(axes: Axes, rows: list[Row]) -> None:
    """D/(εq) ≥ 1 − ε/ε* ends at the explicit bound ε*; a colour and dashes a curve, a marker a threshold."""
    for i, name in enumerate(dict.fromkeys((row["case"], row["loss"]) for row in rows)):
        mine = [row for row in rows if (row["case"], row["loss"]) == name]
        eps, ratio = (np.array([row[key] for row in mine]) for key in ("eps", "ratio"))
        (line,) = axes.plot(eps, ratio, label=", ".join(name), **{**mark(i), "marker": ""})
        below = eps[eps < mine[0]["explicit_bound"]]
        axes.plot(below, 1 - below / mine[0]["explicit_bound"], color=line.get_color(), linewidth=0.5)
        for key, (_, look) in MARKS.items():
            axes.plot(mine[0][key], 0, color=line.get_color(), linestyle="", **look)
    for name, look in MARKS.values():
        axes.plot([], [], color="black", linestyle="", label=name, **look)
    axes.axhline(0, color="black", linewidth=0.7)
    axes.set(xscale="log", xlabel="ε", ylabel=r"$D(\varepsilon)\,/\,\varepsilon q$")
    axes.set_title("(a) Alignment; thin: its lower bound")


def _tightness(axes: Axes, rows: list[Row]) -> None:
    """Certificate and explicit bound over the first root, against that root."""
    for i, name in enumerate(("explicit bound, D > 0", "certificate, D > 0", "certificate, trait loss falls")):
        key, kind = ("certified" if i else "explicit_bound"), KINDS[i // 2]
        mine = [row for row in rows if row["statement"] == kind and not isnan(row["root"])]
        look = {**mark(i), "linestyle": "", "markersize": 4.5, "fillstyle": "none", "markeredgewidth": 1}
        axes.plot([row["root"] for row in mine], [row[key] / row["root"] for row in mine], label=name, **look)
    axes.set(xscale="log", yscale="log", xlabel="first root", ylabel="threshold / first root", ylim=(None, 2))
    axes.set_title("(b) Wherever there is a root")


def _counts(tables: dict[str, list[Row]]) -> str:
    """What no point of the figure says."""
    reached = "; ".join(f"{row['statement']}: {row['reached_limit']} of {row['rows']}" for row in tables["summary"])
    total = tables["random_settings"][-1]
    below, negative = (total[f"{key}_bound"] + total[f"{key}_certificate"] for key in ("below", "negative_below"))
    return (
        f"Certified up to the limit of the search, hence without a root ({reached}).\n"
        f"{total['settings']} random settings: {negative} negative D at {below} points below a bound or certificate."
    )
