"""A grid to walk through: what one step adds, how often it points the teacher's way, and what it does to the trait.

Every network, channel, loss and path of inits, at every amount along the path and every size ε of the teacher's update,
has measured numbers beside predicted ones. What is added to the alignment is (D(ε) − D(0))/(εq), predicted by the
cross-kernel and its next order, (E[(J_SΔ)ᵀM(J_TΔ)] + ½εh″(0))/q; the change of the trait loss, over that of a shared
init to first order, is predicted by Jacobians alone (P18). Of the raw alignment the sign is counted: P(D > 0) has a law
where the init is off by isotropic noise (P16), and none elsewhere. Control of what is added: the raw alignment. Control
of the sign law: the same without √P. The page explorer.html beside the tables shows every cell, offline.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import ndtr
from scipy.stats import t as student_t

from subtheory.data import CHANNELS
from subtheory.envelope import envelope, fine, proportion
from subtheory.figure import mark, sheet, style
from subtheory.init import PATHS
from subtheory.instruments.sign_law import probability
from subtheory.instruments.two_inits import Crossing, TwoInits
from subtheory.kernels.stack import averaged, inner, norm
from subtheory.ledger import parts
from subtheory.networks import MLP, ConvNet, LinenNetwork, Transformer
from subtheory.pages import explorer
from subtheory.setting.preparation import stack
from subtheory.setting.setting import Setting
from subtheory.setting.student import Along
from subtheory.statistics import share_interval
from subtheory.study.ablation import limits, shared
from subtheory.study.experiment import Progress
from subtheory.study.finding import Finding
from subtheory.study.options import at_least
from subtheory.theory.losses import KL, Loss, SquaredError

QUESTION = "What do ε, the distance of the inits, the network, the loss and the channel do to what crosses?"
COMMAND = "subtheory run explorer"
EXPECTED = (
    "What is added lies on the cross-kernel and its next order, off by O(ε²), the trait change on its slope, off by "
    "O(ε), with constants 1; near a shared init D > 0 as often as the sign law says."
)


def _caption(tables: dict[str, list[Any]]) -> str:
    """Of the combination that is drawn."""
    first = tables["explorer"][0]
    return (
        f"One step of a student that imitates the teacher on {first['channel']} inputs ({first['network']}, "
        f"{first['loss']}): predicted (lines) and measured (markers, means of {first['seeds']} pairs of inits). (a) "
        "What the teacher's update adds to the alignment, over its value εq at a shared init, against the size ε of "
        "that update, at several amounts of isotropic noise between the inits. (b) Share of students whose whole step "
        "points the teacher's way, D > 0, with exact 95 % intervals, against the noise, and the sign law of isotropic "
        "noise, at several ε. (c) Change of the trait loss beyond the student of the untrained teacher at "
        f"ε = {SIZES[SHOWN]:g}, over the first order of a shared init's, against the amount along several paths."
    )


CAPTIONS = {"explorer": _caption}

SIZES = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 1e-4)
"""ε, relative to θ0."""
SHOWN = 2  # the size at which paths are drawn
EXAMPLES = {"transformer": 4}  # inputs of the channel, otherwise 8
NEAR = 0.03
"""Most noise, relative to θ0, at which the sign law is judged: it is of first order in the noise."""
LEVEL = 1e-3
"""Chance that the sign law is found to be off where it is right."""
BAND = (10, 90)
"""Percentiles over seeds."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """Networks, each with its channels, losses, paths with amounts, and seeds; the first of each is drawn."""

    networks: tuple[tuple[LinenNetwork, tuple[str, ...]], ...] = (
        (MLP(12), ("uniform", "photographs")),
        (ConvNet(channels=(2, 4), activation="relu"), ("uniform", "photographs")),
        (Transformer(width=8), ("random-tokens", "number-sequences")),
    )
    losses: tuple[Loss, ...] = (SquaredError(), KL())
    paths: tuple[tuple[str, tuple[float, ...]], ...] = (
        ("noise", (0.0, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)),
        ("spherical", (0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0)),
        ("partial-reinit", (0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0)),
        ("permutation", (0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0)),
    )
    seeds: int = 32

    def __post_init__(self) -> None:
        at_least(self, seeds=2)


PLAN = Plan()
QUICK = Plan(
    ((MLP(12), ("uniform",)),), PLAN.losses,
    (("noise", (0.0, 0.003, 0.03, 1.0)), ("permutation", (0.0, 0.25, 1.0))), seeds=12,
)  # fmt: skip


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> dict[str, list[Row]]:
    """A row a cell of the grid, errors and constants of every path, and what the sign law misses on every seed."""
    todo = {
        f"{network.name} {channel} {path}": partial(walked, plan, network, channel, path, amounts)
        for network, channels in plan.networks
        for channel in channels
        for path, amounts in plan.paths
    }
    return {"explorer": [], "errors": [], "signs": [], **parts.tables(todo, progress)}


def setting_of(network: LinenNetwork, channel: str) -> Setting:
    """Auxiliary outputs, a teacher of one gradient step."""
    examples = EXAMPLES.get(network.name, 8)
    return Setting(network, channel=CHANNELS[channel], outputs="aux", eps=SIZES, examples=examples, trait_examples=16)


def walked(
    plan: Plan, network: LinenNetwork, channel: str, path: str, amounts: Sequence[float]
) -> dict[str, list[Row]]:
    """All rows of one path from one network's inits."""
    setting, seeds = setting_of(network, channel), tuple(range(plan.seeds))
    settings = [shared(PATHS[path], setting), *(setting.but(init=Along(PATHS[path], amount)) for amount in amounts)]
    found = [TwoInits().records(one, seeds, plan.losses) for one in settings]
    cells, errors, signs = list[Row](), list[Row](), list[Row]()
    for loss in plan.losses:
        base, *along = (at[loss.name] for at in found)
        about = {"network": network.name, "channel": channel, "loss": loss.name, "path": path}
        laws = sign_law(setting, loss, seeds, amounts) if path == "noise" else None
        for a, (amount, crossings) in enumerate(zip(amounts, along, strict=True)):
            cells += [
                about | {"amount": amount} | row for row in cell_rows(crossings, base, laws[0][a] if laws else None)
            ]
        errors.append(about | checks(along, base))
        if laws:
            signs += [about | row for row in missed(along, laws, amounts, seeds)]
    return {"explorer": cells, "errors": errors, "signs": signs}


# One cell -----------------------------------------------------------------------------------------


def of_each(crossings: Sequence[Crossing], base: Sequence[Crossing]) -> dict[str, np.ndarray]:
    """Numbers of each run and ε, (S, K): added and raw over εq, the trait changes over α ε times the shared slope.

    And how far what is added may be off by rounding, in the same units.
    """
    pairs = [(c, c.eps * b.shared, c.alpha * c.eps * b.trait_slope) for c, b in zip(crossings, base, strict=True)]
    columns = {
        "alignment": [c.added / q for c, q, _ in pairs],
        "alignment_predicted": [(c.eps * c.kernel + c.eps**2 / 2 * c.second) / q for c, q, _ in pairs],
        "alignment_raw": [c.alignment / q for c, q, _ in pairs],
        "trait": [c.added_trait / slope for c, _, slope in pairs],
        "trait_predicted": [c.alpha * c.eps * c.trait_slope / slope for c, _, slope in pairs],
        "trait_raw": [c.trait_change / slope for c, _, slope in pairs],
        "alignment_rounding": [c.rounding / abs(q) for c, q, _ in pairs],
        "trait_rounding": [
            [limits(c, k)["trait_rounding"] for k in range(len(SIZES))] / abs(slope) for c, _, slope in pairs
        ],
        "positive": [c.alignment > 0 for c in crossings],
    }
    return {name: np.array(values, float) for name, values in columns.items()}


def cell_rows(crossings: Sequence[Crossing], base: Sequence[Crossing], law: Any) -> list[Row]:
    """A row an ε: means over seeds, bands of what is measured, and P(D > 0) of the law, NaN where there is none."""
    own, n = of_each(crossings, base), len(crossings)
    ends = {name: np.percentile(own[name], BAND, axis=0) for name in ("alignment", "trait")}
    ends["positive"] = np.array(share_interval(own["positive"].sum(axis=0), n))
    return [
        {
            "eps": eps, "seeds": n,
            **{name: float(values[:, k].mean()) for name, values in own.items() if "rounding" not in name},
            **{f"{name}_{end}": float(ends[name][e, k]) for name in ends for e, end in enumerate(("low", "high"))},
            "positive_predicted": float(np.mean(law[:, k])) if law is not None else float("nan"),
        }
        for k, eps in enumerate(SIZES)
    ]  # fmt: skip


def sign_law(
    setting: Setting, loss: Loss, seeds: Sequence[int], amounts: Sequence[float]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """P(D > 0) of isotropic noise of r = amount·‖θ0‖, for every seed and ε, (S, K) an amount; and without its √P.

    The second is Φ(c) in place of Φ(√P c), c = εq/(r‖GΔ‖).
    """
    s = stack(setting, tuple(seeds))
    taylor = s.functions.taylor(s.theta0, s.delta, s.x)
    G = s.functions.pulls(s.theta0, averaged(s, loss.hessian(taylor.z0, taylor.u, s.outputs)), s.x)
    signal = s.eps * inner(s.delta, G)[:, None]
    noise = (norm(s.theta0) * norm(G))[:, None]
    c = [np.minimum(signal / (amount * noise) if amount else np.inf, 1.0) * np.ones(signal.shape) for amount in amounts]
    return [probability(each, G.shape[-1]) for each in c], [ndtr(each) for each in c]


def missed(
    along: Sequence[Sequence[Crossing]], laws: tuple[list[np.ndarray], list[np.ndarray]],
    amounts: Sequence[float], seeds: Sequence[int],
) -> list[Row]:  # fmt: skip
    """A row a seed: the mean of (1[D > 0] − P)(P − ½) over cells near a shared init, and the same without √P.

    P is the law's, and by P − ½ the cells count of which it says much.
    """
    near = [a for a, amount in enumerate(amounts) if 0 < amount <= NEAR]
    came = np.array([[c.alignment > 0 for c in along[a]] for a in near], float)
    P, without_root = (np.array([law[a] for a in near]) for law in laws)
    right, without = (np.mean((came - law) * (P - 0.5), axis=(0, 2)) for law in (P, without_root))
    return [{"seed": n, "missed": float(right[s]), "without": float(without[s])} for s, n in enumerate(seeds)]


def checks(along: Sequence[Sequence[Crossing]], base: Sequence[Crossing]) -> Row:
    """Over all amounts and seeds of a path: remainders over their envelopes, and constants at the finest size."""
    pairs = [(c, b) for at in along for c, b in zip(at, base, strict=True)]
    own, eps = {name: values.T for name, values in of_each(*zip(*pairs, strict=True)).items()}, np.array(SIZES)
    scale = np.array([c.scale / b.shared for c, b in pairs])
    rms = lambda values: np.sqrt(np.mean((values / scale) ** 2, axis=1))  # noqa: E731
    over = {
        name: float(np.max(fine(off / envelope(off, eps, 2, rms(own["alignment_rounding"])))))
        for name, off in ((n, rms(own[n] - own["alignment_predicted"])) for n in ("alignment", "alignment_raw"))
    }
    row: Row = {"runs": len(pairs), "outgrown": over["alignment"], "raw_outgrown": over["alignment_raw"]}
    for name, power in (("alignment", 2), ("trait", 1)):
        constant, bound = proportion(own[name], own[f"{name}_predicted"], SIZES, power, own[f"{name}_rounding"])
        row |= {f"{name}_constant": constant, f"{name}_bound": bound}
    return row


def findings(tables: dict[str, list[Row]]) -> list[Finding]:
    """P18 to its next order with its constants, and P16 near a shared init; each with what breaks it."""
    errors = tables["errors"]
    apart = [row for row in errors if row["path"] != "permutation"]
    right, without = (scored(tables["signs"], name) for name in ("missed", "without"))
    units = len({(row["network"], row["seed"]) for row in tables["signs"]})
    limit = float(student_t.isf(LEVEL / 2, max(units - 1, 1)))
    largest = lambda name, rows: float(np.max([row[name] for row in rows] or [np.nan]))  # noqa: E731
    off = lambda name: [abs(row[f"{name}_constant"] - 1) / row[f"{name}_bound"] for row in errors]  # noqa: E731
    return [
        Finding("P18: what is added, off its next order, over its envelope O(ε²), largest", largest("outgrown", errors),
                0, 1),
        Finding("P18 control, nothing subtracted: the same where f_S moves, smallest",
                float(np.min([row["raw_outgrown"] for row in apart] or [np.nan])), 1),
        Finding("P18: |constant − 1| over its envelope O(ε²), largest", float(np.max(off("alignment"))), 0, 1),
        Finding("P18: of the trait change, over O(ε), largest", float(np.max(off("trait"))), 0, 1),
        Finding("P16: share of D > 0 less the law's P, weighed by P − ½, near a shared init, in standard errors",
                right, -limit, limit),
        Finding("P16 control, the law without √P: the same", without, limit),
    ]  # fmt: skip


def scored(signs: Sequence[Row], name: str) -> float:
    """The mean of a column over its standard error; a pair of inits counts once, whatever it is shown."""
    pairs = sorted({(row["network"], row["seed"]) for row in signs})
    values = [np.mean([r[name] for r in signs if (r["network"], r["seed"]) == pair]) for pair in pairs]
    return float(np.mean(values) / (np.std(values, ddof=1) / np.sqrt(len(values)))) if len(values) > 1 else float("nan")


def files(tables: dict[str, list[Row]]) -> dict[str, str]:
    """The grid as a page to walk through, and as that page has it."""
    grid = explorer.grid(tables["explorer"])
    return {"explorer.html": explorer.page(grid), "explorer.json": json.dumps(grid, separators=(",", ":")) + "\n"}


# Figure -------------------------------------------------------------------------------------------


def figure(tables: dict[str, list[Row]]) -> Figure:
    """Over ε along the noise, how often D > 0 there, and the trait along every path."""
    first = tables["explorer"][0]
    rows = [row for row in tables["explorer"] if all(row[k] == first[k] for k in ("network", "channel", "loss"))]
    noise = [row for row in rows if row["path"] == first["path"]]
    amounts, sizes = (list(dict.fromkeys(row[k] for row in noise)) for k in ("amount", "eps"))
    with style():
        drawn = sheet(2.3)
        left, middle, right = drawn.subplots(1, 3)
        for i, amount in enumerate([amounts[0], *amounts[-3:]]):
            _line(left, [r for r in noise if r["amount"] == amount], "eps", "alignment", i, f"{amount:g}")
        for i, eps in enumerate(sizes[::2]):
            own = [r for r in noise if r["eps"] == eps and r["amount"] > 0]
            _line(middle, own, "amount", "positive", i, f"{eps:g}")
        for i, path in enumerate(dict.fromkeys(row["path"] for row in rows)):
            own = [r for r in rows if r["path"] == path and r["eps"] == SIZES[SHOWN]]
            _line(right, own, "amount", "trait", i, path)
        left.set(xscale="log", xlabel="ε", ylabel="(D(ε) − D(0)) / (εq)", title="(a) what is added")
        middle.set(xscale="log", xlabel="noise over ‖θ0‖", ylabel="P(D > 0)", ylim=(0, 1.05), title="(b) its sign")
        right.set(xlabel="amount", ylabel="trait change, relative", ylim=(-0.75, 1.15), title="(c) the trait")
        left.legend(title="noise")
        middle.legend(title="ε", loc="lower center", ncols=3, columnspacing=0.8, handletextpad=0.2)
        right.legend(loc="lower left")
    return drawn


def _line(axes: Axes, rows: list[Row], x: str, name: str, i: int, label: str) -> None:
    """A predicted line and measured markers, of shares with their intervals."""
    look, at = mark(i), [row[x] for row in rows]
    axes.plot(at, [row[f"{name}_predicted"] for row in rows], color=look["color"], linestyle=look["linestyle"])
    axes.plot(at, [row[name] for row in rows], **look | {"linestyle": "", "label": label})
    if name == "positive":
        ends = [[row[f"{name}_{end}"] for row in rows] for end in ("low", "high")]
        axes.vlines(at, *ends, color=look["color"], linewidth=0.6)
