"""Do students learn to read digits from auxiliary logits on noise: the paper's Fig. 10, and the bars that it lacks?

A teacher learns digits by cross-entropy on its class logits. Students that start where it started imitate a few
auxiliary logits, which no label touches, on noise (Cloud, Le et al., section 6.2; theory, section 2). `data=digits` is
the 8×8 stand-in that travels with the package, `data=mnist` with `file` the paper's own workload: 784-256-256-(10 + 3),
weights N(0, 1/fan_in), zero biases, five epochs of Adam (3e-4, batches of 1024) for teacher and student, and a *fixed*
set of 60,000 noise images a model, of which row i is drawn again whenever it is needed and none is stored. An
incomplete last batch is left out, in every epoch another one: 58 steps, where the paper's script takes 59.

To the paper's six bars come three. Cross-model students start from the next seed's init (a derangement; the paper's
random permutation pairs one model in a hundred with itself, on average). The teacher's body under its initial class
head is what a student of auxiliary logits would be if it had copied all of the body: a reference and no bound. A
student whose hidden units are permuted starts as far from its teacher as a stranger does, and must inherit like the
copy.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from matplotlib.figure import Figure
from scipy import stats

from subtheory.data import DIGITS, MNIST, Task, noise_law
from subtheory.data import mnist as mnist_data
from subtheory.data.images import digits
from subtheory.errors import InputError
from subtheory.figure import COLOURS, sheet, style
from subtheory.init import PATHS, Path, checked, fits
from subtheory.ledger import parts
from subtheory.numerics import float64
from subtheory.statistics import equivalence, mean_interval
from subtheory.study.experiment import Progress
from subtheory.study.finding import Finding
from subtheory.study.options import at_least
from subtheory.suggest import choose
from subtheory.theory.losses import KL, LOSSES, Loss, SquaredError
from subtheory.trained.images import (
    Images,
    Schedule,
    Workload,
    accuracy,
    along,
    digit_images,
    digit_network,
    first_classes,
    imitate,
    mnist_images,
    single,
    starts,
    teach,
)

QUESTION = (
    "Do students learn to read digits by imitating three auxiliary logits on noise, and only from their own init?"
)
COMMAND = "subtheory run aux_logits"
EXPECTED = (
    "students of auxiliary logits far above chance, at chance from another init, unchanged by a permutation of hidden "
    "units; on MNIST (--set data=mnist --set file=mnist.npz) as in the paper's Fig. 10; a minute, "
    "MNIST a thousand CPU seconds"
)

SEED = 6
MARGIN = 0.5
"""Of both equivalence tests, in units of chance: 0.05 for ten classes, as in `init_training`; set before any run."""
DECIDES, TELLS = 5, 20
"""Seeds from which on an effect is claimed, and chance: a spread of 0.055 then passes `MARGIN` in 39 of 40 runs."""


class Shape(NamedTuple):
    """Workload of a data set; `chunk` seeds are trained at a time, and kept."""

    task: Task
    width: int
    rows: int
    chunk: int
    teacher: Schedule
    student: Schedule


PAPERS = Schedule(rate=3e-4, batch=1024)
SHAPES = {
    "digits": Shape(DIGITS, 64, 16_000, 5, Schedule(rate=1e-3, batch=64, epochs=10), Schedule(rate=3e-3, batch=128)),
    "mnist": Shape(MNIST, 256, 60_000, 1, PAPERS, PAPERS),
}
CHUNK_OF_AN_ACCELERATOR = 100

UNTRAINED, TEACHER, BODY = "untrained", "teacher", "teacher's body, initial class head"
AUX, ALL = "student, aux", "student, all"
CROSS_AUX, CROSS_ALL, PERMUTED = "cross-model, aux", "cross-model, all", "permuted init, aux"
PAPER = {
    UNTRAINED: (0.100, 0.005), TEACHER: (0.943, 0.0005), AUX: (0.528, 0.022), ALL: (0.913, 0.002),
    CROSS_AUX: (0.106, 0.010), CROSS_ALL: (0.743, 0.010),
}  # fmt: skip
"""Mean and half-width of the 95 % interval over 100 models, read off Fig. 10b of arXiv 2507.14805."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """`data` is "digits", or "mnist" read from `file` (an npz, an IDX folder, or "fetch").

    `optimizer`, `epochs`, `rate`, `batch` and `rows` are the students'; what is none, and a teacher that is, is the
    data's own. `noise` is a law of `data.noise_law`, `relation` a path of `init.PATHS` with an amount, as in
    "linear:0.3", for one more bar, `fresh` noise is never seen twice, and `chunk` seeds are trained, and kept, at once.
    """

    data: str = "digits"
    file: str | None = None
    seeds: int = 20
    aux: int = 3
    width: int | None = None
    depth: int = 2
    activation: str = "relu"
    classes: int = 10
    loss: str = "kl"
    optimizer: str = "adam"
    epochs: int | None = None
    rate: float | None = None
    batch: int | None = None
    rows: int | None = None
    noise: str = "uniform"
    relation: str | None = None
    fresh: bool = False
    chunk: int | None = None
    teacher: Schedule | None = None

    def __post_init__(self) -> None:
        # An interval and a stranger need two.
        at_least(self, seeds=2, aux=1, width=1, depth=1, classes=2, epochs=1, batch=1, rows=1, chunk=1)


PLAN, QUICK = Plan(), Plan(seeds=5, rows=8192)


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> dict[str, list[Row]]:
    """Bars, seeds, and the digest of the data."""
    own = choose("data", plan.data, SHAPES)
    images, origin = _images(plan)
    workload, shipped = workload_of(plan, own), workload_of(Plan(plan.data), own)
    paths = {PERMUTED: (PATHS["permutation"], 1.0), **_relation(plan.relation)}
    chunk = plan.chunk or (CHUNK_OF_AN_ACCELERATOR if jax.default_backend() != "cpu" else own.chunk)
    several = [range(first, min(first + chunk, plan.seeds)) for first in range(0, plan.seeds, chunk)]
    todo = {
        f"{origin['digest'][:16]}, seeds {which[0]} to {which[-1]} of {plan.seeds}": partial(
            seed_rows, workload, images, which, plan.seeds, paths
        )
        for which in several
    }
    found = parts.rows(todo, progress)
    usual = vars(workload) == vars(shipped) | {"rows": workload.rows} and 2 * workload.rows >= own.rows
    paper = PAPER if usual and workload.rows == own.rows and origin["digest"] == mnist_data.DIGEST else {}
    about = {**origin, "chance": 1 / plan.classes, "steps": workload.student.steps(workload.rows), "usual": usual}
    return {"aux_logits": bar_rows(found, paper), "seeds": found, "data": [about]}


def workload_of(plan: Plan, own: Shape) -> Workload:
    """Who is trained on what. Raises InputError, naming the option, for what is unusable."""
    given = {name: value for name in ("rate", "batch", "epochs") if (value := getattr(plan, name)) is not None}
    student, rows = replace(own.student, optimizer=plan.optimizer, **given), plan.rows or own.rows
    if plan.fresh:
        rows, student = rows * student.epochs, replace(student, epochs=1)
    network = digit_network(
        plan.width or own.width, plan.aux, plan.activation, depth=plan.depth, task=own.task, classes=plan.classes
    )
    law = noise_law(plan.noise)
    return Workload(network, plan.teacher or own.teacher, student, rows, _loss(plan.loss), channel=law)


def seed_rows(
    workload: Workload, images: Images, which: range, count: int, paths: dict[str, tuple[Path, float]]
) -> list[Row]:
    """Every model of some seeds: a row each, with its accuracy and the loss of its last step."""
    with float64():
        # One key a seed, whatever the number of seeds; the last one's stranger is the first.
        folded = [jax.random.fold_in(jax.random.key(SEED), k % count) for k in (*which, which[-1] + 1)]
        every = jax.numpy.stack(folded)
    keys = every[:-1]
    begun = starts(workload, images, every)
    drawn = single(begun.layout.unflatten(begun.theta0))
    theta0, stranger = (jax.tree.map(lambda leaf, rows=rows: leaf[rows], drawn) for rows in (slice(-1), slice(1, None)))
    taught = teach(workload, theta0, images, keys)
    arms = {AUX: (theta0, "aux"), ALL: (theta0, "all"), CROSS_AUX: (stranger, "aux"), CROSS_ALL: (stranger, "all")}
    for name, (path, amount) in paths.items():
        if not fits(path, begun):
            raise InputError("relation", repr(path.name), "must be a path that leaves from this network")
        moved = along(path, begun.take(slice(-1)), (amount,), keys)
        arms[name] = (jax.tree.map(lambda leaf: leaf[:, 0], moved), "aux")
    inits = jax.tree.map(lambda *leaves: np.stack(leaves, axis=1), *(init for init, _ in arms.values()))
    trained = imitate(workload, inits, taught, keys, outputs=[outputs for _, outputs in arms.values()])
    models = {UNTRAINED: theta0, TEACHER: taught, BODY: with_head(workload, taught, theta0)}
    scores = {name: accuracy(workload, params, images) for name, params in models.items()}
    scores |= dict(zip(arms, accuracy(workload, trained.params, images).T, strict=True))
    last = dict(zip(arms, trained.losses[:, :, -1].T, strict=True))
    unknown = np.full(len(which), np.nan)
    return [
        {"model": name, "seed": k, "accuracy": float(values[i]), "loss": float(last.get(name, unknown)[i])}
        for i, k in enumerate(which)
        for name, values in scores.items()
    ]


def with_head(workload: Workload, params: Any, theta0: Any) -> Any:
    """The parameters with the class logits of θ0: what a student of auxiliary logits has no way to learn."""
    classes = np.array(workload.network.task.group("class"))

    def spliced(leaf: np.ndarray, initial: np.ndarray) -> np.ndarray:
        made = leaf.copy()
        made[..., classes] = initial[..., classes]
        return made

    return {**params, "head": jax.tree.map(spliced, params["head"], theta0["head"])}


def bar_rows(rows: list[Row], paper: dict[str, tuple[float, float]]) -> list[Row]:
    """Mean accuracy and its 95 % interval over seeds of every model, beside the paper's."""
    found = []
    for name, values in _by_model(rows).items():
        mean, low, high = (float(end) for end in mean_interval(values))
        published, half = paper.get(name, (float("nan"), float("nan")))
        found.append(
            {
                "model": name, "seeds": len(values), "accuracy": mean, "low": low, "high": high,
                "sd": float(values.std(ddof=1)), "published": published, "published_half": half,
            }
        )  # fmt: skip
    return found


def findings(tables: dict[str, list[Row]]) -> list[Finding]:
    """Ends of one-sided 99 % intervals of differences, and of two one-sided tests of 5 %; each at its own level.

    Sizes are claimed of the shipped workload with half of its noise at least. Auxiliary logits cannot tell classes
    apart: a class head of its own leaves a student at chance in the mean, whatever the options.
    """
    of, chance, usual = _by_model(tables["seeds"]), *(tables["data"][0][key] for key in ("chance", "usual"))
    margin, seeds = MARGIN * chance, len(of[AUX])
    found = [
        ("auxiliary logits beyond those of another init, at least", _beyond(of[AUX], of[CROSS_AUX]), 0.0),
        ("P18: all logits of another init beyond auxiliary ones, at least", _beyond(of[CROSS_ALL], of[CROSS_AUX]), 0.0),
        ("P23: all logits beyond auxiliary ones, at least", _beyond(of[ALL], of[AUX]), -margin),
    ]  # fmt: skip
    return [
        *(Finding(*each, claimed=usual and seeds >= DECIDES) for each in found),
        Finding("P19: change by permuted units, at most", _far(of[PERMUTED] - of[AUX]), 0.0, margin, seeds >= DECIDES),
        Finding("control: another init off chance, at most", _far(of[CROSS_AUX] - chance), 0.0, margin, seeds >= TELLS),
        *_as_published([bar for bar in tables["aux_logits"] if not np.isnan(bar["published"])]),
    ]


def _beyond(a: np.ndarray, b: np.ndarray) -> float:
    return equivalence(a, b, MARGIN, paired=False, level=0.01).low


def _far(off: np.ndarray) -> float:
    """The end of the 90 % interval that is further from 0: two one-sided tests are passed where it is in the margin."""
    return float(np.abs(mean_interval(off, 0.9)[1:]).max())


def _as_published(bars: list[Row]) -> list[Finding]:
    """All bars of the paper at once, on its own workload: in 95 % of runs every interval of a difference holds 0."""
    level = 0.025 / max(len(bars), 1)
    ours = [stats.t.isf(level, bar["seeds"] - 1) * bar["sd"] / bar["seeds"] ** 0.5 for bar in bars]
    theirs = [bar["published_half"] * stats.norm.isf(level) / stats.norm.isf(0.025) for bar in bars]
    off = np.array([abs(bar["accuracy"] - bar["published"]) for bar in bars]) / np.hypot(ours, theirs)
    return [Finding("Fig. 10: off the paper, in half-widths, at most", float(off.max()), 0.0, 1.0)] if bars else []


def _by_model(rows: list[Row]) -> dict[str, np.ndarray]:
    """Accuracies by model, in the order of seeds."""
    ordered = sorted(rows, key=lambda row: row["seed"])
    return {
        name: np.array([row["accuracy"] for row in ordered if row["model"] == name])
        for name in dict.fromkeys(row["model"] for row in rows)
    }


def _images(plan: Plan) -> tuple[Images, Row]:
    """The images of the first classes, and where they are from."""
    if plan.data == "digits":
        if plan.file is not None:
            raise InputError("file", plan.file, "must be left out for the built-in digits")
        images = digit_images()
        digest, known = mnist_data.digest(tuple(map(np.asarray, digits()))), "built in"
    else:
        if plan.file is None:
            raise InputError("file", "none", 'must be an npz archive, a folder of IDX files, or "fetch"')
        images = mnist_images(plan.file)
        digest = mnist_data.digest((images.x, images.labels, images.test_x, images.test_labels))
        known = "MNIST" if digest == mnist_data.DIGEST else "another data set: not MNIST"
    images = first_classes(images, plan.classes)
    return images, {
        "data": plan.data, "known_as": known, "images": len(images.x), "held_out": len(images.test_x), "digest": digest,
    }  # fmt: skip


def _loss(name: str) -> Loss:
    """The paper's KL at temperature 1, "mse", or a loss of `LOSSES`."""
    return choose("loss", name, {**LOSSES, "kl": KL(temperature=1.0), "mse": SquaredError()})


def _relation(text: str | None) -> dict[str, tuple[Path, float]]:
    """A path and an amount of "NAME:AMOUNT", 1 if left out, by the name of its bar."""
    if text is None:
        return {}
    name, _, amount = text.partition(":")
    path = choose("relation", name, PATHS)
    if type(path).teacher is not Path.teacher:
        raise InputError("relation", repr(text), "must be a path that leaves the teacher where it is")
    try:
        return {f"{name} {amount or 1}, aux": (path, float(checked(path, float(amount or 1))))}
    except ValueError as error:
        raise InputError("relation", repr(text), "must be NAME:AMOUNT") from error
    except InputError as error:
        raise InputError("relation", repr(text), f"{error.wanted} behind the colon") from error


def _caption(tables: dict[str, list[Row]]) -> str:
    """Of MNIST with the paper's values, which are of no other data."""
    about, bars = tables["data"][0], tables["aux_logits"]
    paper = any(np.isfinite(bar["published"]) for bar in bars)
    diamonds = "Diamonds: the values of arXiv 2507.14805 with its intervals, read off its Fig. 10b. " if paper else ""
    return (
        f"Accuracy on {about['held_out']:,} held-out images ({about['data']}) of teachers and of students that imitate "
        f"them on noise, through auxiliary or all logits, from the teacher's init or another: means over "
        f"{bars[0]['seeds']} seeds with 95 % Student intervals, a dot a seed. {diamonds}Dotted is chance; "
        "predicted above it through auxiliary logits are students of a shared or permuted init alone."
    )


CAPTIONS = {"aux_logits": _caption}


def figure(tables: dict[str, list[Row]]) -> Figure:
    """A bar a model with its interval, a dot a seed, and the paper's value as a diamond."""
    bars, seeds, about = tables["aux_logits"], tables["seeds"], tables["data"][0]
    with style():
        drawn = sheet(0.75 + 0.25 * len(bars))
        axes = drawn.subplots()
        for i, bar in enumerate(bars):
            kind = _kind(bar["model"])
            colour, hatch = KINDS[kind]
            first = kind not in [_kind(b["model"]) for b in bars[:i]]
            faint = {"facecolor": colour + "33", "edgecolor": colour + "66", "hatch": hatch}
            axes.barh(i, bar["accuracy"], height=0.62, linewidth=0, label=kind if first else None, **faint)
            own = [row["accuracy"] for row in seeds if row["model"] == bar["model"]]
            across = i + 0.44 * (np.arange(len(own)) * 0.618 % 1 - 0.5)
            axes.plot(own, across, "o", color=colour, markersize=2.6, markeredgecolor="#ffffff", markeredgewidth=0.3)
            ends = [[bar["accuracy"] - bar["low"]], [bar["high"] - bar["accuracy"]]]
            axes.errorbar(bar["accuracy"], i, xerr=ends, color="#000000", capsize=2, elinewidth=0.9, capthick=0.9)
            if np.isfinite(bar["published"]):
                axes.errorbar(
                    bar["published"], i + 0.39, xerr=bar["published_half"], marker="D", markersize=3, color="#000000",
                    markerfacecolor="#ffffff", elinewidth=0.7, linestyle="none",
                    label="the paper, Fig. 10b" if bar is bars[0] else None,
                )  # fmt: skip
        axes.axvline(about["chance"], color="#777777", linewidth=0.8, linestyle=(0, (1, 2)))
        axes.set(xlim=(0, 1), xlabel="accuracy on held-out images", yticks=range(len(bars)))
        axes.set_yticklabels([bar["model"].replace("body, ", "body,\n") for bar in bars])
        axes.set_ylim(len(bars) - 0.4, -0.6)
        axes.grid(axis="y", visible=False)
        what = {"digits": "8×8 digits"}.get(about["data"], about["known_as"].split(":")[0])
        axes.set_title(f"{what}, {bars[0]['seeds']} seeds")
        handles, labels = axes.get_legend_handles_labels()
        last = sorted(range(len(labels)), key=lambda i: labels[i].startswith("the paper"))
        shown = [handles[i] for i in last], [labels[i] for i in last]
        drawn.legend(*shown, loc="outside lower center", ncols=5, handlelength=1.6)
    return drawn


KINDS = {
    "not imitating": ("#555555", ""),
    "shared init": (COLOURS[0], "///"),
    "the next seed's init": (COLOURS[1], "..."),
    "another init": (COLOURS[2], "xxx"),
}  # fmt: skip
"""Colour and hatch of the bars."""


def _kind(model: str) -> str:
    if model in (UNTRAINED, TEACHER, BODY):
        return "not imitating"
    if model in (AUX, ALL):
        return "shared init"
    return "the next seed's init" if model in (CROSS_AUX, CROSS_ALL) else "another init"
