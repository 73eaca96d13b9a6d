"""Does training do to a language model what a row forecast said before it, with and without the rows that weigh most?

A forecast reads two checkpoints and a data set, and says what each row adds to a student's step and to a trait (P49).
Here its word is held against what training then did, on two scales.

On a pretrained model (SmolLM2): a teacher takes a few gradient steps towards one animal among sixteen, and teacher and
base go on with the same lists of numbers by the same random numbers. Students of the base take one step on the rows of
an arm: all of the teacher's, all of the base's, or the teacher's without those that come first by what they take off
the trait loss, by their score, by difficulty, or by chance. The change of the trait loss is the forecast's up to O(α):
a ladder of rates shows where it leaves it, and an epoch of four batches whether steps add up. Control: the forecast of
all rows, held against what a student did without the rows that come first.

On the small world's models, trained until they know their texts, the forecast is that of the linearised student (as in
`tokens`), the mean over bases with its interval, for the same arms. No theorem covers so many steps: the calibration is
drawn as it is, and how far it is off is said.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from subtheory.data.world import WORLD
from subtheory.envelope import outgrown
from subtheory.figure import COLOURS, WIDTH, mark, sheet, style
from subtheory.language import derivatives, traits
from subtheory.language.foretold import measured, pairs, scoring
from subtheory.language.texts import Texts
from subtheory.ledger import parts
from subtheory.ledger.parts import kept_arrays
from subtheory.networks import Transformer
from subtheory.numerics import LADDER_RATIO
from subtheory.statistics import half_width, over_bases, pearson
from subtheory.study.experiment import Progress
from subtheory.study.finding import Finding, least, most, shown
from subtheory.study.forecast import assembled
from subtheory.study.options import at_least
from subtheory.suggest import choose
from subtheory.trained import texts as world
from subtheory.trained.texts import ALL, Arm, Auditor, Fit, Laboratory, column

QUESTION = "Does training do to a language model what a forecast of its rows said before?"
COMMAND = "subtheory run llm_forecast"
EXPECTED = (
    "one step changes the trait loss of SmolLM2 as forecast for every arm, off by O(α), and without the rows that come "
    "first not as all rows would; steps of an epoch add up about; 16 CPU minutes for 64 rows, 5 for the small world"
)

WITHOUT = ("trait", "score", "difficulty", "random")
"""What rows that are left out come first by: what they take off the trait loss, s, −log p0, and chance."""
EVERY, BASES, FEWER = "the teacher's rows", "the base's rows", "without the first by trait"
EPOCHS = (EVERY, BASES, FEWER)
"""Arms that are trained for an epoch of batches, too."""
RUNGS = 4
"""Rates of a ladder, each a quarter of the one before."""
BATCHES = 4
"""Steps of an epoch."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """A model by name, file or folder, its trait, rows of each arm and rates; and a small world's models."""

    model: str = "smollm2"
    trait: str = "owl"
    rows: int = 128
    tokens: int = 20
    lessons: int = 8
    lesson: float = 4e-6
    """What each of the teacher's steps moves, of the length of the weights."""
    rate: float = 1.6e-2
    """α of the ladder's first step."""
    share: float = 0.25
    """Of the rows that is left out."""
    draws: int = 2
    norms: int = 16
    seed: int = 0
    large: bool = True
    """Whether the pretrained model is run."""
    small: bool = True
    """Whether the small world is."""
    home: world.Plan = world.Plan(names=("owl",), seeds=1, samples=1024, bases=8)

    def __post_init__(self) -> None:
        at_least(self, rows=8, tokens=1, lessons=1, draws=1, norms=2, seed=0)
        choose("trait", self.trait, traits.TRAITS)

    @property
    def alphas(self) -> np.ndarray:
        """Rates of one step, (RUNGS,)."""
        return self.rate * LADDER_RATIO ** -np.arange(RUNGS)


PLAN = Plan()
QUICK = Plan(
    model="tiny", rows=24, tokens=4, lessons=2, lesson=2e-3, rate=1e-1, draws=1, norms=2,
    home=world.Plan(
        names=("owl",), seeds=1, bases=2, samples=64, texts=2048, lessons=256, trunk=Fit(120, 32, 2e-2, body=False),
        branch=Fit(30, 32, 1e-2, body=False), teaching=Fit(20, 32, 1e-2, body=False),
        student=Fit(20, 32, 3e-2, body=False), copies=1, directions=4,
        network=Transformer(width=16, heads=2, blocks=1, task=WORLD),
    ),
)  # fmt: skip


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> dict[str, list[Row]]:
    """Arms of the model at every rate, what the forecast says of its rows, and arms of the small world over bases."""
    found: dict[str, list[Row]] = {}
    if plan.large:
        told = parts.tables({"forecast": partial(foretold, plan)}, progress)
        todo = {f"arm {name}": partial(stepped, plan, name, told["rows"]) for name in arms(plan, told["rows"])}
        found = {"model": parts.rows(todo, progress), **told}
    return found | ({"world": in_the_world(plan, progress)} if plan.small else {})


# The pretrained model --------------------------------------------------------------------------------


def models(plan: Plan) -> pairs.Pair:
    """Base and teacher."""
    return pairs.pair(plan.model, plan.trait, plan.lessons, plan.lesson)


def said(plan: Plan, which: str) -> Texts:
    """How one of the two goes on with lists of numbers."""
    return models(plan).said(which, plan.rows, plan.tokens, plan.seed)


def foretold(plan: Plan) -> dict[str, list[Row]]:
    """The forecast before any training: its rows, totals and audit, and those of the base's rows."""
    m = models(plan)
    here, other = (scoring.Here(m.base.network, m.theta0, said(plan, name)) for name in ("teacher", "base"))
    found = measured(here, other, m.trait, m.teacher, draws=plan.draws, norms=plan.norms)
    told = assembled(found, 1.0, (), {})
    control: Any = found.control
    rows = [
        {**row, "of": "teacher", "readout": float(r)} for row, r in zip(told.rows, found.readout.score, strict=True)
    ]
    rows += [
        {"of": "base", "row": i, "readout": float(r), "score": float(s), "labels": float(n)}
        for i, (r, s, n) in enumerate(zip(control.readout.score, control.known.score, control.known.count, strict=True))
    ]
    names = ("row", "of", "readout", "score", "difficulty", "labels", "null", "oracle", "kernel")
    before, after = (m.trait.value(m.base.network, theta) for theta in (m.theta0, m.teacher))
    totals = told.totals | {"trait_loss": before, "teacher_trait_loss": after}
    return {
        "rows": [{name: row.get(name, float("nan")) for name in names} for row in rows],
        "totals": [totals], "audit": told.audit,
    }  # fmt: skip


def arms(plan: Plan, rows: list[Row]) -> dict[str, tuple[str, np.ndarray]]:
    """Whose rows a student of each arm takes, and which of them, (N,) bool."""
    own = {
        name: of([row for row in rows if row["of"] == "teacher"], name) for name in ("readout", "score", "difficulty")
    }
    first = {"trait": -own["readout"], "score": own["score"], "difficulty": own["difficulty"]}
    first["random"] = np.random.default_rng((plan.seed, 1)).random(plan.rows)
    every = np.ones(plan.rows, bool)
    found = {EVERY: ("teacher", every), BASES: ("base", every)}
    for name in WITHOUT:
        rank = np.argsort(np.argsort(-first[name], kind="stable"))
        found[f"without the first by {name}" if name != "random" else "without random ones"] = (
            "teacher", rank >= round(plan.share * plan.rows),
        )  # fmt: skip
    return found


def stepped(plan: Plan, name: str, rows: list[Row]) -> list[Row]:
    """Changes of the trait loss by one step at every rate, and by an epoch of batches, beside their forecasts."""
    m, (whose, keep) = models(plan), arms(plan, rows)[name]
    texts = said(plan, whose)
    readout, labels = (of([row for row in rows if row["of"] == whose], key) for key in ("readout", "labels"))
    at = np.flatnonzero(keep)
    slope = readout[keep].sum() / labels[keep].sum()
    half = half_width(len(at) * readout[keep] / labels[keep].sum())
    step = step_on(m, m.theta0, texts, at)
    told = lambda training, alpha, predicted, done: {  # noqa: E731
        "arm": name, "training": training, "alpha": float(alpha), "rows": len(at), "predicted": float(predicted),
        "low": float(predicted - alpha * half), "high": float(predicted + alpha * half), "measured": float(done),
    }  # fmt: skip
    found = [told("one step", alpha, alpha * slope, m.changed(step, alpha)) for alpha in plan.alphas]
    if name not in EPOCHS:
        return found
    del step
    theta, alpha = m.theta0, plan.alphas[1] / BATCHES
    batches = np.array_split(np.random.default_rng((plan.seed, 2)).permutation(at), BATCHES)
    for batch in batches:
        theta = derivatives.moved(theta, alpha, step_on(m, theta, texts, batch))
    after = m.changed(jax.tree.map(lambda a, b: np.asarray(a, float) - np.asarray(b), theta, m.theta0))
    predicted = alpha * sum(readout[batch].sum() / labels[batch].sum() for batch in batches)
    return [*found, told("an epoch", alpha * BATCHES, predicted, after)]


def step_on(m: pairs.Pair, theta: Any, texts: Texts, rows: np.ndarray) -> Any:
    """Of −log p on some rows."""
    return scoring.Here(m.base.network, theta, Texts(texts.tokens[rows], texts.mask[rows])).step()


# The small world ---------------------------------------------------------------------------------------


def in_the_world(plan: Plan, progress: Progress | None) -> list[Row]:
    """A row an arm and base: the rate of the thing in the student less its control's, foretold and after training."""
    small, name = replace(plan.home, names=(plan.home.names[0],)), plan.home.names[0]
    auditor = Auditor(Laboratory(small, kept_arrays), name)
    todo = {f"world: {title}": partial(imitated, auditor, title, arm) for title, arm in in_arms(auditor, plan).items()}
    return parts.rows(todo, progress)


def in_arms(auditor: Auditor, plan: Plan) -> dict[str, Callable[[], Arm]]:
    """The same arms, and half of the rows the base's."""
    n = auditor.lab.plan.samples
    found: dict[str, Callable[[], Arm]] = {
        ALL: lambda: auditor.all,
        "half the base's": partial(auditor.diluted, 0.5, n),
    }
    for title, score, top in (("trait", "natural", True), ("score", "update", True), ("difficulty", "surprise", True),
                              ("random", "random", True)):  # fmt: skip
        rest = ~auditor.ranked(score, plan.share, top)
        named = f"without the first by {title}" if title != "random" else "without random ones"
        found[named] = partial(auditor.weighed, rest, rest)
    return found


def imitated(auditor: Auditor, title: str, arm: Callable[[], Arm]) -> list[Row]:
    """One arm, one row a run."""
    lab, (trait, control, count), this = auditor.lab, arm(), column(auditor.name)
    after = lab.train(trait.sample, "numbers", count=count)[:, this]
    plain = lab.control(control.sample, "numbers", count)[:, this]
    said = lab.foretold(auditor.name, "numbers", trait.sample, control.sample)[:, -1]
    return [
        {"arm": title, "base_of": int(b), "predicted": float(p), "measured": float(a - c)}
        for b, p, a, c in zip(lab.base_of(), said, after, plain, strict=True)
    ]


# What is predicted ----------------------------------------------------------------------------------------


def of(rows: list[Row], key: str) -> np.ndarray:
    return np.array([row[key] for row in rows], float)


def by_arm(rows: list[Row]) -> dict[str, list[Row]]:
    """Rows of each arm, in order."""
    return {name: [row for row in rows if row["arm"] == name] for name in dict.fromkeys(row["arm"] for row in rows)}


def findings(tables: dict[str, list[Row]]) -> list[Finding]:
    """P49 on the model, its control, and how the forecasts lie beside what was measured."""
    return [*(of_the_model(tables) if "model" in tables else ()), *(of_the_world(tables) if "world" in tables else ())]


def of_the_model(tables: dict[str, list[Row]]) -> list[Finding]:
    steps = [row for row in tables["model"] if row["training"] == "one step"]
    epochs = [row for row in tables["model"] if row["training"] == "an epoch"]
    ladders = by_arm(steps)
    whole = of(ladders[EVERY], "predicted")
    off = [beyond(ladder, of(ladder, "predicted")) for ladder in ladders.values()]
    last = min(of(steps, "alpha"))
    (epoch,) = by_arm(epochs)[EVERY]
    return [
        most("P49: |Σ s_i/n − D| of the real step on the teacher's rows, over its rounding",
             of(tables["totals"], "adds_up"), 1),
        most("P49: change of the trait loss less its forecast, over its envelope O(α), by arm", off, 1),
        least("P49 control: the same of rows without the first by trait, by the forecast of all rows",
              [beyond(ladders[FEWER], whole)], 1),
        shown("slope of measured on forecast over arms, at the smallest rate",
              slope([row for row in steps if row["alpha"] == last])),
        shown("the same after an epoch of batches", slope(epochs)),
        shown("change of the trait loss by an epoch on the teacher's rows, over its forecast",
              epoch["measured"] / epoch["predicted"]),
    ]  # fmt: skip


def beyond(ladder: list[Row], said: np.ndarray) -> float:
    """What one step did less what was said, over α, and over its envelope O(α)."""
    alpha = of(ladder, "alpha")
    return outgrown(np.abs(of(ladder, "measured") - said) / alpha, alpha)


def of_the_world(tables: dict[str, list[Row]]) -> list[Finding]:
    runs = tables["world"]
    arms = summaries(runs)
    inside = [row["low"] <= row["predicted"] <= row["high"] for row in arms]
    return [
        shown("small world: slope of measured on forecast over arms, means over bases", slope(arms)),
        shown("small world: correlation of the two over arms and bases", pearson(*(of(runs, key) for key in KEYS))),
        shown("small world: share of arms whose forecast lies in the 95 % interval of what was measured",
              np.mean(inside)),
    ]  # fmt: skip


KEYS = ("predicted", "measured")


def slope(rows: list[Row]) -> float:
    """c that makes Σ(measured − c·predicted)² least."""
    said, done = (of(rows, key) for key in KEYS)
    return float(said @ done / (said @ said))


def summaries(runs: list[Row]) -> list[Row]:
    """Means over bases of every arm, with the bootstrap's 95 % interval of what was measured."""
    rows = []
    for name, chosen in by_arm(runs).items():
        found = over_bases(of(chosen, "measured"), of(chosen, "base_of"))
        said = over_bases(of(chosen, "predicted"), of(chosen, "base_of"))
        rows.append({"arm": name, "predicted": said.mean, "measured": found.mean, "low": found.low, "high": found.high,
                     "said_low": said.low, "said_high": said.high})  # fmt: skip
    return rows


def figure(tables: dict[str, list[Row]]) -> dict[str, Figure]:
    """Measured against forecast: arms of the model at the ladder's rates and after an epoch; arms of the world."""
    with style():
        drawn = {"model": _model(tables["model"])} if "model" in tables else {}
        return drawn | ({"world": _world(summaries(tables["world"]))} if "world" in tables else {})


CAPTIONS = {
    "model": "Change of the trait loss of a pretrained language model after training on sets of a teacher's rows, "
    "against its forecast from one derivative at the init, both over the learning rate α. First one step at three "
    "rates, the largest first, then an epoch of some batches. On the line the forecast came true; bars are the 95 % "
    "interval of the forecast if the rows were drawn again.",
    "world": "Rate of the trait in trained students of a small language world less that of their controls, in "
    "percentage points, against the forecast of the linearised student: means over {world.base_of} bases with 95 % "
    "bootstrap intervals of both, a mark for each set of rows; on the line they agree.",
}


def _model(rows: list[Row]) -> Figure:
    steps = [row for row in rows if row["training"] == "one step"]
    alphas = sorted({row["alpha"] for row in steps}, reverse=True)
    names = list(by_arm(rows))
    panels = [(f"a step, α = {alpha:.2g}", [row for row in steps if row["alpha"] == alpha])
              for alpha in (alphas[0], alphas[1], alphas[-1])]  # fmt: skip
    panels.append(("an epoch", [row for row in rows if row["training"] == "an epoch"]))
    drawn = sheet(2.5)
    for i, (axes, (title, chosen)) in enumerate(
        zip(drawn.subplots(1, 4, sharex=True, sharey=True), panels, strict=True)
    ):
        for row in chosen:
            alpha = row["alpha"]
            ends = [[(row["predicted"] - row["low"]) / alpha], [(row["high"] - row["predicted"]) / alpha]]
            axes.errorbar([row["predicted"] / alpha], [row["measured"] / alpha], xerr=ends, elinewidth=0.7,
                          label=row["arm"] if not i else None, **_look(names.index(row["arm"])))  # fmt: skip
        _diagonal(axes)
        axes.set(title=title, xlabel=r"forecast$/\alpha$", ylabel="" if i else r"measured$/\alpha$")
    drawn.legend(loc="outside lower center", ncols=3)
    return drawn


def _world(rows: list[Row]) -> Figure:
    drawn = sheet(2.9, 0.6 * WIDTH)
    axes = drawn.subplots()
    for k, row in enumerate(rows):
        x, y = 100 * row["predicted"], 100 * row["measured"]
        across = [[x - 100 * row["said_low"]], [100 * row["said_high"] - x]]
        along = [[y - 100 * row["low"]], [100 * row["high"] - y]]
        axes.errorbar([x], [y], along, across, elinewidth=0.7, capsize=1.5, label=row["arm"], **_look(k))
    _diagonal(axes)
    axes.set(xlabel="forecast (points)", ylabel="trained (points)")
    drawn.legend(loc="outside lower center", ncols=2)
    return drawn


def _diagonal(axes: Axes) -> None:
    axes.axline((0, 0), slope=1, color="black", linestyle="--", linewidth=0.8)
    axes.axhline(0, color="#777777", linewidth=0.6)


def _look(k: int) -> dict[str, Any]:
    """A mark without a line."""
    look = {key: value for key, value in mark(k).items() if key != "markeredgewidth"}
    return look | {"linestyle": "none", "color": COLOURS[k % len(COLOURS)]}
