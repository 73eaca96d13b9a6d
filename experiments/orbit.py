"""Is it the same weights that a student needs, or the same function with the same metric?

T leaves the function as it is, f_Tθ = f_θ, and the student starts at Tθ0. If T is orthogonal (hidden units, channels
or heads change places, tanh units change sign) then Δθ_S becomes TΔθ_S: the trait loss changes exactly as from θ0, and
the raw cosine with Δ says nothing until T is undone. A rescaling T is not orthogonal. In the coordinates of θ0 its
student steps by T⁻¹T⁻ᵀΔθ_S, so that the trait loss may rise; a student whose metric is carried along, Δθ_S ↦ T Tᵀ Δθ_S,
changes it as from θ0 again, and so does a natural gradient, if null(G) holds nothing but directions of such a
symmetry. Every row says how far the change is from its first order. Control: a re-drawn init, raw, after subtracting
the student of the untrained teacher, and after its units have been matched with those of θ0.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from subtheory import init as inits
from subtheory.figure import below, mark, sheet, style
from subtheory.init import (
    Keys,
    Path,
    Rescaling,
    Start,
    Symmetry,
    Turn,
    Units,
    act,
    whitened,
)
from subtheory.init.measures import match
from subtheory.kernels.stack import Stack, averaged, expectation, inner, labels, moved, norm, pull, step_size
from subtheory.ledger import parts
from subtheory.networks import MLP, ConvNet, LinenNetwork, Transformer
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.setting.preparation import path_keys, stack, start
from subtheory.setting.setting import Setting
from subtheory.setting.smallness import scales
from subtheory.setting.student import Redrawn
from subtheory.statistics import share_interval
from subtheory.study.experiment import Progress
from subtheory.study.finding import Finding, least, most, rate, shown
from subtheory.study.options import at_least
from subtheory.theory.losses import CrossEntropy, Loss, SquaredError

QUESTION = "Does a student need the teacher's weights, or the same function with the same metric?"
COMMAND = "subtheory run orbit"
EXPECTED = (
    "Permuted or sign-flipped students change the trait loss as the shared init does, to 1e-10, whatever their raw "
    "cosine; undoing T restores it. Rescaled ones may raise the trait loss, and none does with a carried metric."
)
CAPTIONS = {
    "orbit": "Students that start at Tθ0, which computes the function of the teacher's init θ0, over the student of "
    "θ0: medians of {orbit.draws:one} draws, middle 90 %. (a) Mean cosine of step and teacher's update by the share of "
    "units that T moves, on the share of squared entries that stay (lines); 1 once T is undone (black). (b) Less the "
    "student of the untrained teacher: change of the trait loss L_T, and cosine after units were matched. (c) L_T "
    "under rescalings: 1 with a carried metric (black). (d) How often L_T rises, on its first order (lines).",
}

LOSS, EXAMPLES = CrossEntropy(), 8
EPS = 5e-2  # relative size of the teacher's update
STEP, SMALL = 1.0, 0.01
"""The student's step in units of q/‖GΔ‖², half the critical one; that of rescaled students, which T stretches."""
SAME, DIFFERENT = 1e-10, 1e-8
"""What counts as equal, and what does not, of quantities of which rounding leaves u·L_T/|ΔL_T|, about 1e-11."""
CONTROLS = (("permuted", "ratio", r"$\Delta L_T$"), ("permuted", "matched_ratio", "cosine, units matched"),
            ("re-drawn", "ratio", r"$\Delta L_T$"), ("re-drawn", "matched_ratio", "cosine, units matched"))  # fmt: skip
NORMAL, ASIDE = 3.0, 1.03
"""Standard errors that a mean may be off; ratio of neighbours in the figure that stand for one amount."""
CUT = 1e-12  # of the largest eigenvalue of G, below which one is null: between rounding and the least of the others

Row = dict[str, Any]
Pairs = tuple[Start, Stack, Stack, np.ndarray]
"""What a path may depend on, students of the shared and of a re-drawn init, and the step α, (S,), of S draws."""


class EveryPermutation(inits.Permutation):
    """Hidden units, channels and heads all change places."""

    kinds = ("hidden", "heads")


@dataclass(frozen=True)
class Plan:
    """Networks and their symmetries; shares of moved units, deviations of log factors; inits with data and T each.

    `natural` are distilled outputs and noise images of the natural gradients of `tiny`: null(G) holds only rescalings
    of its units in the first, more in the others.
    """

    cases: tuple[tuple[str, LinenNetwork, tuple[Symmetry, ...]], ...] = (
        ("tanh MLP", MLP(width=12), (inits.Permutation(), inits.SignFlip())),
        ("ReLU MLP", MLP(width=12, activation="relu"), (inits.Permutation(), inits.ReluRescaling())),
        ("ReLU convnet", ConvNet((4, 6), activation="relu"), (inits.Permutation(), inits.ReluRescaling())),
        ("transformer", Transformer(8, 4), (inits.Permutation(), inits.HeadPermutation(), inits.GainRescaling(),
                                            inits.StreamRescaling())))  # fmt: skip
    fractions: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
    stretches: tuple[float, ...] = (0.2, 0.5, 1.0, 1.5)
    tiny: LinenNetwork = MLP(width=3, depth=1, activation="relu")
    natural: tuple[tuple[str, str, int], ...] = (
        ("rich channel", "all", 400), ("few inputs", "all", 40), ("auxiliary outputs", "aux", 400)
    )  # fmt: skip
    seeds: int = 100

    def __post_init__(self) -> None:
        at_least(self, seeds=2)


PLAN, QUICK = Plan(), Plan(seeds=6)


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> dict[str, list[Row]]:
    """One row a network, symmetry and amount; the control; natural gradients."""
    which = tuple(range(plan.seeds))

    def own(case: str, network: LinenNetwork, paths: Sequence[Path]) -> dict[str, list[Row]]:
        arrays = pairs(which, network)
        walks = [(path, plan.stretches if isinstance(path, Rescaling) else plan.fractions) for path in paths]
        cells = [row for path, amounts in walks for row in path_rows(case, path, amounts, arrays, path_keys(which))]
        return {"orbit": cells, "control": control_rows(case, arrays, path_keys(which))}

    todo = {each[0]: partial(own, *each) for each in plan.cases}
    natural = lambda: {"natural": [natural_row(plan.tiny, case, which, path_keys(which)) for case in plan.natural]}  # noqa: E731
    return parts.tables(todo | {"natural gradients": natural}, progress)


def pairs(
    seeds: tuple[int, ...], network: LinenNetwork, distilled: str = "aux", loss: Loss = LOSS, examples: int = EXAMPLES
) -> Pairs:  # fmt: skip
    """Starts, shared and re-drawn students with the inits of a `Setting`'s seeds, and α = `STEP` q/‖GΔ‖² of the former.

    Unlike a setting's, ε does not end before the first kink: T keeps the function on either side of it.
    """
    setting = Setting(network, outputs=distilled, examples=examples)
    s, redrawn = (stack(one, seeds) for one in (setting, setting.but(init=Redrawn())))
    (z, u, _), eps = s.functions.taylor(s.theta0, s.delta, s.x), EPS * scales(s)[0][:, None]
    q = expectation(s, loss.leading(z, u, s.outputs))
    G = s.functions.pulls(s.theta0, averaged(s, loss.hessian(z, u, s.outputs)), s.x)
    return start(setting, seeds), replace(s, eps=eps), replace(redrawn, eps=eps), STEP * step_size(loss, q, norm(G))


def placed(path: Symmetry, starts: Start, amount: float, keys: Keys) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tθ0 for every draw, and T = F P itself: the diagonal F, and which parameter P brings to each place; (S, P)."""
    one = np.ones_like(starts.theta0)
    columns = np.stack([starts.theta0, one, one * (1.0 + np.arange(one.shape[1]))], axis=1)
    student, factor, number = np.moveaxis(path.image(starts, amount, keys, columns), 1, 0)
    return student, factor, np.rint(number / factor).astype(int) - 1


def foreseen(
    factor: np.ndarray, origin: np.ndarray, v: np.ndarray, slope: np.ndarray, delta: np.ndarray
) -> dict[str, np.ndarray]:  # fmt: skip
    """What the shared student's v = Δθ_S says of the one at Tθ0; all (S, P).

    "predicted" is ∇L_T(θ0) · T⁻¹T⁻ᵀv = Σ_i s_π(i) v_π(i)/f_i²; "stays" is Σ_i T_ii v_i Δ_i over v·Δ, the share of the
    alignment that is left if the units that come to each other's places have nothing in common.
    """
    T_ii = np.where((origin == np.arange(origin.shape[1])) & (np.abs(factor) == 1), factor, 0.0)
    back = np.take_along_axis(slope * v, origin, axis=1) / factor**2
    return {"predicted": np.sum(back, axis=1), "stays": inner(T_ii * v, delta) / inner(v, delta)}


def measured(s: Stack, alpha: np.ndarray, factor: Any = 1.0, loss: Loss = LOSS) -> Row:
    """Δθ_S; ΔL_T, also to first order, and of the carried step T Tᵀ Δθ_S = F²Δθ_S; L_T, ∇L_T, and f_S.

    f_S are the outputs on the channel's and on the trait's inputs.
    """
    f, student = s.functions, s.student
    before, slope, update = s.trait.value(f, student), s.trait.gradient(f, student), updated(s, loss)[0]
    ends = [student + alpha[:, None] * each for each in (update, factor**2 * update)]
    change, carried = (s.trait.value(f, end) - before for end in ends)
    outputs = [f.values(student, x).reshape(len(x), -1) for x in (s.x, s.trait.x)]  # type: ignore[attr-defined]
    found = {"update": update, "slope": slope, "loss": before, "first": alpha * inner(slope, update)}
    return found | {"change": change, "carried": carried, "outputs": np.concatenate(outputs, axis=1)}


def updated(s: Stack, loss: Loss = LOSS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Δθ_S(ε), Δθ_S(0), and Δθ_S(ε) − Δθ_S(0) from the difference of the pulls; (S, P) each."""
    z, y = s.functions.values(s.student, s.x), labels(s, np.pad(s.eps, ((0, 0), (0, 1))))
    r = pull(s, loss, z[:, None], y)
    step, control, added = np.moveaxis(moved(s, np.concatenate([r, r[:, :1] - r[:, 1:]], axis=1)), 1, 0)
    return step, control, added


def subtracted(s: Stack, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Δθ_S(ε) − Δθ_S(0), and the change of L_T that it adds."""
    _, control, added = updated(s)
    end, step = s.student + alpha[:, None] * control, alpha[:, None] * added
    return added, s.trait.value(s.functions, end + step) - s.trait.value(s.functions, end)


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """cos(a, b) for every draw."""
    return inner(a, b) / (norm(a) * norm(b))


def path_rows(case: str, path: Symmetry, amounts: Sequence[float], arrays: Pairs, keys: Keys) -> list[Row]:
    """One row for every amount of one symmetry."""
    starts, shared, _, alpha = arrays
    step = SMALL if isinstance(path, Rescaling) else STEP
    alpha = alpha * step / STEP
    base = measured(shared, alpha)
    base |= {"cosine": cosines(base["update"], shared.delta), "step": step}
    rows = []
    for amount in amounts:
        student, factor, origin = placed(path, starts, amount, keys)
        found = measured(replace(shared, student=student), alpha, factor)
        found |= foreseen(factor, origin, base["update"], base["slope"], shared.delta)
        found["predicted"] = alpha * found["predicted"]
        found["cosine"] = cosines(found["update"], shared.delta)
        found["terms"] = alpha * norm(found["slope"]) * norm(found["update"])
        found["undone"] = cosines(path.undo(starts, amount, keys, found["update"]), shared.delta)
        rows.append(_row(case, path, float(amount), base, found))
    return rows


def _row(case: str, path: Symmetry, amount: float, base: Row, found: Row) -> Row:
    """Means, medians and the middle 90 % of the draws, and the largest differences from the shared student."""
    off = np.abs(found["outputs"] - base["outputs"]).max(axis=1) / np.abs(base["outputs"]).max(axis=1)
    mean = lambda yes: float(np.mean(yes))  # noqa: E731
    lost = np.abs(found["carried"] - base["change"]) / (UNIT * base["loss"])
    return {
        "network": case, "path": path.name, "orthogonal": not isinstance(path, Rescaling), "amount": amount,
        "draws": len(off), "relative_size": EPS, "step": base["step"], "shared_cosine": mean(base["cosine"]),
        "beyond_first_order": float(np.median(np.abs(found["change"] / found["first"] - 1))),
        "sign_differs": mean((found["change"] > 0) != (found["first"] > 0)), "function_difference": float(np.max(off)),
        "rounding": float(np.max(UNIT * base["loss"] / np.abs(base["change"]))),
        **_spread("cosine_ratio", found["cosine"] / base["cosine"]), "stays": mean(found["stays"]),
        "cosine_difference": largest(found["undone"], base["cosine"]),
        **_spread("ratio", found["change"] / base["change"]), "difference": largest(found["change"], base["change"]),
        "predicted_ratio": float(np.median(found["predicted"] / base["first"])),
        "predicted_difference": largest(found["first"], found["predicted"]), "carried_roundings": float(lost.max()),
        "predicted_off": float(np.max(np.abs(found["first"] - found["predicted"]) / found["terms"])),
        "carried_difference": largest(found["carried"], base["change"]), "carried_rises": mean(found["carried"] > 0),
        **_share("rises", found["change"] > 0), "predicted_rises": mean(found["predicted"] > 0),
    }  # fmt: skip


def largest(a: np.ndarray, b: np.ndarray) -> float:
    """max |a/b − 1|."""
    return float(np.max(np.abs(a / b - 1)))


def _spread(name: str, values: np.ndarray) -> Row:
    """Median, mean, and the middle 90 %."""
    found = {f"{name}{end}": float(np.quantile(values, p)) for end, p in (("", 0.5), ("_low", 0.05), ("_high", 0.95))}
    return found | {f"{name}_mean": float(np.mean(values))}


def _share(name: str, yes: np.ndarray) -> Row:
    """A share and its exact 95 % interval."""
    low, high = share_interval(yes.sum(), len(yes))
    return {name: float(np.mean(yes)), f"{name}_low": float(low), f"{name}_high": float(high)}


def control_rows(case: str, arrays: Pairs, keys: Keys) -> list[Row]:
    """A permuted and a re-drawn init, before and after units are matched without being told T; raw and subtracted."""
    starts, shared, redrawn, alpha = arrays
    path, rows, base = EveryPermutation(), list[Row](), measured(shared, alpha)
    reference, change = cosines(base["update"], shared.delta), base["change"]
    groups = path.groups(starts)
    permuted = replace(shared, student=path(starts, 1.0, keys))
    for init, s in (("permuted", permuted), ("re-drawn", redrawn)):
        raw, added = measured(s, alpha), subtracted(s, alpha)
        turns = matchings(groups, s)
        for what, v, found in (("raw", raw["update"], raw["change"]), ("control-subtracted", *added)):
            cosine, matched = (cosines(w, shared.delta) for w in (v, turned(groups, turns, s, v)))
            ratio = found / change
            rows.append({
                "network": case, "init": init, "what": what, "draws": len(ratio), **_spread("ratio", ratio),
                "ratio_error": float(np.std(ratio, ddof=1) / np.sqrt(len(ratio))),
                "difference": largest(found, change), **_share("rises", found > 0),
                **_spread("cosine", cosine), **_spread("cosine_ratio", cosine / reference),
                **_spread("matched_ratio", matched / reference), "matched_difference": largest(matched, reference),
            })  # fmt: skip
    return rows


def turned(groups: tuple[Units, ...], turns: tuple[Turn, ...], s: Stack, updates: np.ndarray) -> np.ndarray:
    """Every draw's update with its units in the order of its turns."""
    layout = s.functions.layout
    return layout.flatten(act(groups, turns, layout.unflatten(updates)))


def matchings(groups: tuple[Units, ...], s: Stack) -> tuple[Turn, ...]:
    """The units of every draw's student that fit those of θ0 best, as turns with a leading axis of draws."""
    members, params = [(*group.incoming, *group.outgoing) for group in groups], s.functions.layout.unflatten
    orders = [match(params(a), params(b), members).permutations for a, b in zip(s.theta0, s.student, strict=True)]
    stacked = [np.stack(order) for order in zip(*orders, strict=True)]
    return tuple(Turn(order, np.ones(order.shape)) for order in stacked)


def natural(starts: Start, s: Stack, loss: Loss) -> dict[str, np.ndarray]:
    """ΔL_T of a step `STEP` G⁺Δθ_S with G at the student's init, its first order, and G's spectrum at the cut."""
    here, step = replace(starts, theta0=s.student, loss=loss), updated(s, loss)[0]
    update, null, least = np.empty_like(step), np.empty(len(step)), np.empty(len(step))
    for i, v in enumerate(step):
        B = whitened(here, i)
        eigenvalue, vector = np.linalg.eigh(B.T @ B)
        kept = eigenvalue > CUT * eigenvalue[-1]
        basis, values = vector[:, kept], eigenvalue[kept]
        update[i] = basis @ ((basis.T @ v) / values)
        null[i], least[i] = np.sum(~kept), values[0] / eigenvalue[-1]
    f = s.functions
    change = s.trait.value(f, s.student + STEP * update) - s.trait.value(f, s.student)
    first = STEP * inner(s.trait.gradient(f, s.student), update)
    return {"change": change, "first": first, "null": null, "least": least}


def natural_row(network: LinenNetwork, case: tuple[str, str, int], seeds: tuple[int, ...], keys: Keys) -> Row:
    """Natural gradients on a tiny ReLU network, from a shared and a rescaled init."""
    (what, distilled, examples), loss = case, SquaredError()
    starts, shared, *_ = pairs(seeds, network, distilled, loss, examples)
    rescaled = replace(shared, student=inits.ReluRescaling()(starts, 1.0, keys))
    base, found = (natural(starts, s, loss) for s in (shared, rescaled))
    least, null = (np.array([base[name], found[name]]) for name in ("least", "null"))
    return {
        "what": what, "outputs": distilled, "examples": examples, "amount": 1.0, "draws": len(seeds),
        "null_low": int(null.min()), "null_high": int(null.max()), "rounding": float(ROUNDINGS * UNIT / least.min()),
        "first_order_difference": largest(found["first"], base["first"]),
        "difference": largest(found["change"], base["change"]), "rises": float(np.mean(found["first"] > 0)),
    }  # fmt: skip


def findings(tables: dict[str, list[Row]]) -> list[Finding]:
    """P19: what T keeps, what of it a rescaling loses and a carried metric restores; each with what breaks it."""
    exact = [row for row in tables["orbit"] if row["path"] != inits.StreamRescaling.name]
    turned, scaled = ([row for row in exact if row["orthogonal"] is yes] for yes in (True, False))
    permuted, redrawn = ([r for r in tables["control"] if r["init"] == init] for init in ("permuted", "re-drawn"))
    rich, others = ([r for r in tables["natural"] if (r["what"] == "rich channel") is yes] for yes in (True, False))
    of = lambda rows, name: [row[name] for row in rows]  # noqa: E731
    over = lambda rows, name="first_order_difference": [row[name] / row["rounding"] for row in rows]  # noqa: E731
    # The exact 95 % interval of a share that differs from its first order in a few draws.
    as_first = [row["rises_low"] <= row["predicted_rises"] <= row["rises_high"] for row in scaled]
    return [
        most("P19, orthogonal T: ΔL_T off the shared one, in u·L_T", over(turned, "difference"), ROUNDINGS),
        most("P19, orthogonal T: cosine with Δ off, T undone", of(turned, "cosine_difference"), SAME),
        most("P19, rescaled: first order of ΔL_T off ∇L_T · T⁻¹T⁻ᵀΔθ_S", of(scaled, "predicted_off"), SAME),
        rate("P19, rescaled: L_T rises as often as to first order", as_first),
        most("P19, carried metric: ΔL_T off the shared one, in u·L_T", of(scaled, "carried_roundings"), ROUNDINGS),
        most("P19, carried metric: share of draws in which L_T rises", of(scaled, "carried_rises"), 0),
        least("P19 control, rescaled, metric not carried: ΔL_T off, in u·L_T", over(scaled, "difference"), ROUNDINGS),
        most("P19, permuted: cosine off, units matched", of(permuted, "matched_difference"), SAME),
        least("P19 control, re-drawn: cosine off, units matched", of(redrawn, "matched_difference"), DIFFERENT),
        most("P19, natural gradient, rescaled: first order off, over what G⁺ makes of rounding", over(rich), 1),
        least("P19 control, null(G) holds more than rescalings: the same", over(others), 1),
        *(shown(f"raw cosine of a permuted init over the shared one, {row['network']}", row["cosine_ratio_mean"])
          for row in permuted if row["what"] == "raw"),
    ]  # fmt: skip


def figure(tables: dict[str, list[Row]]) -> Figure:
    """Raw cosines under orthogonal T; the control; trait changes under rescalings, and how often they are rises."""
    lines: dict[Any, list[Row]] = {}
    for row in tables["orbit"]:
        lines.setdefault((row["network"], row["path"]), []).append(row)
    with style():
        drawn = sheet(6.2)
        (turns, control), (ratios, shares) = drawn.subplots(2, 2)
        for i, (kind, rows) in enumerate(lines.items()):
            look = mark(i) | {"label": ", ".join(kind)}
            x = np.array([row["amount"] for row in rows])
            if rows[0]["orthogonal"]:
                turns.plot(x, [row["cosine_ratio_mean"] for row in rows], **look | {"linestyle": ""})
                turns.plot([0, *x], [1, *(row["stays"] for row in rows)], **look | {"marker": "", "label": None})
                continue
            shares.plot(x, [row["predicted_rises"] for row in rows], **look | {"marker": "", "label": None})
            x *= ASIDE ** (i - 0.8 * len(lines))
            _bars(ratios, x, rows, "ratio", **look)
            _bars(shares, x, rows, "rises", **look | {"linestyle": ""})
        for i, (init, name, label) in enumerate(CONTROLS):
            rows = [r for r in tables["control"] if r["init"] == init and r["what"] == "control-subtracted"]
            x = np.arange(len(rows)) + 0.16 * (i - 1.5)
            _bars(control, x, rows, name, **mark(i) | {"linestyle": "", "label": f"{init}, {label}"})
        below(control).axes.set_xticks(range(len(rows)), [row["network"].replace(" ", "\n") for row in rows])
        for axes, at in ((turns, 1), (control, 0), (ratios, 1)):
            axes.axhline(at, color="black", linewidth=0.9, zorder=1)
            axes.set_ylabel("over the shared student's")
        control.set(title="(b) Control-subtracted")
        turns.set(title="(a) Raw cosine; black: T undone", xlabel="share of the units moved")
        ratios.set(title="(c) $\\Delta L_T$, rescaled; black: carried metric", yscale="symlog")
        shares.set(title="(d) How often $L_T$ rises; line: first order", ylim=(-0.02, None), ylabel="share of draws")
        ticks = sorted({row["amount"] for row in tables["orbit"] if not row["orthogonal"]})
        for axes in (ratios, shares):
            axes.set(xlabel="log factors' standard deviation", xscale="log")
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axes.xaxis.set_minor_formatter(NullFormatter())
        handles = [one for axes in (turns, ratios) for one in axes.get_legend_handles_labels()[0]]
        drawn.legend(handles=handles, loc="outside lower center", ncols=3)
    return drawn


def _bars(axes: Axes, x: np.ndarray, rows: list[Row], name: str, **look: Any) -> None:
    """A value of every row with its interval."""
    middle, low, high = (np.array([row[name + end] for row in rows]) for end in ("", "_low", "_high"))
    axes.errorbar(x, middle, [np.maximum(middle - low, 0), np.maximum(high - middle, 0)], elinewidth=0.8, **look)
