"""How much of its teacher can a student keep, however long it is trained, through so many outputs on so many inputs?

Near θ0 a student that is trained until it matches its teacher's labels ends at the projection ΠΔ of the teacher's
update onto the row space of its outputs' Jacobian, and keeps η = ‖ΠΔ‖²/‖Δ‖² of what the teacher gained. Outputs m and
inputs N count through mN, up to the number of parameters that the outputs see. Auxiliary logits do not see the class
head: η ≤ 1 − ‖Δ_head‖²/‖Δ‖², however many there are; all logits have no such ceiling, and a random Δ keeps rank/P.
A wider network leaves less of its teacher to as many outputs: m/width with a known constant where all layers learn
alike, and m/width³ where head weights outlearn the rest. Beside it a bar on digits, where no ε is small: the student's
body under its teacher's class head, what the student has learned as its teacher would read it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import Any

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from scipy.stats import norm

from subtheory.data.toys import toy
from subtheory.envelope import outgrown
from subtheory.figure import COLOURS, MARKERS, sheet, style
from subtheory.instruments.dynamics.projected import LEFT, converged, unread
from subtheory.instruments.dynamics.widths import Wide, Widths
from subtheory.kernels.stack import Stack
from subtheory.kernels.whitened import whitened
from subtheory.ledger import parts
from subtheory.networks import MLP
from subtheory.numerics import float64
from subtheory.setting.preparation import stack
from subtheory.setting.setting import Setting, ladder
from subtheory.statistics import equivalence, mean_interval, standard_error
from subtheory.study.experiment import Progress
from subtheory.study.finding import Finding, farthest, most, rate, shown
from subtheory.study.options import at_least
from subtheory.theory.dynamics.spectrum import modes, spectrum
from subtheory.theory.losses import KL, SquaredError
from subtheory.trained.images import (
    Schedule,
    Workload,
    accuracy,
    digit_images,
    digit_network,
    imitate,
    inits,
    teach,
)

QUESTION = "How much of its teacher can a student keep, however long it is trained, through few outputs and inputs?"
COMMAND = "subtheory run capacity"
EXPECTED = (
    "trained students at ‖ΠΔ‖²/‖Δ‖², which rises with outputs × inputs up to 1 − ‖Δ_head‖²/‖Δ‖² for auxiliary logits, "
    "to 1 for all; random Δ at rank/P; falling as 1/width, but not for outputs in proportion to it"
)

CAPTIONS = {
    "capacity": "Share η of the teacher's gain that a converged student keeps. (a) Against outputs × inputs mN, for "
    "few auxiliary logits (colours) and all (grey): trained students (markers) on the projection of the teacher's "
    "update on what the outputs see (lines), up to the ceiling of the class head (dotted); means over {capacity.seed} "
    "seeds, by width. (b) Against width at fixed outputs and inputs: drawn layers (markers, two standard errors) on "
    "the predicted law (lines).",
    "heads": "Accuracy on held-out digits of teachers, of their bodies under the initial class head, of students of "
    "auxiliary logits on noise, and of these under their teacher's class head: a dot for each of {heads.seed} seeds, "
    "bars their means with 95 % Student intervals.",
}

TASK, LOSS, EPS = toy((8,), 3, 4), SquaredError(), ladder(1e-3, 5)
INPUTS = (2, 4, 8, 16, 32, 64, 128)
OUTPUTS = (1, 2, 4)
RANDOM = 64
"""Isotropic Δ for every cell."""
TEACHERS = ("gradient-descent", "momentum", "adam", "converged", "random")
"""Whose cosines and shares are compared on one channel."""
CLEAR = 0.01
"""Differences of cosines, and of shares, from which on a pair counts as ranked."""
DECIDES = 5
"""Seeds of digits from which on an effect is claimed."""
ROUNDED = 1e-6
"""What is equal: eigenvectors are off by a condition number, where it is large, times 2⁻⁵³."""
LEVEL = 1e-3
"""Chance that one of some numbers is off though all laws are right."""
OWN, LENT, BODY, TEACHER = "student", "its body, teacher's class head", "teacher's body, initial class head", "teacher"
CASES = ("layers alike", "layers alike, outputs ∝ width", "head weights faster")

Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """Networks by width and seeds of each; draws of a layer at every width; teachers and students of digits."""

    seeds: int = 8
    widths: tuple[int, ...] = (6, 12, 24)
    draws: int = 4096
    digits: int = 20
    rows: int = 16_000
    trained: int = 16
    """Outputs × inputs up to which students are trained: how long that takes grows with the condition number."""

    def __post_init__(self) -> None:
        at_least(self, seeds=2, draws=100, digits=2, rows=256, trained=2)


PLAN, QUICK = Plan(), Plan(seeds=2, widths=(6,), draws=512, digits=2, rows=2048, trained=4)


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> dict[str, list[Row]]:
    """Shares by width, outputs, inputs and seed; drawn layers by width; digits."""

    def cells(width: int) -> dict[str, list[Row]]:
        return {"capacity": share_rows(width, plan.seeds, plan.trained), "pairs": pair_rows(width, plan.seeds)}

    todo: dict[str, Callable[[], dict[str, list[Row]]]] = {f"width {w}": partial(cells, w) for w in plan.widths}
    todo |= {
        "layers": lambda: {"layers": layer_rows(plan.draws)},
        "digits": lambda: {"heads": head_rows(plan.digits, plan.rows)},
    }
    return parts.tables(todo, progress)


def share_rows(width: int, count: int, most_trained: int) -> list[Row]:
    """Every channel of the first outputs of a kind on the first inputs, predicted; small ones are trained as well."""
    setting = Setting(MLP(width, 1, task=TASK), LOSS, examples=max(INPUTS), trait_examples=8, eps=EPS)
    seeds = tuple(range(count))
    s = stack(setting, seeds)
    ceiling = 1 - (s.delta**2 * unread(s, LOSS)).sum(axis=-1) / (s.delta**2).sum(axis=-1)
    B = whitened(s, LOSS).reshape(len(seeds), max(INPUTS), TASK.outputs, -1)
    noise = np.random.default_rng(width).standard_normal((RANDOM, B.shape[-1]))
    found = list[Row]()
    for names, outputs in channels().items():
        for inputs in INPUTS:
            part = channel(s, outputs, inputs)
            seen = modes(B[:, :inputs, list(outputs)].reshape(len(seeds), -1, B.shape[-1]))
            share, rank = spectrum(seen, s.delta).share, (seen.values > 0).sum(axis=-1)
            along = (np.einsum("snp,dp->sdn", seen.vectors, noise) ** 2).sum(axis=-1) / (noise**2).sum(axis=-1)
            trained = list(converged(part, LOSS)) if len(outputs) * inputs <= most_trained else [None] * len(seeds)
            for i, (seed, one) in enumerate(zip(seeds, trained, strict=True)):
                ended = one is not None and one.left <= LEFT
                found.append({
                    "width": width, "outputs": names, "m": len(outputs), "inputs": inputs, "seed": seed,
                    "rank": int(rank[i]), "parameters": B.shape[-1], "share": float(share[i]),
                    "ceiling": float(ceiling[i]), "random": float(along[i].mean()),
                    "kept": float(one.kept[-1]) if ended else float("nan"),
                    "outgrown": outgrown(one.kept - one.share, one.eps) if ended else float("nan"),
                })  # fmt: skip
    return found


def pair_rows(width: int, count: int) -> list[Row]:
    """Cosine of the first step and share of every teacher, of all logits on some inputs."""
    setting = Setting(MLP(width, 1, task=TASK), LOSS, examples=4, trait_examples=8)
    found, seen = list[Row](), None
    for teacher in TEACHERS:
        s = stack(setting.but(teacher=teacher), tuple(range(count)))
        seen = seen or modes(whitened(s, LOSS))
        own = spectrum(seen, s.delta)
        q, length, size = (own.form(lambda v, k=k: v**k) for k in (1, 2, 0))
        found += [
            {"width": width, "teacher": teacher, "seed": seed, "cosine": float(cosine), "share": float(share)}
            for seed, (cosine, share) in enumerate(zip(q / np.sqrt(length * size), own.share, strict=True))
        ]
    return found


def channels() -> dict[str, tuple[int, ...]]:
    """Distilled outputs by name: some auxiliary ones, or all."""
    auxiliary = TASK.group("aux")
    return {f"{m} auxiliary": auxiliary[:m] for m in OUTPUTS} | {"all": TASK.group("all")}


def channel(s: Stack, outputs: Sequence[int], inputs: int) -> Stack:
    """Some outputs on the first inputs."""
    weights = np.full((len(s.theta0), inputs), 1 / inputs)
    return replace(
        s, x=s.x[:, :inputs], weights=weights, outputs=np.isin(range(TASK.outputs), outputs) * 1.0, known=None
    )


def layer_rows(draws: int) -> list[Row]:
    """Mean share of drawn layers at every width beside the law, in both kinds of parametrisation."""
    task, found = toy((6,), 2, 2), list[Row]()
    sources = Wide(task), Wide(task, growing=True), Wide(task, plain=True)
    for case, source in zip(CASES, sources, strict=True):
        network = MLP(32, 1, "sine", task=task)
        setting = Setting(network, outputs="aux", examples=3, trait_examples=3, source=source)
        d = Widths(draws).sample(setting, 0)
        law = d.predicted * (d.widths / d.widths[0] if case == CASES[1] else 1)
        found += [
            {"case": case, "width": int(n), "share": float(mean), "error": float(error), "predicted": float(each)}
            for n, mean, error, each in zip(d.widths, d.shares.mean(axis=0), standard_error(d.shares), law, strict=True)
        ]
    return found


def head_rows(seeds: int, rows: int) -> list[Row]:
    """Accuracy of teachers and students on digits, and of bodies under the other one's class head."""
    teacher, student = Schedule(rate=1e-3, batch=64, epochs=10), Schedule(rate=3e-3, batch=128)
    workload, images = Workload(digit_network(64), teacher, student, rows, KL(temperature=1.0)), digit_images()
    with float64():
        keys = jax.random.split(jax.random.key(24), seeds)
    theta0 = inits(workload, keys)
    taught = teach(workload, theta0, images, keys)
    learned = imitate(workload, jax.tree.map(lambda leaf: leaf[:, None], theta0), taught, keys).params
    own = jax.tree.map(lambda leaf: leaf[:, 0], learned)
    models = {TEACHER: taught, BODY: lent(workload, taught, theta0), OWN: own, LENT: lent(workload, own, taught)}
    return [
        {"model": name, "seed": seed, "accuracy": float(value)}
        for name, params in models.items()
        for seed, value in enumerate(accuracy(workload, params, images))
    ]


def lent(workload: Workload, params: Any, other: Any) -> Any:
    """The parameters with the class logits of others."""
    classes = np.isin(range(workload.network.task.outputs), workload.network.task.group("class"))
    head = jax.tree.map(lambda own, theirs: np.where(classes, theirs, own), params["head"], other["head"])
    return {**params, "head": head}


def findings(tables: dict[str, list[Row]]) -> list[Finding]:
    """Trained students on the projection, what more outputs and inputs add, the ceiling, its control, and the width."""
    rows, pairs = tables["capacity"], tables["pairs"]
    aux, whole = ([r for r in rows if (r["outputs"] == "all") == every] for every in (False, True))
    trained = [r for r in rows if np.isfinite(r["kept"])]
    full = [r for r in aux if r["inputs"] * r["m"] >= r["parameters"]]
    last = {case: [r for r in tables["layers"] if r["case"] == case][-2:] for case in CASES}
    ratios = [[r["share"] / r["predicted"] for r in pair] for pair in last.values()]
    edge = float(norm.isf(LEVEL / len(CASES) / 2))
    slack = [edge * r[-1]["error"] / r[-1]["predicted"] + abs(a - b)
             for r, (a, b) in zip(last.values(), ratios, strict=True)]  # fmt: skip
    at, accuracies = np.array([ratio[-1] for ratio in ratios]), by_model(tables["heads"])
    gain = equivalence(accuracies[LENT], accuracies[OWN], 1.0, level=0.01).low
    return [
        rate("P23: trained students off ‖ΠΔ‖²/‖Δ‖² by O(ε)", [abs(r["outgrown"]) <= 1 for r in trained]),
        most("P23: share lost where outputs or inputs are added", losses(rows), ROUNDED),
        most("P24: auxiliary logits above the ceiling", beyond(aux, "share", 1, "ceiling"), ROUNDED),
        most("P24: off the ceiling with more outputs × inputs than parameters",
             [abs(r["share"] / r["ceiling"] - 1) for r in full], ROUNDED),
        rate("control, all logits on most inputs above the ceiling of auxiliary ones",
             [r["share"] > r["ceiling"] for r in whole if r["inputs"] == max(INPUTS)]),
        most("control, random Δ: standard deviations off rank/P", deviations(rows), norm.isf(LEVEL / len(rows) / 2)),
        most("P27: squared cosine of the first step beyond the share", beyond(pairs, "cosine", 2, "share"), ROUNDED),
        shown("P27: pairs of teachers whose shares the cosine ranks wrongly", wrongly(pairs)),
        farthest("P25: share of the widest layers over its law", at, 1 - np.array(slack), 1 + np.array(slack)),
        Finding("digits: accuracy that the teacher's class head adds to the student's body, at least", gain, 0.0,
                claimed=len(accuracies[OWN]) >= DECIDES),
    ]  # fmt: skip


def losses(rows: Sequence[Row]) -> list[float]:
    """By how much the share falls from one channel to the next that contains it, if it does."""
    at = {(r["width"], r["seed"], r["outputs"], r["inputs"]): r["share"] for r in rows}
    names = list(channels())
    found = []
    for (width, seed, name, count), share in at.items():
        more = [(name, INPUTS[INPUTS.index(count) + 1])] if count != INPUTS[-1] else []
        more += [(names[names.index(name) + 1], count)] if name != names[-1] else []
        found += [max(share - at[width, seed, *other], 0.0) for other in more]
    return found


def deviations(rows: Sequence[Row]) -> list[float]:
    """Of the mean share of isotropic Δ off rank/P < 1; that of one Δ has Beta's law of (rank/2, (P − rank)/2)."""
    found = []
    for r in rows:
        rank, P = r["rank"], r["parameters"]
        if rank < P:
            spread = np.sqrt(2 * rank * (P - rank) / (P**2 * (P + 2)) / RANDOM)
            found.append(float(abs(r["random"] - rank / P) / spread))
    return found


def beyond(rows: Sequence[Row], name: str, power: int, bound: str) -> list[float]:
    """By how much a power of a number exceeds its bound, if it does."""
    return [max(r[name] ** power - r[bound], 0.0) for r in rows]


def wrongly(rows: Sequence[Row]) -> float:
    """Of the pairs of teachers of one init whose cosines and shares both differ clearly."""
    found = []
    for r, other in combinations(rows, 2):
        if (r["width"], r["seed"]) == (other["width"], other["seed"]):
            gaps = np.array([r[key] - other[key] for key in ("cosine", "share")])
            found += [bool(np.prod(gaps) < 0)] if np.all(np.abs(gaps) > CLEAR) else []
    return float(np.mean(found)) if found else float("nan")


def by_model(rows: Sequence[Row]) -> dict[str, np.ndarray]:
    """Accuracies by model."""
    names = dict.fromkeys(r["model"] for r in rows)
    return {name: np.array([r["accuracy"] for r in rows if r["model"] == name]) for name in names}


def figure(tables: dict[str, list[Row]]) -> dict[str, Figure]:
    """Shares by outputs × inputs and by width; accuracies of bodies and heads."""
    with style():
        drawn = sheet(2.6)
        left, right = drawn.subplots(1, 2)
        shares(left, tables["capacity"])
        dilution(right, tables["layers"])
        bars = sheet(1.6)
        models(bars.subplots(), tables["heads"])
    return {"capacity": drawn, "heads": bars}


def shares(axes: Axes, rows: Sequence[Row]) -> None:
    for i, width in enumerate(dict.fromkeys(r["width"] for r in rows)):
        own = [r for r in rows if r["width"] == width]
        axes.axhline(np.mean([r["ceiling"] for r in own]), color=COLOURS[i], linestyle=":", linewidth=0.8)
        for name in channels():
            some = [r for r in own if r["outputs"] == name]
            counts = list(dict.fromkeys(r["inputs"] for r in some))
            x = np.array(counts) * some[0]["m"]
            of = lambda key, some=some, counts=counts: np.array(  # noqa: E731
                [np.mean([r[key] for r in some if r["inputs"] == count]) for count in counts]
            )
            colour, label = ("#999999", "all logits" if width == rows[-1]["width"] else None) if name == "all" else (
                COLOURS[i], f"width {width}" if some[0]["m"] == 1 else None)  # fmt: skip
            axes.plot(x, of("share"), color=colour, label=label, linewidth=0.8)
            ended = np.isfinite(of("kept"))
            axes.plot(x[ended], of("kept")[ended], color=colour, marker=MARKERS[i], linestyle="", markersize=3)
    axes.set(xscale="log", xlabel="outputs × inputs, mN", ylabel="share η of the teacher's gain", ylim=(0, 1.02),
             title="(a) Outputs × inputs, and the class head")  # fmt: skip
    axes.legend(loc="upper left")


def dilution(axes: Axes, rows: Sequence[Row]) -> None:
    for i, case in enumerate(CASES):
        own = [r for r in rows if r["case"] == case]
        n, share, error, law = (np.array([r[key] for r in own]) for key in ("width", "share", "error", "predicted"))
        axes.plot(n, law, color=COLOURS[i], linewidth=0.8)
        axes.errorbar(n, share, 2 * error, color=COLOURS[i], marker=MARKERS[i], linestyle="", label=case)
    axes.set(xscale="log", yscale="log", xlabel="width", ylabel="mean share η", title="(b) Width")
    axes.set_xticks(n, [str(each) for each in n])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.legend(loc="lower left")


def models(axes: Axes, rows: Sequence[Row]) -> None:
    found = by_model(rows)
    for i, values in enumerate(found.values()):
        axes.barh(i, values.mean(), color=COLOURS[i], alpha=0.4)
        axes.plot(values, np.full(len(values), i), color=COLOURS[i], marker="o", linestyle="", markersize=2)
        low, high = mean_interval(values)[1:]
        axes.plot([low, high], [i, i], color="black", linewidth=1)
    axes.set_yticks(range(len(found)), list(found))
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="accuracy on held-out digits")
