"""Does a LoRA student inherit less than a full one, is there a best rank, and is a null result a coin that fell?

A student W + BA with A drawn at random takes a first step whose alignment has the law of Σλ_iχ²_r/r: at every rank the
mean of a full student's step in the same matrices, with a deviation √(2/r)‖S‖, so that at low rank it raises its
teacher's loss with a probability that can be written down before any run. Nothing in that law has a best rank. What
differs is how far a student can go: ‖VAᵀA‖² is 1 + (d + 1)/r times ‖V‖² on average, so that low ranks bear smaller
rates, and under Adam, whose steps have one size in every entry of B, a higher rank moves W farther at the same rate.
So one rate for all ranks says little about ranks. Real networks with adapters, all of A and B trained; the rates are
chosen on half of the inits, and what is said of them is measured on the other half. Control: full fine-tuning.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from matplotlib.figure import Figure

from subtheory.figure import COLOURS, MARKERS, below, sheet, style
from subtheory.instruments.dynamics import adapted
from subtheory.kernels.functions import applied
from subtheory.kernels.stack import Stack, one
from subtheory.kernels.whitened import product
from subtheory.ledger import parts
from subtheory.networks import MLP
from subtheory.numerics import float64
from subtheory.setting.preparation import stack
from subtheory.setting.setting import Setting
from subtheory.statistics import as_often, mean_interval, share_interval, standard_error
from subtheory.study.experiment import Progress
from subtheory.study.finding import Finding, most, rate, shown
from subtheory.study.options import at_least
from subtheory.theory.dynamics import adapters
from subtheory.theory.layout import Layout
from subtheory.theory.losses import CrossEntropy

QUESTION = "Does a LoRA student inherit less, is there a best rank, and is a null result a coin that fell?"
COMMAND = "subtheory run lora"
EXPECTED = (
    "after one step LoRA students raise their teacher's loss as often as Σλ_iχ²_r/r < 0, at every rank; with a rate "
    "tuned for each rank none in between transfers more than the highest, as one does at one high rate for all, and "
    "more students of rank 1 are nulls than of the highest"
)

CAPTIONS = {
    "ranks": "Students of low-rank adapters; errors are standard errors over {ranks.inits:one} inits. (a) Share of "
    "the teacher's gain that trained students have against Adam's rate, for every rank r, and for all weights "
    "(dashed). (b) The same by rank, at rates tuned on other inits and at one rate of 1/16; dashed: all weights. (c) "
    "Share of students that raise their teacher's loss: after one step, on the law P(Σλ_iχ²_r/r < 0) (rings), and "
    "after training, beside the law of a first plain step there (dotted).",
}

NETWORK, LOSS = MLP(width=32, depth=2), CrossEntropy()
RANKS = (1, 2, 4, 8, 16, 32)
FULL = 0
"""The rank that stands for full fine-tuning, of biases too."""
INPUTS, FEW = 64, 8
"""Of the channel: what is trained on, and where the first step's sign is looked at."""
RATES = tuple(2.0**-k for k in range(12, 3, -1))
"""Adam's."""
EPS, GENTLE = 1e-3, 1e-2
"""For the sign of the first step: a small teacher, and a small rate of plain descent."""
WORST = -1.0
"""What a student that lost more than its teacher gained counts for: one that diverged says no more."""
MARGIN = 0.1
"""Of what full fine-tuning transfers: a lower rank that exceeds the highest by less is no best rank."""
ENOUGH = 32
"""Inits to measure on, below which differences between ranks are shown and not claimed."""
LEVEL = 1e-3
"""Chance that one of some shares is off though all laws are right."""

OPTIMIZERS: dict[str, optax.GradientTransformation] = {"adam": optax.scale_by_adam(), "descent": optax.identity()}

Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """Inits of trained students, half of them to tune on, and their steps; inits and factors A of each, for signs."""

    seeds: int = 256
    steps: int = 60
    signs: int = 32
    draws: int = 32

    def __post_init__(self) -> None:
        at_least(self, seeds=4, steps=1, signs=1, draws=2)


PLAN, QUICK = Plan(), Plan(seeds=8, steps=20, signs=8, draws=16)
CHUNK = 32
"""Inits of a part."""
FIRST = 1000
"""Seed of the first init: those below it are the ones on which margin, rates and sizes were laid out."""


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> dict[str, list[Row]]:
    """Ranks at their tuned rates; every rank and rate; gaps between ranks; signs after one step."""
    several = [range(FIRST + i, FIRST + min(i + CHUNK, plan.seeds)) for i in range(0, plan.seeds, CHUNK)]
    todo = {f"seeds {one[0]} to {one[-1]}": partial(trained_rows, tuple(one), plan.steps) for one in several}
    todo["signs"] = partial(sign_rows, tuple(range(FIRST, FIRST + plan.signs)), plan.draws)
    found = parts.each(todo, progress=progress)
    signs = found.pop("signs")
    runs = [row for one in found.values() for row in one]
    shares, laws = by_rank(runs, "share"), by_rank(runs, "law")
    return {"ranks": rank_rows(shares, laws), "rates": rate_rows(shares), "gaps": gap_rows(shares), "signs": signs}


# Students ------------------------------------------------------------------------------------------


@partial(jax.jit, static_argnums=(0, 1, 2))
def trained(layout: Layout, optimizer: str, steps: int, start: Any, params: Any, teacher: Any, x: Any, w: Any,
            rates: Any) -> Any:  # fmt: skip
    """θ_S after steps of an optimizer for every init and rate, (S, Q, P): of factors if `params` are some, else of θ.

    θ0 and the teacher's parameters are (S, P), inputs (S, N, *example), rates (Q,).
    """
    rule = OPTIMIZERS[optimizer]

    def student(start: Any, params: Any, teacher: Any, x: Any, rate: Any) -> Any:
        y = applied(NETWORK, layout.unflatten(teacher), x)

        def merged(params: Any) -> Any:
            return adapters.merged(layout.unflatten(start), params) if "A" in params else params

        def step(_: Any, state: tuple[Any, Any]) -> tuple[Any, Any]:
            params, memory = state
            gradient = jax.grad(lambda p: jnp.mean(LOSS.value(applied(NETWORK, merged(p), x), y, w)))(params)
            change, memory = rule.update(gradient, memory, params)
            return jax.tree.map(lambda p, c: p - rate * c, params, change), memory

        return layout.flatten(merged(jax.lax.fori_loop(0, steps, step, (params, rule.init(params)))[0]))

    every = jax.vmap(student, (None, None, None, None, 0))
    return jax.vmap(every, (0, 0, 0, 0, None))(start, params, teacher, x, rates)


def students(s: Stack, rank: int, optimizer: str, steps: int, rates: Sequence[float], key: Any) -> np.ndarray:
    """θ_S of every init and rate, (S, Q, P), each init with a factor A of its own; at rank `FULL` all of θ is trained.

    Every rank is one of the highest whose further rows of A are 0: they, and the columns of B, have no gradient.
    """
    layout, rng = s.functions.layout, np.random.default_rng(key)
    params = layout.unflatten(s.theta0) if rank == FULL else factors(layout, len(s.theta0), rank, rng)
    with float64():
        target = s.theta0 + s.eps[:, :1] * s.delta
        found = trained(layout, optimizer, steps, s.theta0, params, target, s.x, s.outputs, np.array(rates))
    return np.asarray(found)


def factors(layout: Layout, count: int, rank: int, rng: np.random.Generator) -> adapters.Factors:
    """So many factors A of a rank, N(0, 1/r), and B = 0, in arrays of the highest rank."""
    places, most = adapters.matrices(layout), max(RANKS)
    A = {name: rng.standard_normal((count, most, d)) / np.sqrt(rank) for name, (_, (d, _)) in places.items()}
    for each in A.values():
        each[:, rank:] = 0.0
    return {"A": A, "B": {name: np.zeros((count, n, most)) for name, (_, (_, n)) in places.items()}}


def gains(s: Stack, theta: np.ndarray) -> np.ndarray:
    """L_T(θ0) − L_T(θ_S), (S, Q)."""
    return np.asarray(s.trait.value(s.functions, s.theta0)[:, None] - s.trait.value(s.functions, theta))


def trained_rows(seeds: tuple[int, ...], steps: int) -> list[Row]:
    """What Adam's students have of the gain of a converged teacher, for every init, rank and rate.

    Beside it P(Σλχ²/r < 0), λ of sym(−∇L_TᵀGΔ): a first plain step of so low a rank would raise L_T.
    """
    setting = Setting(NETWORK, LOSS, outputs="aux", examples=INPUTS, teacher="converged", eps=(1.0,), relative=False)
    s, found = stack(setting, seeds), list[Row]()
    whole = gains(s, (s.theta0 + s.delta)[:, None])
    down = replace(s, delta=-s.trait.gradient(s.functions, s.theta0))
    laws = [law(adapted.spectrum(one(down, i), pulled)) for i, pulled in enumerate(product(s, LOSS, s.delta))]
    for rank in (*RANKS, FULL):
        share = gains(s, students(s, rank, "adam", steps, RATES, (seeds[0], rank, 1))) / whole
        share = np.maximum(np.nan_to_num(share, nan=WORST), WORST)
        found += [{"seed": seed, "rank": rank, "rate": alpha, "share": float(share[i, j]), "law": laws[i][rank]}
                  for i, seed in enumerate(seeds) for j, alpha in enumerate(RATES)]  # fmt: skip
    return found


def law(values: np.ndarray) -> dict[int, float]:
    """P(Σλ_iχ²_r/r < 0) by rank; of full fine-tuning, whether Σλ_i < 0."""
    found = adapted.shares(values, np.array(RANKS), np.zeros((len(RANKS), 1)))[:, 0]
    return dict(zip(RANKS, found.tolist(), strict=True)) | {FULL: float(values.sum() < 0)}


def sign_rows(seeds: tuple[int, ...], draws: int) -> list[Row]:
    """Share of one-step students that raise their teacher's loss, beside its law: P(D < 0), as Δ = −∇L_T."""
    setting = Setting(NETWORK, LOSS, outputs="aux", examples=FEW, teacher="gradient-descent", eps=(EPS,))
    s, many, found = stack(setting, seeds), stack(setting, tuple(np.repeat(seeds, draws).tolist())), list[Row]()
    laws = [law(adapted.spectrum(one(s, i), pulled)) for i, pulled in enumerate(product(s, LOSS, s.delta))]
    for rank in (*RANKS, FULL):
        own = s if rank == FULL else many
        nulls = gains(own, students(own, rank, "descent", 1, (GENTLE,), (rank, 2))) <= 0
        found.append({"rank": rank, "students": len(nulls), "nulls": float(np.mean(nulls)),
                      "predicted": float(np.mean([each[rank] for each in laws]))})  # fmt: skip
    return found


# What is said of them ------------------------------------------------------------------------------


def by_rank(runs: Sequence[Row], column: str) -> dict[int, np.ndarray]:
    """A column by rank, (S, Q)."""
    found = {rank: [row[column] for row in runs if row["rank"] == rank] for rank in (*RANKS, FULL)}
    return {rank: np.reshape(values, (-1, len(RATES))) for rank, values in found.items()}


def halves(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The inits that are tuned on, and those that are measured on."""
    return values[::2], values[1::2]


def tuned(values: np.ndarray) -> int:
    """Number of the rate that is best on the inits that are tuned on."""
    return int(np.argmax(halves(values)[0].mean(axis=0)))


def rank_rows(shares: dict[int, np.ndarray], laws: dict[int, np.ndarray]) -> list[Row]:
    """One row a rank: transfer at its tuned rate on other inits, and how many transfer nothing there."""
    found = []
    for rank, values in shares.items():
        j = tuned(values)
        own = halves(values)[1][:, j]
        low, high = share_interval(int(np.sum(own <= 0)), len(own))
        found.append({"rank": rank, "rate": RATES[j], "inits": len(own), "share": float(own.mean()),
                      "error": float(standard_error(own)), "nulls": float(np.mean(own <= 0)), "nulls_low": float(low),
                      "nulls_high": float(high), "first_step": float(halves(laws[rank])[1].mean())})  # fmt: skip
    return found


def rate_rows(shares: dict[int, np.ndarray]) -> list[Row]:
    """One row a rank and rate, over all inits."""
    return [{"rank": rank, "rate": alpha, "share": float(values[:, j].mean()),
             "error": float(standard_error(values[:, j]))}
            for rank, values in shares.items() for j, alpha in enumerate(RATES)]  # fmt: skip


def gap_rows(shares: dict[int, np.ndarray]) -> list[Row]:
    """By how much a rank in between exceeds the lowest and the highest: at tuned rates, and at every shared one."""
    whole = float(halves(shares[FULL])[1][:, tuned(shares[FULL])].mean())
    own = {rank: tuned(shares[rank]) for rank in RANKS}
    found = [gap("tuned", shares, own, whole)]
    return found + [gap(f"{alpha:.3g}", shares, dict.fromkeys(RANKS, j), whole) for j, alpha in enumerate(RATES)]


def gap(rates: str, shares: dict[int, np.ndarray], at: dict[int, int], whole: float) -> Row:
    """One row: over both ends, on inits other than those that chose the rank, in units of full fine-tuning's share.

    Both differences have to be positive for a best rank in between: the smaller one, and the smaller of either end of
    their intervals.
    """
    tune, measure = ({rank: halves(shares[rank])[k][:, at[rank]] for rank in RANKS} for k in (0, 1))
    middle = max(RANKS[1:-1], key=lambda rank: float(tune[rank].mean()))
    mean, low, high = np.transpose([mean_interval(measure[middle] - measure[end]) for end in (RANKS[0], RANKS[-1])])
    return {"rates": rates, "rank": middle, "share": float(measure[middle].mean()), "inits": len(measure[middle]),
            "gap": float(mean.min() / whole), "low": float(low.min() / whole),
            "high": float(high.min() / whole)}  # fmt: skip


def findings(tables: dict[str, list[Row]]) -> list[Finding]:
    """P34 after one step; P55 after training: no best rank at tuned rates, and more nulls at rank 1."""
    signs = [row for row in tables["signs"] if row["rank"] != FULL]
    # Factors of one init have their own law: so many of them spread less than a binomial (Hoeffding 1956).
    often = [as_often(row["nulls"], row["students"], row["predicted"], LEVEL / len(signs)) for row in signs]
    full = next(row for row in tables["signs"] if row["rank"] == FULL)
    by = {row["rank"]: row for row in tables["ranks"]}
    best, *_, shared = tables["gaps"]
    decided = best["inits"] >= ENOUGH
    nulls = by[RANKS[0]]["nulls_low"] - by[RANKS[-1]]["nulls_high"]
    said = "P55, tuned rates: excess of a rank in between over the ends, of full fine-tuning's share, upper 95 % end"
    once = "P55 control, one rate of 1/16 for all ranks: the same excess, lower 95 % end"
    less = "P55, tuned rates: nulls at rank 1 less those at the highest, ends of 95 % intervals"
    grows = by[RANKS[-1]]["share"] - by[RANKS[0]]["share"]
    return [
        rate("P34, one step: nulls in the exact interval of P(Σλχ²/r < 0), every rank", often),
        Finding("P34, one step: nulls at rank 1", signs[0]["nulls"], signs[-1]["nulls"], 0.5),
        most("P55 control, one step of full fine-tuning: nulls", [full["nulls"]], 0.0),
        Finding(said, best["high"], high=MARGIN) if decided else shown(said, best["high"]),
        Finding(less, nulls, low=0.0) if decided else shown(less, nulls),
        shown("tuned rates: share at the highest rank less that at rank 1", grows),
        Finding(once, shared["low"], low=0.0) if decided else shown(once, shared["low"]),
    ]


def figure(tables: dict[str, list[Row]]) -> Figure:
    """Shares against the rate, by rank; at tuned rates and a shared one; and nulls beside their law."""
    with style():
        drawn = sheet(2.9)
        left, middle, right = drawn.subplots(1, 3)
        curves, by = tables["rates"], {row["rank"]: row for row in tables["ranks"]}
        for i, rank in enumerate((*RANKS, FULL)):
            own = [row for row in curves if row["rank"] == rank]
            label, colour = (f"r = {rank}", COLOURS[i]) if rank != FULL else ("full", "black")
            left.plot([row["rate"] for row in own], [row["share"] for row in own], color=colour, label=label,
                      marker=MARKERS[i], markersize=3, linestyle="--" if rank == FULL else "-")  # fmt: skip
        top = max(row["share"] + row["error"] for row in by.values())
        left.set(xscale="log", xlabel="Adam's rate", ylabel="share of the teacher's gain", title="(a) Every rate",
                 ylim=(-top, 1.2 * top))  # fmt: skip
        below(left, ncols=2, columnspacing=1)
        ranks = [by[rank] for rank in RANKS]
        shared = [next(row for row in curves if (row["rank"], row["rate"]) == (rank, RATES[-1])) for rank in RANKS]
        for i, (rows, label) in enumerate(((ranks, "tuned"), (shared, "1/16 for all"))):
            middle.errorbar(RANKS, [row["share"] for row in rows], [row["error"] for row in rows], color=COLOURS[i],
                            marker=MARKERS[i], markersize=3, label=label)  # fmt: skip
        middle.axhline(by[FULL]["share"], color="black", linestyle="--", linewidth=0.9)
        middle.set(xscale="log", xlabel="rank", title="(b) Tuned or shared")
        below(middle)
        signs = [row for row in tables["signs"] if row["rank"] != FULL]
        right.plot(RANKS, [row["nulls"] for row in signs], linestyle="", marker="o", markersize=4, color=COLOURS[0],
                   label="one step")  # fmt: skip
        right.plot(RANKS, [row["predicted"] for row in signs], linestyle="", marker="o", markersize=8, color="black",
                   markerfacecolor="none", label="law")  # fmt: skip
        right.plot(RANKS, [row["nulls"] for row in ranks], marker="s", markersize=3, color=COLOURS[1], label="trained")
        right.plot(RANKS, [row["first_step"] for row in ranks], linestyle=":", color=COLOURS[1], label="its first step")
        right.set(xscale="log", xlabel="rank", ylabel="share of nulls", title="(c) Nulls", ylim=(0, None))
        below(right)
        for axes in (middle, right):
            axes.set_xticks(RANKS, [str(rank) for rank in RANKS])
            axes.minorticks_off()
    return drawn
