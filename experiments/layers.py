"""Which layers carry the alignment, and do all of them point the teacher's way?

D(ε) = Σ_ℓ D_ℓ(ε) over layers, D_ℓ = (Δθ_S)_ℓ · Δ_ℓ = ε Δ_ℓ · (GΔ)_ℓ + O(ε²). The sum is not negative, a summand may
be: a layer is pulled by what all the others of the teacher did. A student that trains only layer ℓ has just D_ℓ; if
its teacher moved only that layer as well, Δ_ℓᵀG_ℓℓΔ_ℓ ≥ 0 returns the sign. With half of the parameters frozen at
random D = ε ΔᵀQGΔ, a sum of p_i = Δ_i(GΔ)_i over a random half, whose law is known; P(D < 0) ≈ Φ(−Σp_i/√Σp_i²) if no
few of them are most of it. What makes it large is a channel of few directions; so too for the layers of a random
teacher. If G has rank one, D_ℓ has the sign of a product of normals of correlation √κ_ℓ, κ_ℓ = ‖(GΔ)_ℓ‖²/‖GΔ‖², and
P(D_ℓ < 0) = arccos(√κ_ℓ)/π. Bars, measured beside predicted. Control: a student with an init of its own, for which
they do not add up to one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy.stats import norm

from subtheory.envelope import outgrown
from subtheory.figure import COLOURS, MARKERS, sheet, style
from subtheory.init import layers
from subtheory.instruments.two_inits import TwoInits
from subtheory.kernels.stack import Stack, averaged, expectation, inner, labels, trained, updates
from subtheory.ledger import parts
from subtheory.networks import MLP, ConvNet, LinenNetwork, Transformer
from subtheory.setting.preparation import stack
from subtheory.setting.setting import Setting
from subtheory.setting.student import Redrawn, Shared
from subtheory.statistics import as_often, coins, share_interval
from subtheory.study.experiment import Progress
from subtheory.study.finding import Finding, least, most, rate, shown
from subtheory.study.options import at_least
from subtheory.theory.losses import SquaredError
from subtheory.theory.trains import Half

QUESTION = "Which layers carry the alignment, and can a layer, or half of the parameters, point away from the teacher?"
COMMAND = "subtheory run layers"
EXPECTED = (
    "Measured D_ℓ/(εq) as predicted, adding up to 1 for a shared init only; some below 0, most of all for random "
    "teachers; never with teacher and student restricted to the same parameters; half frozen, as its law says."
)
CAPTIONS = {
    "layers": "Alignment of a student's step with its teacher's update, layer by layer, over εq: D_ℓ = ε Δ_ℓ·(GΔ)_ℓ "
    "+ O(ε²), summing up to 1. Bars are means over {layers.draws:one} draws with their middle 90 % for three kinds of "
    "teachers, dashes predictions, diamonds students and teachers of that layer alone, which cannot be negative. "
    "Last panel: how often D is negative when a random half of the parameters is frozen, on a channel of several "
    "inputs (filled) or of one (hollow), and how often single layers are (crosses), measured against predicted by "
    "their laws; on the line they agree.",
}

LOSS = SquaredError()
TEACHERS = ("gradient-descent", "random", "converged")
NARROW, APART = "random, 1 input", "independent"
"""A random teacher on a channel of one input and one output, and a student with an init of its own."""
EPS, SHOWN = (1e-2, 2.5e-3, 1e-5), 1
"""Relative sizes of the teacher's update: the larger two set the envelope that the smallest is judged by; the one that
is shown."""
EXAMPLES = 8
CHANNELS = ("8 inputs", "1 input, 1 output")
"""As it is, and narrowed until G has next to no rank."""
HATCHES = ("", "////", "....")
CROSS: dict[str, Any] = {"color": "black", "marker": "x", "linestyle": "", "markersize": 4}
SAME = 1e-10
"""What counts as equal."""
LEVEL = 1e-3
"""Chance that one of some shares is off though all laws are right."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """Networks, inits of each, and random halves for every init."""

    networks: tuple[LinenNetwork, ...] = (MLP(width=12), ConvNet(channels=(2, 4)), Transformer(width=8))
    seeds: int = 100
    masks: int = 400

    def __post_init__(self) -> None:
        at_least(self, seeds=2, masks=1)


PLAN, QUICK = Plan(), Plan(seeds=4)


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> dict[str, list[Row]]:
    """One row a layer; sums; frozen halves; and the summary."""
    found = parts.tables({network.name: partial(network_rows, network, plan) for network in plan.networks}, progress)
    return {**found, "summary": summary_rows(found["layers"], found["sums"], found["frozen"])}


def network_rows(network: LinenNetwork, plan: Plan) -> dict[str, list[Row]]:
    """Layers, sums and frozen halves of one network."""
    rows: dict[str, list[Row]] = {"layers": [], "sums": [], "frozen": []}
    for case, s in cases(network, tuple(range(plan.seeds))).items():
        found = measured(s)
        rank_one = case == NARROW and not network.task.vocabulary
        rows["layers"] += layer_rows(network.name, case, names(s), found, rank_one)
        rows["sums"].append(sum_row(network.name, case, found))
        for channel, one in zip(CHANNELS, (s, narrow(s)), strict=True) if case in TEACHERS else ():
            rows["frozen"].append(frozen_row(network.name, case, channel, halved(one), plan.masks))
    return rows


def cases(network: LinenNetwork, seeds: Sequence[int]) -> dict[str, Stack]:
    """Stacks: every teacher with a student of its own init, `NARROW`, and `APART`; a random half is trained."""
    found = {}
    for case in (*TEACHERS, APART):
        teacher, init = (TEACHERS[0], Redrawn()) if case == APART else (case, Shared())
        setting = Setting(network, outputs="aux", eps=EPS, examples=EXAMPLES, teacher=teacher)
        found[case] = stack(setting.but(trains=Half(), init=init), tuple(seeds))
    return found | {NARROW: narrow(found["random"])}


def narrow(s: Stack) -> Stack:
    """The channel's first input and the first distilled output alone: for images G has rank one."""
    weights, outputs = np.zeros_like(s.weights), np.zeros_like(s.outputs)
    weights[:, 0] = outputs[np.argmax(s.outputs > 0)] = 1.0
    return replace(s, weights=weights, outputs=outputs)


def names(s: Stack) -> tuple[str, ...]:
    """The layers of a network from input to output."""
    layout = s.functions.layout
    return layers(layout.unflatten(np.zeros(layout.size)))


def step(s: Stack) -> np.ndarray:
    """Δθ_S(ε), (S, K, P)."""
    return updates(s, LOSS, labels(s, s.eps), s.functions.values(s.student, s.x))


def cross_update(s: Stack) -> np.ndarray:
    """E[J_Sᵀ M J_TΔ], the limit of what Δ adds to the step over ε, (S, P): GΔ at a shared init."""
    taylor, z = s.functions.taylor(s.theta0, s.delta, s.x), s.functions.values(s.student, s.x)
    bent = s.functions.terms(LOSS, z, taylor.z0, s.outputs, taylor.u, taylor.v).first
    return trained(s, s.functions.pulls(s.student, averaged(s, bent), s.x), 0)


def alignment(s: Stack) -> np.ndarray:
    """D(ε), (S, K)."""
    return inner(step(s), s.delta[:, None])


def quadratic_form(s: Stack) -> np.ndarray:
    """q = ΔᵀGΔ, (S,)."""
    taylor = s.functions.taylor(s.theta0, s.delta, s.x)
    return expectation(s, LOSS.leading(taylor.z0, taylor.u, s.outputs))


def measured(s: Stack) -> dict[str, np.ndarray]:
    """For every draw q, D, and, layer by layer at every ε, what `layer_rows` compares; nothing is frozen elsewhere."""
    s = replace(s, trains=None)
    update, crossed, delta = step(s), cross_update(s), s.delta[:, None]
    crossing, parts, blank = TwoInits().record(s, (LOSS,), s.x), s.functions.layout.layers(), np.zeros_like(s.delta)
    found: dict[str, list[np.ndarray]] = {}
    for name in names(s):
        part, mask = parts[name], blank.copy()
        mask[:, part] = 1.0
        student = replace(s, trains=mask)
        both = replace(student, delta=mask * s.delta, known=None)
        for key, value in {
            "raw": inner(update[..., part], delta[..., part]),
            "subtracted": crossing["by_layer"][name][0],
            "predicted": s.eps * inner(crossed[:, part], s.delta[:, part])[:, None],
            "student": alignment(student),
            "both": alignment(both),
            "matched": s.eps * quadratic_form(both)[:, None],
            "pull": inner(crossed[:, part], crossed[:, part]),
        }.items():
            found.setdefault(key, []).append(value)
    whole = {"eps": s.eps, "D": crossing["alignment"][0], "q": crossing["shared"][0]}
    return whole | {key: np.stack(values, axis=1) for key, values in found.items()}


def halved(s: Stack) -> dict[str, np.ndarray]:
    """For every draw at the smallest ε, over it: D of the frozen student, with its teacher frozen alike, and all p_i.

    "measured" holds (Δθ_S)_i Δ_i/ε of a student of which nothing is frozen, "predicted" Δ_i(GΔ)_i.
    """
    s = replace(s, eps=s.eps[:, -1:])
    whole, both = replace(s, trains=None), replace(s, delta=trained(s, s.delta, 0), known=None)
    return {
        "mask": s.trains,
        "frozen": (alignment(s) / s.eps)[:, 0],
        "both": (alignment(both) / s.eps)[:, 0],
        "matched": quadratic_form(both),
        "measured": step(whole)[:, 0] * s.delta / s.eps,
        "predicted": cross_update(whole) * s.delta,
    }


def at_shown(values: np.ndarray) -> np.ndarray:
    """At the ε that is shown, or at the only one; ε is the last axis."""
    return values[..., min(SHOWN, values.shape[-1] - 1)]


def layer_rows(network: str, case: str, names: Sequence[str], found: Row, rank_one: bool) -> list[Row]:
    """One row a layer: D_ℓ/(εq) at the ε that is shown, its prediction, and the same for restricted students.

    An independent student's D_ℓ is control-subtracted, D_ℓ(ε) − D_ℓ(0).
    """
    unit = (at_shown(found["eps"]) * found["q"])[:, None]
    raw = at_shown(found["subtracted" if case == APART else "raw"])
    share = {name: at_shown(found[name]) / unit for name in ("predicted", "student", "both", "matched")}
    law = np.arccos(np.sqrt(found["pull"] / found["pull"].sum(axis=1, keepdims=True))) / np.pi
    share |= {"measured": raw / unit, "own": at_shown(found["raw"]) / unit}
    return [
        {
            "network": network, "case": case, "layer": layer, "draws": len(unit), "relative_size": EPS[SHOWN],
            **_spread("measured", share["measured"][:, i]), **_spread("predicted", share["predicted"][:, i]),
            "difference": float(np.max(np.abs(share["measured"] - share["predicted"])[:, i])),
            **_share("negative", share["measured"][:, i] < 0),
            "negative_predicted": float(np.mean(share["predicted"][:, i] < 0)),
            "rank_one": rank_one, "rank_one_law": float(np.mean(law[:, i])),
            "restricted_difference": float(np.max(np.abs(share["student"] - share["own"])[:, i])),
            **_spread("matched", share["both"][:, i]), "matched_least": float(share["both"][:, i].min()),
            "matched_difference": float(np.max(np.abs(share["both"] - share["matched"])[:, i])),
        }
        for i, layer in enumerate(names)
    ]  # fmt: skip


def sum_row(network: str, case: str, found: Row) -> Row:
    """Whether the layers add up, how many point away, and how the prediction's error falls with ε."""
    unit = found["eps"] * found["q"][:, None]
    own = found["subtracted" if case == APART else "raw"]
    error = np.max(np.abs(own - found["predicted"]) / unit[:, None], axis=1)
    large, size = np.median(error[:, 0]), np.median(at_shown(error))
    off = [outgrown(each, EPS) for each in np.abs(own.sum(axis=1) / unit - 1)]
    whole = lambda values: at_shown(values / unit)  # noqa: E731
    return {
        "network": network, "case": case, "draws": len(unit),
        "layers_over_whole": float(np.max(np.abs(found["raw"].sum(axis=1) / found["D"] - 1))),
        **_spread("sum", whole(own.sum(axis=1))), **_spread("predicted_sum", whole(found["predicted"].sum(axis=1))),
        **_spread("raw_sum", whole(found["D"])), "error_large": float(large), "error": float(size),
        "slope": float(np.log(large / size) / np.log(EPS[0] / EPS[SHOWN])),
        "outgrown": float(np.max([outgrown(each, EPS) for each in error])),
        "sum_outgrown_low": float(np.min(off)), "sum_outgrown_high": float(np.max(off)),
        **_share("any_negative", (at_shown(own) < 0).any(axis=1)),
        "sign_differs": int(np.sum((at_shown(own) < 0) != (at_shown(found["predicted"]) < 0))),
    }  # fmt: skip


def frozen_row(network: str, case: str, channel: str, half: Row, masks: int) -> Row:
    """Share of random halves with D < 0, beside its law; and one half a draw with a teacher frozen alike."""
    rng = np.random.default_rng(masks)
    p, predicted = half["measured"], half["predicted"]
    shares = [np.mean(rng.integers(0, 2, (masks, len(row))) @ row < 0) for row in p]
    law, score = np.array([coins(row) for row in predicted]), predicted.sum(axis=1) / np.linalg.norm(predicted, axis=1)
    # Of the sum over masks, given the draws of everything else.
    error = np.sqrt(np.sum(law * (1 - law)) / masks) / len(law)
    return {
        "network": network, "case": case, "channel": channel, "draws": len(p), "masks": masks,
        "negative": float(np.mean(shares)), "predicted": float(np.mean(law)), "error": float(error),
        "normal": float(np.mean(norm.sf(score))),
        "draws_with_negative": float(np.mean(np.array(shares) > 0)),
        "mask_difference": largest(np.sum(half["mask"] * p, axis=1), half["frozen"], p),
        "matched_negative": float(np.mean(half["both"] < 0)), "matched_least": float(half["both"].min()),
        "matched_difference": largest(half["both"], half["matched"], p),
    }  # fmt: skip


def largest(a: np.ndarray, b: np.ndarray, p: np.ndarray) -> float:
    """max |a − b| over Σ|p_i|, the size of what cancels in them."""
    return float(np.max(np.abs(a - b) / np.sum(np.abs(p), axis=1)))


def _spread(name: str, values: np.ndarray) -> Row:
    """Mean with its standard error, and the middle 90 %."""
    low, high = np.quantile(values, (0.05, 0.95))
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    return {name: float(np.mean(values)), f"{name}_error": float(error), f"{name}_low": float(low),
            f"{name}_high": float(high)}  # fmt: skip


def _share(name: str, yes: np.ndarray) -> Row:
    """A share and its exact 95 % interval."""
    low, high = share_interval(yes.sum(), len(yes))
    return {name: float(np.mean(yes)), f"{name}_low": float(low), f"{name}_high": float(high)}


def findings(tables: dict[str, list[Row]]) -> list[Finding]:
    """P35: parts that add up, single ones that oppose as often as they must, and matched restrictions that never do."""
    bars, sums, frozen = (tables[name] for name in ("layers", "sums", "frozen"))
    shared, apart = ([row for row in sums if (row["case"] == APART) is yes] for yes in (False, True))
    alike = [row for row in bars if row["case"] != APART] + frozen
    lone = [row for row in bars if row["rank_one"]]
    of = lambda rows, name: [row[name] for row in rows]  # noqa: E731
    # Draws, and masks of one draw, have different laws: so many of them spread less than a binomial (Hoeffding 1956).
    away = [as_often(row["negative"], row["draws"], row["rank_one_law"], LEVEL / len(lone)) for row in lone]
    level = LEVEL / len(frozen)
    half = [as_often(row["negative"], row["draws"] * row["masks"], row["predicted"], level) for row in frozen]
    return [
        most("P35: |Σ D_ℓ/D − 1|", of(sums, "layers_over_whole"), SAME),
        most("P35: |D_ℓ − prediction|/(εq) over its envelope O(ε)", of(sums, "outgrown"), 1),
        most("P35, shared init: |Σ D_ℓ/(εq) − 1| over its envelope O(ε)", of(shared, "sum_outgrown_high"), 1),
        least("P35 control, an init of its own: the same", of(apart, "sum_outgrown_low"), 1),
        most("P35, student of one layer: |D − D_ℓ|/(εq)", of(bars, "restricted_difference"), SAME),
        least("P35, teacher and student of one layer or half: D", of(alike, "matched_least"), 0),
        rate("P35 control, teacher of all: layers with D < 0 as often as G of rank one says", away),
        rate("g15 control, teacher of all, half frozen: D < 0 as often as a random half's law says", half),
        shown("half frozen: the normal law off that of a random half, at most",
              np.max([abs(row["normal"] - row["predicted"]) for row in frozen])),
    ]  # fmt: skip


def summary_rows(bars: list[Row], sums: list[Row], frozen: list[Row]) -> list[Row]:
    """Differences, shares of draws and slopes, each beside what it must be."""
    values: list[tuple[str, float, str]] = []
    add = lambda *row: values.append(row)  # noqa: E731
    same = f"below {SAME:g}"
    add("largest |Σ D_ℓ/D − 1|", max(row["layers_over_whole"] for row in sums), same)
    add("student of one layer: largest |D − D_ℓ|/(εq)", max(row["restricted_difference"] for row in bars), same)
    smallest = min(row["matched_least"] for row in bars if row["case"] != APART)
    add("teacher and student of one layer: least D/(εq)", smallest, "not negative")
    for row in sums:
        name, alone = f"{row['network']}, {row['case']}", row["case"] == APART
        if alone:
            add(f"{name}: mean Σ D_ℓ/(εq), raw", row["raw_sum"], "not 1")
        wanted = f"{row['predicted_sum']:.3f}, not 1" if alone else "1"
        add(f"{name}: mean Σ D_ℓ/(εq)" + ", control-subtracted" * alone, row["sum"], wanted)
        add(f"{name}: slope of log error against log ε", row["slope"], "1")
        add(f"{name}: layers whose sign is not the predicted one", row["sign_differs"], "0")
        add(f"{name}: share of draws with a negative layer", row["any_negative"], "no bound")
    for row in bars:
        if row["case"] == NARROW:
            name = f"{row['network']}, {row['case']}, {row['layer']}"
            wanted = f"{row['rank_one_law']:.3f}" + ", were G of rank one" * (not row["rank_one"])
            add(f"{name}: share with D_ℓ < 0", row["negative"], wanted)
    for row in frozen:
        name = f"{row['network']}, {row['case']}, {row['channel']}, half frozen"
        wanted = f"{row['predicted']:.4f} ± {row['error']:.4f}, {row['normal']:.4f} by the normal law"
        add(f"{name}: share with D < 0", row["negative"], wanted)
        add(f"{name}, teacher alike: share with D < 0", row["matched_negative"], "0")
    return [{"quantity": name, "value": float(value), "predicted": wanted} for name, value, wanted in values]


def figure(tables: dict[str, list[Row]]) -> Figure:
    """Bars of every network, one colour a teacher; the last panel, half frozen, measured against predicted."""
    bars, frozen = tables["layers"], tables["frozen"]
    names = list(dict.fromkeys(row["network"] for row in bars))
    teachers = [case for case in dict.fromkeys(row["case"] for row in bars) if case in TEACHERS]
    with style():
        drawn = sheet(5.2)
        panels = list(drawn.subplots(2, 2).flat)
        for axes, name, letter in zip(panels, names, "abc", strict=False):
            for i, teacher in enumerate(teachers):
                _bars(axes, i, [row for row in bars if (row["network"], row["case"]) == (name, teacher)])
            axes.set_ylim(bottom=min(axes.get_ylim()[0], -0.05))
            axes.axhline(0, color="black", linewidth=0.6)
            axes.set(title=f"({letter}) {name}", ylabel=r"$D_\ell/\varepsilon q$")
        axes = panels[-1]
        axes.plot([0, 0.5], [0, 0.5], color="black", linewidth=0.9, zorder=1)
        for row in frozen:
            i, full = teachers.index(row["case"]), row["channel"] == CHANNELS[0]
            look = {"color": COLOURS[i], "marker": MARKERS[names.index(row["network"])], "linestyle": ""}
            axes.plot(row["predicted"], row["negative"], **look, markerfacecolor=COLOURS[i] if full else "white")
        for row in bars:
            if row["rank_one"]:
                ends = [[row["negative"] - row["negative_low"]], [row["negative_high"] - row["negative"]]]
                axes.errorbar(row["rank_one_law"], row["negative"], ends, elinewidth=0.7, **CROSS)
        axes.set(xlabel=r"predicted $P(D<0)$", ylabel=r"measured $P(D<0)$")
        axes.set_title("(d) Half of the parameters, or a layer")
        drawn.legend(handles=_handles(teachers, names), loc="outside lower center", ncols=3, columnspacing=1.2)
    return drawn


def _bars(axes: Axes, i: int, rows: list[Row]) -> None:
    """Means with the middle 90 % of the draws, predictions, and the restricted pair of teacher and student."""
    width = 0.26
    x = np.arange(len(rows)) + width * (i - 1)
    middle, low, high = (np.array([row["measured" + end] for row in rows]) for end in ("", "_low", "_high"))
    axes.bar(x, middle, width, color=COLOURS[i], hatch=HATCHES[i], edgecolor="white", linewidth=0.4)
    ends = [np.maximum(middle - low, 0), np.maximum(high - middle, 0)]
    axes.errorbar(x, middle, ends, color="#444444", linestyle="", elinewidth=0.7)
    axes.plot(x, [row["predicted"] for row in rows], "_", color="black", markersize=6)
    axes.plot(x, [row["matched"] for row in rows], "D", color="black", markerfacecolor="white", markersize=2.6)
    axes.set_xticks(range(len(rows)), [row["layer"].replace("_", "\n") for row in rows])
    axes.grid(axis="x", visible=False)


def _handles(teachers: list[str], names: list[str]) -> list[Any]:
    """Teachers by colour, networks by marker, then what else is drawn."""
    bars = [Patch(facecolor=COLOURS[i], hatch=HATCHES[i], edgecolor="white") for i in range(len(teachers))]
    handles: list[Any] = [bar.set_label(f"{name} teacher") or bar for bar, name in zip(bars, teachers, strict=True)]
    grey = {"color": "#444444", "linestyle": "", "markersize": 4}
    handles += [Line2D([], [], marker=MARKERS[i], label=f"(d) {name}", **grey) for i, name in enumerate(names)]
    handles.append(Line2D([], [], marker="_", label="predicted", **grey | {"color": "black"}))
    matched = {"marker": "D", "markerfacecolor": "white", "label": "teacher and student of one layer"}
    handles.append(Line2D([], [], **grey | matched | {"markersize": 2.6}))
    handles.append(Line2D([], [], **grey | {"marker": "o", "markerfacecolor": "white", "label": f"(d) {CHANNELS[1]}"}))
    handles.append(Line2D([], [], **CROSS, label="(d) layers, random teacher, 1 input, 1 output"))
    return handles
