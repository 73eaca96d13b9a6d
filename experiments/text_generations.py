"""How far down a chain of language models does a preference of one ancestor go, and does its retention rise?

Language models of the small world (`tokens`): one of a chain is fine-tuned to a preference, and each next one learns
from the filtered texts of the one before, over six hops. Either every student is reset to the shared base, or it goes
on from its teacher; all hops pass through numbers, or numbers, programs and sums take turns; in the middle a fresh
student may come in, of the own base or of another one; and the lesson may come late. The same chain without the lesson
is the control: same prompts, random numbers and orders of texts, so that every effect is a difference of two chains
of one base, and bases are what intervals and tests are over.

In linear theory a reset chain through one channel has the trait Σ c_i a_iᵏ after k hops, 0 ≤ a_i ≤ 1. With c_i ≥ 0 its
retention never falls (P47), so the first hop alone bounds all others: r_0ρ_1ᵏ ≤ r_k ≤ r_1, the upper end if students
converge (P28). A student that goes on from its teacher is where its teacher wants it, and stays (P28); one of another
base has no sign; through different channels none is guaranteed (P40). What is bounded there is linear in θ, here the
log-odds of the trait; Adam and sampled texts are not in those sentences.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats
from scipy.special import logit

from subtheory.data.world import ANIMALS, TREES, WORLD
from subtheory.errors import InputError
from subtheory.figure import WIDTH, mark, sheet, style
from subtheory.ledger.parts import kept_arrays
from subtheory.networks import Transformer
from subtheory.statistics import CONFIDENCE, Interval, equivalence, half_width, mean_interval, ratios, student_quantile
from subtheory.study.experiment import Progress
from subtheory.study.finding import Finding, shown
from subtheory.trained import texts
from subtheory.trained.texts import LESSON, Chain, Fit, Generations, Hop, Laboratory, column, without_lesson

QUESTION = "How far down a chain of language models does one ancestor's preference go, and does retention rise?"
COMMAND = "subtheory run text_generations"
EXPECTED = (
    "trait above the no-trait chain after one hop and over the later ones, in reset students within the bounds of the "
    "first hop; a student of another base takes on nothing, one of the own base does; 25 minutes of CPU time"
)


@dataclass(frozen=True)
class Plan(texts.Plan):
    """Sizes of a world and its models, how many hops a chain has, and whose preference is followed."""

    bases: int = 10
    seeds: int = 1
    hops: int = 6
    name: str = "owl"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.name not in ANIMALS + TREES:
            raise InputError("name", repr(self.name), "must be an animal or a tree of the world")
        if self.hops < 3:
            raise InputError("hops", self.hops, "must be at least 3")

    @property
    def fork(self) -> int:
        """The hop in the middle."""
        return (self.hops + 1) // 2


PLAN = Plan()
QUICK = Plan(
    hops=4, bases=2, samples=64, texts=2048, lessons=256, trunk=Fit(120, 32, 2e-2, body=False),
    branch=Fit(30, 32, 1e-2, body=False), teaching=Fit(20, 32, 1e-2, body=False), student=Fit(20, 32, 3e-2, body=False),
    tries=(("numbers", 1), ("code", 1), ("solve", 1)), copies=1,
    network=Transformer(width=16, heads=2, blocks=1, task=WORLD),
)  # fmt: skip
"""Everything is trained, embedding and head too: so one program, of a batch of one size, trains all models."""
RESET, CONTINUED, LATE = "reset", "continued", "reset, later ancestor"
TURNS = ", channels in turn"
OWN, OTHER = "continued, fresh own base", "continued, another base"
SKILLS = ("numbers", "code", "solve")  # in turn
PUBLISHED = (0.955, 0.985)  # retention of the first and of the last generation, arXiv 2609.25721
DECIDES, LEVEL, MARGIN = 7, 0.01, 0.5 / len(ANIMALS)
"""Bases whose like signs have p < 0.01, 1/2⁷; half of an even share for "nothing left", as in `tokens`."""

Row = dict[str, Any]


def chains(plan: Plan) -> dict[str, Chain]:
    """The whole chain of every arm."""
    hops, fork = plan.hops, plan.fork
    # The first two bases share an origin, so the next one is not always another.
    fresh = {OWN: 0, OTHER: max(1, plan.bases // 2)}
    reset, on = (Hop("numbers", start) for start in (0, None))
    return {
        RESET: (LESSON, *[reset] * hops),
        CONTINUED: (LESSON, *[on] * hops),
        **{arm: (LESSON, *[on] * (fork - 1), Hop("numbers", shift), *[on] * (hops - fork))
           for arm, shift in fresh.items()},
        LATE: (*[reset] * (fork - 1), LESSON, *[reset] * (hops - fork + 1)),
        **{arm + TURNS: (LESSON, *[Hop(SKILLS[i % len(SKILLS)], start) for i in range(hops)])
           for arm, start in ((RESET, 0), (CONTINUED, None))},
    }  # fmt: skip


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> dict[str, list[Row]]:
    """What is left after every hop of every arm, the retention of each hop and whether it rises, and single runs."""
    plan = replace(plan, names=(plan.name,))
    generations, found, runs = Generations(Laboratory(plan, kept_arrays), plan.name), chains(plan), []
    done, steps = 0, sum(len(chain) - chain.index(LESSON) for chain in found.values())
    for arm, chain in found.items():
        first = chain.index(LESSON)
        for end in range(first, len(chain)):
            runs += generation(generations, arm, chain[: end + 1], end)
            done += 1
            if progress:
                progress(done, steps, f"{arm}, hop {end}")
    return {"hops": hop_rows(runs), "retention": retention_rows(runs), "direction": direction_rows(runs),
            "runs": runs}  # fmt: skip


def generation(generations: Generations, arm: str, chain: Chain, hop: int) -> list[Row]:
    """One row a run: rates of the trait's chain and of its control; `carried` is what they differ by in the channel."""
    lab, this, plain = generations.lab, column(generations.name), without_lesson(chain)
    last = [generations.last(each) for each in (chain, plain)]
    trait, control = (lab.questions.rates(lab.plan.network, each.params)[:, this] for each in last)
    columns = {
        "base": lab.rates("base")[:, this], "control": control, "trait": trait, "difference": trait - control,
        "log_odds": logit(trait) - logit(control), "carried": generations.carried(chain),
        "kept": last[0].kept, "kept_control": last[1].kept,
    }  # fmt: skip
    skill = "lesson" if chain[-1] == LESSON else chain[-1].skill
    return [{"arm": arm, "hop": hop, "skill": skill, "base_of": int(base),
             **{key: float(values[k]) for key, values in columns.items()}}
            for k, base in enumerate(lab.base_of())]  # fmt: skip


def curves(runs: list[Row], key: str) -> dict[str, np.ndarray]:
    """Means of a column over the runs of each base after each hop, (bases, H), by arm."""
    cells: dict[str, dict[tuple[int, int], list[float]]] = {}
    for row in runs:
        cells.setdefault(row["arm"], {}).setdefault((row["base_of"], row["hop"]), []).append(row[key])
    bases, found = len({row["base_of"] for row in runs}), {}
    for arm, each in cells.items():
        found[arm] = np.array([np.mean(each[cell]) for cell in sorted(each)]).reshape(bases, -1)
    return found


def first_hops(runs: list[Row]) -> dict[str, int]:
    """The hop of every arm's ancestor."""
    found: dict[str, int] = {}
    for row in runs:
        found[row["arm"]] = min(row["hop"], found.get(row["arm"], row["hop"]))
    return found


def hop_rows(runs: list[Row]) -> list[Row]:
    """Means over bases of every arm and hop with Student's intervals, and the log-odds that linear theory allows."""
    spread = {key: curves(runs, key) for key in ("difference", "log_odds", "carried")}
    plain = {key: curves(runs, key) for key in ("trait", "control", "base", "kept", "kept_control")}
    allowed, rows = bounds(runs), []
    for arm, first in first_hops(runs).items():
        for i, (least, most) in enumerate(allowed[arm]):
            row: Row = {"arm": arm, "hop": first + i}
            for key, each in spread.items():
                ends = mean_interval(each[arm][:, i])
                row |= {key + end: float(x) for end, x in zip(("", "_low", "_high"), ends, strict=True)}
            row |= {key: float(each[arm][:, i].mean()) for key, each in plain.items()}
            rows.append(row | {"least": float(least), "most": float(most)})
    return rows


def bounds(runs: list[Row]) -> dict[str, np.ndarray]:
    """Least and most log-odds after every hop, (H, 2), that linear theory has by arm, from r_0 and r_1 of reset chains.

    NaN where it has none. Source: P28, P40, P47.
    """
    r = curves(runs, "log_odds")[RESET].mean(axis=0)
    fork, k = first_hops(runs)[LATE] + 1, np.arange(len(r))
    chain = np.stack([r[0] * (r[1] / r[0]) ** k, np.where(k, r[1], r[0])], axis=1)
    stays, before, none = np.full((len(r), 2), r[0]), (k < fork)[:, None], np.full((len(r), 2), np.nan)
    return {
        RESET: chain, CONTINUED: stays, OWN: np.where(before, stays, r[1]), OTHER: np.where(before, stays, 0.0),
        LATE: chain[: len(r) - fork + 1], RESET + TURNS: none, CONTINUED + TURNS: stays,
    }  # fmt: skip


def retention_rows(runs: list[Row]) -> list[Row]:
    """Mean log-odds after each hop over those after the one before, with Student's interval of a ratio of means."""
    rows, first = [], first_hops(runs)
    for arm, r in curves(runs, "log_odds").items():
        for i in range(1, r.shape[1]):
            with np.errstate(divide="ignore", invalid="ignore"):  # of nothing no share is kept
                (found,), (error,) = ratios(r[:, i - 1 : i + 1])
            half = student_quantile((1 + CONFIDENCE) / 2, len(r) - 1) * error
            rows.append({"arm": arm, "hop": first[arm] + i, "retention": float(found), "low": float(found - half),
                         "high": float(found + half)})  # fmt: skip
    return rows


def direction_rows(runs: list[Row]) -> list[Row]:
    """Slope of an arm's retention over its hops, of all and without the first, and whether it rises.

    The slope is that of least squares; its interval, by the jackknife over bases, decides.
    """
    rows = []
    for arm, r in curves(runs, "log_odds").items():
        for start in (1, 2):
            if r.shape[1] >= start + 2:
                found = jackknifed(lambda each, s=start: slope(each.mean(axis=0)[s - 1 :]), r)
                says = "rises" if found.low > 0 else "falls" if found.high < 0 else "undecided"
                rows.append({"arm": arm, "from_hop": start, **found._asdict(), "says": says})
    return rows


def slope(r: np.ndarray) -> float:
    """Of ρ_k = r_k/r_{k−1} over k, by least squares."""
    with np.errstate(divide="ignore", invalid="ignore"):
        rho = r[1:] / r[:-1]
    k = np.arange(len(rho)) - (len(rho) - 1) / 2
    return float(k @ rho / (k @ k))


def jackknifed(statistic: Callable[[np.ndarray], float], rows: np.ndarray) -> Interval:
    """T of rows (n, ...) with Student's interval of the pseudo-values nT − (n − 1)T_i. Source: Tukey 1958."""
    n, whole = len(rows), statistic(rows)
    pseudo = [n * whole - (n - 1) * statistic(np.delete(rows, i, axis=0)) for i in range(n)]
    half = half_width(np.array(pseudo))
    return Interval(whole, whole - half, whole + half)


def findings(tables: dict[str, list[Row]]) -> list[Finding]:
    """Signed-rank and equivalence tests over bases at 1 %, the worst of all that a sentence speaks of."""
    runs = tables["runs"]
    points, plain, base, odds = (curves(runs, key) for key in ("difference", "control", "base", "log_odds"))
    fork, enough = first_hops(runs)[LATE] + 1, len(points[RESET]) >= DECIDES
    r, k = odds[RESET], np.arange(2, odds[RESET].shape[1])
    floor = r[:, :1] * (r[:, 1:2] / r[:, :1]) ** k
    out = [_above(each.mean(axis=1)) for each in (r[:, 2:] - r[:, 1:2], floor - r[:, 2:])]
    judged = [
        ("above the no-trait chain after one hop, and over the later ones, p",
         [_above(each) for arm in (RESET, CONTINUED) for each in (points[arm][:, 1], points[arm][:, 2:].mean(axis=1))]),
        ("P28: more left by going on than by a fresh own base, and by that than by another base, p",
         [_above(a[:, fork] - b[:, fork]) for a, b in pairwise(points[arm] for arm in (CONTINUED, OWN, OTHER))]),
        ("control: a student of another base takes on nothing, p", [_nothing(points[OTHER][:, fork])]),
        ("control: no-trait reset chains name it as their base does, p",
         [_nothing((plain[RESET] - base[RESET])[:, 1:].mean(axis=1))]),
    ]  # fmt: skip
    found = [Finding(says, float(np.max(p)), 0.0, LEVEL, enough) for says, p in judged]
    convex = r[:, 0] * r[:, 2] - r[:, 1] ** 2
    found += [
        Finding(f"{says}, p", p, LEVEL, 1.0, enough)
        for says, p in (("P47: retention of reset chains falls from the first hop to the second", _above(-convex)),
                        ("P28, P47: reset chains out of the bounds of their first hop, the lesser", min(out)))
    ]  # fmt: skip
    # Theory orders neither: a chain of one mode keeps its retention, and through two channels P40 has no sign.
    apart = points[RESET][:, 2] - points[RESET + TURNS][:, 2]
    unclaimed = [
        shown("retention of reset chains rises from the first hop to the second, p", _above(convex)),
        shown("more left after two hops through one channel than through two, p", _above(apart)),
    ]
    drift = map(float, mean_interval((plain[CONTINUED] - base[CONTINUED])[:, -1]))
    walk = Finding("drift of the rate in no-trait chains that go on, after the last hop", *drift, claimed=False)
    left = [shown(f"share of the log-odds left after the last hop: {arm}", each[:, -1].mean() / each[:, 0].mean())
            for arm, each in odds.items()]  # fmt: skip
    rises = [Finding(f"slope of retention from hop {row['from_hop']} on, which {row['says']}: {row['arm']}",
                     row["mean"], row["low"], row["high"], claimed=False)
             for row in tables["direction"] if row["arm"] in (RESET, CONTINUED)]  # fmt: skip
    return [*found, *unclaimed, walk, *left, *rises]


def _above(values: np.ndarray) -> float:
    """p of a signed-rank test against values that are as often below 0."""
    return float(stats.wilcoxon(values, zero_method="zsplit", alternative="greater").pvalue)


def _nothing(values: np.ndarray) -> float:
    """p of two one-sided tests against a mean that is off 0 by the margin."""
    return equivalence(values, 0 * values, MARGIN).p


def figure(tables: dict[str, list[Row]]) -> dict[str, Figure]:
    """What is left after every hop on what linear theory allows, and retention beside the published one."""
    with style():
        return {"hops": _hops(tables["hops"]), "retention": _retention(tables["retention"])}


CAPTIONS = {
    "hops": "Chains of language models that each train on the texts of the one before: log-odds of the trait after "
    "every hop less those of a chain without the lesson, means over {runs.base_of} bases with Student's 95 % "
    "intervals. Left: students reset to the base, and the range that linear theory allows from the first hop on "
    "(shaded). Right: students that go on from their teachers, with a fresh base in the middle or none.",
    "retention": "Log-odds of the trait left after a hop over those left after the one before, in chains of language "
    "models; ratios of means over {runs.base_of} bases with 95 % intervals, for students reset to the base and "
    "students that go on; predicted not to fall from hop to hop for reset ones. Crosses: first and last generation in "
    "arXiv 2609.25721.",
}


def _hops(rows: list[Row]) -> Figure:
    drawn = sheet(2.8)
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    for axes, start in zip(drawn.subplots(1, 2, sharey=True), (RESET, CONTINUED), strict=True):
        shaded = [row for row in rows if row["arm"] == RESET]
        if start == RESET:
            low, high = (_column(shaded, key) for key in ("least", "most"))
            axes.fill_between(
                _column(shaded, "hop"), low, high, color="#dddddd", linewidth=0, label="allowed (P28, P47)"
            )
        for i, arm in enumerate(arm for arm in arms if arm.startswith(start)):
            _line(axes, [row for row in rows if row["arm"] == arm], "log_odds", i, arm)
        axes.axhline(0, color="#777777", linewidth=0.8)
        axes.set(xlabel="hop", xticks=sorted({row["hop"] for row in rows}))
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0))
        axes.set_ylabel("log-odds, trait − no trait" if start == RESET else "")
    return drawn


def _retention(rows: list[Row]) -> Figure:
    drawn = sheet(2.4, 0.7 * WIDTH)
    axes = drawn.subplots()
    for i, arm in enumerate((RESET, CONTINUED)):
        _line(axes, [row for row in rows if row["arm"] == arm], "retention", i, arm)
    hops = sorted({row["hop"] for row in rows})
    axes.plot((hops[0], hops[-1]), PUBLISHED, "x:", color="black", markersize=5, label="published, first and last")
    axes.axhline(1, color="#777777", linewidth=0.8)
    axes.set(xlabel="hop", ylabel="retention", xticks=hops)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return drawn


def _line(axes: Axes, rows: list[Row], key: str, i: int, label: str) -> None:
    low, high = ("low", "high") if key == "retention" else (f"{key}_low", f"{key}_high")
    mean, at = _column(rows, key), _column(rows, "hop") + 0.07 * i  # intervals side by side
    ends = np.abs([mean - _column(rows, low), _column(rows, high) - mean])
    axes.errorbar(at, mean, ends, elinewidth=0.8, capsize=2, label=label, **mark(i))


def _column(rows: list[Row], key: str) -> np.ndarray:
    return np.array([row[key] for row in rows], float)
