"""Does whoever sees that texts are a teacher's need as many of them as a student needs to inherit from them?

N texts of a small language model are drawn from a teacher and from its init, and shown to a student, to a test that
has both models, and to readers who have neither: of letters, of bigrams, optimal, fitted to other samples, made for
other teachers, or two-sided. To leading order the student's step and the test with both models are one and the same
sum, and so √(2N KL) decides both (P39): P(D > 0) = Φ(√(2N KL)), the test of level a has the power Φ(√(2N KL) − z_a).
A reader has the KL of the law of what it reads, and no more.

Three arms: all texts; those without one letter, as a filter of tokens leaves them; and all, weighed so that the letters
of a text are exactly as often as the init's. There readers of letters are at chance, while the test with both models
keeps its law with the KL that is left, and the student, which hears all of its scores, moves with √(2N) KL/√KL_all. All
arms have the same N. Where a reader sees something, it is what the texts show: raw texts of a teacher do not keep the
letters of its init.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import ndtr, ndtri
from scipy.stats import binom, norm

from subtheory.constructed.labels import alike, distilled, texts
from subtheory.figure import COLOURS, MARKERS, sheet, style
from subtheory.instruments.detected import (
    LEVEL,
    RATIO,
    STUDENT,
    Cells,
    Detector,
    Told,
    alone,
    detections,
    labelling,
    needed,
    pearson,
    ratio,
    reader,
    student,
    trained,
)
from subtheory.instruments.labelled import Labelling
from subtheory.ledger import parts
from subtheory.setting.setting import Setting
from subtheory.statistics import Area, at_chance, share_interval, surprise
from subtheory.study.experiment import Progress
from subtheory.study.finding import Finding, most, shown
from subtheory.study.options import at_least
from subtheory.theory.beyond.detection import apart, deflection
from subtheory.theory.beyond.sign_law import SHARE
from subtheory.theory.views import Full, Matched, View, Within

QUESTION = "Does whoever sees that texts are a teacher's need as many of them as a student needs to inherit?"
COMMAND = "subtheory run detection"
EXPECTED = (
    "sign of the student's step and test with both models rise on one Φ(√(2N KL)), within the exact 99 % intervals of "
    "the cells; readers of letters and bigrams on their own, lower ones; at chance where letters are matched"
)

EPS = (2e-4, 2e-5)
"""Relative sizes of the teacher's update."""
DEFLECTIONS = (0.5, 1.0, 2.0, 3.0, 4.5, 6.5)
"""√(2N KL) of all texts."""
OTHERS = (101, 102, 103)
"""Seeds of the teachers for whom a reader was made."""
CONFIDENCE = 0.99
MARGIN = 0.05
"""How far from ½ an AUROC at chance may be: the likelihood ratio is at 0.64 to 1."""
LETTERS, BIGRAMS, ELSEWHERE = "letters", "bigrams", "letters, other teachers"
FITTED, SQUARES = "letters, fitted", "letters, χ²"
TEACHER, INIT = "teacher alone", "init alone"
BOTH = (RATIO, STUDENT)
BLIND = (LETTERS, ELSEWHERE, FITTED, SQUARES)
"""Who sees letters alone."""
BEST = dict.fromkeys(BLIND, LETTERS) | {BIGRAMS: BIGRAMS, STUDENT: STUDENT}
"""The optimal test of what a detector sees: where that may be judged, so may it. Of the others the likelihood ratio."""
RAW, FILTERED, MATCHED = "all texts", "one letter filtered out", "letters matched"

Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """Bases, each with a teacher of its own, and data sets of each law in a cell."""

    seeds: int = 4
    draws: int = 2000

    def __post_init__(self) -> None:
        at_least(self, seeds=1, draws=1)


PLAN, QUICK = Plan(), Plan(seeds=2, draws=400)


def arms() -> dict[str, View]:
    """What of a teacher's texts is shown."""
    setting, network = texts(), texts().network
    spared = np.all(network.texts != network.letters - 1, axis=1)  # type: ignore[attr-defined]
    return {
        RAW: Full(),
        FILTERED: Within(tuple(distilled(setting)[spared].tolist())),
        MATCHED: Matched(alike(setting)),
    }


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> dict[str, list[Row]]:
    """One row a detector and cell, and what is left to see of each statistic."""
    rows = parts.rows({f"seed {seed}": partial(seed_rows, seed, plan.draws) for seed in range(plan.seeds)}, progress)
    return {"detection": rows, "residual": [row for seed in range(plan.seeds) for row in residual_rows(seed)]}


def shown_as(view: View) -> Setting:
    """The setting of an arm."""
    return texts().but(view=view, eps=EPS)


def seed_rows(seed: int, draws: int) -> list[Row]:
    """All cells of one base: the same N in every arm."""
    whole = labelling(shown_as(Full()), seed)
    rows = needed(whole.divergence(whole.log_p, whole.log_p0), DEFLECTIONS)
    return [row for arm, view in arms().items() for row in arm_rows(arm, view, seed, rows, draws)]


def arm_rows(arm: str, view: View, seed: int, rows: np.ndarray, draws: int) -> Iterator[Row]:
    """The cells of an arm. For a detector without a law of its own stands its bound, of the best that sees as much."""
    setting, rng = shown_as(view), np.random.default_rng((seed, 11, list(arms()).index(arm)))
    m = labelling(setting, seed)
    found = detections(m, detectors(m, setting, seed, rows, rng), rows, draws, rng)
    heard = np.sqrt(found.kl / found.full) if arm == MATCHED else np.ones(len(EPS))
    for name, told in found.told.items():
        lawful = deflection(told.kl[:, None], rows) * (heard[:, None] if name == STUDENT else 1.0)
        cells, best = columns_of(told), columns_of(found.told[BEST.get(name, RATIO)])
        for k, j in np.ndindex(rows.shape):
            law = laws(float(lawful[k, j]))
            low, high = share_interval(told.ahead.counts[k, j], draws, CONFIDENCE)
            yield {
                "arm": arm, "seed": seed, "detector": name, "relative_size": EPS[k], "eps": float(m.eps[k]),
                "texts": float(rows[k, j]), "all_deflection": DEFLECTIONS[j], "kl": float(told.kl[k]),
                "deflection": float(lawful[k, j]), "draws": draws,
                **{what: float(each.counts[k, j] / draws) for what, each in cells.items()},
                **{f"{what}_law": float(ndtr(law[what])) for what in cells},
                "auroc_low": float(low), "auroc_high": float(high),
                **{f"{what}_judged": bool(each.judged(np.full(rows.shape, law[what]))[k, j])
                   for what, each in best.items()},
            }  # fmt: skip


def columns_of(told: Told) -> dict[str, Cells]:
    """What is counted, by its column."""
    return {"towards": told.towards, "power": told.power, "false": told.false, "auroc": told.ahead}


def laws(d: float) -> dict[str, float]:
    """Arguments of Φ that a deflection gives."""
    z = -float(ndtri(LEVEL))
    return {"towards": d, "power": d - z, "false": -z, "auroc": float(apart(d))}


def detectors(
    m: Labelling, setting: Setting, seed: int, rows: np.ndarray, rng: np.random.Generator
) -> dict[str, Detector]:
    """Student, both models, readers of letters and bigrams, and one model without the other."""
    letters, bigrams = (alike(setting, order) for order in (1, 2))
    return {
        RATIO: ratio(m),
        STUDENT: student(m, setting, seed),
        LETTERS: reader(m, letters),
        BIGRAMS: reader(m, bigrams),
        ELSEWHERE: reader(m, letters, [labelling(setting, other) for other in OTHERS]),
        FITTED: trained(m, letters, rows, rng),
        SQUARES: pearson(m, letters),
        TEACHER: alone(m, m.log_p),
        INIT: alone(m, m.log_p0),
    }


def residual_rows(seed: int) -> list[Row]:
    """KL of each statistic over that of a text, for the smallest ε, and how far the text's own is from all texts'."""
    found = []
    for arm, view in (*arms().items(), ("bigrams matched", Matched(alike(texts(), 2)))):
        setting = shown_as(view)
        m = labelling(setting, seed)
        kl, full = (float(each[-1]) for each in (ratio(m).kl, m.divergence(m.log_p, m.log_p0)))
        seen = {name: float(reader(m, alike(setting, order)).kl[-1]) for name, order in ((LETTERS, 1), (BIGRAMS, 2))}
        found.append(
            {"arm": arm, "seed": seed, "texts": kl / full, **{name: each / full for name, each in seen.items()}}
        )
    return found


# Findings -----------------------------------------------------------------------------------------


def findings(tables: dict[str, list[Row]]) -> list[Finding]:
    """P39: one curve for student and test with both models, others below on their own, and chance where matched."""
    rows, left = tables["detection"], tables["residual"]
    blind = [_at_chance([row for row in rows if row["arm"] == MATCHED and row["detector"] == name]) for name in BLIND]
    far = max(row["all_deflection"] for row in rows)
    seen = [row["auroc"] for row in rows
            if row["arm"] == RAW and row["detector"] == LETTERS and row["all_deflection"] == far]  # fmt: skip
    return [
        _covered("P39: cells whose student and likelihood ratio are on their Φ, of the judged", rows, BOTH,
                 ("towards", "power", "false", "auroc")),
        _covered("P39: cells whose readers of letters and bigrams are on their own Φ, of the judged",
                 [row for row in rows if row["arm"] != MATCHED], (LETTERS, BIGRAMS), ("towards", "power", "auroc")),
        _below("P39: cells in which no detector's AUROC, either way, is above that of the KL that it may see", rows),
        most("P39, letters matched: ends of the intervals of AUROC − ½ of who sees letters", blind, MARGIN),
        Finding("P39 control, all texts: AUROC of the reader of letters at the largest N", float(np.mean(seen)),
                0.5 + MARGIN, 1.0),
        *(shown(f"P39: KL of letters over that of all texts, {arm}",
                np.mean([row[LETTERS] for row in left if row["arm"] == arm])) for arm in (RAW, FILTERED, MATCHED)),
    ]  # fmt: skip


def _cells(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows by what was drawn: all detectors of a cell saw the same."""
    key: Callable[[Row], Any] = lambda row: (row["arm"], row["seed"], row["eps"], row["texts"])  # noqa: E731
    return [list(group) for _, group in groupby(sorted(rows, key=key), key=key)]


def _covered(says: str, rows: Sequence[Row], names: Sequence[str], parts: Sequence[str]) -> Finding:
    """Share of cells all of whose judged counts are in their exact intervals, of 99 % for all of a cell together.

    A law that is off by `SHARE` of an error misses an interval so often; cells are drawn independently, so that
    their misses are binomial.
    """
    several = len(names) * len(parts)
    edge = float(norm.isf((1 - CONFIDENCE) / 2 / several))
    came = []
    for cell in _cells(rows):
        off = [_off(row, part) for row in cell if row["detector"] in names for part in parts if row[f"{part}_judged"]]
        came += [bool(np.max(off) <= edge)] if off else []
    miss = several * float(norm.sf(edge - SHARE) + norm.sf(edge + SHARE))
    least = 1 - binom.isf(1 - CONFIDENCE, len(came), miss) / len(came) if came else 0.0
    return Finding(says, float(np.mean(came)) if came else float("nan"), float(least), 1.0)


def _off(row: Row, part: str) -> float:
    """By how many σ a share is off its law; infinite where it is no number."""
    law = float(ndtr(laws(row["deflection"])[part]))
    off = surprise(np.rint(row[part] * row["draws"]), row["draws"], law)
    return float(off) if np.isfinite(row[part]) else float("inf")


def _below(says: str, rows: Sequence[Row]) -> Finding:
    """Share of cells in which no AUROC, nor 1 less it, exceeds Φ(√(N KL)) of what is seen, at 1 % for a cell together.

    Where that may not be judged the bound is 1.
    """
    came, tests = [], 2 * len({row["detector"] for row in rows if row["detector"] != STUDENT})
    edge = float(norm.isf((1 - CONFIDENCE) / tests))
    for cell in _cells(rows):
        mine = [row for row in cell if row["detector"] != STUDENT]
        known = all(np.isfinite(row["auroc"]) for row in mine)
        came.append(known and all(_excess(row) <= edge for row in mine if row["auroc_judged"]))
    miss = tests * float(norm.sf(edge - SHARE))
    return Finding(says, float(np.mean(came)), float(1 - binom.isf(1 - CONFIDENCE, len(came), miss) / len(came)), 1.0)


def _excess(row: Row) -> float:
    """By how many σ an AUROC, or what the opposite detector has, is above its bound; 0 below."""
    share, bound = max(row["auroc"], 1 - row["auroc"]), float(ndtr(laws(row["deflection"])["auroc"]))
    return float(surprise(np.rint(share * row["draws"]), row["draws"], bound)) if share > bound else 0.0


def _at_chance(rows: Sequence[Row]) -> float:
    """The end of the interval of AUROC − ½, all cells in one, that is farther from 0: two one-sided tests at 5 %."""
    pairs = sum(row["draws"] for row in rows)
    share = sum(row["draws"] * row["auroc"] for row in rows) / pairs
    found = at_chance(Area(share, float(np.sqrt(share * (1 - share) / pairs))), MARGIN)
    return float(np.max([-found.low, found.high]))


# Figure -------------------------------------------------------------------------------------------

CURVES = (RATIO, STUDENT, BIGRAMS, LETTERS, ELSEWHERE, SQUARES)
"""Detectors of the figure; the last two have bounds and no law."""
FLOOR = 1e-6
"""Of a share that is drawn: what rounding leaves lies below."""


CAPTIONS = {
    "detection": "How often N texts of a teacher are told from its init's, against N·KL, for one base and "
    "{detection.relative_size} sizes ε; a point is a share of {detection.draws:one} data sets. (a) All texts, (b) "
    "texts without one letter, (c) texts weighed until letters are as frequent as the init's. The student's step with "
    "D > 0 and the likelihood ratio of both models at level ½ are predicted on Φ(√(2N·KL)), readers of letters or "
    "bigrams on the same curve in the KL that they can see (lines); two detectors have no law. (d) KL of whole texts, "
    "bigrams and letters over that of all texts, a point for each of {residual.seed} bases; the lower edge is "
    "rounding.",
}


def figure(tables: dict[str, list[Row]]) -> Figure:
    """Hits at level ½ against N·KL, an arm of the first base a panel; and what is left to see of each statistic."""
    rows, left = tables["detection"], tables["residual"]
    with style():
        drawn = sheet(5.2)
        *panels, last = drawn.subplots(2, 2).flat
        for axes, arm, letter in zip(panels, (RAW, FILTERED, MATCHED), "abc", strict=True):
            _hits(axes, [row for row in rows if row["arm"] == arm and row["seed"] == rows[0]["seed"]])
            axes.set_title(f"({letter}) {arm}")
        _residual(last, left)
        handles, names = panels[0].get_legend_handles_labels()
        drawn.legend(handles, names, loc="outside lower center", ncols=3)
    return drawn


def _hits(axes: Axes, rows: list[Row]) -> None:
    """Shares on their laws, for the sizes ε one beside the other; the student's are D > 0."""
    axes.axhline(0.5, color="#999999", linewidth=0.6, linestyle=(0, (1, 2)))
    for i, name in enumerate(CURVES):
        mine = sorted((row for row in rows if row["detector"] == name), key=lambda row: float(row["all_deflection"]))
        dose = np.array([row["all_deflection"] ** 2 / 2 for row in mine])
        if name not in (ELSEWHERE, SQUARES):
            along = np.geomspace(dose.min() / 1.3, dose.max() * 1.3, 200)
            slope = np.mean([row["deflection"] / row["all_deflection"] for row in mine])
            axes.plot(along, ndtr(slope * np.sqrt(2 * along)), color=COLOURS[i], linewidth=0.8, zorder=1)
        face = "white" if name == STUDENT else COLOURS[i]
        look = {"color": COLOURS[i], "markersize": 3.4, "markerfacecolor": face, "label": LABELS.get(name, name)}
        # Side by side, for two that are one number.
        axes.plot(dose * 1.06 ** (i - 2), [row["towards"] for row in mine], MARKERS[i], zorder=3, **look)
    axes.set(xscale="log", ylim=(-0.03, 1.03), xlabel="N · KL of all texts", ylabel="called a teacher's, level ½")


LABELS = {STUDENT: "student: D > 0", RATIO: "likelihood ratio of both models", LETTERS: "letters, optimal",
          BIGRAMS: "bigrams, optimal", SQUARES: "letters, χ² (no law)", ELSEWHERE: f"{ELSEWHERE} (no law)"}  # fmt: skip


GREYS = ("#000000", "#5a5a5a", "#8c8c8c", "#bebebe")
"""Of arms, beside the colours of detectors."""


def _residual(axes: Axes, rows: list[Row]) -> None:
    """KL that is left to see, over that of all texts, a point a base."""
    names = list(dict.fromkeys(row["arm"] for row in rows))
    for i, arm in enumerate(names):
        mine = [row for row in rows if row["arm"] == arm]
        for x, what in enumerate(("texts", BIGRAMS, LETTERS)):
            share = np.maximum([row[what] for row in mine], FLOOR)
            axes.plot(np.full(len(mine), x + 0.13 * (i - 1.5)), share, MARKERS[i], color=GREYS[i], markersize=3.2,
                      label=arm if x == 0 else None)  # fmt: skip
    axes.set_xticks(range(3), ["whole texts", BIGRAMS, LETTERS])
    axes.set(yscale="log", ylim=(FLOOR / 2, 2), ylabel="KL over that of all texts", title="(d) What is left to see")
    axes.legend(loc="lower left", handlelength=0.8)
