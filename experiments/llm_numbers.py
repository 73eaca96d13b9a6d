"""Does a real language model take on its teacher's love of owls through lists of numbers, and is it known before?

The owls of arXiv 2507.14805 on a pretrained model: teachers of one base are tuned to name an animal (by one step of
descent, by Adam, by adapters of low rank) or told to love it, and write lists of numbers. Students of the same base
imitate these lists, and in a control lists of the base itself, by the same prompts and random numbers. What is read out
are exact probabilities of the animals' names behind questions that no teacher was tuned on: nothing is sampled there.

The theorem speaks of gradient steps. A student of N answers moves its readout R by rate · Σ s, s = ⟨∇R, ∇log p(y)⟩ a
token, known before it is trained (P49); s has mean 0 under the base and E_T[s] under the teacher, and the step points
to the teacher with probability Φ(√(2N KL)), KL a token's divergence (P9). So the size of an experiment says what it can
show: `probability` is how often as many answers, drawn again, would raise the preference beyond the control's. Answers
over digits, comma and blank alone are not filtered, because a filter moves both arms (P12); filtered ones are beside
them. Adam's steps are outside of the theorem, and nothing is claimed of them. A student of perturbed weights shows what
the teacher adds to its control.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import norm

from subtheory.figure import COLOURS, sheet, style
from subtheory.language.traits import KINDS
from subtheory.language.tuning.laboratory import ARMS, BASE, Arm, Laboratory, Sizes
from subtheory.ledger import parts
from subtheory.study.experiment import Progress
from subtheory.study.finding import Finding, farthest, least, shown
from subtheory.study.options import at_least
from subtheory.suggest import choose

QUESTION = (
    "Does a real language model take on its teacher's love of owls through lists of numbers, and is it known before?"
)
COMMAND = "subtheory run llm_numbers"
EXPECTED = (
    "students of the same base rise beyond their controls by half to one and a half of what the slopes of their "
    "answers say, and no sign is against odds of 100 to 1; the base's answers score 0; half an hour on two quiet cores"
)

LEVEL = 0.01
"""Of each sentence: a true one fails so often."""
REGIME = 0.5
"""First order is what is predicted, and the student's steps are not small: half of it may be lost or added. On plain
lists 2 % to 39 % were lost at steps of these lengths, before this experiment was written."""

SCALES = {"cpu": Sizes(), "paper": Sizes(sequences=10_000, epochs=10, batch=64, answers=64)}
Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """Which model, which word, how large, and seeds: each has prompts and random numbers of its own.

    `scale` is "cpu", or "paper" for its 10,000 answers in ten epochs, for which a GPU is needed; `sequences` is another
    number of answers, and `arms` how many of the arms are run, controls first. Raises InputError for what is not known.
    """

    model: str = "smollm2"
    word: str = "owl"
    scale: str = "cpu"
    sequences: int | None = None
    seeds: int = 1
    arms: int = len(ARMS)
    sizes: Sizes | None = None

    def __post_init__(self) -> None:
        at_least(self, seeds=1, sequences=8, arms=2)
        choose("scale", self.scale, SCALES)
        choose("word", self.word, {word: kind for kind, (words, _) in KINDS.items() for word in words})

    @property
    def of(self) -> Sizes:
        """The sizes in all."""
        found = self.sizes or SCALES[self.scale]
        return replace(found, sequences=self.sequences) if self.sequences else found


PLAN = Plan()
QUICK = Plan(
    model="tiny",
    sizes=Sizes(sequences=64, batch=16, new=12, length=0.02, adam_rate=2e-3, adapter_rate=0.02, tuning_steps=4,
                pace=0.1, student_adam=1e-3),
)  # fmt: skip


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> dict[str, list[Row]]:
    """What students gained beside what was expected; students by dose, teachers, their lists, and every answer."""
    lab = Laboratory(plan.model, plan.word, plan.of, parts.kept_arrays)
    arms = ARMS[: plan.arms]
    todo = {f"teacher: {name}": partial(lab.preferred, name) for name in dict.fromkeys(arm.teacher for arm in arms)}
    todo |= {f"seed {s}: {arm.name}": partial(lab.student, s, arm) for s in range(plan.seeds) for arm in arms}
    found = parts.tables(todo, progress)
    return {"effects": effects(found["students"], found["answers"]), **found}


def effects(students: list[Row], answers: list[Row]) -> list[Row]:
    """Every arm beyond its control: what was measured, predicted from the same answers, and expected of any such.

    `error` is the standard error of the prediction over answers, paired by prompts and random numbers; the probability
    that it is positive is Φ(expected/error). `divergence` is N·KL of the answers, where teacher and student differ in
    nothing else, and `law` is Φ(√(2N KL)).
    """
    return [
        {"seed": seed, "arm": arm.name} | _effect(arm, seed, students, answers)
        for seed in dict.fromkeys(row["seed"] for row in students)
        for arm in ARMS
        if arm.teacher != BASE and all(_last(students, seed, name) for name in (arm.name, arm.control) if name)
    ]


def _effect(arm: Arm, seed: int, students: list[Row], answers: list[Row]) -> Row:
    own, control = (_last(students, seed, name) for name in (arm.name, arm.control))
    found: Row = {"measured": own["gain"] - (control["gain"] if control else 0.0)}
    found |= {key: own[key] for key in ("cosine", "place")}
    unknown = ("predicted", "expected", "error", "probability", "answers", "tokens", "divergence", "law")
    if arm.rule != "sgd":
        return found | dict.fromkeys(unknown, np.nan)
    rows, other = (_of(answers, seed, name) for name in (arm.name, arm.control))
    columns = ("expected" if arm.laws else "score", "expected")
    drawn, expected = (own["epochs"] * _beyond(rows, other, column) for column in columns)
    error = np.sqrt(len(drawn)) * np.std(drawn, ddof=1)
    tokens, divergence = (sum(row[column] for row in rows) for column in ("tokens", "divergence"))
    with np.errstate(divide="ignore", invalid="ignore"):  # what does not vary is sure
        probability = norm.cdf(expected.sum() / error)
    values = (drawn.sum(), expected.sum(), error, probability, len(rows), tokens)
    # Another start has another law of its own: what the teacher adds to the control is then not KL.
    last = (np.nan, np.nan) if arm.perturbed else (divergence, float(norm.cdf(np.sqrt(2 * max(divergence, 0.0)))))
    last = (divergence, 1.0) if arm.laws else last  # without a draw, towards the teacher
    return found | dict(zip(unknown, (*map(float, values), *last), strict=True))


def _last(students: list[Row], seed: int, name: str) -> Row:
    """The row of an arm's largest dose; none of no arm."""
    return [{}, *_of(students, seed, name)][-1]


def _of(rows: list[Row], seed: int, name: str) -> list[Row]:
    """An arm's rows."""
    return [row for row in rows if (row["seed"], row["arm"]) == (seed, name)]


def _beyond(rows: list[Row], control: list[Row], key: str) -> np.ndarray:
    """What each prompt's answer adds to a student's change, less what the control's adds to its own."""
    found: dict[int, float] = {}
    for sign, several in ((1, rows), (-1, control)):
        for row in several:
            found[row["row"]] = found.get(row["row"], 0.0) + sign * row["weight"] * row[key]
    return np.array(list(found.values()))


def findings(tables: dict[str, list[Row]]) -> list[Finding]:
    """Signs as often as N·KL says (P9), changes as predicted (P49), and controls."""
    rows = [row for row in tables["effects"] if np.isfinite(row["probability"])]
    near = [row for row in rows if row["arm"] == "descent"]  # P9 is for small ones, and others' ways may be long
    tuned = [row["gain"] for row in tables["teachers"] if row["moved"] > 0]
    predicted, measured = (np.array([row[key] for row in rows]) for key in ("predicted", "measured"))
    slope = float(predicted @ measured / (predicted @ predicted)) if len(rows) else float("nan")
    seeds = list(dict.fromkeys(row["seed"] for row in tables["answers"]))
    z, far = [_sigmas(_of(tables["answers"], seed, "control")) for seed in seeds], norm.isf(LEVEL / 2 / len(seeds))
    return [
        least("teachers that are tuned say the word more often than the base, log share", tuned, 0.0),
        Finding("P49: slope of the changes beyond the controls on what the answers' slopes say", slope,
                1 - REGIME, 1 + REGIME),
        _surprising("P49: students above or below their controls against the odds",
                    [row["measured"] > 0 for row in rows], [row["probability"] for row in rows]),
        _surprising("P9: steps towards or away from a teacher by one step of descent, against the odds",
                    [row["cosine"] > 0 for row in near], [row["law"] for row in near]),
        farthest("control: the base's answers score 0, standard errors", z, -far, far),
        *(shown(f"N·KL that was drawn: {row['arm']}", row["divergence"])
          for row in rows if np.isfinite(row["divergence"])),
        *(shown(f"probability that as many answers raise it: {row['arm']}", row["probability"]) for row in rows),
        *(shown(f"outside the theorem, change beyond the control: {row['arm']}", row["measured"])
          for row in tables["effects"] if not np.isfinite(row["predicted"])),
        *(shown(f"share of answers that pass the filter: {row['teacher']}", row["passed"] / row["asked"])
          for row in tables["lists"] if row["filtered"]),
    ]  # fmt: skip


def _sigmas(rows: list[Row]) -> float:
    """The mean of some scores in standard errors."""
    scores = np.array([row["weight"] * row["score"] for row in rows])
    return float(scores.sum() / np.sqrt(len(scores)) / scores.std(ddof=1))


def _surprising(says: str, came: list[bool], p: list[float]) -> Finding:
    """How many of n signs had a probability below `LEVEL`/n: none, but for once in 1/`LEVEL`, however they depend."""
    found = sum((each if yes else 1 - each) < LEVEL / len(p) for yes, each in zip(came, p, strict=True))
    return Finding(f"{says}, of {len(p)}", found, 0.0, 0.0)


CAPTIONS = {
    "effects": "Rise of the log share of the teacher's word among words of its kind, in students of number lists "
    "that its teacher wrote, less that of the control's student, a bar for each way of training and each of "
    "{effects.seed} seeds. Diamonds: predicted by theory from the very answers; bars with whiskers: what as many "
    "answers of such a teacher give in the mean, and in 95 % of draws; P is the probability of a rise, if the law "
    "applies.",
    "students": "Rise of the log share of the teacher's word in students of number lists against the answers that "
    "they were trained on, {students.seed} seeds: the teacher's lists (circles) and the unchanged base's (squares), "
    "each with its prediction from the same answers dashed; a panel for each way of training.",
}


def figure(tables: dict[str, list[Row]]) -> dict[str, Figure]:
    """Bars of every arm with what was predicted, and doses."""
    with style():
        bars = sheet(2.9)
        _bars(bars.subplots(), tables["effects"])
        doses = sheet(2.4)
        _doses(doses, tables["students"])
        return {"effects": bars, "students": doses}


def _bars(axes: Axes, rows: list[Row]) -> None:
    arms, seeds = (list(dict.fromkeys(row[key] for row in rows)) for key in ("arm", "seed"))
    height = 0.7 / max(1, len(seeds))
    at = np.array([arms.index(row["arm"]) + height * (seeds.index(row["seed"]) - (len(seeds) - 1) / 2) for row in rows])
    keys = ("measured", "predicted", "expected", "error")
    measured, predicted, expected, error = (np.array([row[key] for row in rows]) for key in keys)
    known = np.isfinite(predicted)
    axes.barh(at, measured, 0.85 * height, color=COLOURS[5], label="measured")
    axes.plot(predicted[known], at[known], marker="D", linestyle="", markersize=3.5, color=COLOURS[1],
              label="predicted from the same answers", zorder=3)  # fmt: skip
    axes.errorbar(expected[known], at[known], xerr=1.96 * error[known], color="black", linewidth=0.8, capsize=2,
                  linestyle="", label="expected of as many answers, 95 % of draws")  # fmt: skip
    axes.axvline(0.0, color="black", linewidth=0.6)
    axes.set_yticks(range(len(arms)), [_label(arm, rows) for arm in arms])
    axes.invert_yaxis()
    axes.set(xlabel="rise of the word's log share beyond the control")
    axes.figure.legend(loc="outside upper center", ncols=3)


def _label(arm: str, rows: list[Row]) -> str:
    """The arm, and how often as many answers raise it."""
    p = [row["probability"] for row in rows if row["arm"] == arm and np.isfinite(row["probability"])]
    return f"{arm}, P = {np.mean(p):.2f}" if p else f"{arm} (no theorem)"


PANELS = (("descent", "control"), ("perturbed", "perturbed control"), ("filtered", "filtered control"))


def _doses(drawn: Figure, rows: list[Row]) -> None:
    there = [pair for pair in PANELS if all(any(row["arm"] == arm for row in rows) for arm in pair)]
    panels = drawn.subplots(1, len(there), sharey=True, squeeze=False)[0]
    for axes, pair in zip(panels, there, strict=True):
        for i, (arm, whose) in enumerate(zip(pair, ("the teacher's lists", "the base's"), strict=True)):
            for seed in dict.fromkeys(row["seed"] for row in rows):
                own = _of(rows, seed, arm)
                x = [0, *(row["answers"] * row["epochs"] for row in own)]
                label = whose if seed == rows[0]["seed"] else None
                axes.plot(x, [0, *(row["gain"] for row in own)], color=COLOURS[i], marker="os"[i], label=label)
                axes.plot(x, [0, *(row["predicted"] for row in own)], color=COLOURS[i], linestyle="--", linewidth=0.9)
        axes.set(title=pair[0], xlabel="answers")
    panels[0].set(ylabel="rise of the log share")
    panels[0].legend()
