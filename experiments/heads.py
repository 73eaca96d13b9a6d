"""Which parts of an init must teacher and student share: the auxiliary head, the body, the class head?

A teacher learns digits by its class logits; its student imitates the auxiliary logits alone, on noise. Body, auxiliary
head and class head of the student's init are each the teacher's or an independent draw (`init.ShareParts`): eight
students of one teacher, with the same noise in the same order. In one step of theory the update that the teacher adds
to the student lies along the student's own way to the trait, Δ_S, by E[(J_SΔ_S)ᵀ M (J_TΔ)], which needs the auxiliary
heads to agree on what they read and the class heads on what moved the bodies; many steps can do more, because a
student that matches enough auxiliary logits on enough inputs has matched the teacher's hidden layer, whatever its own
body began as. That is the finding of Brockers et al. (arXiv 2605.23645), with m = 10, squared error, and 60,000 fresh
inputs an epoch: a random body transfers if m is large, a random auxiliary head suppresses, a random class head gives
chance. What one step does is claimed: heads-alone-transmit, random-heads-cancel.
"""

from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from subtheory.figure import sheet, style
from subtheory.init import ShareParts
from subtheory.ledger import parts
from subtheory.statistics import as_often, mean_interval
from subtheory.study.experiment import Progress
from subtheory.study.finding import Finding, rate, shown
from subtheory.study.options import at_least
from subtheory.theory.losses import KL, Loss, SquaredError
from subtheory.trained.images import (
    Images,
    Workload,
    accuracy,
    along,
    digit_images,
    digit_network,
    imitate,
    one_step,
    single,
    starts,
    teach,
    teach_all,
)

QUESTION = "Which parts of an init must teacher and student share: the auxiliary head, the body, the class head?"
COMMAND = "subtheory run heads"
EXPECTED = (
    "all shared transfers most; a random class head gives chance for every m; a random auxiliary head suppresses; "
    "with both heads shared a random body transfers the more, the larger m"
)
CAPTIONS = {
    "heads": "Students that share parts of their teacher's init: a row has a filled circle for each of auxiliary "
    "head, body and class head that is shared and an empty one for each that is drawn again, a column a loss and a "
    "number m of auxiliary logits ({heads.m:list}). (a) Accuracy on held-out digits after training on noise, mean "
    "over {heads.seeds:one} seeds, ± half of its 95 % Student interval; chance is 0.1. (b) What one step of theory "
    "says: the functional cosine of the student's own way to the trait with the teacher's displacement, 1 with "
    "everything shared. Colours are the numbers, clipped to 0 and 1.",
}

LOSSES: dict[str, Loss] = {"kl": KL(temperature=1.0), "mse": SquaredError()}
CHANCE = 0.1
PARTS = ("aux", "body", "class")
CELLS = tuple(product((True, False), repeat=3))
"""Shared or not, in the order of `PARTS`."""
ALL = CELLS[0]
LEVEL, DECIDES = 0.01, 5
"""Of every test; seeds from which on an effect is claimed: one of three deviations is found in 97 of 100 runs."""
SEED = 5

Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """Who is trained, with each number m of auxiliary logits and each loss; the hidden layer they read has `width`."""

    workload: Workload = Workload()
    logits: tuple[int, ...] = (3, 10, 40)
    losses: tuple[str, ...] = tuple(LOSSES)
    width: int = 64
    seeds: int = 20

    def __post_init__(self) -> None:
        at_least(self, width=1, seeds=2)


PLAN = Plan()
QUICK = Plan(Workload(rows=8192), (3,), ("kl",), seeds=DECIDES)


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> dict[str, list[Row]]:
    """Eight rows for each loss and m, each cell's seeds, and what each setting says about the parts."""
    images = digit_images()
    settings = [(m, name) for m in plan.logits for name in plan.losses]
    keys = jax.random.split(jax.random.key(SEED), plan.seeds)

    def own(m: int, name: str) -> dict[str, list[Row]]:
        workload = replace(plan.workload, network=digit_network(plan.width, m), loss=LOSSES[name])
        found = measured(workload, images, keys)
        return {"heads": cell_rows(m, name, found), "seeds": seed_rows(m, name, found)}

    found = parts.tables({f"{name}, m = {m}": partial(own, m, name) for m, name in settings}, progress)
    return {"heads": found["heads"], "summary": summary_rows(found["seeds"]), "seeds": found["seeds"]}


def measured(workload: Workload, images: Images, keys: Any) -> dict[str, np.ndarray]:
    """Accuracies and one-step predictions of the eight students, (K, 8); teachers, and the ceiling, (K,)."""
    found = starts(workload, images, keys)
    theta0 = single(found.layout.unflatten(found.theta0))
    taught = teach(workload, theta0, images, keys)
    arms = []
    for aux, body, silent in CELLS:
        path = ShareParts(body=body, distilled=aux, silent=silent)
        arms.append(along(path, found, (1.0,), keys))
    inits = jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=1), *arms)
    trained = imitate(workload, inits, taught, keys)
    learned = teach_all(workload, inits, images, keys)
    theory = one_step(workload, theta0, taught, inits, learned, keys)
    ceiling = {**taught, "head": theta0["head"]}
    return {
        "accuracy": accuracy(workload, trained.params, images),
        "before": accuracy(workload, inits, images),
        "loss": trained.losses[..., -20:].mean(axis=-1),
        "kernel": theory.kernel,
        "functional_cosine": theory.functional_cosine,
        "teacher": accuracy(workload, taught, images),
        "ceiling": accuracy(workload, ceiling, images),
    }


def cell_rows(m: int, loss: str, found: dict[str, np.ndarray]) -> list[Row]:
    """Accuracy with its interval over seeds, beside one step of theory: relative kernel, functional cosine."""
    mean, low, high = mean_interval(found["accuracy"])
    kernel, cosine = mean_interval(relative(found["kernel"])), mean_interval(found["functional_cosine"])
    return [
        {
            "m": m, "loss": loss, **dict(zip(PARTS, cell, strict=True)), "seeds": len(found["accuracy"]),
            "accuracy": float(mean[i]), "low": float(low[i]), "high": float(high[i]),
            "before": float(found["before"][:, i].mean()), "imitation_loss": float(found["loss"][:, i].mean()),
            "kernel": float(kernel[0][i]), "kernel_low": float(kernel[1][i]), "kernel_high": float(kernel[2][i]),
            "functional_cosine": float(cosine[0][i]), "functional_cosine_low": float(cosine[1][i]),
            "functional_cosine_high": float(cosine[2][i]),
            "teacher": float(found["teacher"].mean()), "ceiling": float(found["ceiling"].mean()),
        }
        for i, cell in enumerate(CELLS)
    ]  # fmt: skip


def relative(values: np.ndarray) -> np.ndarray:
    """(K, A) over the mean of the first student, which shares all: a ratio of means, safe where a seed's is small."""
    return values / values[:, 0].mean()


def seed_rows(m: int, loss: str, found: dict[str, np.ndarray]) -> list[Row]:
    """One row a student."""
    return [
        {
            "m": m, "loss": loss, **dict(zip(PARTS, CELLS[i], strict=True)), "seed": k,
            "accuracy": float(found["accuracy"][k, i]), "kernel": float(found["kernel"][k, i]),
            "functional_cosine": float(found["functional_cosine"][k, i]),
        }
        for k, i in np.ndindex(found["accuracy"].shape)
    ]  # fmt: skip


CONTRASTS = (
    ("random body, both heads shared: above chance", (True, False, True), None, "above"),
    ("random body, both heads shared: minus all shared", (True, False, True), (True, True, True), "below"),
    ("random aux head, rest shared: above chance", (False, True, True), None, "not stated"),
    ("random aux head, rest shared: minus all shared", (False, True, True), (True, True, True), "below"),
    ("random class head, rest shared: above chance", (True, True, False), None, "not above"),
    ("nothing shared: above chance", (False, False, False), None, "not above"),
)
"""Statement of Brockers et al., cell, what is subtracted from it (None: chance), what they would have."""


def summary_rows(seeds: list[Row]) -> list[Row]:
    """Paired differences with their 95 % intervals, beside what Brockers et al. found."""
    rows = []
    for m, loss in dict.fromkeys((row["m"], row["loss"]) for row in seeds):
        for says, cell, other, wanted in CONTRASTS:
            values = of(seeds, m, loss, cell) - (CHANCE if other is None else of(seeds, m, loss, other))
            mean, low, high = (float(end) for end in mean_interval(values))
            seen = "above" if low > 0 else "below" if high < 0 else "not told apart"
            agrees = seen == wanted or (wanted == "not above" and seen != "above")
            verdict = "not stated" if wanted == "not stated" else "yes" if agrees else "no"
            rows.append(
                {
                    "m": m, "loss": loss, "says": says, "difference": mean, "low": low, "high": high,
                    "expected": wanted, "found": seen, "agrees": verdict,
                }
            )  # fmt: skip
    return rows


def findings(tables: dict[str, list[Row]]) -> list[Finding]:
    """g10: what each part of the init decides, in training and, by signs, in one step.

    Effects by the ends of one-sided 99 % intervals over seeds: the least of several counts, which needs no correction.
    """
    seeds = tables["seeds"]
    settings = list(dict.fromkeys((row["m"], row["loss"]) for row in seeds))
    every = {cell: np.array([of(seeds, *setting, cell) for setting in settings]) for cell in CELLS}
    # Nothing trains the class head, and a draw of its own treats all classes alike: its mean is chance exactly.
    drawn = np.mean([every[cell] for cell in CELLS if not cell[2]], axis=(0, 1))
    mean, low, high = (float(end) for end in mean_interval(drawn, 1 - LEVEL))
    lost = [_above(values) for values in every[ALL] - every[True, True, False]]
    behind = [_above((every[ALL] - every[cell]).mean(axis=0)) for cell in CELLS[1:]]
    effects = {
        "g10 control, random class head: less than with all shared, in each setting by at least": np.min(lost),
        "g10: less with each of seven other inits than with all shared, by at least": np.min(behind),
        **_rises(settings, every[True, False, True]),
    }
    # A head of the other sign turns what one step transmits, so that signs are fair coins.
    apart = [of(seeds, *setting, cell, "functional_cosine") for setting in settings for cell in CELLS if not cell[0]]
    coins = [as_often(_positive(values), len(values), 0.5, LEVEL / len(apart)) for values in apart]
    return [
        Finding("g10: mean accuracy with a random class head", mean, CHANCE + low - mean, CHANCE + high - mean),
        *(Finding(says, float(found), 0.0, claimed=len(drawn) >= DECIDES) for says, found in effects.items()),
        rate("g10, random aux head: one step helps as often as it hurts, in settings", coins),
        shown("random body, heads shared: mean functional cosine in one step",
              np.mean([of(seeds, *setting, (True, False, True), "functional_cosine") for setting in settings])),
    ]  # fmt: skip


def _positive(values: np.ndarray) -> float:
    """Share above 0, a tie as half of one."""
    return float((1 + np.mean(np.sign(values))) / 2)


def _above(values: np.ndarray) -> float:
    return float(mean_interval(values, 1 - 2 * LEVEL).low)


def _rises(settings: list[tuple[int, str]], accuracy: np.ndarray) -> dict[str, float]:
    """The slope of accuracies, (settings, seeds), in log m, by least squares in each seed; nothing for a single m."""
    log_m = np.log([m for m, _ in settings])
    weight = log_m - log_m.mean()
    if not np.any(weight):
        return {}
    slope = _above(weight @ accuracy / (weight @ weight))
    return {"g10, random body, heads shared: rise of the accuracy with log m, at least": slope}


def of(seeds: list[Row], m: int, loss: str, cell: tuple[bool, ...], name: str = "accuracy") -> np.ndarray:
    """A column of one cell, by seed."""
    chosen = [r for r in seeds if (r["m"], r["loss"]) == (m, loss) and tuple(r[part] for part in PARTS) == cell]
    return np.array([r[name] for r in sorted(chosen, key=lambda r: r["seed"])])


def figure(tables: dict[str, list[Row]]) -> Figure:
    """A table: eight rows of what is shared, a column a setting; left trained accuracy, right one step of theory."""
    cells = tables["heads"]
    settings = list(dict.fromkeys((row["m"], row["loss"]) for row in cells))
    with style():
        drawn = sheet(3.9)
        trained, theory = drawn.subplots(1, 2, width_ratios=(1.25, 1.0))
        _grid(trained, cells, settings, "accuracy")
        image = _grid(theory, cells, settings, "functional_cosine")
        drawn.colorbar(image, ax=[trained, theory], label="accuracy, or cosine from 0 on", aspect=40, pad=0.02)
        trained.set_title("(a) trained: accuracy ± half its 95 % interval")
        theory.set_title("(b) one step: functional cosine")
        _labels(trained)
    return drawn


def _labels(axes: Axes) -> None:
    """What is shared, as the names of the rows: a filled or an empty circle for each part."""
    axes.set_yticks(range(len(CELLS)), ["   ".join("●" if same else "○" for same in cell) for cell in CELLS])
    axes.annotate(
        "aux body class", (0, 1), (-4, 3), "axes fraction", textcoords="offset points", ha="right", fontsize=5.5
    )
    axes.set_xlabel("● shared   ○ independent; columns: loss, auxiliary logits m", fontsize=6.5)


def _grid(axes: Axes, cells: list[Row], settings: list[tuple[int, str]], name: str) -> AxesImage:
    """Numbers on their colours; text dark or light for contrast."""
    values = np.array([[_cell(cells, setting, cell)[name] for setting in settings] for cell in CELLS])
    image = axes.imshow(np.clip(values, 0, 1), vmin=0, vmax=1, cmap="cividis", aspect="auto")
    for i, j in np.ndindex(values.shape):
        row = _cell(cells, settings[j], CELLS[i])
        text = f"{values[i, j]:.2f}"
        if name == "accuracy":
            text += f"\n± {(row['high'] - row['low']) / 2:.2f}"
        colour = "white" if values[i, j] < 0.55 else "black"
        axes.text(j, i, text, ha="center", va="center", fontsize=6, color=colour, linespacing=1.0)
    axes.set_xticks(range(len(settings)), [f"{loss}\n{m}" for m, loss in settings])
    axes.set_yticks(range(len(CELLS)), [""] * len(CELLS))
    axes.tick_params(length=0)
    axes.grid(False)
    return image


def _cell(cells: list[Row], setting: tuple[int, str], cell: tuple[bool, ...]) -> Row:
    return next(
        row for row in cells if (row["m"], row["loss"]) == setting and tuple(row[part] for part in PARTS) == cell
    )
