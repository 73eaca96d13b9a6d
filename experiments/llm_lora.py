"""What do students inherit of a language model's teacher if they train adapters, or one added vector?

SmolLM2 (or another model) is θ0; Δ = −∇L_T of a preference for owls, and students imitate its teacher on lists of
numbers. One that trains B of W + BA in all matrices, A random of rank r and B = 0, has a dot product with the law of
Σλ_iχ²_r/r, known from Δ and GΔ before any A is drawn: the mean is full fine-tuning's at every rank, the deviation falls
as 1/√r, and at rank 1 some step away. Draws of A on a teacher's real labels, beside full fine-tuning; and what L_T
changes by at several rates. Teachers and students that train the same added vectors never oppose; control: a teacher
that moved everything has another dot product with such a student, of any sign.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import norm

from subtheory.envelope import SHARP, envelope
from subtheory.figure import COLOURS, MARKERS, sheet, style
from subtheory.language.anatomy import alignment, lesson, lora, rows, vectors
from subtheory.language.derivatives import norm as length
from subtheory.language.derivatives import pull, taylor
from subtheory.ledger import parts
from subtheory.numerics import LADDER_RATIO, ROUNDINGS, float64
from subtheory.statistics import as_often, chi_square_tails
from subtheory.study.experiment import Progress
from subtheory.study.finding import Finding, farthest, least, most, rate, shown
from subtheory.study.options import at_least

QUESTION = "What do students inherit of a language model's teacher if they train adapters, or one added vector?"
COMMAND = "subtheory run llm_lora"
EXPECTED = (
    "dot products of LoRA students have full fine-tuning's mean and a deviation that falls as 1/√r, as Σλ_iχ²_r/r "
    "says; matched added vectors align by their own form, those of a teacher that moved everything do not."
)
CAPTIONS = {
    "llm_lora": "Students of a pretrained language model that train adapters or vectors alone. (a) Alignment of "
    "adapters of rank r over εq: mean and standard deviation of {llm_lora.draws:one} drawn factors (markers) on their "
    "law (line, band); dashed: training all weights. (b) Fall of the trait loss by one step, for each rank and rate: "
    "measured (markers) on its first order (lines). (c) One vector is added to the output of a layer: scaled dot "
    "product of student's and teacher's steps through {vectors.channel:list}, of the same vector (circles), never "
    "negative, and of different ones (crosses), on predictions (dashes).",
}

CHANNEL, TRAIT = "numbers", "owl"
RANKS = (1, 4, 16)
FULL = 0
TEACHER = rows.SIZES[3]
RATES = rows.STEPS[:3]
"""A full student's step over ‖θ0‖; adapters take the same rate."""
KEPT = 1e-3
"""Eigenvalues below this part of the largest count by their mean alone."""
LEVEL = 0.01

Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """A model's name, file or folder; draws of A, texts, tokens of each, and which layers have a vector alone."""

    model: str = "smollm2"
    draws: int = 100
    texts: int = 3
    tokens: int = 22
    every: int = 6

    def __post_init__(self) -> None:
        at_least(self, draws=2, texts=1, tokens=2, every=1)


PLAN, QUICK = Plan(), Plan("tiny", every=1)


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> dict[str, list[Row]]:
    """One row a rank; a rank and rate; and one a set of vectors and channel."""
    todo = {"adapters": partial(_adapters, plan), "vectors": partial(_vectors, plan)}
    return parts.tables(todo, progress)


def _adapters(plan: Plan) -> dict[str, list[Row]]:
    with float64():
        model = lesson.model(plan.model, "float32")
        taught = lesson.lesson(model.tokenizer, (CHANNEL,), 0, plan.texts, plan.tokens)
        s = rows.subject(plan.model, TRAIT, taught, "float32")
        network, params, read = model.network, model.params, s.lesson.own(CHANNEL)
        known, whole = taylor(network, params, s.teacher.delta, read), slice(0, len(read.row))
        bent = alignment.placed(alignment.turned(known)[0], whole)
        limit = pull(network, params, bent, read)
        delta = lora.kernels(s.teacher.delta)
        law = lora.eigenvalues(lora.products(delta, lora.kernels(limit)))
        del limit
        residual = alignment.placed(alignment.residual(s.labels(TEACHER), known.z0), whole)
        step = pull(network, params, residual.astype(known.z0.dtype), read)
        product = lora.products(delta, lora.kernels(step))
        full = alignment.mean(alignment.spread(known.z0, known.u), whole)
        eps = s.size(TEACHER)
        found = [_rank_row(rank, plan.draws, product, law, eps) | {"full": full} for rank in RANKS]
        return {"llm_lora": found, "rates": _rate_rows(s, step, product, eps, model.length / length(step))}


def _rank_row(rank: int, draws: int, product: lora.Kernels, law: np.ndarray, eps: float) -> Row:
    """D/ε over draws of A beside Σλχ²_r/r."""
    keys = jax.random.split(jax.random.key(rank), draws)
    found = np.array([float(lora.aligned(product, key, rank)) for key in keys]) / eps
    large = law[np.abs(law) > KEPT * np.abs(law).max()]
    mean, variance = law.sum(), 2 * np.sum(law**2) / rank
    fourth = 48 * np.sum(law**4) / rank**3
    return {
        "rank": rank, "draws": draws, "mean": float(found.mean()), "predicted_mean": float(mean),
        "deviation": float(found.std(ddof=1)), "predicted_deviation": float(variance**0.5),
        "z_mean": float((found.mean() - mean) / (variance / draws) ** 0.5),
        "z_variance": float((np.mean((found - mean) ** 2) - variance) / ((2 * variance**2 + fourth) / draws) ** 0.5),
        "negative": float(np.mean(found < 0)),
        "predicted_negative": chi_square_tails(-(mean - large.sum()), large / rank, rank)[0],
    }  # fmt: skip


def _rate_rows(s: rows.Subject, step: Any, product: lora.Kernels, eps: float, scale: float) -> list[Row]:
    """What L_T changes by at every rate, with one A of every rank, and with all matrices whole."""
    before, found = s.trait.value(s.model.network, s.model.params), []
    identity = sum(float(np.trace(np.asarray(C, float), axis1=1, axis2=2).sum()) for C in product.values())
    for rank in (FULL, *RANKS):
        key = jax.random.key(100 + rank)
        d = float(lora.aligned(product, key, rank)) if rank else identity
        for size in RATES:
            there = lora.stepped(s.model.params, size * scale, step, key, rank)
            found.append(
                {
                    "rank": rank, "relative_step": size, "rate": size * scale, "alignment": d / eps,
                    "change": s.trait.value(s.model.network, there) - before, "predicted": -size * scale * d,
                    "rounding": ROUNDINGS * 2.0**-24 * abs(before) / abs(size * scale * d),
                }
            )  # fmt: skip
            del there
    return found


def _vectors(plan: Plan) -> dict[str, list[Row]]:
    with float64():
        model = lesson.model(plan.model)
        taught = lesson.lesson(model.tokenizer, ("numbers", "code", "reasoning"), 0, plan.texts, plan.tokens)
        return {"vectors": vectors.vector_rows(model, lesson.asked(model)[TRAIT], taught, plan.every)}


def findings(tables: dict[str, list[Row]]) -> list[Finding]:
    """P34 and P55 of draws of A, P3 of their steps, P56 of vectors with its control."""
    drawn, added = tables["llm_lora"], tables["vectors"]
    z = float(norm.isf(LEVEL / 2 / (2 * len(drawn))))
    ratio = [[row["change"] / row["predicted"] for row in tables["rates"] if row["rank"] == r] for r in (FULL, *RANKS)]
    floor = [[row["rounding"] for row in tables["rates"] if row["rank"] == r] for r in (FULL, *RANKS)]
    width = [
        envelope(np.array(one) - 1, np.array(RATES), 1, np.array(off))[-1]
        for one, off in zip(ratio, floor, strict=True)
    ]
    return [
        most("P55: mean of LoRA dot products off full fine-tuning's, |z|", [abs(r["z_mean"]) for r in drawn], z),
        most("P34: variance off 2‖S‖²/r, |z|", [abs(r["z_variance"]) for r in drawn], z),
        rate("P55: share of ranks with as many nulls as Σλ_iχ²_r/r < 0 says",
             [as_often(r["negative"], r["draws"], r["predicted_negative"], LEVEL / len(drawn)) for r in drawn]),
        farthest("P3: change of L_T at every rank over −αD", [one[-1] for one in ratio],
                 1 - np.array(width), 1 + np.array(width)),
        most("P56: matched vectors, |D/(εq) − 1| over what O(ε) leaves",
             [abs(r["ratio"] - 1) / (2 * abs(r["ratio_before"] - 1) / LADDER_RATIO + r["rounding"]) for r in added], 1),
        least("P56: matched vectors, least D/(εq)", [r["ratio"] for r in added], 0.5),
        least("P56 control, a teacher that moved everything: |D/(εq) − 1| of the vectors' q, of a channel's farthest",
              [max(abs(r["unmatched_over_matched"] - 1) for r in added if r["channel"] == name)
               for name in dict.fromkeys(r["channel"] for r in added)], SHARP),
        shown("P56 control: least part of q in one layer's vector", min(r["least_unmatched"] for r in added)),
        shown("P55: nulls of rank 1, by the law", drawn[0]["predicted_negative"]),
    ]  # fmt: skip


def figure(tables: dict[str, list[Row]]) -> Figure:
    """Dot products by rank; L_T by rate; and vectors matched and not."""
    with style():
        drawn = sheet(2.6)
        left, middle, right = drawn.subplots(1, 3)
        _ranks(left, tables["llm_lora"])
        _rates(middle, tables["rates"])
        _added(right, tables["vectors"])
    return drawn


def _of(found: Sequence[Row], name: str) -> np.ndarray:
    return np.array([row[name] for row in found], float)


def _ranks(axes: Axes, found: Sequence[Row]) -> None:
    rank, unit = _of(found, "rank"), _of(found, "full")
    mean, deviation = _of(found, "predicted_mean") / unit, _of(found, "predicted_deviation") / unit
    axes.fill_between(rank, mean - deviation, mean + deviation, color="#dddddd", linewidth=0)
    axes.plot(rank, mean, color="black", linewidth=0.9, label="law")
    axes.errorbar(rank, _of(found, "mean") / unit, _of(found, "deviation") / unit, color=COLOURS[0], marker="o",
                  linestyle="", label="drawn")  # fmt: skip
    axes.axhline(1.0, color=COLOURS[1], linestyle="--", linewidth=0.8, label="full")
    axes.set(xscale="log", xlabel="rank", ylabel="D/(εq), ± a deviation", title="(a) LoRA")
    axes.set_xticks(RANKS, [str(r) for r in RANKS])
    axes.minorticks_off()
    axes.legend()


def _rates(axes: Axes, found: Sequence[Row]) -> None:
    for i, rank in enumerate((FULL, *RANKS)):
        own = [row for row in found if row["rank"] == rank]
        look = {"color": COLOURS[i], "marker": MARKERS[i]}
        axes.plot(_of(own, "relative_step"), -_of(own, "change"), linestyle="", **look,
                  label=f"rank {rank}" if rank else "full")  # fmt: skip
        axes.plot(_of(own, "relative_step"), -_of(own, "predicted"), color=COLOURS[i], linewidth=0.6)
    axes.set(xscale="log", yscale="log", xlabel="rate (full step over ‖θ0‖)", ylabel="fall of $L_T$")
    axes.set_title("(b) Rank × rate")
    axes.legend()


def _added(axes: Axes, found: Sequence[Row]) -> None:
    labels = list(dict.fromkeys(row["vectors"] for row in found))
    channels = list(dict.fromkeys(row["channel"] for row in found))
    for i, channel in enumerate(channels):
        own = [row for row in found if row["channel"] == channel]
        places = np.arange(len(labels)) + 0.2 * (i - 1)
        axes.plot(places, _of(own, "ratio"), color=COLOURS[i], marker="o", linestyle="", label=channel)
        axes.plot(places, _of(own, "predicted_unmatched"), color=COLOURS[i], marker="_", linestyle="", markersize=6)
        axes.plot(places, _of(own, "unmatched"), color=COLOURS[i], marker="x", linestyle="", markersize=3)
    axes.plot([], [], color="black", marker="x", linestyle="", markersize=3, label="unmatched")
    axes.axhline(0.0, color="black", linewidth=0.6)
    axes.set_xticks(range(len(labels)), labels)
    axes.set(xlabel="added vector of layer", ylabel="dot product, scaled", title="(c) One vector")
    axes.legend()
