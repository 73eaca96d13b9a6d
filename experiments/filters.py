"""What does a filter of a teacher's outputs leave of its trait, and what does it put in its place?

Labels of the law p_ε(i)/p_ε(S) on an accept set S have their minimum elsewhere than at θ0: the student's raw alignment
D(ε) tends to the constant d log p_ε(S)/dε, of either sign, so that D(ε)/ε diverges and says nothing about the trait.
Less the student of the untrained teacher, filtered alike, [D(ε) − D(0)]/ε tends to the variance of the scores
s = Δ · ∇log p0 under the law of what passes: never negative, whatever is accepted. Measured for accept sets of labels
of a classifier and of whole texts of a small language model: random tokens, properties of whole sequences, linear
scores of letters, the likelihood under the init (another set for each prompt), and what another model, of an
independent init, finds likely. Only a filter that knows teacher and init can turn the trait round: thinning labels by
(p0/p_ε)^λ leaves (1 − λ)q. Controls: a filter of inputs, which leaves D(ε) = εq with the q of what it keeps, and a
student of another init.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from subtheory.constructed.labels import both, distilled
from subtheory.constructed.sequences import Sequences
from subtheory.envelope import envelope, outgrown
from subtheory.figure import COLOURS, MARKERS, sheet, style
from subtheory.instruments.labelled import Labelled, Labelling
from subtheory.ledger import parts
from subtheory.numerics import LADDER_RATIO, extrapolation_constant
from subtheory.setting.preparation import resting
from subtheory.setting.setting import Setting
from subtheory.setting.student import Redrawn
from subtheory.study.experiment import Progress
from subtheory.study.finding import Finding, farthest, most, rate
from subtheory.study.options import at_least
from subtheory.theory.losses import log_softmax
from subtheory.theory.views import Thinned, TopK, View, Within

QUESTION = "What does a filter of a teacher's outputs leave of its trait, and what does it put in its place?"
COMMAND = "subtheory run filters"
EXPECTED = (
    "raw alignment over ε grows like 1/ε behind every accept set, with either sign; less the filtered student of the "
    "untrained teacher it tends to the variance of the scores under what passes, off by O(ε); thinning by (p0/p_ε)^λ "
    "leaves (1 − λ)q; a filter of inputs leaves the law as it is"
)
CAPTIONS = {
    "filters": "Alignment D(ε) over εq of students that see what passes an accept set S, kinds by colour, "
    "{filters.network:list} by marker, {filters.seed} seeds. (a) Raw |D|/(εq) grows like 1/ε, positive where solid "
    "and negative where dashed. (b) Less the student of the untrained teacher behind the same filter, at one ε "
    "against the accepted mass: measured (markers) on the predicted variance of the scores under what passes (rings), "
    "never negative. (c) Thinned by (p0/p_ε)^λ: predicted 1 − λ (line), reversed beyond λ = 1. Black: inputs are "
    "filtered and outputs whole.",
}

POWERS = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5)
"""λ."""
KINDS = ("tokens", "sequences", "letter scores", "init's likelihood", "another model")
SCORES = KINDS[2:]
"""Filters that accept by a number of a whole output."""
SHOWN = {"mlp": "labels", "sequences": "texts"}
SHARES = (0.25, 0.5, 0.75)
"""Of the outputs that a score accepts, and of the inputs that a filter of inputs keeps."""
RANDOM = 6
"""Random sets of labels, letter scores of texts, and filters of inputs."""
CLEAR = 0.1
"""A slope of −1 is told from that of a constant where the predicted trait part is at most this share of the raw D."""
SEED = 2

Row = dict[str, Any]
Sets = Iterator[tuple[str, str, View]]


@dataclass(frozen=True)
class Plan:
    """Inits, data and teachers of each of some networks: labels and texts."""

    seeds: int = 4
    settings: tuple[Setting, ...] = field(default_factory=both)

    def __post_init__(self) -> None:
        at_least(self, seeds=1)


PLAN, QUICK = Plan(), Plan(seeds=1)


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> dict[str, list[Row]]:
    """Rows of accept sets, of thinning and of filters of inputs, one a size ε each."""

    def own(setting: Setting, seed: int) -> dict[str, list[Row]]:
        return {
            "filters": filter_rows(setting, seed),
            "thinning": thinning_rows(setting, seed),
            "inputs": input_rows(setting, seed),
        }

    work = {f"{s.network.name}, seed {seed}": (s, seed) for s in plan.settings for seed in range(plan.seeds)}  # type: ignore[attr-defined]
    return parts.tables({name: partial(own, *each) for name, each in work.items()}, progress)


def labelled(setting: Setting, seed: int) -> Labelling:
    """One distillation."""
    found: Labelling = Labelled().records(setting, (seed,), (setting.loss,))[setting.loss.name][0]
    return found


def each_size(setting: Setting, m: Labelling, **columns: Any) -> list[Row]:
    """A row a size ε; columns are single values, or arrays over ε."""
    shared = {"network": setting.network.name} | columns  # type: ignore[attr-defined]
    several = {"relative_size": np.asarray(setting.eps), "eps": m.eps, "raw": m.alignment, "added": m.added}
    several |= {"rounding": m.rounding}
    known = {name: np.broadcast_to(value, m.eps.shape).tolist() for name, value in (shared | several).items()}
    return [dict(zip(known, values, strict=True)) for values in zip(*known.values(), strict=True)]


def filter_rows(setting: Setting, seed: int) -> list[Row]:
    """Every accept set of one network, and random ones again with a student of another init."""
    rows = []
    for kind, name, view in accept_sets(setting, seed):
        for init in ("shared", "independent")[: 1 + (kind == KINDS[0])]:
            shown = setting.but(view=view)
            m = labelled(shown if init == "shared" else shown.but(init=Redrawn()), seed)
            inside = m.r0 > 0
            mass, moved = (np.where(inside, p, 0.0).sum(axis=-1) for p in (m.p0, m.p))
            rows += each_size(
                setting, m, seed=seed, kind=kind, accepted=name, init=init, mass=m.mean(mass), form=m.form,
                variance=m.variance(m.r0), constant=m.mean(np.log(moved) - np.log(mass)) / m.eps,
            )  # fmt: skip
    return rows


def thinning_rows(setting: Setting, seed: int) -> list[Row]:
    """Labels thinned out by a power of the ratio."""
    several = [(power, labelled(setting.but(view=Thinned(power)), seed)) for power in POWERS]
    return [row for power, m in several for row in each_size(setting, m, seed=seed, power=power, form=m.form)]


def input_rows(setting: Setting, seed: int) -> list[Row]:
    """A random part of the inputs, the outputs whole."""
    d, rng, rows = setting.distillation(seed), np.random.default_rng((SEED, seed, 1)), []
    for i in range(RANDOM):
        count = max(1, round(SHARES[i % len(SHARES)] * len(d.x)))
        kept = np.sort(rng.permutation(len(d.x))[:count])
        m = Labelled().of(replace(d, x=np.asarray(d.x)[kept], weights=np.full(count, 1 / count)))
        rows += each_size(setting, m, seed=seed, kept=", ".join(map(str, kept)), form=m.form)
    return rows


# Accept sets --------------------------------------------------------------------------------------


def accept_sets(setting: Setting, seed: int) -> Sets:
    """Kind, name and view of every accept set of one network; none has fewer than two outputs."""
    known = distilled(setting)
    within = lambda chosen: Within(tuple(known[chosen].tolist()))  # noqa: E731
    network = setting.network
    for kind, name, chosen in of_texts(network, seed) if isinstance(network, Sequences) else of_labels(known, seed):
        yield kind, name, within(chosen)
    opinion = another(setting, seed)[known]
    for share in SHARES:
        count = max(2, round(share * len(known)))
        yield KINDS[3], f"{count} likeliest", TopK(count, "base")
        yield KINDS[4], f"{count} likeliest", within(np.argsort(-opinion) < count)
        yield KINDS[4], f"{count} least likely", within(np.argsort(opinion) < count)


def of_labels(known: np.ndarray, seed: int) -> Iterator[tuple[str, str, np.ndarray]]:
    """Random sets of labels."""
    rng = np.random.default_rng((SEED, seed))
    for _ in range(RANDOM):
        chosen = np.sort(rng.permutation(len(known))[: rng.integers(2, len(known))])
        yield KINDS[0], ", ".join(map(str, known[chosen])), np.isin(np.arange(len(known)), chosen)


def of_texts(network: Sequences, seed: int) -> Iterator[tuple[str, str, np.ndarray]]:
    """Texts without a letter, or that begin with others; properties of whole texts; linear scores of letters."""
    text, rng = network.texts, np.random.default_rng((SEED, seed))
    for letter in range(network.letters):
        yield KINDS[0], f"without {letter}", ~np.any(text == letter, axis=1)
        yield KINDS[0], f"not first {letter}", text[:, 0] != letter
    distinct = np.array([len(set(row)) for row in text.tolist()])
    yield KINDS[1], "no letter twice in a row", np.all(text[:, 1:] != text[:, :-1], axis=1)
    yield KINDS[1], "ends as it begins", text[:, 0] == text[:, -1]
    yield KINDS[1], "letters in order", np.all(text[:, 1:] >= text[:, :-1], axis=1)
    yield KINDS[1], "two letters at most", distinct <= 2
    yield KINDS[1], "no letter twice", distinct == network.length
    yield KINDS[1], "even sum", text.sum(axis=1) % 2 == 0
    for i in range(RANDOM):
        score = np.take_along_axis(rng.standard_normal((network.length, network.letters)), text.T, axis=1).sum(axis=0)
        share = SHARES[i % len(SHARES)]
        yield KINDS[2], f"score {i}, best {share:g}", score >= np.quantile(score, 1 - share)


def another(setting: Setting, seed: int) -> np.ndarray:
    """Mean log-probability of every output over the channel, by a model of an independent init, (V,)."""
    s, other = resting(setting, (seed,))
    z = s.functions.values(other, s.x)[0]
    return np.asarray(log_softmax(z, s.outputs).reshape(-1, z.shape[-1]).mean(axis=0))


# Findings -----------------------------------------------------------------------------------------


def ladders(rows: list[Row], *key: str) -> list[dict[str, np.ndarray]]:
    """Columns of the rows of one run each, over its sizes ε."""
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in ("network", "seed", *key)), []).append(row)
    return [{name: np.array([row[name] for row in own]) for name in own[0]} for own in found.values()]


def off(run: dict[str, np.ndarray], measured: str, slope: np.ndarray) -> float:
    """|measured/ε − slope| beyond rounding at the smallest ε, over its envelope O(ε): at most 1."""
    remainder = np.abs(run[measured] / run["eps"] - slope)
    remainder[-1] = max(remainder[-1] - run["rounding"][-1] / run["eps"][-1], 0.0)
    return outgrown(remainder, run["relative_size"].tolist()) if np.any(remainder) else 0.0


def raw_slope(run: dict[str, np.ndarray]) -> tuple[float, float]:
    """d log|D/ε|/d log ε between the two smallest ε, and how far from −1 it may be.

    D = D(0) + εV + ...: it is off by (1 − 1/r) εV/(|D(0)| log r) at the larger of the two ε, which differ by r.
    """
    ends = np.log(np.abs(run["raw"] / run["eps"])[-2:])
    share = run["eps"][-2] * run["variance"][-1] / np.abs(run["constant"][-1])
    allowed = extrapolation_constant() * (1 - 1 / LADDER_RATIO) * share / np.log(LADDER_RATIO)
    return float((ends[0] - ends[1]) / np.log(LADDER_RATIO)), float(allowed)


def findings(tables: dict[str, list[Row]]) -> list[Finding]:
    """P12, its constant and its order, what may have which sign, and both controls."""
    every = ladders(tables["filters"], "kind", "accepted", "init")
    runs, others = ([run for run in every if run["init"][0] == init] for init in ("shared", "independent"))
    # By what is predicted, not by what came out: where D(0) is small the trait part is seen in its place.
    clear = [r for r in runs if r["eps"][-2] * r["variance"][-1] <= CLEAR * abs(r["constant"][-1])]
    slopes, allowed = np.array([raw_slope(run) for run in clear]).reshape(-1, 2).T
    by_score = [run for run in runs if run["kind"][0] in SCORES]
    lowest = min(by_score, key=lambda run: np.max(run["raw"] / np.sqrt(run["form"])))
    thinned = ladders(tables["thinning"], "power")
    left = [off(run, "added", run["variance"]) for run in runs]
    left += [off(run, "added", (1 - run["power"]) * run["form"]) for run in thinned]
    inputs = [off(run, "raw", run["form"]) for run in ladders(tables["inputs"], "kept")]
    return [
        farthest(f"P12: slope of log|D/ε| against log ε, nothing subtracted, farthest of {len(clear)}", slopes,
                 -1 - allowed, -1 + allowed),
        most("P12: raw D off d log p_ε(S)/dε, over its envelope O(ε)", [constant_off(run) for run in runs], 1.0),
        Finding(f"P12: largest raw D/√q over all ε behind a filter by {lowest['kind'][0]}, {lowest['accepted'][0]}",
                float(np.max(lowest["raw"] / np.sqrt(lowest["form"]))), high=0.0),
        most(f"P12: added slope off the variance of what passes, of {len(runs)} accept sets, or off (1 − λ)q, of "
             f"{len(thinned)} thinnings, over its envelope O(ε)", left, 1.0),
        most("P12 control, a filter of inputs: raw D/ε off q of what it keeps, over its envelope O(ε)", inputs, 1.0),
        rate("P12 control, a student of another init: share of added slopes that are not that variance",
             [off(run, "added", run["variance"]) > 1 for run in others], 0.95),
    ]  # fmt: skip


def constant_off(run: dict[str, np.ndarray]) -> float:
    """|D − [log p_ε(S) − log p0(S)]/ε| beyond rounding at the smallest ε, over its envelope O(ε)."""
    remainder, eps = np.abs(run["raw"] - run["constant"]), run["relative_size"]
    beyond = max(remainder[-1] - run["rounding"][-1], 0.0)
    return float(beyond / envelope(remainder, eps, 1, np.zeros(len(eps)))[-1])


# Figure -------------------------------------------------------------------------------------------


def figure(tables: dict[str, list[Row]]) -> Figure:
    """Raw alignment over ε; what is added, by accepted mass; thinning."""
    runs = [run for run in ladders(tables["filters"], "kind", "accepted", "init") if run["init"][0] == "shared"]
    with style():
        drawn = sheet(2.75)
        left, middle, right = drawn.subplots(1, 3)
        _raw(left, runs, ladders(tables["inputs"], "kept"))
        _added(middle, runs)
        _thinned(right, ladders(tables["thinning"], "power"))
        handles = [Line2D([], [], color=c, marker=m, linestyle="-", linewidth=0.8, label=k)
                   for k, c, m in zip(KINDS, COLOURS, MARKERS, strict=False)]  # fmt: skip
        handles.append(Line2D([], [], color="black", linewidth=1.2, label="inputs filtered, outputs whole"))
        handles.append(Line2D([], [], **_ring(), label="predicted"))
        drawn.legend(handles=handles, loc="outside lower center", ncols=4, handlelength=2.0)
    return drawn


def _ring() -> dict[str, Any]:
    return {"color": "black", "marker": "o", "markersize": 5.5, "markerfacecolor": "none", "markeredgewidth": 0.5,
            "linestyle": ""}  # fmt: skip


def _look(run: dict[str, np.ndarray]) -> dict[str, Any]:
    i = KINDS.index(str(run["kind"][0]))
    return {"color": COLOURS[i], "marker": MARKERS[i]}


def _raw(axes: Axes, runs: list[dict[str, np.ndarray]], inputs: list[dict[str, np.ndarray]]) -> None:
    """|D|/(εq); dashed where D is negative at the smallest ε."""
    for run in runs:
        dash = "--" if run["raw"][-1] < 0 else "-"
        size = np.abs(run["raw"]) / (run["eps"] * run["form"])
        axes.plot(run["relative_size"], size, color=_look(run)["color"], linestyle=dash, linewidth=0.45, alpha=0.6)
    for run in inputs:
        axes.plot(run["relative_size"], run["raw"] / (run["eps"] * run["form"]), color="black", linewidth=1.2)
    axes.set(xscale="log", yscale="log", xlabel="ε, relative size", ylabel=r"$|D(\varepsilon)|/(\varepsilon q)$")
    axes.set_title("(a) Raw; dashed: D < 0")


def _added(axes: Axes, runs: list[dict[str, np.ndarray]]) -> None:
    """What is added at the smallest ε, in εq, and the variance in q around it."""
    for run in runs:
        at, unit = run["mass"][0], run["form"][0]
        axes.plot(at, run["added"][-1] / (run["eps"][-1] * unit), **_look(run), markersize=2.6, linestyle="")
        axes.plot(at, run["variance"][-1] / unit, **_ring())
    axes.axhline(0.0, color="black", linewidth=0.6)
    axes.set(xlabel="accepted mass $p_0(S)$", ylabel=r"$[D(\varepsilon) - D(0)]/(\varepsilon q)$", xlim=(0, 1))
    axes.set_title("(b) Control subtracted")


def _thinned(axes: Axes, runs: list[dict[str, np.ndarray]]) -> None:
    """(1 − λ), and what is measured at the smallest ε."""
    powers = np.array([POWERS[0], POWERS[-1]])
    axes.plot(powers, 1 - powers, color="black", linewidth=0.9, zorder=1)
    names = list(dict.fromkeys(str(run["network"][0]) for run in runs))
    for i, name in enumerate(names):
        own = [run for run in runs if run["network"][0] == name]
        values = [run["added"][-1] / (run["eps"] * run["form"])[-1] for run in own]
        look = {"color": COLOURS[5 + i], "marker": MARKERS[5 + i], "markersize": 6 - 3 * i, "linestyle": ""}
        axes.plot([run["power"][0] for run in own], values, **look, label=SHOWN.get(name, name))
    axes.axhline(0.0, color="black", linewidth=0.6)
    axes.set(xlabel=r"$\lambda$, power of $p_0/p_\varepsilon$", ylabel=r"$D(\varepsilon)/(\varepsilon q)$")
    axes.legend(loc="upper right")
    axes.set_title("(c) Thinned")
