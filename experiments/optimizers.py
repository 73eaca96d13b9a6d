"""Which pairs of optimizers may a teacher and its student have for a trait to cross?

In one fixed metric C, Δ = −C∇L_T and Δθ_S = −C∇L_S, the theorem holds: L_T falls by αεΔᵀGΔ. With one metric each it
falls by αεΔᵀC_T⁻¹C_SGΔ, of either sign, and so it does for steps that are no fixed metric's: signs (Adam's first step),
Adafactor, Muon. Many draws of C for a perceptron and a transformer at finite ε; then every pair of optimizers, first
steps and runs of some steps, at rates at which a student's first step is as long as descent's at 1/λmax(G). For a
channel whose whitened Jacobian has n independent normal rows the share of steps that raise L_T is known:
I((1 − ρ)/2; n/2, n/2), ρ the cosine of C_T∇L_T and C_S∇L_T, with C∇ = sign ∇ for a teacher of signs. A counterexample
file of each kind lies beside the tables, for `subtheory falsify --replay`. Optax has no Shampoo.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import product
from typing import Any

import jax
import numpy as np
import optax
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from subtheory.cases.strategies import SHAPES
from subtheory.claims import OVER_READINGS
from subtheory.constructed.labels import classifier
from subtheory.data import UniformNoise
from subtheory.falsification import counterexample, search
from subtheory.figure import COLOURS, MARKERS, sheet, style
from subtheory.instruments.dynamics.preconditioned import InMetric
from subtheory.kernels.stack import Descend, Stack, inner, norm
from subtheory.kernels.whitened import whitened
from subtheory.ledger import parts
from subtheory.networks import LinenNetwork
from subtheory.numerics import float64
from subtheory.setting.preparation import resting
from subtheory.setting.setting import Setting
from subtheory.setting.smallness import scales
from subtheory.setting.teachers import GradientDescent, Ruled, Teacher
from subtheory.statistics import opposed, share_interval
from subtheory.study.experiment import Progress
from subtheory.study.finding import Finding, least, most, rate, shown
from subtheory.study.options import at_least
from subtheory.theory.distillation import Distillation
from subtheory.theory.dynamics.spectrum import modes
from subtheory.theory.layout import Layout
from subtheory.theory.losses import CrossEntropy, SquaredError
from subtheory.theory.rule import Descent, DrawnMetric, Rule, Signs

QUESTION = "Which pairs of optimizers may a teacher and its student have for a trait to cross?"
COMMAND = "subtheory run optimizers"
EXPECTED = (
    "one fixed metric for both: no rise of the trait loss in any draw; one each, signs, Adafactor, Muon: some raise "
    "it, each with a counterexample file; random channels of rank n as often as a beta law of one cosine says"
)

CAPTIONS = {
    "optimizers": "Share of {optimizers.draws:one} runs, in per cent, in which a student's displacement raises the "
    "teacher's loss (above, and as colour) or opposes the teacher's displacement (below), for every pair of a "
    "teacher's and a student's optimizer, on {optimizers.network:list}; framed: the same for both.",
    "toy": "Share of {toy.draws:one} students that raise the trait loss behind a random channel of n normal rows, "
    "with exact 99.9 % intervals, by the metrics of teacher and student; lines: the predicted beta law of one cosine, "
    "which signs for both do not have.",
}

LOSS = CrossEntropy()
SIZES = (1e-2, 1e-3)
"""Relative sizes of the teacher's update."""
EACH = 50
"""Inits for every metric that is drawn."""
CONFIDENCE = 0.99
LEVEL = 1e-3
"""Chance that one interval of the toy misses a true law."""
RANKS, PARAMETERS, SPREAD = (1, 2, 3, 4, 6, 8), 20, 1.0
"""Of the toy: rows, parameters, standard deviation of log C."""

OPTIMIZERS: dict[str, optax.GradientTransformation] = {
    "SGD": optax.sgd(1.0),
    "momentum": optax.sgd(1.0, momentum=0.9),
    "Adam": optax.adam(1.0),
    "AdamW": optax.adamw(1.0, weight_decay=1e-2),
    "Adafactor": optax.adafactor(1.0, min_dim_size_to_factor=2),
    "Muon": optax.contrib.muon(1.0),
}
"""At rate 1: every one is linear in its rate."""

DESCENDING = ("SGD", "momentum")
"""Optimizers whose first step is plain descent."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """Networks; metrics that are drawn of each, with `EACH` inits; runs of a pair of optimizers, and their steps."""

    networks: tuple[LinenNetwork, ...] = (classifier().network, SHAPES["transformer"])  # type: ignore[assignment]
    optimizers: tuple[str, ...] = tuple(OPTIMIZERS)
    metrics: int = 40
    draws: int = 200
    steps: int = 8
    toy: int = 20_000

    def __post_init__(self) -> None:
        at_least(self, metrics=1, draws=10, steps=2, toy=100)


PLAN = Plan()
QUICK = Plan(networks=PLAN.networks[:1], optimizers=("SGD", "Adam", "Muon"), metrics=8, draws=50, steps=4, toy=2000)


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> dict[str, list[Row]]:
    """Pairs of optimizers, fixed metrics, the toy, and the kinds of which a counterexample was found."""
    todo: dict[tuple[str, ...], Callable[[], list[Row]]] = {}
    for network in plan.networks:
        todo["optimizers", network.name] = partial(pair_rows, network, plan)
        todo["metrics", network.name] = partial(metric_rows, network, plan.metrics)
    todo |= {("toy",): partial(toy_rows, plan.toy), ("counterexamples",): counterexample_rows}

    def own(title: str, compute: Callable[[], list[Row]]) -> dict[str, list[Row]]:
        return {title: compute()}

    return parts.tables({" ".join(name): partial(own, name[0], compute) for name, compute in todo.items()}, progress)


def _shares(names: dict[str, int], draws: int) -> Row:
    """Counts with the ends of their exact intervals."""
    found: Row = {}
    for name, k in names.items():
        low, high = share_interval(np.array(k), draws, CONFIDENCE)
        found |= {name: int(k), f"{name}_low": float(low), f"{name}_high": float(high)}
    return found


# Fixed metrics ------------------------------------------------------------------------------------


def base(network: LinenNetwork) -> Setting:
    """Auxiliary outputs, cross-entropy."""
    return Setting(network, LOSS, outputs="aux", eps=SIZES, examples=6, trait_examples=8)


def metric_rows(network: LinenNetwork, metrics: int) -> list[Row]:
    """How often L_T rises, Δθ_S · C⁻¹Δ or Δθ_S · Δ is negative, rounding hides a sign: one C for both, and one each."""
    rows, draws = [], metrics * EACH
    for matched in (True, False):
        raised, against, euclidean, dull = np.zeros((4, len(SIZES)), int)
        for key in range(metrics):
            student = DrawnMetric(key if matched else metrics + key)
            setting = base(network).but(teacher=Ruled(DrawnMetric(key)), rule=student)
            for m in InMetric().records(setting, range(key * EACH, (key + 1) * EACH), (LOSS,))[LOSS.name]:
                raised += m.trait_change > m.trait_rounding
                against += m.in_metric < -m.metric_rounding
                euclidean += m.alignment < 0
                dull += (np.abs(m.trait_change) <= m.trait_rounding) | (np.abs(m.in_metric) <= m.metric_rounding)
        for i, size in enumerate(SIZES):
            counts = {"raised": raised[i], "opposed": against[i], "euclidean": euclidean[i]}
            own = {"network": network.name, "matched": matched, "relative_size": size, "draws": draws}
            rows.append(own | _shares(counts, draws) | {"rounding": int(dull[i])})
    return rows


# Optimizers ---------------------------------------------------------------------------------------


@lru_cache(maxsize=32)
def programs(name: str, layout: Layout) -> tuple[Any, Any]:
    """init and update of an optimizer that sees the shapes of parameters, for many runs of flat ones, (n, P)."""
    own, tree = OPTIMIZERS[name], layout.unflatten

    def update(gradient: Any, memory: Any, theta: Any) -> Any:
        change, memory = own.update(tree(gradient), memory, tree(theta))
        return layout.flatten(change), memory

    return jax.jit(jax.vmap(lambda theta: own.init(tree(theta)))), jax.jit(jax.vmap(update))


def walked(
    name: str, s: Stack, slope: Callable[[Any], Any], steps: int, length: Callable[[Any, Any], Any]
) -> np.ndarray:
    """θ − θ0 after so many steps, (n, P), at the rate that makes the first as long as `length` of its change says."""
    init, update = programs(name, s.functions.layout)
    moved, rate = np.zeros_like(s.theta0), None
    with float64():
        memory = init(s.theta0)
    for _ in range(steps):
        theta = s.theta0 + moved
        gradient = slope(theta)
        with float64():
            change, memory = update(gradient, memory, theta)
        change = np.asarray(change)
        rate = (length(change, gradient) / norm(change))[:, None] if rate is None else rate
        moved = moved + rate * change
    return moved


def imitated(s: Stack, taught: np.ndarray) -> Callable[[Any], Any]:
    """θ ↦ ∇L_S(θ) on the labels of θ0 + taught."""
    y = s.functions.values(s.theta0 + taught, s.x)[:, None]
    descend = Descend(s, LOSS, y, None, None)
    return lambda theta: -descend(theta[:, None])[:, 0]


def pair_rows(network: LinenNetwork, plan: Plan) -> list[Row]:
    """Every teacher with every student: one step each, and as many as the plan says.

    A teacher's steps add up to a relative size of `SIZES`; a student's first is as long as descent's at 1/λmax(G).
    """
    s = resting(base(network), tuple(range(plan.draws)))[0]
    before, largest = s.trait.value(s.functions, s.theta0), modes(whitened(s, LOSS)).values[:, -1]
    rows = []
    for steps, teacher in product((1, plan.steps), plan.optimizers):

        def small(change: Any, gradient: Any, steps: int = steps) -> Any:
            return SIZES[0] * scales(replace(s, delta=change))[0] * norm(change) / steps

        taught = walked(teacher, s, lambda theta: s.trait.gradient(s.functions, theta), steps, small)
        slope = imitated(s, taught)
        for student in plan.optimizers:
            moved = walked(student, s, slope, steps, lambda change, gradient: norm(gradient) / largest)
            after = s.trait.value(s.functions, s.theta0 + moved)
            counts = {"raised": np.sum(after > before), "opposed": np.sum(inner(moved, taught) < 0)}
            own = {"network": network.name, "teacher": teacher, "student": student, "steps": steps}
            rows.append(own | {"draws": plan.draws} | _shares(counts, plan.draws))
    return rows


# The toy ------------------------------------------------------------------------------------------

KINDS = ("one metric each", "sign teacher", "signs for both")


def toy_rows(draws: int) -> list[Row]:
    """g, the rows of a channel and both metrics are drawn; what of the law is known is its mean over g and C."""
    rng, rows = np.random.default_rng(0), []
    for rank, kind in product(RANKS, KINDS):
        g, (n_T, n_S) = rng.standard_normal((draws, PARAMETERS)), rng.standard_normal((2, draws, PARAMETERS))
        B = rng.standard_normal((draws, rank, PARAMETERS))
        delta = -np.exp(SPREAD * n_T) * g if kind == KINDS[0] else -np.sign(g)
        force = np.einsum("nrp,nrq,nq->np", B, B, delta, optimize=True)
        by = np.exp(SPREAD * n_S) if kind == KINDS[0] else 1.0
        step = np.sign(force) if kind == KINDS[2] else by * force
        # A linear student's slope is −Σ (B C_S g)(B C_T g): pairs of normal numbers, given g and both metrics.
        cosine = inner(-delta, by * g) / norm(delta) / norm(by * g)
        law = np.nan if kind == KINDS[2] else float(np.mean(opposed(cosine, rank)))
        raised = int(np.sum(inner(g, step) > 0))
        low, high = share_interval(np.array(raised), draws, 1 - LEVEL)
        rows.append(
            {
                "rank": rank, "kind": kind, "predicted": law, "measured": raised / draws, "low": float(low),
                "high": float(high), "opposed": float(np.mean(inner(delta, step) < 0)), "draws": draws,
            }
        )  # fmt: skip
    return rows


# Counterexamples ----------------------------------------------------------------------------------

SHAPE = "tanh-3"
ANY = "any-preconditioners-lower-the-trait-loss"
APART: dict[str, tuple[str, Teacher | str, Rule]] = {
    "one-metric-each": (ANY, Ruled(DrawnMetric(0)), DrawnMetric(1)),
    "signs-of-the-student": ("sign-steps-align", GradientDescent(), Signs()),
    "signs-of-the-teacher": ("sign-teachers-lower-the-trait-loss", Ruled(Signs()), Descent()),
    "adafactor-teacher": (ANY, "Adafactor", Descent()),
    "muon-teacher": (ANY, "Muon", Descent()),
}
"""Kinds of pairs that are mismatched: the over-reading that they refute, the teacher, or its optimizer, the student.

The first steps of Adafactor and Muon are −C∇L_T with a C ≻ 0 made of that gradient.
"""

TRIED = 2000
"""Seeds."""


def counterexample_rows() -> list[Row]:
    """The first seed that refutes each over-reading, on finer ladders of ε too."""
    rows = []
    for kind, (name, *_) in APART.items():
        for seed in range(TRIED):
            evidence = search.judge(OVER_READINGS[name], case(kind, seed))
            if search.refutes(OVER_READINGS[name], case(kind, seed), None, evidence):
                own = {"kind": kind, "claim": name, "network": SHAPE, "seed": seed}
                rows.append(own | {"measured": evidence.measured, "margin": evidence.margin})  # type: ignore[union-attr]
                break
    return rows


@lru_cache(maxsize=4)
def case(kind: str, seed: int) -> Distillation:
    """The distillation of one seed on the smallest perceptron of a search."""
    _, teacher, rule = APART[kind]
    setting = Setting(SHAPES[SHAPE], SquaredError(), UniformNoise(), "aux", examples=4, trait_examples=5)
    if isinstance(teacher, Teacher):
        return setting.but(teacher=teacher, rule=rule).distillation(seed)
    s, d = resting(setting, (seed,))[0], setting.distillation(seed)
    delta = walked(teacher, s, lambda theta: s.trait.gradient(s.functions, theta), 1, lambda change, _: norm(change))
    eps: Any = np.asarray(setting.eps) * scales(replace(s, delta=delta))[0]
    return replace(d, delta=s.functions.layout.unflatten(delta[0]), eps=eps)


def files(tables: dict[str, list[Row]]) -> dict[str, str]:
    """Each kind's case in full, to run again: subtheory falsify --replay FILE."""
    found = {}
    for row in tables["counterexamples"]:
        claim, d = OVER_READINGS[row["claim"]], case(row["kind"], int(row["seed"]))
        told = counterexample.state(claim, d, claim.check(d), None, SHAPES)
        found[f"counterexample-{row['kind']}.json"] = json.dumps(told, indent=1, ensure_ascii=False) + "\n"
    return found


# What was predicted -------------------------------------------------------------------------------


def findings(tables: dict[str, list[Row]]) -> list[Finding]:
    """P31 and P32."""
    one, each = ([row for row in tables["metrics"] if row["matched"] is yes] for yes in (True, False))
    plain = [row for row in tables["optimizers"] if {row["teacher"], row["student"]} <= set(DESCENDING)]
    judged = [row for row in tables["toy"] if np.isfinite(row["predicted"])]
    draws = sum(row["draws"] for row in one if row["relative_size"] == SIZES[0])
    lost = lambda rows: [row["raised"] + row["opposed"] for row in rows]  # noqa: E731
    return [
        most(f"P31: draws of one metric for both that raise L_T or oppose Δ in it, of {draws} at a size", lost(one), 0),
        most("P31: draws of one metric for both of which rounding hides the sign", [row["rounding"] for row in one], 0),
        least("P31 control, one metric each: lower end of the share that raises L_T",
              [row["raised_low"] for row in each], 1e-9),
        most("P3: plain first steps of both that raise L_T or oppose Δ",
             lost(row for row in plain if row["steps"] == 1), 0),
        rate("P31, P32: shares of random channels whose exact interval has the beta law in it",
             [row["low"] <= row["predicted"] <= row["high"] for row in judged]),
        Finding("P31, P32: kinds of mismatched pairs with a counterexample file",
                len(tables["counterexamples"]), len(APART), len(APART)),
        most("P32: students of sign teachers that step against Δ by plain descent, random channels",
             [row["opposed"] for row in tables["toy"] if row["kind"] == KINDS[1]], 0),
        shown("runs of several plain steps of both that raise L_T or oppose Δ, most of a pair",
              max(lost(row for row in plain if row["steps"] > 1))),
        *(shown(f"gap g6: share behind rank 3 that raises L_T, {row['kind']}", row["measured"])
          for row in tables["toy"] if row["rank"] == 3),
    ]  # fmt: skip


# Figures ------------------------------------------------------------------------------------------


def figure(tables: dict[str, list[Row]]) -> dict[str, Figure]:
    """Pairs of optimizers, one panel a network and number of steps; the toy."""
    with style():
        return {"optimizers": _pairs(tables["optimizers"]), "toy": _toy(tables["toy"])}


def _pairs(rows: list[Row]) -> Figure:
    networks, steps = (list(dict.fromkeys(row[name] for row in rows)) for name in ("network", "steps"))
    names = list(dict.fromkeys(row["teacher"] for row in rows))
    drawn = sheet(2.8 * len(networks))
    panels = drawn.subplots(len(networks), len(steps), squeeze=False)
    letters = map("({})".format, "abcdefgh")
    for (i, j), axes in np.ndenumerate(panels):
        own = [row for row in rows if row["network"] == networks[i] and row["steps"] == steps[j]]
        image = _matrix(axes, own, names)
        axes.set_title(f"{next(letters)} {networks[i]}, " + ("first step" if steps[j] == 1 else f"{steps[j]} steps"))
        if j == 0:
            axes.set_ylabel("teacher")
        if i == len(networks) - 1:
            axes.set_xlabel("student")
    drawn.colorbar(image, ax=list(panels.flat), label="runs that raise the teacher's loss, %", aspect=40)
    return drawn


def _matrix(axes: Axes, rows: list[Row], names: list[str]) -> Any:
    """Rises in colour and above, steps against Δ below, per cent."""
    values = np.zeros((len(names), len(names)))
    for row in rows:
        i, j = names.index(row["teacher"]), names.index(row["student"])
        values[i, j] = 100 * row["raised"] / row["draws"]
        text = f"{values[i, j]:.3g}\n{100 * row['opposed'] / row['draws']:.3g}"
        axes.text(j, i, text, ha="center", va="center", fontsize=6)
    axes.grid(False)
    for i in range(len(names)):
        axes.plot([i - 0.5, i + 0.5, i + 0.5, i - 0.5, i - 0.5], [i - 0.5, i - 0.5, i + 0.5, i + 0.5, i - 0.5],
                  color=COLOURS[1], linewidth=1.0, clip_on=False)  # fmt: skip
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    return axes.imshow(values, vmin=0, vmax=50, cmap="Blues", aspect="auto")


def _toy(rows: list[Row]) -> Figure:
    drawn = sheet(2.6)
    axes = drawn.subplots()
    for i, kind in enumerate(dict.fromkeys(row["kind"] for row in rows)):
        own = [row for row in rows if row["kind"] == kind]
        x, y = [row["rank"] for row in own], np.array([row["measured"] for row in own])
        ends = np.abs(np.array([[row["low"] for row in own], [row["high"] for row in own]]) - y)
        axes.errorbar(x, y, ends, linestyle="", marker=MARKERS[i], color=COLOURS[i], markersize=4, label=kind)
        if np.isfinite(own[0]["predicted"]):
            axes.plot(x, [row["predicted"] for row in own], color=COLOURS[i], linewidth=0.9)
    axes.set(xlabel="rows of the channel, $n$", ylabel="share that raises $L_T$", ylim=(0, None))
    axes.legend()
    return drawn
