"""How much of a trait still crosses as the student's init leaves the teacher's, along every path?

Each path of `subtheory.init` that fits a network is walked from the shared init outwards. What the teacher's update
adds to the student, D(ε) − D(0), and to its trait loss, is measured by real steps and divided by the same at the
shared init; predicted are the cross-kernel ε E[(J_SΔ)ᵀM(J_TΔ)] and the slope of the trait loss along it, by Jacobians
alone, with no step taken. Control: the raw alignment, from which the student of the untrained teacher is not
subtracted, has next to nothing to do with the prediction. Below that, three widths in the set-up of the mean-field
curve: ratios of means over pairs of inits, against a recursion of kernels that knows no init at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import Array
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.stats import t as student_t

from subtheory.data import Task
from subtheory.envelope import outgrown, proportion
from subtheory.figure import COLOURS, DASHES, MARKERS, sheet, style
from subtheory.init import FRACTIONS, PATHS, Path, Start
from subtheory.instruments.two_inits import Crossing, TwoInits
from subtheory.kernels.compiled import Kernels
from subtheory.kernels.stack import Stack, inner, labels, moved, norm, pull
from subtheory.ledger import parts
from subtheory.networks import MLP, ConvNet, LinenNetwork, Transformer
from subtheory.numerics import ROUNDINGS, UNIT, float64
from subtheory.setting.preparation import stack
from subtheory.setting.setting import Setting
from subtheory.setting.student import Along
from subtheory.statistics import half_width, ratios
from subtheory.study.ablation import crossed, error_of, fitting, shared
from subtheory.study.experiment import Progress
from subtheory.study.finding import Finding, shown
from subtheory.study.options import at_least
from subtheory.theory.beyond.mean_field import MEASURES, transfer_curve
from subtheory.theory.losses import KL, Loss, SquaredError
from subtheory.theory.network import Params
from subtheory.theory.trait import TargetTrait

QUESTION = "How much of a trait still crosses as the student's init leaves the teacher's, along every path?"
COMMAND = "subtheory run init_paths"
EXPECTED = (
    "Alignment and trait change beyond the control lie on the cross-kernel's prediction along every path, off by O(ε) "
    "(trait: but for large rescalings); permutations leave the trait change at 1; the mean-field curve fits."
)
CAPTIONS = {
    "init_paths": "What the teacher's update adds to one step of a student that starts along a path away from the "
    "shared init, over the same at the shared init: alignment above, change of the trait loss below, for "
    "{init_paths.network:list}. Markers are measured beyond the student of the untrained teacher, means over seeds "
    "with bands from 10 to 90 % of them; lines are predicted by the cross-kernel of the two inits, with no step "
    "taken. Last row: inits of correlation ρ at widths {mean_field.width:list}, ratios of means over "
    "{mean_field.inits:one} pairs of inits with two standard errors, on the mean-field curve.",
}

EXAMPLES = {"transformer": 4}  # inputs of the channel, otherwise 8: null(G) needs all outputs at all positions
SIZES = (4e-3, 1e-3, 1e-5)
"""Relative sizes of the teacher's update: two that must differ by their ratio, one for the constant."""
SHOWN = 1  # the size that is drawn
KINDS = ("added_", "predicted_", "")  # beyond the control; as predicted; raw
BAND = (10, 90)
"""Percentiles over seeds."""
CAPTION = "Over the shared init's: markers measured beyond the control, lines predicted, bands 10 to 90 % of seeds"

GROUPS: dict[str, tuple[str, ...]] = {
    "noise": ("noise", "tensor-noise", "null-noise", "seen-noise"),
    "towards another init": ("linear", "spherical", "correlated", "partial-reinit"),
    "shared in part": ("share-first-1", "share-last-2", "share-heads", "share-body"),
    "symmetries": (
        "permutation", "head-permutation", "sign-flip", "relu-rescaling", "gain-rescaling", "stream-rescaling",
    ),
    "made by training": ("fork", "behaviour-matched", "behaviour-matched-on-trait"),
}  # fmt: skip

AT_ONCE = 16  # pairs of inits
RHOS, BETWEEN = (1.0, 0.9, 0.7, 0.5, 0.3, 0.1), (0.8, 0.6, 0.4, 0.2, 0.0)
"""Where inits are drawn, the shared one first, and where the curve alone is."""
TINY = 1e-7  # ε of the mean-field set-up: a limit, with 1e-9 of rounding
DATA = np.random.default_rng(44)
X, TRAIT_X = DATA.uniform(-1.5, 1.5, (3, 6)), DATA.normal(size=(3, 6))
AUX = np.array([0.0, 0.0, 1.0, 1.0])
"""Two outputs that the trait reads, two that the student sees."""
TRAIT = TargetTrait(TRAIT_X, DATA.normal(size=(3, 4)), 1 - AUX)
TASK = Task("points", (6,), "float64", (("class", (0, 1)), ("aux", (2, 3)), ("all", (0, 1, 2, 3))), lambda key, n: None)

LEVEL = 1e-3
"""Chance that some mean is off a mean-field curve that is right."""
TURNS, ANOTHER = ("permutation", "head-permutation", "sign-flip"), GROUPS["towards another init"]
"""Orthogonal symmetries, and paths that end at an independent init."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """Paths from every network that they fit, losses, of which the first is drawn, and seeds; `fractions` are amounts
    of a path that ends at 1. Below, widths and pairs of inits of the mean-field curve, and where it is drawn alone.
    """

    networks: tuple[LinenNetwork, ...] = (MLP(12), ConvNet(channels=(2, 4), activation="relu"), Transformer(width=8))
    paths: tuple[str, ...] = tuple(name for paths in GROUPS.values() for name in paths)
    losses: tuple[Loss, ...] = (SquaredError(), KL())
    seeds: int = 20
    fractions: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    widths: tuple[int, ...] = (32, 128, 512)
    inits: int = 256
    between: tuple[float, ...] = BETWEEN

    def __post_init__(self) -> None:
        at_least(self, seeds=2, inits=2)


PLAN = Plan()
QUICK = Plan(
    PLAN.networks[:1], tuple(paths[0] for paths in GROUPS.values()), seeds=4, widths=(16, 64), inits=24, between=()
)


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> dict[str, list[Row]]:
    """Means and bands at every amount, errors and constants of every path, and the mean-field points."""

    def own(network: LinenNetwork, name: str, path: Path) -> dict[str, list[Row]]:
        points, errors = path_rows(plan, network, name, path)
        return {"init_paths": points, "errors": errors}

    def curves(width: int) -> dict[str, list[Row]]:
        return {"mean_field": width_rows(width, plan.inits, plan.between)}

    jobs = [(network, name, path) for network in plan.networks for name, path in walked(network, plan.paths)]
    todo = {f"{job[0].name} {job[1]}": partial(own, *job) for job in jobs}
    todo |= {f"mean field, width {width}": partial(curves, width) for width in plan.widths}
    return {"init_paths": [], "errors": [], "mean_field": [], **parts.tables(todo, progress)}


def setting_of(network: LinenNetwork) -> Setting:
    """Auxiliary outputs, a teacher of one gradient step."""
    examples = EXAMPLES.get(network.name, 8)
    return Setting(network, outputs="aux", eps=SIZES, examples=examples, trait_examples=16)


def walked(network: LinenNetwork, names: Sequence[str]) -> list[tuple[str, Path]]:
    """Those of some paths that fit."""
    return list(fitting(setting_of(network), names).items())


def path_rows(plan: Plan, network: LinenNetwork, name: str, path: Path) -> tuple[list[Row], list[Row]]:
    """One row an amount and loss, and one row a loss, of one path on one network."""
    setting, seeds = setting_of(network), tuple(range(plan.seeds))
    amounts = plan.fractions if path.amounts == FRACTIONS else path.amounts
    settings = [shared(path, setting), *(setting.but(init=Along(path, amount)) for amount in amounts)]
    found = [TwoInits().records(one, seeds, plan.losses) for one in settings]
    far = [distances(stack(one, seeds)) for one in settings[1:]]
    points, errors = [], []
    for loss in plan.losses:
        base, *along = (at[loss.name] for at in found)
        about = {"network": network.name, "loss": loss.name, "path": name}
        for amount, away, crossings in zip(amounts, far, along, strict=True):
            points.append({**about, "amount": amount, "distance": float(np.mean(away)), **drawn(crossings, base)})
        errors.append({**about, **checks([c for at in along for c in at])})
    return points, errors


def distances(s: Stack) -> np.ndarray:
    """‖θ0_S − θ0‖/‖θ0‖ of every seed."""
    return norm(s.student - s.theta0) / norm(s.theta0)


def drawn(crossings: Sequence[Crossing], base: Sequence[Crossing]) -> Row:
    """Of the alignment and of the trait change, over the shared init's: mean, interval, band, prediction, raw."""
    own, first = ([crossed(c, SHOWN) for c in each] for each in (crossings, base))
    row: Row = {}
    for name in "alignment", "trait_change":
        relative = {
            kind: np.array([a[kind + name] / b[kind + name] for a, b in zip(own, first, strict=True)]) for kind in KINDS
        }
        (low, high), (raw_low, raw_high) = (map(float, np.percentile(relative[kind], BAND)) for kind in ("added_", ""))
        row |= {
            name: float(np.mean(relative["added_"])), f"{name}_half": half_width(relative["added_"]),
            f"{name}_low": low, f"{name}_high": high, f"{name}_predicted": float(np.mean(relative["predicted_"])),
            f"{name}_raw_low": raw_low, f"{name}_raw_high": raw_high,
        }  # fmt: skip
    rounding = [ROUNDINGS * UNIT * c.trait / abs(c.added_trait[SHOWN]) for c in base]
    return row | {"trait_change_bound": float(np.max(rounding))}


def checks(crossings: list[Crossing]) -> Row:
    """Over all amounts and seeds of a path: errors, how they fall with ε, and constants at the finest size."""
    sizes = range(len(SIZES))
    each = [[crossed(c, k) for c in crossings] for k in sizes]
    column = {name: np.array([[row[name] for row in rows] for rows in each]) for name in each[0][0]}
    error = np.array([[error_of(c, k) for c in crossings] for k in sizes])
    untaught = np.array([np.abs(c.alignment / c.eps - c.kernel) / c.scale for c in crossings]).T
    size, raw_size = (np.sqrt(np.mean(values**2, axis=1)) for values in (error, untaught))
    added, predicted, raw, *trait = (column[k + n] for n in ("alignment", "trait_change") for k in KINDS)
    constant, bound = proportion(added, predicted, SIZES)
    trait_constant, trait_bound = proportion(*trait[:2], SIZES)
    with np.errstate(divide="ignore", invalid="ignore"):
        order = np.log(size[0] / size[1]) / np.log(SIZES[0] / SIZES[1])
    return {
        "runs": len(crossings), "largest_error": float(error[SHOWN].max()), "rms_error": float(size[SHOWN]),
        "order": float(order), "outgrown": outgrown(size, SIZES), "raw_outgrown": outgrown(raw_size, SIZES),
        "constant": constant, "constant_bound": bound,
        "trait_constant": trait_constant, "trait_constant_bound": trait_bound,
        "raw_scatter": float(np.linalg.norm((raw - predicted)[SHOWN]) / np.linalg.norm(predicted[SHOWN])),
        "raw_sign_differs": float(np.mean(np.sign(raw[SHOWN]) != np.sign(predicted[SHOWN]))),
    }  # fmt: skip


# The mean-field curve -----------------------------------------------------------------------------


def width_rows(width: int, inits: int, between: Sequence[float] = ()) -> list[Row]:
    """Ratios of means over pairs of inits at every ρ to the shared one, beside the curve; NaN `between`."""
    network = MLP(width=width, task=TASK)
    with float64():
        keys = jax.random.split(jax.random.key(width), inits)
    found = np.concatenate([added_steps(network, keys[i : i + AT_ONCE]) for i in range(0, inits, AT_ONCE)])
    rows, rhos = [], (*RHOS[1:], *between)
    for m, measure in enumerate(MEASURES):
        nothing = np.full(len(between), np.nan)
        measured, error = (np.concatenate([each, nothing]) for each in ratios(found[:, :, m]))
        predicted = transfer_curve(rhos, X, TRAIT, AUX, measure=measure, width=width)
        rows += [
            {
                "width": width, "measure": measure, "rho": rho, "predicted": float(predicted[i]),
                "measured": float(measured[i]), "standard_error": float(error[i]),
                "misfit": float((measured[i] - predicted[i]) / error[i]), "inits": inits,
            }
            for i, rho in enumerate(rhos)
        ]  # fmt: skip
    return rows


@partial(jax.jit, static_argnames="network")
def pairs(network: LinenNetwork, keys: Array) -> Params:
    """θ0 and an independent init of every key, leaves (2, S, ...)."""
    both = jax.vmap(jax.random.split, out_axes=1)(keys)
    return jax.lax.map(lambda each: jax.lax.map(network.init, each), both)


def added_steps(network: LinenNetwork, keys: Array, rhos: Sequence[float] = RHOS) -> np.ndarray:
    """Real steps beyond the control, over ε, times Δ and times −∇L_T(θ0_S), of a pair of inits a key: (S, ρ, 2)."""
    with float64():
        params = jax.tree.map(np.asarray, pairs(network, keys))
    f = Kernels.of(network, jax.tree.map(lambda leaf: leaf[0, 0], params), X[0])
    theta0, other = f.layout.flatten(params)
    x, trait = jax.tree.map(lambda leaf: np.broadcast_to(leaf, (len(keys), *leaf.shape)), (X, TRAIT))
    start, path, weights = Start(theta0, other, x, AUX, trait, f), PATHS["correlated"], np.full(x.shape[:2], 1 / len(X))
    eps, delta = np.full((len(keys), 1), TINY), -trait.gradient(f, theta0)
    s = Stack(theta0, theta0, delta, x, weights, AUX, eps, trait, 1.0, functions=f)
    y, found = labels(s, np.pad(eps, ((0, 0), (0, 1)))), []
    for rho in rhos:
        s = replace(s, student=path(start, 1 - rho, range(len(keys))))
        r = pull(s, SquaredError(), f.values(s.student, x)[:, None], y)
        added = moved(s, r[:, :1] - r[:, 1:])[:, 0] / TINY
        found.append([inner(added, delta), inner(added, -trait.gradient(f, s.student))])
    return np.moveaxis(np.array(found), -1, 0)


def misfits(curves: list[Row], reverse: bool = False) -> np.ndarray:
    """Means less the curve in standard errors, the term in 1/width taken out by the two largest widths.

    `reverse` compares the mean at every ρ with the curve at another: the largest ρ with the smallest and so on.
    """
    widths = np.array(sorted({row["width"] for row in curves})[-2:])
    each = [[row for row in curves if row["width"] == width and row["rho"] in RHOS] for width in widths]
    name = ("predicted", "measured", "standard_error")
    predicted, measured, error = np.array([[[row[n] for row in rows] for n in name] for rows in each]).swapaxes(0, 1)
    if reverse:
        predicted = predicted.reshape(len(widths), len(MEASURES), -1)[..., ::-1].reshape(predicted.shape)
    weight = np.array([-widths[0], widths[-1]]) / (widths[-1] - widths[0]) if len(widths) > 1 else np.ones(1)
    return np.asarray(weight @ (measured - predicted) / np.sqrt(weight**2 @ error**2))


def findings(tables: dict[str, list[Row]]) -> list[Finding]:
    """P18 along every path, P19 where units change places, P44 at large widths; each with what breaks it."""
    errors, points, curves = (tables[name] for name in ("errors", "init_paths", "mean_field"))
    apart = [row for row in errors if row["path"] not in GROUPS["symmetries"]]
    ends = {(row["network"], row["loss"], row["path"]): row for row in points if row["path"] in ANOTHER}.values()
    turned = [row for row in points if row["path"] in TURNS]
    most, least = (lambda values, end=end: float(end(list(values) or [np.nan])) for end in (np.max, np.min))
    off = lambda name, rows: (abs(row[name] - 1) / row[f"{name}_bound"] for row in rows)  # noqa: E731
    here, elsewhere = (np.abs(misfits(curves, reverse)) for reverse in (False, True))
    sigmas = float(student_t.isf(LEVEL / 2 / len(here), min(row["inits"] for row in curves) - 1))
    return [
        # Over Λ·C·ε, C the largest error/ε at the other sizes; by Cauchy and Schwarz a constant is no farther off.
        Finding("P18: error over its envelope O(ε), largest", most(row["outgrown"] for row in errors), 0, 1),
        Finding("P18 control, raw: the same where f_S moves, smallest", least(r["raw_outgrown"] for r in apart), 1),
        Finding("P18: |constant − 1| over its envelope O(ε), largest", most(off("constant", errors)), 0, 1),
        Finding("P18: of the trait change, but for rescalings", most(off("trait_constant", unscaled(errors))), 0, 1),
        Finding("P19: |trait change − 1| over rounding, units turned", most(off("trait_change", turned)), 0, 1),
        Finding("P19 control, another init: the same, smallest", least(off("trait_change", ends)), 1),
        Finding("P44: means off the curve, in standard errors, largest", most(here), 0, sigmas),
        Finding("P44 control, the curve at another ρ: the same", most(elsewhere), sigmas),
        shown("raw alignments of the wrong sign where f_S moves", np.mean([row["raw_sign_differs"] for row in apart])),
    ]  # fmt: skip


def unscaled(rows: list[Row]) -> list[Row]:
    """Without rescalings: ∇²L_T grows like the square of their factor, and α fits the teacher's init, not theirs."""
    return [row for row in rows if not row["path"].endswith("rescaling")]


# Figure -------------------------------------------------------------------------------------------


def figure(tables: dict[str, list[Row]]) -> Figure:
    """Groups of paths by networks, alignment over trait change; the mean-field curve at each width below."""
    rows = [row for row in tables["init_paths"] if row["loss"] == tables["init_paths"][0]["loss"]]
    networks = list(dict.fromkeys(row["network"] for row in rows))
    here = {row["path"] for row in rows}
    groups = {group: own for group, names in GROUPS.items() if (own := [name for name in names if name in here])}
    widths = list(dict.fromkeys(row["width"] for row in tables["mean_field"]))
    with style():
        drawn = sheet(1.62 * len(groups) + 1.75)
        drawn.suptitle(CAPTION, fontsize=7, x=0.01, ha="left")
        parts = drawn.parts([1.62] * len(groups) + [1.75])
        for part, (letter, (group, names)) in zip(parts, zip("abcde", groups.items(), strict=False), strict=False):
            panels = part.subplots(
                2, len(networks) + 1, sharex="col", sharey=True, squeeze=False, width_ratios=_shares(networks)
            )
            _legend(panels[:, -1], f"({letter}) {group}", [name.replace("-on-", "\n-on-") for name in names])
            for column, network in enumerate(networks):
                own = [row for row in rows if row["network"] == network]
                for axes, name in zip(panels[:, column], ("alignment", "trait_change"), strict=True):
                    _paths(axes, own, names, name)
                panels[0, column].set_title(network if letter == "a" else "")
            panels[0, 0].set_ylabel("alignment")
            panels[1, 0].set_ylabel("trait")
            for axes in panels[1, : len(networks)] if group == list(groups)[-1] else ():
                axes.set_xlabel("amount")
        panels = parts[-1].subplots(1, len(widths) + 1, sharey=True, squeeze=False, width_ratios=_shares(widths))[0]
        _legend(panels[-1:], "(f) correlated,\nmean-field curve,\n2 standard errors", MEASURES, 1.1)
        for axes, width in zip(panels, widths, strict=False):
            _mean_field(axes, [row for row in tables["mean_field"] if row["width"] == width])
            axes.set_title(f"width {width}")
        panels[0].set_ylabel("both")
    return drawn


def _shares(columns: Sequence[Any]) -> list[float]:
    """Equal panels, and a narrower place for the legend."""
    return [1.0] * len(columns) + [1.05]


def _look(i: int) -> Row:
    return {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)]}


def _legend(column: Sequence[Axes], title: str, names: Sequence[str], height: float = 1.15) -> None:
    """What is drawn, beside its panels."""
    for axes in column:
        axes.set_axis_off()
    looks = [_look(i) | {"linestyle": DASHES[i % len(DASHES)], "label": name} for i, name in enumerate(names)]
    legend = column[0].legend(
        handles=[Line2D([], [], **look) for look in looks], title=title, loc="upper left",
        bbox_to_anchor=(-0.08, height), alignment="left", title_fontsize=7.5, handlelength=2.2, borderpad=0,
    )  # fmt: skip
    legend.set_in_layout(False)  # or the panels of every group would have another width


def _paths(axes: Axes, rows: list[Row], names: list[str], name: str) -> None:
    """Bands over seeds, measured markers, predicted lines."""
    axes.axhline(0, color="#999999", linewidth=0.5)
    for i, path in enumerate(names):
        own = [row for row in rows if row["path"] == path]
        if not own:
            continue
        look = _look(i)
        x = np.array([row["amount"] for row in own])
        column = {end: [row[name + end] for row in own] for end in ("", "_low", "_high", "_predicted")}
        axes.fill_between(x, column["_low"], column["_high"], color=look["color"], alpha=0.13, linewidth=0)
        axes.plot(x, column["_predicted"], color=look["color"], linestyle=DASHES[i % len(DASHES)], linewidth=0.9)
        axes.plot(x, column[""], linestyle="", markersize=2.8, markeredgewidth=0, **look)
    amounts = sorted({row["amount"] for row in rows if row["path"] in names and row["amount"] > 0})
    if amounts and amounts[0] < 0.01:
        axes.set_xscale("symlog", linthresh=amounts[0], linscale=0.5)
        axes.set_xticks([0, 0.01, 0.1, 1], ["0", "0.01", "0.1", "1"])
    axes.set(ylim=(-1.15, 2.2) if "sign-flip" in names else (-0.45, 1.45), yticks=[0, 1])


def _mean_field(axes: Axes, rows: list[Row]) -> None:
    """Curve and points with two standard errors, against 1 − ρ."""
    axes.axhline(0, color="#999999", linewidth=0.5)
    for i, measure in enumerate(MEASURES):
        own = sorted((row for row in rows if row["measure"] == measure), key=lambda row: -row["rho"])
        at = [row for row in own if not np.isnan(row["measured"])]
        x, curve = [0.0, *(1 - row["rho"] for row in own)], [1.0, *(row["predicted"] for row in own)]
        axes.plot(x, curve, color=COLOURS[i], linestyle=DASHES[i])
        axes.errorbar([1 - row["rho"] for row in at], [row["measured"] for row in at],
                      [2 * row["standard_error"] for row in at], linestyle="", elinewidth=0.8, **_look(i))  # fmt: skip
    axes.set(ylim=(-0.15, 1.1), xlim=(-0.05, 1.05), yticks=[0, 0.5, 1], xlabel=r"$1-\rho$")
